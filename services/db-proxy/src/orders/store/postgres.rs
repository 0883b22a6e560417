//! Orders and quotes in PostgreSQL.

mod statements;
mod transaction;

use common::{
    api::{
        limit::{LimitChange, MAX_LIMIT_CHANGES},
        orders::{Order, OwnerFilter, client_name},
    },
    ids::{OrderId, QuoteId, UserId, WalletId},
    money::{FiatAmount, Rate, Sats},
    time::Timestamp,
};
use sqlx::{Acquire, PgConnection, Row, postgres::PgRow};
use uuid::Uuid;

use self::statements::{
    ANONYMOUS_RESERVED, DELETE_CLOSED_QUOTES, DELETE_KEYS, DELETE_REFUSALS, INSERT_LIMIT_CHANGE, LAST_SEQ_BEFORE,
    LIMIT_CHANGES, LOCK_LIMIT, ORDERS_BY_ID, QUOTES_BY_ID, SCAN, SCAN_REFERENCE, SCAN_REFERENCE_OF_USER, SCAN_USER,
    SEQ_OF_USER, SET_LIMIT, TOTALS, TOTALS_OF_USER, USER_ORDERS_BEFORE_ANONYMOUS, WALK_ANONYMOUS,
};
use self::transaction::{PostgresTransaction, stored_quote_of};
use super::{
    DecisionContext, ReferenceScan, Scan, UserRange,
    limit::{NewLimit, limit_change_of},
    ordered_by, parse_optional, parse_price_state,
    unit_of_work::OrderUnit,
};
use crate::{
    database::{
        DatabaseError,
        postgres::{ANSWER_TIMEOUT, PostgresDatabase},
        rows::{DatabaseRow, column_of, decode},
    },
    group_commit::{self, Attempt},
    orders::{
        command::{Command, Decision},
        records::{OwnerTotals, StoredOrder, StoredQuote, TimedTotals, Totals},
    },
};

#[derive(Clone)]
pub struct PostgresOrders(pub PostgresDatabase);

impl PostgresOrders {
    pub async fn commit_batch(
        &self,
        context: DecisionContext<'_>,
        commands: &mut [Command],
        attempt: &mut Attempt,
    ) -> Result<Vec<Decision>, DatabaseError> {
        let mut connection = self.0.acquire_writer().await?;
        let committed = async {
            let transaction = PostgresTransaction { inner: connection.begin().await?, durability: self.0.durability };
            let unit = OrderUnit { transaction, context, origin: &self.0.origin };
            group_commit::commit_batch(unit, commands, attempt).await
        };
        let committed = tokio::time::timeout(ANSWER_TIMEOUT, committed).await.unwrap_or(Err(DatabaseError::TimedOut));
        let decisions = committed.map_err(|error| self.0.record_failure(error))?;
        connection.release();
        if attempt.commit_sent {
            self.0.record_commit();
        }
        Ok(decisions)
    }

    pub async fn delete_keys(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        self.delete_rows(DELETE_KEYS, before, limit).await
    }

    pub async fn delete_closed_quotes(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        self.delete_rows(DELETE_CLOSED_QUOTES, before, limit).await
    }

    pub async fn delete_refusals(&self, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        self.delete_rows(DELETE_REFUSALS, before, limit).await
    }

    async fn delete_rows(&self, statement: &'static str, before: Timestamp, limit: i64) -> Result<u64, DatabaseError> {
        let deleted = self.0.run_in_background(|connection| {
            Box::pin(sqlx::query(statement).bind(before.to_datetime()).bind(limit).execute(connection))
        });
        Ok(deleted.await?.rows_affected())
    }

    /// The totals, read on the connection of the writer.
    pub async fn totals_for_writer(&self) -> Result<Totals, DatabaseError> {
        let row = self.0.run_on_writer(|connection| Box::pin(sqlx::query(TOTALS).fetch_one(connection))).await?;
        Ok(timed_totals_of(&row)?.totals)
    }

    pub async fn timed_totals(&self) -> Result<TimedTotals, DatabaseError> {
        let row = self.0.run_repeatable(|connection| Box::pin(sqlx::query(TOTALS).fetch_one(connection))).await?;
        timed_totals_of(&row)
    }

    pub async fn timed_totals_in_background(&self) -> Result<TimedTotals, DatabaseError> {
        let row = self.0.run_in_background(|connection| Box::pin(sqlx::query(TOTALS).fetch_one(connection))).await?;
        timed_totals_of(&row)
    }

    pub(super) async fn set_limit(&self, new: &NewLimit) -> Result<(), DatabaseError> {
        self.0.run_small_write(|connection| Box::pin(set_limit(connection, new.clone()))).await
    }

    pub(super) async fn limit_changes(&self) -> Result<Vec<LimitChange>, DatabaseError> {
        let rows = self.0.run_repeatable(|connection| {
            Box::pin(sqlx::query(LIMIT_CHANGES).bind(i64::from(MAX_LIMIT_CHANGES)).fetch_all(connection))
        });
        rows.await?.iter().map(limit_change_of).collect()
    }

    pub async fn totals_of_user(&self, user: UserId) -> Result<OwnerTotals, DatabaseError> {
        let client = client_name(Some(user));
        let row = self.0.run_repeatable(|connection| {
            Box::pin(sqlx::query(TOTALS_OF_USER).bind(user.0).bind(client.clone()).fetch_one(connection))
        });
        let row = row.await?;
        let (bitcoin, reserved) = (sats(&row, "bitcoin_sats")?, sats(&row, "reserved_sats")?);
        Ok(OwnerTotals { orders: row.try_get("orders")?, bitcoin, reserved })
    }

    pub async fn anonymous_reserved(&self) -> Result<Sats, DatabaseError> {
        let reserved =
            self.0.run_repeatable(|connection| Box::pin(sqlx::query_scalar(ANONYMOUS_RESERVED).fetch_one(connection)));
        decode("bitcoin_sats", Sats::new(reserved.await?))
    }

    pub async fn orders_by_id(&self, ids: &[OrderId]) -> Result<Vec<Order>, DatabaseError> {
        let ids = column_of(ids, |id| id.0);
        let rows = self
            .0
            .run_repeatable(|connection| Box::pin(sqlx::query(ORDERS_BY_ID).bind(ids.clone()).fetch_all(connection)));
        rows.await?.iter().map(|row| stored_order_of(row).map(|stored| stored.order)).collect()
    }

    pub async fn quote_by_id(&self, id: QuoteId) -> Result<Option<StoredQuote>, DatabaseError> {
        let row = self.0.run_repeatable(|connection| {
            Box::pin(sqlx::query(QUOTES_BY_ID).bind(vec![id.0]).fetch_optional(connection))
        });
        row.await?.as_ref().map(stored_quote_of).transpose()
    }

    pub(super) async fn scan(&self, scan: Scan<'_>) -> Result<Vec<StoredOrder>, DatabaseError> {
        let Scan { above, up_to, owner, filter, limit } = scan;
        let rows = self.0.run_repeatable(|connection| {
            let query = sqlx::query(if let OwnerFilter::User(_) = owner { SCAN_USER } else { SCAN })
                .bind(up_to)
                .bind(above)
                .bind(limit)
                .bind(filter.currency.map(|currency| currency.to_string()))
                .bind(filter.min_amount.map(FiatAmount::ten_thousandths))
                .bind(filter.max_amount.map(FiatAmount::ten_thousandths));
            let query = match owner {
                OwnerFilter::User(user) => query.bind(user.0),
                OwnerFilter::Anonymous | OwnerFilter::Everybody => query.bind(owner == OwnerFilter::Anonymous),
            };
            Box::pin(query.fetch_all(connection))
        });
        rows.await?.iter().map(stored_order_of).collect()
    }

    pub(super) async fn walk_anonymous(&self, scan: Scan<'_>) -> Result<Vec<StoredOrder>, DatabaseError> {
        let Scan { above, up_to, limit, .. } = scan;
        let rows = self.0.run_repeatable(|connection| {
            Box::pin(sqlx::query(WALK_ANONYMOUS).bind(up_to).bind(above).bind(limit).fetch_all(connection))
        });
        rows.await?.iter().map(stored_order_of).collect()
    }

    pub async fn user_orders_before_anonymous(&self, number: i64) -> Result<i64, DatabaseError> {
        let count = self.0.run_repeatable(|connection| {
            Box::pin(sqlx::query_scalar(USER_ORDERS_BEFORE_ANONYMOUS).bind(number).fetch_optional(connection))
        });
        Ok(count.await?.unwrap_or(0))
    }

    pub(super) async fn seq_of_user(&self, range: UserRange, skipped: i64) -> Result<Option<i64>, DatabaseError> {
        let UserRange { user, above, up_to } = range;
        let seq = self.0.run_repeatable(|connection| {
            let query = sqlx::query_scalar(SEQ_OF_USER).bind(user.0).bind(up_to).bind(above).bind(skipped);
            Box::pin(query.fetch_optional(connection))
        });
        seq.await
    }

    pub(super) async fn scan_reference(&self, scan: ReferenceScan<'_>) -> Result<Vec<StoredOrder>, DatabaseError> {
        let ReferenceScan { owner, reference, above, up_to, limit } = scan;
        let rows = self.0.run_repeatable(|connection| {
            let is_of_user = matches!(owner, OwnerFilter::User(_));
            let query = sqlx::query(if is_of_user { SCAN_REFERENCE_OF_USER } else { SCAN_REFERENCE });
            let query = query.bind(up_to).bind(above).bind(limit).bind(reference.as_str());
            let query = match owner {
                OwnerFilter::User(user) => query.bind(user.0),
                OwnerFilter::Anonymous | OwnerFilter::Everybody => query.bind(owner == OwnerFilter::Anonymous),
            };
            Box::pin(query.fetch_all(connection))
        });
        rows.await?.iter().map(stored_order_of).collect()
    }

    pub async fn last_seq_before(&self, id: OrderId) -> Result<i64, DatabaseError> {
        let seq = self.0.run_repeatable(|connection| {
            Box::pin(sqlx::query_scalar(LAST_SEQ_BEFORE).bind(id.0).fetch_optional(connection))
        });
        Ok(seq.await?.unwrap_or(0))
    }
}

/// Sets the limit and records the change, unless the limit is already the same.
async fn set_limit(connection: &mut PgConnection, new: NewLimit) -> Result<(), sqlx::Error> {
    let NewLimit { limit, setting, changed_by, changed_at } = new;
    let mut transaction = connection.begin().await?;
    let stored: Option<i64> = sqlx::query_scalar(LOCK_LIMIT).fetch_one(&mut *transaction).await?;
    if stored != Some(limit.get()) {
        sqlx::query(SET_LIMIT).bind(limit.get()).execute(&mut *transaction).await?;
        let query = sqlx::query(INSERT_LIMIT_CHANGE).bind(changed_at.to_datetime()).bind(changed_by.as_str());
        let query = query.bind(stored.unwrap_or(setting.get())).bind(limit.get());
        query.execute(&mut *transaction).await?;
    }
    transaction.commit().await
}

fn timed_totals_of(row: &PgRow) -> Result<TimedTotals, DatabaseError> {
    let totals = Totals {
        orders: row.try_get("orders")?,
        bitcoin: sats(row, "bitcoin_sats")?,
        reserved: sats(row, "reserved_sats")?,
        last_created_at: row.time("last_created_at")?,
        last_refused_at: row.time("last_refused_at")?,
        user_orders: row.try_get("user_orders")?,
        user_bitcoin: sats(row, "user_bitcoin_sats")?,
    };
    Ok(TimedTotals { totals, limit: limit_of(row)?, database_time: Some(row.time("database_time")?) })
}

fn limit_of(row: &PgRow) -> Result<Option<Sats>, DatabaseError> {
    decode("limit_sats", row.try_get::<Option<i64>, _>("limit_sats")?.map(Sats::new).transpose())
}

fn stored_order_of(row: &PgRow) -> Result<StoredOrder, DatabaseError> {
    let order = Order {
        id: OrderId(row.try_get::<Uuid, _>("id")?),
        created_at: row.time("created_at")?,
        currency: decode("currency", row.try_get::<&str, _>("currency")?.parse())?,
        amount: decode("amount_e4", FiatAmount::from_ten_thousandths(row.try_get("amount_e4")?))?,
        exchange_rate: decode("exchange_rate_e8", Rate::from_hundred_millionths(row.try_get("exchange_rate_e8")?))?,
        bitcoin_amount: sats(row, "bitcoin_sats")?,
        price_as_of: row.time("price_as_of")?,
        simulated: row.try_get("simulated")?,
        price_state: parse_price_state(row.try_get("price_state")?)?,
        ordered_by: ordered_by(row.try_get("by_bitcoin_amount")?),
        quote: row.try_get::<Option<Uuid>, _>("quote_id")?.map(QuoteId),
        client_reference: parse_optional("client_reference", row.try_get("client_reference")?)?,
        metadata: parse_optional("metadata", row.try_get("metadata")?)?,
        user_id: row.try_get::<Option<Uuid>, _>("user_id")?.map(UserId),
        wallet_id: row.try_get::<Option<Uuid>, _>("wallet_id")?.map(WalletId),
        credit_wallet_id: row.try_get::<Option<Uuid>, _>("credit_wallet_id")?.map(WalletId),
    };
    Ok(StoredOrder { seq: row.try_get("seq")?, order })
}

fn sats(row: &PgRow, column: &str) -> Result<Sats, DatabaseError> {
    decode(column, Sats::new(row.try_get(column)?))
}

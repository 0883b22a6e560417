//! Orders and quotes in an SQLite file.

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
use serde_json::json;
use sqlx::{Connection, Row, sqlite::SqliteRow};
use uuid::Uuid;

use self::statements::{
    ANONYMOUS_RESERVED, DELETE_CLOSED_QUOTES, DELETE_KEYS, DELETE_REFUSALS, INSERT_LIMIT_CHANGE, LAST_SEQ_BEFORE,
    LIMIT_CHANGES, ORDERS_BY_ID, QUOTES_BY_ID, READ_LIMIT, SCAN, SCAN_REFERENCE, SCAN_REFERENCE_OF_USER, SCAN_USER,
    SEQ_OF_USER, SET_LIMIT, TOTALS, TOTALS_OF_USER, USER_ORDERS_BEFORE_ANONYMOUS, WALK_ANONYMOUS,
};
use self::transaction::stored_quote_of;
use super::{
    DecisionContext, ReferenceScan, Scan, UserRange,
    limit::{NewLimit, limit_change_of},
    ordered_by, parse_optional, parse_price_state,
    unit_of_work::OrderUnit,
};
use crate::{
    database::{
        DatabaseError, TransactionConnection,
        rows::{DatabaseRow, column_of, decode, sqlite::to_hex},
        sqlite::SqliteDatabase,
    },
    group_commit::{self, Attempt},
    orders::{
        command::{Command, Decision},
        records::{OwnerTotals, StoredOrder, StoredQuote, TimedTotals, Totals},
    },
};

#[derive(Clone)]
pub struct SqliteOrders(pub SqliteDatabase);

impl SqliteOrders {
    pub async fn commit_batch(
        &self,
        context: DecisionContext<'_>,
        commands: &mut [Command],
        attempt: &mut Attempt,
    ) -> Result<Vec<Decision>, DatabaseError> {
        let mut connection = TransactionConnection::acquire(&self.0.writer).await?;
        // Takes the write lock before the first read, so that the rows do not change before the commit.
        let transaction = connection.begin_with("begin immediate").await?;
        let unit = OrderUnit { transaction, context, origin: &self.0.origin };
        let decisions = group_commit::commit_batch(unit, commands, attempt).await?;
        connection.release();
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
        let query = sqlx::query(statement).bind(before.micros()).bind(limit);
        Ok(query.execute(&self.0.writer).await?.rows_affected())
    }

    /// The totals, read on the connection of the writer.
    pub async fn totals_for_writer(&self) -> Result<Totals, DatabaseError> {
        let timed = timed_totals_of(&sqlx::query(TOTALS).fetch_one(&self.0.writer).await?)?;
        Ok(timed.totals)
    }

    pub async fn timed_totals(&self) -> Result<TimedTotals, DatabaseError> {
        timed_totals_of(&sqlx::query(TOTALS).fetch_one(&self.0.readers).await?)
    }

    pub async fn timed_totals_in_background(&self) -> Result<TimedTotals, DatabaseError> {
        timed_totals_of(&sqlx::query(TOTALS).fetch_one(&self.0.background).await?)
    }

    /// Sets the limit and records the change, unless the limit is already the same.
    pub(super) async fn set_limit(&self, new: &NewLimit) -> Result<(), DatabaseError> {
        let NewLimit { limit, setting, changed_by, changed_at } = new;
        let mut connection = TransactionConnection::acquire(&self.0.writer).await?;
        let mut transaction = connection.begin_with("begin immediate").await?;
        let stored: Option<i64> = sqlx::query_scalar(READ_LIMIT).fetch_one(&mut *transaction).await?;
        if stored != Some(limit.get()) {
            sqlx::query(SET_LIMIT).bind(limit.get()).execute(&mut *transaction).await?;
            let query = sqlx::query(INSERT_LIMIT_CHANGE).bind(changed_at.micros()).bind(changed_by.as_str());
            let query = query.bind(stored.unwrap_or(setting.get())).bind(limit.get());
            query.execute(&mut *transaction).await?;
        }
        transaction.commit().await.map_err(DatabaseError::of_write)?;
        connection.release();
        Ok(())
    }

    pub(super) async fn limit_changes(&self) -> Result<Vec<LimitChange>, DatabaseError> {
        let query = sqlx::query(LIMIT_CHANGES).bind(MAX_LIMIT_CHANGES);
        query.fetch_all(&self.0.readers).await?.iter().map(limit_change_of).collect()
    }

    pub async fn totals_of_user(&self, user: UserId) -> Result<OwnerTotals, DatabaseError> {
        let query = sqlx::query(TOTALS_OF_USER).bind(user.0).bind(client_name(Some(user)));
        let row = query.fetch_one(&self.0.readers).await?;
        let (bitcoin, reserved) = (sats(&row, "bitcoin_sats")?, sats(&row, "reserved_sats")?);
        Ok(OwnerTotals { orders: row.try_get("orders")?, bitcoin, reserved })
    }

    pub async fn anonymous_reserved(&self) -> Result<Sats, DatabaseError> {
        let reserved = sqlx::query_scalar(ANONYMOUS_RESERVED).fetch_one(&self.0.readers).await?;
        decode("bitcoin_sats", Sats::new(reserved))
    }

    pub async fn orders_by_id(&self, ids: &[OrderId]) -> Result<Vec<Order>, DatabaseError> {
        let ids = json!(column_of(ids, |id| to_hex(&id.0))).to_string();
        let rows = sqlx::query(ORDERS_BY_ID).bind(ids).fetch_all(&self.0.readers).await?;
        rows.iter().map(|row| stored_order_of(row).map(|stored| stored.order)).collect()
    }

    pub async fn quote_by_id(&self, id: QuoteId) -> Result<Option<StoredQuote>, DatabaseError> {
        let ids = json!([to_hex(&id.0)]).to_string();
        let row = sqlx::query(QUOTES_BY_ID).bind(ids).fetch_optional(&self.0.readers).await?;
        row.as_ref().map(stored_quote_of).transpose()
    }

    pub(super) async fn scan(&self, scan: Scan<'_>) -> Result<Vec<StoredOrder>, DatabaseError> {
        let Scan { above, up_to, owner, filter, limit } = scan;
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
        query.fetch_all(&self.0.readers).await?.iter().map(stored_order_of).collect()
    }

    pub(super) async fn walk_anonymous(&self, scan: Scan<'_>) -> Result<Vec<StoredOrder>, DatabaseError> {
        let Scan { above, up_to, limit, .. } = scan;
        let query = sqlx::query(WALK_ANONYMOUS).bind(up_to).bind(above).bind(limit);
        query.fetch_all(&self.0.readers).await?.iter().map(stored_order_of).collect()
    }

    pub async fn user_orders_before_anonymous(&self, number: i64) -> Result<i64, DatabaseError> {
        let query = sqlx::query_scalar(USER_ORDERS_BEFORE_ANONYMOUS).bind(number);
        Ok(query.fetch_optional(&self.0.readers).await?.unwrap_or(0))
    }

    pub(super) async fn seq_of_user(&self, range: UserRange, skipped: i64) -> Result<Option<i64>, DatabaseError> {
        let UserRange { user, above, up_to } = range;
        let query = sqlx::query_scalar(SEQ_OF_USER).bind(user.0).bind(up_to).bind(above).bind(skipped);
        Ok(query.fetch_optional(&self.0.readers).await?)
    }

    pub(super) async fn scan_reference(&self, scan: ReferenceScan<'_>) -> Result<Vec<StoredOrder>, DatabaseError> {
        let ReferenceScan { owner, reference, above, up_to, limit } = scan;
        let is_of_user = matches!(owner, OwnerFilter::User(_));
        let query = sqlx::query(if is_of_user { SCAN_REFERENCE_OF_USER } else { SCAN_REFERENCE });
        let query = query.bind(up_to).bind(above).bind(limit).bind(reference.as_str());
        let query = match owner {
            OwnerFilter::User(user) => query.bind(user.0),
            OwnerFilter::Anonymous | OwnerFilter::Everybody => query.bind(owner == OwnerFilter::Anonymous),
        };
        query.fetch_all(&self.0.readers).await?.iter().map(stored_order_of).collect()
    }

    pub async fn last_seq_before(&self, id: OrderId) -> Result<i64, DatabaseError> {
        let seq = sqlx::query_scalar(LAST_SEQ_BEFORE).bind(id.0).fetch_optional(&self.0.readers).await?;
        Ok(seq.unwrap_or(0))
    }
}

fn timed_totals_of(row: &SqliteRow) -> Result<TimedTotals, DatabaseError> {
    let totals = Totals {
        orders: row.try_get("orders")?,
        bitcoin: sats(row, "bitcoin_sats")?,
        reserved: sats(row, "reserved_sats")?,
        last_created_at: row.time("last_created_at")?,
        last_refused_at: row.time("last_refused_at")?,
        user_orders: row.try_get("user_orders")?,
        user_bitcoin: sats(row, "user_bitcoin_sats")?,
    };
    let limit = row.try_get::<Option<i64>, _>("limit_sats")?.map(Sats::new).transpose();
    Ok(TimedTotals { totals, limit: decode("limit_sats", limit)?, database_time: None })
}

fn stored_order_of(row: &SqliteRow) -> Result<StoredOrder, DatabaseError> {
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

fn sats(row: &SqliteRow, column: &str) -> Result<Sats, DatabaseError> {
    decode(column, Sats::new(row.try_get(column)?))
}

//! Orders and quotes in PostgreSQL.

mod statements;
mod transaction;

use chrono::{DateTime, Utc};
use common::{
    api::orders::Order,
    ids::{OrderId, QuoteId},
    money::{FiatAmount, Rate, Sats},
    time::Timestamp,
};
use sqlx::{Acquire, Row, postgres::PgRow};
use uuid::Uuid;

use self::statements::{
    DELETE_CLOSED_QUOTES, DELETE_KEYS, DELETE_REFUSALS, LAST_SEQ_BEFORE, ORDERS_BY_ID, QUOTES_BY_ID, SCAN,
    SCAN_REFERENCE, TOTALS,
};
use self::transaction::{PostgresTransaction, stored_quote_of};
use super::{
    DecisionContext, ReferenceScan, Scan, ordered_by, parse_optional, parse_price_state, unit_of_work::OrderUnit,
};
use crate::{
    database::{
        DatabaseError,
        postgres::{ANSWER_TIMEOUT, PostgresDatabase},
        rows::{column_of, decode},
    },
    group_commit::{self, Attempt},
    orders::{
        command::{Command, Decision},
        records::{StoredOrder, StoredQuote, TimedTotals, Totals},
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
        let Scan { above, up_to, filter, limit } = scan;
        let rows = self.0.run_repeatable(|connection| {
            let query = sqlx::query(SCAN)
                .bind(up_to)
                .bind(above)
                .bind(limit)
                .bind(filter.currency.map(|currency| currency.to_string()))
                .bind(filter.min_amount.map(FiatAmount::ten_thousandths))
                .bind(filter.max_amount.map(FiatAmount::ten_thousandths));
            Box::pin(query.fetch_all(connection))
        });
        rows.await?.iter().map(stored_order_of).collect()
    }

    pub(super) async fn scan_reference(&self, scan: ReferenceScan<'_>) -> Result<Vec<StoredOrder>, DatabaseError> {
        let ReferenceScan { reference, above, up_to, limit } = scan;
        let rows = self.0.run_repeatable(|connection| {
            let query = sqlx::query(SCAN_REFERENCE).bind(up_to).bind(above).bind(limit).bind(reference.as_str());
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

fn timed_totals_of(row: &PgRow) -> Result<TimedTotals, DatabaseError> {
    let totals = Totals {
        orders: row.try_get("orders")?,
        bitcoin: sats(row, "bitcoin_sats")?,
        reserved: sats(row, "reserved_sats")?,
        last_created_at: time(row, "last_created_at")?,
        last_refused_at: time(row, "last_refused_at")?,
    };
    Ok(TimedTotals { totals, database_time: Some(time(row, "database_time")?) })
}

fn stored_order_of(row: &PgRow) -> Result<StoredOrder, DatabaseError> {
    let order = Order {
        id: OrderId(row.try_get::<Uuid, _>("id")?),
        created_at: time(row, "created_at")?,
        currency: decode("currency", row.try_get::<&str, _>("currency")?.parse())?,
        amount: decode("amount_e4", FiatAmount::from_ten_thousandths(row.try_get("amount_e4")?))?,
        exchange_rate: decode("exchange_rate_e8", Rate::from_hundred_millionths(row.try_get("exchange_rate_e8")?))?,
        bitcoin_amount: sats(row, "bitcoin_sats")?,
        price_as_of: time(row, "price_as_of")?,
        simulated: row.try_get("simulated")?,
        price_state: parse_price_state(row.try_get("price_state")?)?,
        ordered_by: ordered_by(row.try_get("by_bitcoin_amount")?),
        quote: row.try_get::<Option<Uuid>, _>("quote_id")?.map(QuoteId),
        client_reference: parse_optional("client_reference", row.try_get("client_reference")?)?,
        metadata: parse_optional("metadata", row.try_get("metadata")?)?,
    };
    Ok(StoredOrder { seq: row.try_get("seq")?, order })
}

fn sats(row: &PgRow, column: &str) -> Result<Sats, DatabaseError> {
    decode(column, Sats::new(row.try_get(column)?))
}

fn time(row: &PgRow, column: &str) -> Result<Timestamp, DatabaseError> {
    Ok(row.try_get::<DateTime<Utc>, _>(column)?.into())
}

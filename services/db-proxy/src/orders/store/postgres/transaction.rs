//! The transaction of a batch in PostgreSQL.

use std::collections::HashMap;

use common::{
    api::{
        orders::{ClientReference, Metadata, OrderOrigin, ValidatedOrder},
        quotes::Quote,
    },
    ids::{OrderId, QuoteId, UserId},
    money::{FiatAmount, Rate, Sats},
    time::{MAX_CLOCK_SKEW, Timestamp},
};
use sqlx::{PgTransaction, Row, postgres::PgRow};
use uuid::Uuid;

use super::{
    sats,
    statements::{
        INSERT_ORDERS, INSERT_ORIGIN, INSERT_QUOTES, INSERT_REFUSALS, LOCK_TOTALS, ORDERS_BY_KEY, QUOTES_BY_ID,
        REFUSALS_BY_KEY, RELEASE_EXPIRED_QUOTES, RELEASE_QUOTES, RESERVED_BY_CLIENT, TAKE_QUOTES,
    },
    stored_order_of, timed_totals_of,
};
use crate::{
    database::{
        DatabaseError, Durability, READ_ORIGIN,
        durability::CommitSettings,
        rows::{DatabaseRow, column_of, decode},
    },
    orders::{
        command::ClientKey,
        records::{ChangeSet, RecordedRefusal, RefusalKey, StoredOrder, StoredQuote, TimedTotals},
        store::{
            ordered_by, parse_price_state, parse_quote_state, parse_refusal_amount, unit_of_work::OrderTransaction,
        },
    },
    wallets::store::{PostgresJournal, journal::JournalTransaction},
};

/// A transaction, and the durability that its commit must have.
pub(super) struct PostgresTransaction<'c> {
    pub inner: PgTransaction<'c>,
    pub durability: Durability,
}

impl OrderTransaction for PostgresTransaction<'_> {
    async fn lock_totals(&mut self) -> Result<TimedTotals, DatabaseError> {
        let row = sqlx::query(LOCK_TOTALS).fetch_one(&mut *self.inner).await?;
        let settings = CommitSettings {
            synchronous_commit: row.try_get("synchronous_commit")?,
            standby_names: row.try_get("standby_names")?,
        };
        if let Some(violation) = settings.violation(self.durability) {
            return Err(DatabaseError::NotDurable(violation));
        }
        timed_totals_of(&row)
    }

    async fn order_origin(&mut self) -> Result<Option<OrderOrigin>, DatabaseError> {
        let simulated: Option<bool> = sqlx::query_scalar(READ_ORIGIN).fetch_optional(&mut *self.inner).await?;
        Ok(simulated.map(OrderOrigin::of))
    }

    async fn release_expired_quotes(&mut self, now: Timestamp) -> Result<Sats, DatabaseError> {
        let query = sqlx::query_scalar(RELEASE_EXPIRED_QUOTES);
        let query = query.bind(now.to_datetime()).bind(now.plus(MAX_CLOCK_SKEW).to_datetime());
        decode("bitcoin_sats", Sats::new(query.fetch_one(&mut *self.inner).await?))
    }

    async fn orders_by_key(&mut self, keys: &[&ClientKey]) -> Result<HashMap<ClientKey, StoredOrder>, DatabaseError> {
        let (clients, keys) = (column_of(keys, |key| key.client.as_str()), column_of(keys, |key| key.key.as_str()));
        let rows = sqlx::query(ORDERS_BY_KEY).bind(clients).bind(keys).fetch_all(&mut *self.inner).await?;
        rows.iter().map(|row| Ok((client_key_of(row)?, stored_order_of(row)?))).collect()
    }

    async fn refusals_by_key(
        &mut self,
        keys: &[&ClientKey],
    ) -> Result<HashMap<RefusalKey, RecordedRefusal>, DatabaseError> {
        let (clients, keys) = (column_of(keys, |key| key.client.as_str()), column_of(keys, |key| key.key.as_str()));
        let rows = sqlx::query(REFUSALS_BY_KEY).bind(clients).bind(keys).fetch_all(&mut *self.inner).await?;
        rows.iter().map(refusal_of).collect()
    }

    async fn reserved_by_client(&mut self, clients: &[&str]) -> Result<HashMap<String, Sats>, DatabaseError> {
        let rows = sqlx::query(RESERVED_BY_CLIENT).bind(clients).fetch_all(&mut *self.inner).await?;
        rows.iter().map(|row| Ok((row.try_get("client")?, sats(row, "bitcoin_sats")?))).collect()
    }

    async fn quotes_by_id(&mut self, ids: Vec<Uuid>) -> Result<Vec<StoredQuote>, DatabaseError> {
        sqlx::query(QUOTES_BY_ID).bind(ids).fetch_all(&mut *self.inner).await?.iter().map(stored_quote_of).collect()
    }

    async fn write_changes(&mut self, changes: &ChangeSet) -> Result<(), DatabaseError> {
        let ChangeSet {
            orders, quotes, taken_quotes, released_quotes, refusals, totals, decided_at, new_origin, ..
        } = changes;
        if let Some(origin) = new_origin {
            sqlx::query(INSERT_ORIGIN).bind(origin.is_simulated()).execute(&mut *self.inner).await?;
        }
        if !quotes.is_empty() {
            sqlx::query(INSERT_QUOTES)
                .bind(column_of(quotes, |row| row.stored.quote.id.0))
                .bind(column_of(quotes, |row| row.stored.quote.created_at.to_datetime()))
                .bind(column_of(quotes, |row| row.stored.quote.expires_at.to_datetime()))
                .bind(column_of(quotes, |row| row.stored.quote.currency.to_string()))
                .bind(column_of(quotes, |row| row.stored.quote.amount.ten_thousandths()))
                .bind(column_of(quotes, |row| row.stored.quote.exchange_rate.hundred_millionths()))
                .bind(column_of(quotes, |row| row.stored.quote.bitcoin_amount.get()))
                .bind(column_of(quotes, |row| row.stored.quote.price_as_of.to_datetime()))
                .bind(column_of(quotes, |row| row.stored.sources.as_str()))
                .bind(column_of(quotes, |row| row.stored.quote.simulated))
                .bind(column_of(quotes, |row| row.stored.quote.price_state.as_str()))
                .bind(column_of(quotes, |row| row.stored.client.as_str()))
                .bind(column_of(quotes, |row| row.written_by.as_str()))
                .bind(column_of(quotes, |row| !row.stored.quote.ordered_by.is_amount()))
                .bind(column_of(quotes, |row| row.stored.quote.user_id.map(|id| id.0)))
                .execute(&mut *self.inner)
                .await?;
        }
        if !taken_quotes.is_empty() {
            sqlx::query(TAKE_QUOTES).bind(column_of(taken_quotes, |id| id.0)).execute(&mut *self.inner).await?;
        }
        if !released_quotes.is_empty() {
            let query = sqlx::query(RELEASE_QUOTES).bind(column_of(released_quotes, |id| id.0));
            query.bind(decided_at.to_datetime()).execute(&mut *self.inner).await?;
        }
        if !refusals.is_empty() {
            sqlx::query(INSERT_REFUSALS)
                .bind(column_of(refusals, |(key, _)| key.key.client.as_str()))
                .bind(column_of(refusals, |(key, _)| key.key.key.as_str()))
                .bind(column_of(refusals, |(key, _)| key.order.currency.to_string()))
                .bind(column_of(refusals, |(key, _)| key.amount_column()))
                .bind(column_of(refusals, |(_, refusal)| refusal.remaining.map(Sats::get)))
                .bind(column_of(refusals, |(_, refusal)| refusal.refused_at.to_datetime()))
                .execute(&mut *self.inner)
                .await?;
        }
        // If the batch has no paid orders, these two columns are empty, and `unnest` fills them with nulls.
        let has_wallets = orders.iter().any(|row| row.stored.order.wallet_id.is_some());
        let wallets = if has_wallets { orders.as_slice() } else { &[] };
        let paying = column_of(wallets, |row| row.stored.order.wallet_id.map(|id| id.0));
        let credited = column_of(wallets, |row| row.stored.order.credit_wallet_id.map(|id| id.0));
        sqlx::query(INSERT_ORDERS)
            .bind(column_of(orders, |row| row.stored.seq))
            .bind(column_of(orders, |row| row.stored.order.id.0))
            .bind(column_of(orders, |row| row.stored.order.created_at.to_datetime()))
            .bind(column_of(orders, |row| row.stored.order.currency.to_string()))
            .bind(column_of(orders, |row| row.stored.order.amount.ten_thousandths()))
            .bind(column_of(orders, |row| row.stored.order.exchange_rate.hundred_millionths()))
            .bind(column_of(orders, |row| row.stored.order.bitcoin_amount.get()))
            .bind(column_of(orders, |row| row.stored.order.price_as_of.to_datetime()))
            .bind(column_of(orders, |row| row.sources.as_str()))
            .bind(column_of(orders, |row| row.stored.order.simulated))
            .bind(column_of(orders, |row| row.stored.order.quote.map(|id| id.0)))
            .bind(column_of(orders, |row| row.stored.order.price_state.as_str()))
            .bind(column_of(orders, |row| row.key.client.as_str()))
            .bind(column_of(orders, |row| row.key.key.as_str()))
            .bind(totals.orders)
            .bind(totals.bitcoin.get())
            .bind(totals.reserved.get())
            .bind(totals.last_created_at.to_datetime())
            .bind(totals.last_refused_at.to_datetime())
            .bind(column_of(orders, |row| row.written_by.as_str()))
            .bind(column_of(orders, |row| !row.stored.order.ordered_by.is_amount()))
            .bind(column_of(orders, |row| row.stored.order.client_reference.as_ref().map(ClientReference::as_str)))
            .bind(column_of(orders, |row| row.stored.order.metadata.as_ref().map(Metadata::to_text)))
            .bind(totals.user_orders)
            .bind(totals.user_bitcoin.get())
            .bind(column_of(orders, |row| row.stored.order.user_id.map(|id| id.0)))
            .bind(column_of(orders, |row| row.anonymous_before))
            .bind(paying)
            .bind(credited)
            .execute(&mut *self.inner)
            .await?;
        Ok(())
    }

    fn journal(&mut self) -> impl JournalTransaction {
        PostgresJournal { connection: &mut self.inner, durability: self.durability }
    }

    async fn commit(self) -> Result<(), DatabaseError> {
        Ok(self.inner.commit().await?)
    }

    async fn roll_back(self) -> Result<(), DatabaseError> {
        Ok(self.inner.rollback().await?)
    }
}

fn client_key_of(row: &PgRow) -> Result<ClientKey, DatabaseError> {
    Ok(ClientKey { client: row.try_get("client")?, key: decode("key", row.try_get::<&str, _>("key")?.parse())? })
}

fn refusal_of(row: &PgRow) -> Result<(RefusalKey, RecordedRefusal), DatabaseError> {
    let currency = decode("currency", row.try_get::<&str, _>("currency")?.parse())?;
    let amount = parse_refusal_amount(row.try_get("amount_e4")?)?;
    let remaining = row.try_get::<Option<i64>, _>("remaining_sats")?.map(Sats::new).transpose();
    let key = RefusalKey { key: client_key_of(row)?, order: ValidatedOrder { currency, amount } };
    let remaining = decode("remaining_sats", remaining)?;
    Ok((key, RecordedRefusal { remaining, refused_at: row.time("refused_at")? }))
}

pub(super) fn stored_quote_of(row: &PgRow) -> Result<StoredQuote, DatabaseError> {
    let quote = Quote {
        id: QuoteId(row.try_get::<Uuid, _>("id")?),
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        currency: decode("currency", row.try_get::<&str, _>("currency")?.parse())?,
        amount: decode("amount_e4", FiatAmount::from_ten_thousandths(row.try_get("amount_e4")?))?,
        exchange_rate: decode("exchange_rate_e8", Rate::from_hundred_millionths(row.try_get("exchange_rate_e8")?))?,
        bitcoin_amount: sats(row, "bitcoin_sats")?,
        price_as_of: row.time("price_as_of")?,
        simulated: row.try_get("simulated")?,
        price_state: parse_price_state(row.try_get("price_state")?)?,
        state: parse_quote_state(row.try_get("state")?)?,
        order_id: row.try_get::<Option<Uuid>, _>("order_id")?.map(OrderId),
        ordered_by: ordered_by(row.try_get("by_bitcoin_amount")?),
        user_id: row.try_get::<Option<Uuid>, _>("user_id")?.map(UserId),
    };
    Ok(StoredQuote { quote, sources: row.try_get("price_sources")?, client: row.try_get("client")? })
}

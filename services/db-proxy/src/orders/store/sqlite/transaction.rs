//! The transaction of a batch in an SQLite file.

use std::collections::HashMap;

use common::{
    api::{
        orders::{Metadata, OrderOrigin, ValidatedOrder},
        quotes::Quote,
    },
    ids::{OrderId, QuoteId, UserId},
    money::{FiatAmount, Rate, Sats},
    time::{MAX_CLOCK_SKEW, Timestamp},
};
use serde_json::{Value, json};
use sqlx::{Row, SqliteTransaction, sqlite::SqliteRow};
use uuid::Uuid;

use super::{
    sats,
    statements::{
        INSERT_KEYS, INSERT_ORDERS, INSERT_ORIGIN, INSERT_QUOTES, INSERT_REFUSALS, ORDERS_BY_KEY, QUOTES_BY_ID,
        REFUSALS_BY_KEY, RELEASE_EXPIRED_QUOTES, RELEASE_QUOTES, RESERVED_BY_CLIENT, TAKE_QUOTES, TOTALS,
        UPDATE_TOTALS,
    },
    stored_order_of, timed_totals_of,
};
use crate::{
    database::{
        DatabaseError, READ_ORIGIN,
        rows::{DatabaseRow, column_of, decode, sqlite::to_hex},
    },
    orders::{
        command::ClientKey,
        records::{
            ChangeSet, NewOrderRow, NewQuoteRow, RecordedRefusal, RefusalKey, StoredOrder, StoredQuote, TimedTotals,
        },
        store::{
            ordered_by, parse_price_state, parse_quote_state, parse_refusal_amount, unit_of_work::OrderTransaction,
        },
    },
    wallets::store::{SqliteJournal, journal::JournalTransaction},
};

/// The transaction must hold the write lock from its beginning.
impl OrderTransaction for SqliteTransaction<'_> {
    async fn lock_totals(&mut self) -> Result<TimedTotals, DatabaseError> {
        timed_totals_of(&sqlx::query(TOTALS).fetch_one(&mut **self).await?)
    }

    async fn order_origin(&mut self) -> Result<Option<OrderOrigin>, DatabaseError> {
        let simulated: Option<bool> = sqlx::query_scalar(READ_ORIGIN).fetch_optional(&mut **self).await?;
        Ok(simulated.map(OrderOrigin::of))
    }

    async fn release_expired_quotes(&mut self, now: Timestamp) -> Result<Sats, DatabaseError> {
        let query = sqlx::query_scalar(RELEASE_EXPIRED_QUOTES);
        let query = query.bind(now.micros()).bind(now.plus(MAX_CLOCK_SKEW).micros());
        let reservations: Vec<i64> = query.fetch_all(&mut **self).await?;
        decode("bitcoin_sats", Sats::new(reservations.into_iter().sum()))
    }

    async fn orders_by_key(&mut self, keys: &[&ClientKey]) -> Result<HashMap<ClientKey, StoredOrder>, DatabaseError> {
        let rows = sqlx::query(ORDERS_BY_KEY).bind(keys_as_json(keys)).fetch_all(&mut **self).await?;
        rows.iter().map(|row| Ok((client_key_of(row)?, stored_order_of(row)?))).collect()
    }

    async fn refusals_by_key(
        &mut self,
        keys: &[&ClientKey],
    ) -> Result<HashMap<RefusalKey, RecordedRefusal>, DatabaseError> {
        let rows = sqlx::query(REFUSALS_BY_KEY).bind(keys_as_json(keys)).fetch_all(&mut **self).await?;
        rows.iter().map(refusal_of).collect()
    }

    async fn reserved_by_client(&mut self, clients: &[&str]) -> Result<HashMap<String, Sats>, DatabaseError> {
        let clients = json!(clients).to_string();
        let rows = sqlx::query(RESERVED_BY_CLIENT).bind(clients).fetch_all(&mut **self).await?;
        rows.iter().map(|row| Ok((row.try_get("client")?, sats(row, "bitcoin_sats")?))).collect()
    }

    async fn quotes_by_id(&mut self, ids: Vec<Uuid>) -> Result<Vec<StoredQuote>, DatabaseError> {
        let ids = json!(column_of(&ids, to_hex)).to_string();
        sqlx::query(QUOTES_BY_ID).bind(ids).fetch_all(&mut **self).await?.iter().map(stored_quote_of).collect()
    }

    async fn write_changes(&mut self, changes: &ChangeSet) -> Result<(), DatabaseError> {
        let ChangeSet {
            orders, quotes, taken_quotes, released_quotes, refusals, totals, decided_at, new_origin, ..
        } = changes;
        if let Some(origin) = new_origin {
            sqlx::query(INSERT_ORIGIN).bind(origin.is_simulated()).execute(&mut **self).await?;
        }
        if !quotes.is_empty() {
            let quotes = json!(column_of(quotes, quote_as_json)).to_string();
            sqlx::query(INSERT_QUOTES).bind(quotes).execute(&mut **self).await?;
        }
        if !taken_quotes.is_empty() {
            let ids = json!(column_of(taken_quotes, |id| to_hex(&id.0))).to_string();
            sqlx::query(TAKE_QUOTES).bind(ids).execute(&mut **self).await?;
        }
        if !released_quotes.is_empty() {
            let ids = json!(column_of(released_quotes, |id| to_hex(&id.0))).to_string();
            sqlx::query(RELEASE_QUOTES).bind(ids).bind(decided_at.micros()).execute(&mut **self).await?;
        }
        if !orders.is_empty() {
            let orders = json!(column_of(orders, order_as_json)).to_string();
            sqlx::query(INSERT_ORDERS).bind(&orders).execute(&mut **self).await?;
            sqlx::query(INSERT_KEYS).bind(&orders).execute(&mut **self).await?;
        }
        if !refusals.is_empty() {
            let refusals = json!(column_of(refusals, refusal_as_json)).to_string();
            sqlx::query(INSERT_REFUSALS).bind(refusals).execute(&mut **self).await?;
        }
        sqlx::query(UPDATE_TOTALS)
            .bind(totals.orders)
            .bind(totals.bitcoin.get())
            .bind(totals.reserved.get())
            .bind(totals.last_created_at.micros())
            .bind(totals.last_refused_at.micros())
            .bind(totals.user_orders)
            .bind(totals.user_bitcoin.get())
            .execute(&mut **self)
            .await?;
        Ok(())
    }

    fn journal(&mut self) -> impl JournalTransaction {
        SqliteJournal(self)
    }

    async fn commit(self) -> Result<(), DatabaseError> {
        Ok(SqliteTransaction::commit(self).await?)
    }

    async fn roll_back(self) -> Result<(), DatabaseError> {
        Ok(self.rollback().await?)
    }
}

/// The parameter of [`ORDERS_BY_KEY`] and [`REFUSALS_BY_KEY`].
fn keys_as_json(keys: &[&ClientKey]) -> String {
    json!(column_of(keys, |key| (&key.client, &key.key))).to_string()
}

/// A row of [`INSERT_ORDERS`] and [`INSERT_KEYS`], which refer to its elements by index.
fn order_as_json(row: &NewOrderRow) -> Value {
    let StoredOrder { seq, order } = &row.stored;
    json!([
        seq,
        to_hex(&order.id.0),
        order.created_at.micros(),
        order.currency,
        order.amount.ten_thousandths(),
        order.exchange_rate.hundred_millionths(),
        order.bitcoin_amount.get(),
        order.price_as_of.micros(),
        row.sources,
        i32::from(order.simulated),
        order.quote.map(|id| to_hex(&id.0)),
        order.price_state.as_str(),
        row.written_by.as_str(),
        i32::from(!order.ordered_by.is_amount()),
        order.client_reference,
        order.metadata.as_ref().map(Metadata::to_text),
        order.user_id.map(|id| to_hex(&id.0)),
        row.anonymous_before,
        row.key.client,
        row.key.key,
        order.wallet_id.map(|id| to_hex(&id.0)),
        order.credit_wallet_id.map(|id| to_hex(&id.0)),
    ])
}

/// A row of [`INSERT_QUOTES`], which refers to its elements by index.
fn quote_as_json(row: &NewQuoteRow) -> Value {
    let StoredQuote { quote, sources, client, .. } = &row.stored;
    json!([
        to_hex(&quote.id.0),
        quote.created_at.micros(),
        quote.expires_at.micros(),
        quote.currency,
        quote.amount.ten_thousandths(),
        quote.exchange_rate.hundred_millionths(),
        quote.bitcoin_amount.get(),
        quote.price_as_of.micros(),
        sources,
        i32::from(quote.simulated),
        quote.price_state.as_str(),
        client,
        row.written_by.as_str(),
        i32::from(!quote.ordered_by.is_amount()),
        quote.user_id.map(|id| to_hex(&id.0)),
    ])
}

/// A row of [`INSERT_REFUSALS`], which refers to its elements by index.
fn refusal_as_json((key, refusal): &(RefusalKey, RecordedRefusal)) -> Value {
    json!([
        key.key.client,
        key.key.key,
        key.order.currency,
        key.amount_column(),
        refusal.remaining.map(Sats::get),
        refusal.refused_at.micros(),
    ])
}

fn client_key_of(row: &SqliteRow) -> Result<ClientKey, DatabaseError> {
    Ok(ClientKey { client: row.try_get("client")?, key: decode("key", row.try_get::<&str, _>("key")?.parse())? })
}

fn refusal_of(row: &SqliteRow) -> Result<(RefusalKey, RecordedRefusal), DatabaseError> {
    let currency = decode("currency", row.try_get::<&str, _>("currency")?.parse())?;
    let amount = parse_refusal_amount(row.try_get("amount_e4")?)?;
    let remaining = row.try_get::<Option<i64>, _>("remaining_sats")?.map(Sats::new).transpose();
    let key = RefusalKey { key: client_key_of(row)?, order: ValidatedOrder { currency, amount } };
    let remaining = decode("remaining_sats", remaining)?;
    Ok((key, RecordedRefusal { remaining, refused_at: row.time("refused_at")? }))
}

pub(super) fn stored_quote_of(row: &SqliteRow) -> Result<StoredQuote, DatabaseError> {
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

//! The steps of settling a group in a file of SQLite.

use std::collections::HashMap;

use common::{
    api::quotes::Quote,
    ids::QuoteId,
    money::{FiatAmount, Rate, Sats},
    time::Timestamp,
};
use serde_json::json;
use sqlx::{Row, Sqlite, Transaction, sqlite::SqliteRow};
use uuid::Uuid;

use super::{TOTALS, hex, order_of, totals_of};
use crate::{
    ledger::{ChangeSet, ClientKey, NewOrderRow, RecordedRefusal, RefusalKey, StoredOrder, StoredQuote, Totals},
    store::{StoreError, column, each, price_state, quote_state, settle::UnitOfWork},
};

const RELEASE_DUE_QUOTES: &str =
    "update quotes set state = 'expired' where state = 'held' and expires_at <= ?1 returning bitcoin_sats";

const ORDERS_OF_KEYS: &str = "
    select k.client, k.key, o.*
    from json_each(?1) as wanted
    join idempotency_keys k on k.client = wanted.value ->> 0 and k.key = wanted.value ->> 1
    join orders o on o.seq = k.order_seq";

const QUOTES_BY_ID: &str = "select * from quotes where id in (select unhex(value) from json_each(?1))";

const TAKE_QUOTES: &str = "update quotes set state = 'taken' where id in (select unhex(value) from json_each(?1))";

/// One statement for all rows: SQLite reads them out of one JSON array.
const INSERT_QUOTES: &str = "
    insert into quotes (
        id, created_at, expires_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
        simulated, price_state, state
    )
    select
        unhex(value ->> 0), value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8, value ->> 9, value ->> 10, 'held'
    from json_each(?1)";

const INSERT_ORDERS: &str = "
    insert into orders (
        seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources, simulated,
        quote_id, price_state
    )
    select
        value ->> 0, unhex(value ->> 1), value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
        value ->> 8, value ->> 9, unhex(value ->> 12), value ->> 13
    from json_each(?1)";

const INSERT_KEYS: &str = "
    insert into idempotency_keys (client, key, order_seq, created_at)
    select value ->> 10, value ->> 11, value ->> 0, value ->> 2 from json_each(?1)";

const UPDATE_TOTALS: &str = "
    update order_totals
    set orders = ?1, bitcoin_sats = ?2, reserved_sats = ?3, last_created_at = ?4, last_refused_at = ?5";

const REFUSALS_OF_KEYS: &str = "
    select r.* from json_each(?1) as wanted
    join refusals r on r.client = wanted.value ->> 0 and r.key = wanted.value ->> 1";

/// The condition tells the parser that what follows is no part of a join.
const INSERT_REFUSALS: &str = "
    insert into refusals (client, key, currency, amount_e4, remaining_sats, refused_at)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 from json_each(?1) where true
    on conflict (client, key, currency, amount_e4)
    do update set remaining_sats = excluded.remaining_sats, refused_at = excluded.refused_at";

/// A transaction that was begun with the lock for writing.
impl UnitOfWork for Transaction<'_, Sqlite> {
    async fn lock(&mut self) -> Result<Totals, StoreError> {
        totals_of(&sqlx::query(TOTALS).fetch_one(&mut **self).await?)
    }

    async fn release_due_quotes(&mut self, now: Timestamp) -> Result<Sats, StoreError> {
        let due: Vec<i64> = sqlx::query_scalar(RELEASE_DUE_QUOTES).bind(now.micros()).fetch_all(&mut **self).await?;
        column("bitcoin_sats", Sats::new(due.into_iter().sum()))
    }

    async fn orders_of(&mut self, keys: &[&ClientKey]) -> Result<HashMap<ClientKey, StoredOrder>, StoreError> {
        let wanted = json!(each(keys, |key| (&key.client, &key.key))).to_string();
        let rows = sqlx::query(ORDERS_OF_KEYS).bind(wanted).fetch_all(&mut **self).await?;
        rows.iter().map(|row| Ok((key_of(row)?, order_of(row)?))).collect()
    }

    async fn refusals_of(&mut self, keys: &[&ClientKey]) -> Result<HashMap<RefusalKey, RecordedRefusal>, StoreError> {
        let wanted = json!(each(keys, |key| (&key.client, &key.key))).to_string();
        let rows = sqlx::query(REFUSALS_OF_KEYS).bind(wanted).fetch_all(&mut **self).await?;
        rows.iter().map(refusal_of).collect()
    }

    async fn quotes(&mut self, ids: Vec<Uuid>) -> Result<Vec<StoredQuote>, StoreError> {
        let wanted = json!(each(&ids, hex)).to_string();
        sqlx::query(QUOTES_BY_ID).bind(wanted).fetch_all(&mut **self).await?.iter().map(quote_of).collect()
    }

    async fn commit(self) -> Result<(), StoreError> {
        Ok(Transaction::commit(self).await?)
    }

    async fn roll_back(self) -> Result<(), StoreError> {
        Ok(self.rollback().await?)
    }

    async fn write(&mut self, changes: &ChangeSet) -> Result<(), StoreError> {
        let ChangeSet { rows, held, taken, refusals, totals, .. } = changes;
        if !held.is_empty() {
            let held = json!(each(held, quote_as_array)).to_string();
            sqlx::query(INSERT_QUOTES).bind(held).execute(&mut **self).await?;
        }
        if !taken.is_empty() {
            let taken = json!(each(taken, |id| hex(&id.0))).to_string();
            sqlx::query(TAKE_QUOTES).bind(taken).execute(&mut **self).await?;
        }
        if !rows.is_empty() {
            let rows = json!(each(rows, order_as_array)).to_string();
            sqlx::query(INSERT_ORDERS).bind(&rows).execute(&mut **self).await?;
            sqlx::query(INSERT_KEYS).bind(&rows).execute(&mut **self).await?;
        }
        if !refusals.is_empty() {
            let refusals = json!(each(refusals, refusal_as_array)).to_string();
            sqlx::query(INSERT_REFUSALS).bind(refusals).execute(&mut **self).await?;
        }
        sqlx::query(UPDATE_TOTALS)
            .bind(totals.orders)
            .bind(totals.bitcoin.get())
            .bind(totals.reserved.get())
            .bind(totals.last_created_at.micros())
            .bind(totals.last_refused_at.micros())
            .execute(&mut **self)
            .await?;
        Ok(())
    }
}

/// The columns in the order in which [`INSERT_ORDERS`] and [`INSERT_KEYS`] pick them.
fn order_as_array(row: &NewOrderRow) -> serde_json::Value {
    let StoredOrder { seq, order, quote } = &row.stored;
    json!([
        seq,
        hex(&order.id.0),
        order.created_at.micros(),
        order.currency,
        order.amount.ten_thousandths(),
        order.exchange_rate.hundred_millionths(),
        order.bitcoin_amount.get(),
        order.price_as_of.micros(),
        row.sources,
        i32::from(order.simulated),
        row.key.client,
        row.key.key,
        quote.map(|id| hex(&id.0)),
        order.price_state.as_str(),
    ])
}

/// The columns in the order in which [`INSERT_QUOTES`] picks them.
fn quote_as_array(StoredQuote { quote, sources, .. }: &StoredQuote) -> serde_json::Value {
    json!([
        hex(&quote.id.0),
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
    ])
}

/// The columns in the order in which [`INSERT_REFUSALS`] picks them.
fn refusal_as_array((asked, refusal): &(RefusalKey, RecordedRefusal)) -> serde_json::Value {
    json!([
        asked.key.client,
        asked.key.key,
        asked.currency,
        asked.amount.ten_thousandths(),
        refusal.remaining.map(Sats::get),
        refusal.at.micros(),
    ])
}

fn key_of(row: &SqliteRow) -> Result<ClientKey, StoreError> {
    Ok(ClientKey { client: row.try_get("client")?, key: column("key", row.try_get::<&str, _>("key")?.parse())? })
}

fn refusal_of(row: &SqliteRow) -> Result<(RefusalKey, RecordedRefusal), StoreError> {
    let currency = column("currency", row.try_get::<&str, _>("currency")?.parse())?;
    let amount = column("amount_e4", FiatAmount::from_ten_thousandths(row.try_get("amount_e4")?))?;
    let remaining = row.try_get::<Option<i64>, _>("remaining_sats")?.map(Sats::new).transpose();
    let at = column("refused_at", Timestamp::from_micros(row.try_get("refused_at")?))?;
    Ok((
        RefusalKey { key: key_of(row)?, currency, amount },
        RecordedRefusal { remaining: column("remaining_sats", remaining)?, at },
    ))
}

fn quote_of(row: &SqliteRow) -> Result<StoredQuote, StoreError> {
    let quote = Quote {
        id: QuoteId(row.try_get::<Uuid, _>("id")?),
        created_at: column("created_at", Timestamp::from_micros(row.try_get("created_at")?))?,
        expires_at: column("expires_at", Timestamp::from_micros(row.try_get("expires_at")?))?,
        currency: column("currency", row.try_get::<&str, _>("currency")?.parse())?,
        amount: column("amount_e4", FiatAmount::from_ten_thousandths(row.try_get("amount_e4")?))?,
        exchange_rate: column("exchange_rate_e8", Rate::from_hundred_millionths(row.try_get("exchange_rate_e8")?))?,
        bitcoin_amount: column("bitcoin_sats", Sats::new(row.try_get("bitcoin_sats")?))?,
        price_as_of: column("price_as_of", Timestamp::from_micros(row.try_get("price_as_of")?))?,
        simulated: row.try_get("simulated")?,
        price_state: price_state(row.try_get("price_state")?)?,
    };
    Ok(StoredQuote { quote, sources: row.try_get("price_sources")?, state: quote_state(row.try_get("state")?)? })
}

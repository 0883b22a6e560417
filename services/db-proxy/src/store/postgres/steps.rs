//! The steps of settling a group in PostgreSQL.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use common::{
    api::quotes::Quote,
    ids::QuoteId,
    money::{FiatAmount, Rate, Sats},
    time::Timestamp,
};
use sqlx::{Postgres, Row, Transaction, postgres::PgRow};
use uuid::Uuid;

use super::{order_of, totals_of};
use crate::{
    ledger::{ChangeSet, ClientKey, RecordedRefusal, RefusalKey, StoredOrder, StoredQuote, Totals},
    store::{StoreError, column, each, price_state, quote_state, settle::UnitOfWork},
};

const LOCK_TOTALS: &str = "select * from order_totals for update";

const RELEASE_DUE_QUOTES: &str = "
    with due as (update quotes set state = 'expired' where state = 'held' and expires_at <= $1 returning bitcoin_sats)
    select coalesce(sum(bitcoin_sats), 0)::bigint from due";

const ORDERS_OF_KEYS: &str = "
    select k.client, k.key, o.*
    from unnest($1::text[], $2::text[]) as wanted (client, key)
    join idempotency_keys k on k.client = wanted.client and k.key = wanted.key
    join orders o on o.seq = k.order_seq";

const QUOTES_BY_ID: &str = "select * from quotes where id = any($1)";

const INSERT_QUOTES: &str = "
    insert into quotes (
        id, created_at, expires_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
        simulated, price_state, state
    )
    select *, 'held' from unnest(
        $1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::timestamptz[], $9::text[], $10::boolean[], $11::text[]
    )";

const TAKE_QUOTES: &str = "update quotes set state = 'taken' where id = any($1)";

/// Orders, keys and totals in one statement, which is one round trip.
const INSERT_ORDERS: &str = "
    with
        placed as (
            insert into orders (
                seq, id, created_at, currency, amount_e4, exchange_rate_e8, bitcoin_sats, price_as_of, price_sources,
                simulated, quote_id, price_state
            )
            select * from unnest(
                $1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
                $8::timestamptz[], $9::text[], $10::boolean[], $11::uuid[],
                $12::text[]
            )
        ),
        remembered as (
            insert into idempotency_keys (client, key, order_seq, created_at)
            select * from unnest($13::text[], $14::text[], $1::bigint[], $3::timestamptz[])
        )
    update order_totals
    set orders = $15, bitcoin_sats = $16, reserved_sats = $17, last_created_at = $18, last_refused_at = $19";

const REFUSALS_OF_KEYS: &str = "
    select r.* from unnest($1::text[], $2::text[]) as wanted (client, key)
    join refusals r on r.client = wanted.client and r.key = wanted.key";

const INSERT_REFUSALS: &str = "
    insert into refusals (client, key, currency, amount_e4, remaining_sats, refused_at)
    select * from unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::timestamptz[])
    on conflict (client, key, currency, amount_e4)
    do update set remaining_sats = excluded.remaining_sats, refused_at = excluded.refused_at";

impl UnitOfWork for Transaction<'_, Postgres> {
    async fn lock(&mut self) -> Result<Totals, StoreError> {
        totals_of(&sqlx::query(LOCK_TOTALS).fetch_one(&mut **self).await?)
    }

    async fn release_due_quotes(&mut self, now: Timestamp) -> Result<Sats, StoreError> {
        let due = sqlx::query_scalar(RELEASE_DUE_QUOTES).bind(now.to_datetime()).fetch_one(&mut **self).await?;
        column("bitcoin_sats", Sats::new(due))
    }

    async fn orders_of(&mut self, keys: &[&ClientKey]) -> Result<HashMap<ClientKey, StoredOrder>, StoreError> {
        let (clients, keys) = (each(keys, |key| key.client.as_str()), each(keys, |key| key.key.as_str()));
        let rows = sqlx::query(ORDERS_OF_KEYS).bind(clients).bind(keys).fetch_all(&mut **self).await?;
        rows.iter().map(|row| Ok((key_of(row)?, order_of(row)?))).collect()
    }

    async fn refusals_of(&mut self, keys: &[&ClientKey]) -> Result<HashMap<RefusalKey, RecordedRefusal>, StoreError> {
        let (clients, keys) = (each(keys, |key| key.client.as_str()), each(keys, |key| key.key.as_str()));
        let rows = sqlx::query(REFUSALS_OF_KEYS).bind(clients).bind(keys).fetch_all(&mut **self).await?;
        rows.iter().map(refusal_of).collect()
    }

    async fn quotes(&mut self, ids: Vec<Uuid>) -> Result<Vec<StoredQuote>, StoreError> {
        sqlx::query(QUOTES_BY_ID).bind(ids).fetch_all(&mut **self).await?.iter().map(quote_of).collect()
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
            sqlx::query(INSERT_QUOTES)
                .bind(each(held, |row| row.quote.id.0))
                .bind(each(held, |row| row.quote.created_at.to_datetime()))
                .bind(each(held, |row| row.quote.expires_at.to_datetime()))
                .bind(each(held, |row| row.quote.currency.to_string()))
                .bind(each(held, |row| row.quote.amount.ten_thousandths()))
                .bind(each(held, |row| row.quote.exchange_rate.hundred_millionths()))
                .bind(each(held, |row| row.quote.bitcoin_amount.get()))
                .bind(each(held, |row| row.quote.price_as_of.to_datetime()))
                .bind(each(held, |row| row.sources.as_str()))
                .bind(each(held, |row| row.quote.simulated))
                .bind(each(held, |row| row.quote.price_state.as_str()))
                .execute(&mut **self)
                .await?;
        }
        if !taken.is_empty() {
            sqlx::query(TAKE_QUOTES).bind(each(taken, |id| id.0)).execute(&mut **self).await?;
        }
        if !refusals.is_empty() {
            sqlx::query(INSERT_REFUSALS)
                .bind(each(refusals, |(asked, _)| asked.key.client.as_str()))
                .bind(each(refusals, |(asked, _)| asked.key.key.as_str()))
                .bind(each(refusals, |(asked, _)| asked.currency.to_string()))
                .bind(each(refusals, |(asked, _)| asked.amount.ten_thousandths()))
                .bind(each(refusals, |(_, refusal)| refusal.remaining.map(Sats::get)))
                .bind(each(refusals, |(_, refusal)| refusal.at.to_datetime()))
                .execute(&mut **self)
                .await?;
        }
        sqlx::query(INSERT_ORDERS)
            .bind(each(rows, |row| row.stored.seq))
            .bind(each(rows, |row| row.stored.order.id.0))
            .bind(each(rows, |row| row.stored.order.created_at.to_datetime()))
            .bind(each(rows, |row| row.stored.order.currency.to_string()))
            .bind(each(rows, |row| row.stored.order.amount.ten_thousandths()))
            .bind(each(rows, |row| row.stored.order.exchange_rate.hundred_millionths()))
            .bind(each(rows, |row| row.stored.order.bitcoin_amount.get()))
            .bind(each(rows, |row| row.stored.order.price_as_of.to_datetime()))
            .bind(each(rows, |row| row.sources.as_str()))
            .bind(each(rows, |row| row.stored.order.simulated))
            .bind(each(rows, |row| row.stored.quote.map(|id| id.0)))
            .bind(each(rows, |row| row.stored.order.price_state.as_str()))
            .bind(each(rows, |row| row.key.client.as_str()))
            .bind(each(rows, |row| row.key.key.as_str()))
            .bind(totals.orders)
            .bind(totals.bitcoin.get())
            .bind(totals.reserved.get())
            .bind(totals.last_created_at.to_datetime())
            .bind(totals.last_refused_at.to_datetime())
            .execute(&mut **self)
            .await?;
        Ok(())
    }
}

fn key_of(row: &PgRow) -> Result<ClientKey, StoreError> {
    Ok(ClientKey { client: row.try_get("client")?, key: column("key", row.try_get::<&str, _>("key")?.parse())? })
}

fn refusal_of(row: &PgRow) -> Result<(RefusalKey, RecordedRefusal), StoreError> {
    let currency = column("currency", row.try_get::<&str, _>("currency")?.parse())?;
    let amount = column("amount_e4", FiatAmount::from_ten_thousandths(row.try_get("amount_e4")?))?;
    let remaining = row.try_get::<Option<i64>, _>("remaining_sats")?.map(Sats::new).transpose();
    let at = row.try_get::<DateTime<Utc>, _>("refused_at")?.into();
    Ok((
        RefusalKey { key: key_of(row)?, currency, amount },
        RecordedRefusal { remaining: column("remaining_sats", remaining)?, at },
    ))
}

fn quote_of(row: &PgRow) -> Result<StoredQuote, StoreError> {
    let quote = Quote {
        id: QuoteId(row.try_get::<Uuid, _>("id")?),
        created_at: row.try_get::<DateTime<Utc>, _>("created_at")?.into(),
        expires_at: row.try_get::<DateTime<Utc>, _>("expires_at")?.into(),
        currency: column("currency", row.try_get::<&str, _>("currency")?.parse())?,
        amount: column("amount_e4", FiatAmount::from_ten_thousandths(row.try_get("amount_e4")?))?,
        exchange_rate: column("exchange_rate_e8", Rate::from_hundred_millionths(row.try_get("exchange_rate_e8")?))?,
        bitcoin_amount: column("bitcoin_sats", Sats::new(row.try_get("bitcoin_sats")?))?,
        price_as_of: row.try_get::<DateTime<Utc>, _>("price_as_of")?.into(),
        simulated: row.try_get("simulated")?,
        price_state: price_state(row.try_get("price_state")?)?,
    };
    Ok(StoredQuote { quote, sources: row.try_get("price_sources")?, state: quote_state(row.try_get("state")?)? })
}

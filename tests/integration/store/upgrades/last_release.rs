//! The migrations and the statements of the last release, without its other code.

use std::path::Path;

use common::time::Timestamp;
use serde_json::json;
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, Postgres, SqlSafeStr, SqliteConnection, Type,
    migrate::{Migrate, Migrator},
    postgres::PgTypeInfo,
    types::chrono::{DateTime, Utc},
};
use uuid::Uuid;

use crate::store::TestOrder;

/// The newest migration of the last release.
const LATEST_MIGRATION: i64 = 5;
/// The text of each file of `tests/last-release` for an engine.
macro_rules! statement_files {
    ($engine:literal) => {
        [
            include_str!(concat!("../../../last-release/", $engine, "/orders.rs")),
            include_str!(concat!("../../../last-release/", $engine, "/courses.rs")),
        ]
    };
}

const POSTGRES: [&str; 2] = statement_files!("postgres");
const SQLITE: [&str; 2] = statement_files!("sqlite");

/// A connection of the last release. It stays open during migrations, like the connections of a running program.
pub enum LastRelease {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// An order that the last release places.
#[derive(Clone, Copy)]
pub struct LastReleaseOrder {
    pub seq: i64,
    pub key: &'static str,
}

impl LastReleaseOrder {
    /// The bitcoin amount of each order in satoshi.
    pub const SATS: i64 = 7;

    /// The order with this key as a request of this release.
    pub fn as_test_order(key: &str) -> TestOrder {
        super::super::market_order(key, Self::SATS)
    }
}

impl LastRelease {
    pub async fn connect(url: &str) -> Self {
        if url.starts_with("sqlite:") {
            Self::Sqlite(SqliteConnection::connect(url).await.unwrap())
        } else {
            Self::Postgres(PgConnection::connect(url).await.unwrap())
        }
    }

    /// Connects to an empty database and applies the migrations of the last release.
    pub async fn create_schema(url: &str) -> Self {
        if let Some(path) = url.strip_prefix("sqlite:") {
            std::fs::File::create(path).unwrap();
        }
        let mut last_release = Self::connect(url).await;
        match &mut last_release {
            Self::Postgres(connection) => migrate("postgres", connection).await,
            Self::Sqlite(connection) => migrate("sqlite", connection).await,
        }
        last_release
    }

    /// Prepares every statement on the current schema. Returns the number of statements.
    pub async fn prepare_every_statement(&mut self) -> usize {
        let files = match self {
            Self::Postgres(_) => POSTGRES,
            Self::Sqlite(_) => SQLITE,
        };
        let statements: Vec<_> = files.into_iter().flat_map(statements_of).collect();
        for (name, text) in &statements {
            let text = AssertSqlSafe(text.clone()).into_sql_str();
            let prepared = match self {
                Self::Postgres(connection) => connection.prepare_with(text, &parameter_types(name)).await.map(drop),
                Self::Sqlite(connection) => connection.prepare(text).await.map(drop),
            };
            prepared.unwrap_or_else(|error| panic!("{name} of the last release is rejected: {error}"));
        }
        statements.len()
    }

    /// Places an order with the statements of the last release, in one transaction.
    pub async fn place_order(&mut self, order: LastReleaseOrder) {
        match self {
            Self::Postgres(connection) => place_on_postgres(connection, order).await,
            Self::Sqlite(connection) => place_on_sqlite(connection, order).await,
        }
    }
}

/// The types of the parameters that the last release binds, for the statements whose text does not determine them.
fn parameter_types(statement: &str) -> Vec<PgTypeInfo> {
    let time = <DateTime<Utc> as Type<Postgres>>::type_info;
    let (integer, bigint) = (<i32 as Type<Postgres>>::type_info, <i64 as Type<Postgres>>::type_info);
    let integers = <Vec<i32> as Type<Postgres>>::type_info;
    let times = <Vec<DateTime<Utc>> as Type<Postgres>>::type_info;
    match statement {
        "PAST_COURSES" => vec![integers(), time(), time(), integer(), time(), bigint()],
        "CANDLES" => vec![integers(), time(), time(), integer(), time(), bigint(), integer()],
        "FOLD_PROGRESS" => vec![integer(), integer()],
        "INSERT_CANDLES" => vec![integers(), times(), times(), integer(), integer()],
        "MARK_FOLDED" => vec![integers(), times(), integer()],
        "REMOVE_COURSES" => vec![time(), bigint()],
        "REMOVE_CANDLES" => vec![time(), bigint(), integer()],
        _ => Vec::new(),
    }
}

async fn migrate<C: Migrate>(engine: &str, connection: &mut C) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../database").join(engine);
    let migrator = Migrator::new(folder).await.unwrap();
    migrator.run_direct(Some(LATEST_MIGRATION), connection, false).await.unwrap();
}

/// The name and the text of each statement in a file of constants.
fn statements_of(file: &str) -> impl Iterator<Item = (String, String)> {
    file.split("pub(super) const ").skip(1).map(|constant| {
        let (name, rest) = constant.split_once(": &str =").unwrap();
        let text = rest.split('"').nth(1).unwrap();
        (name.to_owned(), text.to_owned())
    })
}

fn statement(files: [&str; 2], name: &str) -> AssertSqlSafe<String> {
    let found = files.into_iter().flat_map(statements_of).find(|(other, _)| other == name);
    AssertSqlSafe(found.unwrap_or_else(|| panic!("the last release has no statement {name}")).1)
}

/// The id and the time of an order, and the totals after the order.
struct Row {
    id: Uuid,
    now: Timestamp,
    orders: i64,
    sats: i64,
}

async fn place_on_postgres(connection: &mut PgConnection, LastReleaseOrder { seq, key }: LastReleaseOrder) {
    let mut transaction = connection.begin().await.unwrap();
    let lock = sqlx::query_as::<_, (i64, i64)>(statement(POSTGRES, "LOCK_TOTALS"));
    let (orders, sats) = lock.fetch_one(&mut *transaction).await.unwrap();
    let row = next_row(seq, orders, sats);
    let time = row.now.to_datetime();
    let insert = sqlx::query(statement(POSTGRES, "INSERT_ORDERS"))
        .bind(vec![seq])
        .bind(vec![row.id])
        .bind(vec![time])
        .bind(vec!["EUR"])
        .bind(vec![690_000_i64])
        .bind(vec![8_400_012_000_000_i64])
        .bind(vec![LastReleaseOrder::SATS])
        .bind(vec![time])
        .bind(vec!["alpha,beta"])
        .bind(vec![false])
        .bind(vec![None::<Uuid>])
        .bind(vec!["fresh"])
        .bind(vec!["anonymous"])
        .bind(vec![key])
        .bind(row.orders)
        .bind(row.sats)
        .bind(0_i64)
        .bind(time)
        .bind(Timestamp::from_micros(0).unwrap().to_datetime());
    insert.execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn place_on_sqlite(connection: &mut SqliteConnection, LastReleaseOrder { seq, key }: LastReleaseOrder) {
    let mut transaction = connection.begin_with("begin immediate").await.unwrap();
    let totals = sqlx::query_as::<_, (i64, i64)>(statement(SQLITE, "TOTALS"));
    let (orders, sats) = totals.fetch_one(&mut *transaction).await.unwrap();
    let row = next_row(seq, orders, sats);
    let micros = row.now.micros();
    let order = json!([[
        seq,
        row.id.simple().to_string(),
        micros,
        "EUR",
        690_000,
        8_400_012_000_000_i64,
        LastReleaseOrder::SATS,
        micros,
        "alpha,beta",
        0,
        "anonymous",
        key,
        null,
        "fresh"
    ]])
    .to_string();
    for name in ["INSERT_ORDERS", "INSERT_KEYS"] {
        sqlx::query(statement(SQLITE, name)).bind(&order).execute(&mut *transaction).await.unwrap();
    }
    let update = sqlx::query(statement(SQLITE, "UPDATE_TOTALS"));
    let update = update.bind(row.orders).bind(row.sats).bind(0_i64).bind(micros).bind(0_i64);
    update.execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
}

fn next_row(seq: i64, orders: i64, sats: i64) -> Row {
    assert_eq!(seq, orders + 1, "`seq` is not the next sequence number");
    Row { id: Uuid::now_v7(), now: Timestamp::now(), orders: seq, sats: sats + LastReleaseOrder::SATS }
}

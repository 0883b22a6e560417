//! Digests of all rows of the tables of orders, keys, users and wallets, to compare a restored database with the
//! database that was backed up.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
};

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, ColumnIndex, Connection, Decode, Executor, PgConnection, Row, SqliteConnection, Type};

/// A table whose rows are compared.
struct Table {
    name: &'static str,
    key: &'static [&'static str],
    /// Whether tests add rows to the table, but neither change nor delete rows.
    only_grows: bool,
}

const TABLES: &[Table] = &[
    Table { name: "orders", key: &["seq"], only_grows: true },
    Table { name: "idempotency_keys", key: &["client", "key"], only_grows: true },
    Table { name: "order_totals", key: &["singleton"], only_grows: false },
    Table { name: "users", key: &["id"], only_grows: false },
    Table { name: "api_keys", key: &["id"], only_grows: false },
    Table { name: "wallets", key: &["id"], only_grows: false },
    Table { name: "movements", key: &["id"], only_grows: true },
    Table { name: "entries", key: &["movement_id", "line"], only_grows: true },
    Table { name: "wallet_keys", key: &["client", "key"], only_grows: true },
    Table { name: "wallet_creation_keys", key: &["client", "key"], only_grows: true },
    Table { name: "limit_changes", key: &["number"], only_grows: true },
];

/// For each table, the digest of each row by the digest of the row's key.
pub struct DatabaseRows(BTreeMap<&'static str, HashMap<u128, u128>>);

/// The differences between the rows of a restored table and the rows of the original.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TableDifference {
    pub equal: u64,
    /// Rows with the same key and different content.
    pub changed: u64,
    /// Rows of the restored table that the original does not have.
    pub added: u64,
    /// Rows of the original that the restored table does not have.
    pub missing: u64,
}

/// The differences of all tables.
#[derive(Debug, Clone)]
pub struct Differences(BTreeMap<&'static str, TableDifference>);

impl DatabaseRows {
    /// Reads every row of the compared tables.
    pub async fn read(url: &str) -> Self {
        let mut tables = BTreeMap::new();
        if url.starts_with("sqlite:") {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            for table in TABLES {
                let columns = "select name from pragma_table_info($1) order by cid";
                let columns: Vec<String> =
                    sqlx::query_scalar(columns).bind(table.name).fetch_all(&mut connection).await.unwrap();
                let statement = statement_of(table, &columns, |column| format!("quote({column})"));
                tables.insert(table.name, read_table(&mut connection, statement).await);
            }
            connection.close().await.unwrap();
        } else {
            let mut connection = PgConnection::connect(url).await.unwrap();
            for table in TABLES {
                let columns = "select column_name::text from information_schema.columns
                    where table_name = $1 and table_schema = current_schema() order by ordinal_position";
                let columns: Vec<String> =
                    sqlx::query_scalar(columns).bind(table.name).fetch_all(&mut connection).await.unwrap();
                let statement = statement_of(table, &columns, |column| format!("quote_nullable({column}::text)"));
                tables.insert(table.name, read_table(&mut connection, statement).await);
            }
            connection.close().await.unwrap();
        }
        Self(tables)
    }

    pub fn count(&self, table: &str) -> u64 {
        self.0[table].len() as u64
    }

    /// The number of rows of all tables.
    pub fn total(&self) -> u64 {
        self.0.values().map(|rows| rows.len() as u64).sum()
    }

    /// Compares the rows of the original database, `self`, with the rows of a restored database.
    pub fn differences(&self, restored: &Self) -> Differences {
        let compare = |(name, original): (&&'static str, &HashMap<u128, u128>)| {
            let restored = &restored.0[name];
            let mut difference = TableDifference::default();
            for (key, row) in restored {
                match original.get(key) {
                    Some(before) if before == row => difference.equal += 1,
                    Some(_) => difference.changed += 1,
                    None => difference.added += 1,
                }
            }
            difference.missing = original.len() as u64 - difference.equal - difference.changed;
            (*name, difference)
        };
        Differences(self.0.iter().map(compare).collect())
    }
}

impl Differences {
    pub fn of(&self, table: &str) -> TableDifference {
        self.0[table]
    }

    /// One line for each table that differs.
    pub fn unequal(&self) -> Vec<String> {
        let unequal =
            self.0.iter().filter(|(_, TableDifference { changed, added, missing, .. })| changed + added + missing > 0);
        unequal.map(|(name, difference)| format!("{name}: {difference:?}")).collect()
    }

    /// One line for each table that cannot be an earlier state of the original. Rows that were added later may be
    /// missing. Tables whose rows change are not compared.
    pub fn not_earlier(&self) -> Vec<String> {
        let grows = |name: &str| TABLES.iter().any(|table| table.name == name && table.only_grows);
        let wrong =
            self.0.iter().filter(|(name, TableDifference { changed, added, .. })| grows(name) && changed + added > 0);
        wrong.map(|(name, difference)| format!("{name}: {difference:?}")).collect()
    }
}

/// A statement that selects the key and the content of each row as texts.
fn statement_of(table: &Table, columns: &[String], text_of: impl Fn(&str) -> String) -> String {
    assert!(!columns.is_empty(), "the table {} does not exist", table.name);
    let join = |columns: &[&str]| columns.iter().map(|column| text_of(column)).collect::<Vec<_>>().join(" || ',' || ");
    let columns: Vec<_> = columns.iter().map(String::as_str).collect();
    format!("select {}, {} from {}", join(table.key), join(&columns), table.name)
}

async fn read_table<'c, C, DB>(connection: &'c mut C, statement: String) -> HashMap<u128, u128>
where
    DB: sqlx::Database,
    for<'e> &'e mut C: Executor<'e, Database = DB>,
    for<'q> <DB as sqlx::Database>::Arguments: sqlx::IntoArguments<DB>,
    for<'r> String: Decode<'r, DB> + Type<DB>,
    usize: ColumnIndex<DB::Row>,
{
    let mut rows = HashMap::new();
    let mut stream = sqlx::query(AssertSqlSafe(statement)).fetch(&mut *connection);
    while let Some(row) = stream.try_next().await.unwrap() {
        let (key, content): (String, String) = (row.get(0), row.get(1));
        assert!(rows.insert(digest(&key), digest(&content)).is_none(), "two rows have the key {key}");
    }
    rows
}

/// 128 bits, so that two of millions of rows do not have the same digest by chance.
fn digest(text: &str) -> u128 {
    let half = |half: u8| {
        let mut hasher = DefaultHasher::new();
        (half, text).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

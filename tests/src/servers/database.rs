//! A database for each test.

use std::thread;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, Row, SqliteConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::{environment::required_variable, stack::Stack};

/// The database of a test. A `Sqlite` or `Postgres` database is empty at first, and is deleted when this value is
/// dropped.
pub enum Database {
    /// A file in a temporary folder.
    Sqlite(TempDir),
    /// A new database on a server.
    Postgres { server_url: String, name: String },
    /// A database that the caller creates and deletes.
    External { url: String },
}

impl Database {
    /// Creates a database for this stack: an SQLite file, or a database on the PostgreSQL server of the test run.
    pub async fn create(stack: Stack) -> Self {
        match stack {
            Stack::Embedded => Self::sqlite(),
            Stack::Servers => Self::postgres().await,
        }
    }

    pub fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().unwrap())
    }

    /// A database on the server of the test run.
    pub async fn postgres() -> Self {
        Self::postgres_on(&required_variable("TEST_POSTGRES_URL")).await
    }

    /// A new database on the server of this URL. The URL must name an existing database.
    pub async fn postgres_on(server_url: &str) -> Self {
        let (server_url, name) = (server_url.to_owned(), format!("test_{}", Uuid::new_v4().simple()));
        let mut connection = PgConnection::connect(&server_url).await.expect("a connection to the PostgreSQL server");
        connection.execute(AssertSqlSafe(format!("create database {name}"))).await.unwrap();
        connection.close().await.unwrap();
        Self::Postgres { server_url, name }
    }

    /// The value for `DATABASE_URL`.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => {
                let file = folder.path().join("buydesk.db");
                format!("sqlite:{}", file.to_str().expect("the path of a temporary folder is UTF-8"))
            }
            Self::Postgres { server_url, name } => {
                let (server, _) = server_url.rsplit_once('/').expect("the server URL names a database");
                format!("{server}/{name}")
            }
            Self::External { url } => url.clone(),
        }
    }
}

impl Database {
    /// The host and the port of the PostgreSQL server.
    pub fn server_address(&self) -> String {
        let url = self.url();
        let (_, after_user) = url.rsplit_once('@').expect("the URL of a PostgreSQL database names a user");
        after_user.split_once('/').expect("the URL names a database").0.to_owned()
    }

    /// The value for `DATABASE_URL` with `addresses` in place of the address of the server. `addresses` is `HOST:PORT`,
    /// or a list separated by commas.
    pub fn url_at(&self, addresses: &str) -> String {
        self.url().replace(&self.server_address(), addresses)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::Postgres { server_url, name } = self else { return };
        let (server_url, statement) = (server_url.clone(), format!("drop database if exists {name} with (force)"));
        // A thread with its own runtime, because `drop` cannot wait for the runtime of the test.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server_url).await?;
                connection.execute(AssertSqlSafe(statement)).await?;
                connection.close().await
            })
        });
        match dropped.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("the test database {name} was not dropped: {error}"),
            Err(_) => eprintln!("the test database {name} was not dropped"),
        }
    }
}

/// Runs any SQL statement in the database with this URL. Every column of its result must be text.
pub async fn query_text(url: &str, sql: &str) -> Vec<Vec<String>> {
    fn texts<R: Row>(row: &R) -> Vec<String>
    where
        for<'a> String: sqlx::Decode<'a, R::Database> + sqlx::Type<R::Database>,
        usize: sqlx::ColumnIndex<R>,
    {
        (0..row.len()).map(|column| row.get(column)).collect()
    }
    let sql = AssertSqlSafe(sql.to_owned());
    if url.starts_with("sqlite:") {
        let mut connection = SqliteConnection::connect(url).await.unwrap();
        sqlx::query(sql).fetch_all(&mut connection).await.unwrap().iter().map(texts).collect()
    } else {
        let mut connection = PgConnection::connect(url).await.unwrap();
        sqlx::query(sql).fetch_all(&mut connection).await.unwrap().iter().map(texts).collect()
    }
}

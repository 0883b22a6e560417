//! A database for each test.

use std::{path::Path, thread};

use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;
use uuid::Uuid;

use crate::environment::required_variable;

/// A new, empty database that goes away with this value.
pub enum Database {
    Sqlite(TempDir),
    Postgres {
        server: String,
        name: String,
    },
    /// Somebody else takes care of it.
    Lent(String),
}

impl Database {
    pub fn sqlite() -> Self {
        Self::Sqlite(TempDir::new().unwrap())
    }

    /// On the server of this run.
    pub async fn postgres() -> Self {
        Self::postgres_at(&required_variable("TEST_POSTGRES_URL")).await
    }

    /// On the server at this address.
    pub async fn postgres_at(server: &str) -> Self {
        let (server, name) = (server.to_owned(), format!("test_{}", Uuid::new_v4().simple()));
        let mut connection = PgConnection::connect(&server).await.expect("the address leads to a server");
        connection.execute(statement(format!("create database {name}"))).await.unwrap();
        connection.close().await.unwrap();
        Self::Postgres { server, name }
    }

    /// The value for `DATABASE_URL`.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}", file(folder.path())),
            Self::Postgres { server, name } => {
                let (server, _) = server.rsplit_once('/').expect("the address names a database");
                format!("{server}/{name}")
            }
            Self::Lent(url) => url.clone(),
        }
    }
}

fn file(folder: &Path) -> String {
    folder.join("buydesk.db").to_str().expect("a temporary folder has a plain name").to_owned()
}

fn statement(text: String) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(text)
}

impl Drop for Database {
    fn drop(&mut self) {
        let Self::Postgres { server, name } = self else { return };
        let (server, drop) = (server.clone(), statement(format!("drop database if exists {name} with (force)")));
        // A thread with a runtime of its own: a test's runtime cannot be waited for from inside.
        let dropped = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut connection = PgConnection::connect(&server).await?;
                connection.execute(drop).await?;
                connection.close().await
            })
        });
        match dropped.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("the database {name} of a test is left behind: {error}"),
            Err(_) => eprintln!("the database {name} of a test is left behind"),
        }
    }
}

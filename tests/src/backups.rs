//! Backups and restores of a platform under load, for the tests and the drill.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Output,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use common::service::Service;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::{
    Stack,
    buydesk_up::BuydeskUp,
    client::Client,
    database_rows::DatabaseRows,
    environment::{binary_path, required_variable, run_binary},
    servers::{PrivateServer, query_text, run_as_server_user, server_folder},
    wait_until,
};

pub const CLIENTS: usize = 4;
const MAX_ATTEMPTS: usize = 20;
const ORDERS_TIMEOUT: Duration = Duration::from_secs(60);
const ARCHIVE_LIMIT: Duration = Duration::from_secs(120);
/// Selects the time of the database, in the format of `--to-time`.
const SELECT_TIME: &str = r#"select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#;

#[track_caller]
pub fn document_of(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The error text of a command that failed with exit code 1.
#[track_caller]
pub fn error_of(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    error["detail"].as_str().unwrap().to_owned()
}

/// Clients that place orders without a pause until they are stopped.
pub struct Clients {
    placed: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    pub fn start(platform: &BuydeskUp) -> Self {
        let (placed, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let url = format!("http://{}/api/v1/orders", platform.address(create_order::App::NAME));
        let clients = (0..CLIENTS).map(|_| {
            let (url, placed, stop) = (url.clone(), placed.clone(), stop.clone());
            tokio::spawn(async move {
                let client = Client::new("");
                while !stop.load(Ordering::Relaxed) {
                    place_order(&client, &url).await;
                    placed.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        Self { tasks: clients.collect(), placed, stop }
    }

    /// The number of orders that were acknowledged.
    pub fn placed(&self) -> u64 {
        self.placed.load(Ordering::Relaxed)
    }

    pub async fn wait_for(&self, orders: u64) {
        wait_until("orders are placed", ORDERS_TIMEOUT, async || (self.placed() >= orders).then_some(())).await;
    }

    /// Stops the clients, and waits for the responses to their last orders. Returns the number of acknowledged orders.
    pub async fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        self.placed.load(Ordering::Relaxed)
    }
}

/// Places an order. Repeats the request with the same key until the order is acknowledged with 201.
async fn place_order(client: &Client, url: &str) {
    let (order, key) = (json!({ "currency": "EUR", "amount": "1.00" }), Uuid::new_v4().to_string());
    for _ in 0..MAX_ATTEMPTS {
        let request = client.request("POST", url).header("content-type", "application/json");
        let response = request.header("idempotency-key", &key).body(order.to_string()).send().await;
        if response.is_ok_and(|response| response.status().as_u16() == 201) {
            return;
        }
    }
    panic!("an order was not acknowledged in {MAX_ATTEMPTS} attempts");
}

/// Creates a wallet and deposits 50 EUR.
pub fn deposit(platform: &BuydeskUp, folder: &Path) {
    let url = format!("http://{}", platform.address(wallets::App::NAME));
    let run = |arguments: &str| {
        let arguments: Vec<_> = ["--json"].into_iter().chain(arguments.split(' ')).collect();
        document_of(&run_binary("buydesk", &arguments, [("WALLETS_URL", &url)], folder))
    };
    let wallet = run("wallet create --currency EUR");
    run(&format!("wallet deposit {} --amount 50", wallet["id"].as_str().unwrap()));
}

/// A folder with a backup key and backups. With PostgreSQL, it also contains the archive of the write-ahead log and a
/// copy of the program.
pub struct Site {
    folder: TempDir,
    program: PathBuf,
    engine: Stack,
}

impl Site {
    /// Creates the folder and the key. With PostgreSQL, both belong to the user of the server.
    pub fn new(engine: Stack) -> Self {
        let (folder, program) = match engine {
            Stack::Embedded => (TempDir::new().unwrap(), binary_path("buydesk")),
            Stack::Servers => {
                let folder = server_folder();
                // The server runs the program as its own user, who possibly has no access to the build directory.
                let program = folder.path().join("buydesk");
                fs::copy(binary_path("buydesk"), &program).unwrap();
                (folder, program)
            }
        };
        let site = Self { folder, program, engine };
        document_of(&site.buydesk("", &["backup", "key", "backup.key"]));
        site
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a PostgreSQL server that archives its write-ahead log with `buydesk backup wal`.
    pub async fn start_server(&self) -> PrivateServer {
        let (program, key) = (self.program.display(), self.path("backup.key"));
        let archive = self.path("backups/wal");
        let command = format!("{program} backup wal --to {} --key-file {} %p", archive.display(), key.display());
        PrivateServer::postgres_with_settings(&["archive_mode=on".to_owned(), format!("archive_command={command}")])
            .await
    }

    /// Runs `buydesk --json` in the folder. `database` is the value of `DATABASE_URL`.
    pub fn buydesk(&self, database: &str, arguments: &[&str]) -> Output {
        let path = format!("{}:/usr/bin:/bin", required_variable("TEST_POSTGRES_BIN"));
        let variables = [
            ("DATABASE_URL", database),
            ("BACKUP_KEY_FILE", "backup.key"),
            ("BACKUP_DIR", "backups"),
            ("PATH", path.as_str()),
        ];
        let arguments = [&["--json"], arguments].concat();
        match self.engine {
            Stack::Embedded => run_binary("buydesk", &arguments, variables, self.folder.path()),
            Stack::Servers => run_as_server_user(&self.program, &arguments, variables, self.folder.path()),
        }
    }

    pub fn restore(&self, file: &str, target: &str, options: &[&str]) -> Output {
        self.buydesk("", &[&["restore", file, "--to", target], options].concat())
    }

    /// Starts PostgreSQL in the restored folder `target`, and reads the rows.
    pub async fn rows_of(&self, target: &str) -> DatabaseRows {
        let server = PrivateServer::postgres_in(&self.path(target)).await;
        DatabaseRows::read(&server.url()).await
    }

    /// The names of the subfolders, sorted.
    pub fn folders(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(Result::unwrap);
        let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
        let mut names: Vec<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

async fn scalar(url: &str, sql: &str) -> String {
    query_text(url, sql).await.remove(0).remove(0)
}

/// Completes the current file of the write-ahead log, and waits until the file is in the archive. Returns the name of
/// the file.
pub async fn archive_log(url: &str) -> String {
    // The server completes only a file that contains a record.
    scalar(url, "select pg_create_restore_point('end of the test')::text").await;
    let name = scalar(url, "select pg_walfile_name(pg_switch_wal())").await;
    wait_until("the log is archived", ARCHIVE_LIMIT, async || {
        let last = scalar(url, "select coalesce(last_archived_wal, '') from pg_stat_archiver").await;
        (last >= name).then_some(())
    })
    .await;
    name
}

pub async fn start_platform(url: &str) -> BuydeskUp {
    BuydeskUp::start(&[("DATABASE_URL", url), ("RATE_LIMIT_PER_MINUTE", "0")]).await
}

pub fn orders_of(document: &Value) -> u64 {
    document["contents"]["orders"].as_u64().unwrap()
}

pub async fn database_time(url: &str) -> String {
    scalar(url, SELECT_TIME).await
}

/// Deletes an SQLite database with its other files.
pub fn delete_database(path: &Path) {
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", path.display());
        if fs::exists(&path).unwrap() {
            fs::remove_file(path).unwrap();
        }
    }
}

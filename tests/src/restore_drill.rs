//! A restore drill. Clients place orders during the backup of a database with many orders and wallets. The database is
//! then deleted and restored, and the rows are compared.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    Stack,
    backups::{Clients, Site, archive_log, database_time, delete_database, document_of, orders_of, start_platform},
    buydesk_up::BuydeskUp,
    database_rows::{DatabaseRows, Differences},
    terminal::Terminal,
};

/// The command that creates wallets and movements.
const WALLET_LOAD: &str = "load wallets --wallets 100 --connections 8 --duration 10s --check none";
/// The number of orders to wait for before and after the backup, and after the point in time of the restore.
const ORDERS_BETWEEN: u64 = 50;

/// The result of a drill.
#[derive(Default)]
pub struct Report {
    pub violations: Vec<String>,
}

impl Report {
    fn check(&mut self, what: &str, holds: bool) {
        if !holds {
            self.violations.push(format!("NOT TRUE: {what}"));
        }
    }

    /// Records a violation for each table whose rows differ.
    fn check_equal(&mut self, what: &str, original: &DatabaseRows, restored: &DatabaseRows) {
        let differences = original.differences(restored);
        self.violations.extend(differences.unequal().into_iter().map(|line| format!("NOT EQUAL after {what}: {line}")));
        println!("  {what}: {}", compared(restored, &differences));
    }
}

fn compared(restored: &DatabaseRows, differences: &Differences) -> String {
    let count = |table| restored.count(table);
    format!(
        "{} rows compared, {} tables differ; {} orders, {} wallets, {} movements, {} entries",
        restored.total(),
        differences.unequal().len(),
        count("orders"),
        count("wallets"),
        count("movements"),
        count("entries")
    )
}

/// The output of a command and the time that it took.
struct Timed {
    document: Value,
    duration: Duration,
}

impl Timed {
    fn run(site: &Site, database: &str, arguments: &[&str]) -> Self {
        let start = Instant::now();
        let document = document_of(&site.buydesk(database, arguments));
        Self { document, duration: start.elapsed() }
    }
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.duration.as_secs_f64())
    }
}

/// Runs the drill with this number of orders.
pub async fn run(stack: Stack, orders: u64) -> Report {
    match stack {
        Stack::Embedded => run_on_sqlite(orders).await,
        Stack::Servers => run_on_postgres(orders).await,
    }
}

async fn fill(site: &Site, url: &str, orders: u64) -> BuydeskUp {
    let count = orders.to_string();
    let seeded = Timed::run(site, url, &["seed", "orders", "--count", &count, "--yes"]);
    println!("  {orders} orders seeded in {seeded}");
    let platform = start_platform(url).await;
    Terminal::new(&platform, None).json(WALLET_LOAD);
    platform
}

/// Backs up the database while clients place orders. Returns the backup and the clients, which continue.
async fn back_up_under_load(report: &mut Report, site: &Site, url: &str, platform: &BuydeskUp) -> (Value, Clients) {
    let clients = Clients::start(platform);
    clients.wait_for(ORDERS_BETWEEN).await;
    let before = clients.placed();
    let made = Timed::run(site, url, &["backup"]);
    let during = clients.placed() - before;
    println!(
        "  backup in {made}: {} bytes of {}, {during} orders were acknowledged meanwhile",
        made.document["bytes"], made.document["content_bytes"]
    );
    report.check("orders were placed during the backup", during > 0);
    clients.wait_for(before + during + ORDERS_BETWEEN).await;
    (made.document, clients)
}

async fn run_on_sqlite(orders: u64) -> Report {
    let mut report = Report::default();
    println!("SQLite");
    let site = Site::new(Stack::Embedded);
    let path = site.path("orders.db");
    let url = format!("sqlite:{}", path.display());
    let platform = fill(&site, &url, orders).await;
    let (made, clients) = back_up_under_load(&mut report, &site, &url, &platform).await;
    let placed = clients.stop().await;
    platform.kill().await;
    // Another backup, after the last change of the database.
    let idle = Timed::run(&site, &url, &["backup"]);
    let original = DatabaseRows::read(&url).await;
    println!("  backup of the idle database in {idle}");
    report.check(
        "the database contains the seeded orders and the acknowledged orders",
        original.count("orders") >= orders + placed,
    );
    delete_database(&path);

    let restored = Timed::run(&site, &url, &["restore", idle.document["file"].as_str().unwrap()]);
    println!("  restore in {restored}");
    report.check_equal("restore of the idle database", &original, &DatabaseRows::read(&url).await);
    delete_database(&path);

    let restored = Timed::run(&site, &url, &["restore", made["file"].as_str().unwrap()]);
    let rows = DatabaseRows::read(&url).await;
    let not_earlier = original.differences(&rows).not_earlier();
    report.violations.extend(not_earlier.into_iter().map(|line| format!("NOT AN EARLIER STATE: {line}")));
    report.check("the backup states the number of orders that it contains", rows.count("orders") == orders_of(&made));
    println!(
        "  restore of the backup under load in {restored}: {} of {} orders",
        rows.count("orders"),
        original.count("orders")
    );
    report
}

async fn run_on_postgres(orders: u64) -> Report {
    let mut report = Report::default();
    println!("PostgreSQL");
    let site = Site::new(Stack::Servers);
    let mut server = site.start_server().await;
    let url = server.url();
    let platform = fill(&site, &url, orders).await;
    let (made, clients) = back_up_under_load(&mut report, &site, &url, &platform).await;
    clients.stop().await;
    let (at_time, time) = (DatabaseRows::read(&url).await, database_time(&url).await);
    let clients = Clients::start(&platform);
    clients.wait_for(ORDERS_BETWEEN).await;
    clients.stop().await;
    platform.kill().await;
    let at_end = DatabaseRows::read(&url).await;
    report.check("orders were placed after the point in time", at_end.count("orders") > at_time.count("orders"));
    archive_log(&url).await;
    server.stop().await;
    drop(server);

    let file = made["file"].as_str().unwrap();
    let to_time = Timed::run(&site, "", &["restore", file, "--to", "at-time", "--to-time", &time]);
    println!("  restore to the point in time in {to_time}");
    let rows = site.rows_of("at-time").await;
    report.check_equal("restore to the point in time", &at_time, &rows);

    let latest = Timed::run(&site, "", &["restore", file, "--to", "latest"]);
    println!("  restore to the last transaction in {latest}");
    let rows = site.rows_of("latest").await;
    report.check_equal("restore to the last transaction", &at_end, &rows);
    report
}

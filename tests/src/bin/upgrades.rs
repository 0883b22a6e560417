//! The run of `tests/load/upgrade`: under load, one service of the last release after the other is replaced by this
//! release, in random order. Then the services, except for db-proxy, are replaced by the last release again.
#![allow(clippy::unwrap_used, reason = "a panic is how the run fails")]

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use common::{
    api::{orders::Order, prices::PriceRecord},
    time::Timestamp,
};
use fastrand::Rng;
use serde_json::Value;
use tests::{
    Platform, Stack,
    load::{LoadGenerator, MissingResponse, SentOrders, retry_and_reconcile},
    platform::{Instance, ORDERS_PATH},
    wait_until,
};

/// The number of new orders to wait for after each replacement.
const ORDERS: usize = 100;
/// The number of rounds on each stack. Each round has a new database of the last release, and its own random order of
/// services.
const ROUNDS: u64 = 4;
/// Maximum time after a replacement until a new price is published and the service `rates` shows courses.
const RECOVERY_LIMIT: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let Some(last_release) = std::env::args().nth(1).map(PathBuf::from).filter(|folder| folder.is_dir()) else {
        eprintln!("usage: upgrades FOLDER, with the programs of the last release");
        return ExitCode::FAILURE;
    };
    let start = Instant::now();
    let mut results = Vec::new();
    for stack in [Stack::Embedded, Stack::Servers] {
        let (mut replacements, mut orders) = (0, 0);
        for round in 0..ROUNDS {
            let print = |line: &str| println!("{:4} s  {stack:?}, round {round}: {line}", start.elapsed().as_secs());
            let report = run_round(stack, &last_release, Rng::with_seed(round), print).await;
            replacements += report.replacements;
            orders += report.orders;
        }
        results.push(format!(
            "{stack:?}: {replacements} replacements; each of the {orders} acknowledged orders is stored once and unchanged"
        ));
    }
    println!("{}", results.join("\n"));
    ExitCode::SUCCESS
}

struct Report {
    replacements: usize,
    orders: usize,
}

/// Replaces each service by this release and then, except for db-proxy, by the last release again. A service that the
/// last release does not have is not started. Panics if an order is lost, changed or stored twice, or if a service does
/// not work after its replacement.
async fn run_round(stack: Stack, last_release: &Path, mut rng: Rng, print: impl Fn(&str)) -> Report {
    // The last release creates the database.
    let builder = Platform::builder(stack).programs_of(last_release.to_owned()).without_prices();
    let platform = builder.set("PRICE_REFRESH_SECS", "1").set("BTC_LIMIT", "20000000").start().await;
    let is_replaced = |service: &&Instance| last_release.join(service.name).is_file();
    for service in platform.other_services().into_iter().filter(is_replaced) {
        service.start().await;
        service.wait_until_ready().await;
    }
    let all_replaced: Vec<_> = platform.all_services().into_iter().filter(is_replaced).collect();
    platform.create_order.wait_until_ready().await;
    let load = LoadGenerator::start(&platform, MissingResponse::Allowed);
    load.wait_for_orders(ORDERS).await;
    // On PostgreSQL, a second db-proxy and a second create-order of the last release run until the end.
    let unreplaced = match stack {
        Stack::Embedded => None,
        Stack::Servers => Some(UnreplacedServices::start(&platform).await),
    };
    let mut replacements = 0;
    for release in [None, Some(last_release.to_owned())] {
        let mut services = all_replaced.clone();
        if release.is_some() {
            // The last release does not start on a newer schema. This release does, so the next release can remove this
            // exception.
            services.retain(|service| service.name != platform.db_proxy.name);
        }
        rng.shuffle(&mut services);
        for service in services {
            print(&format!(
                "{} of {}",
                service.name,
                if release.is_some() { "the last release" } else { "this release" }
            ));
            replace(service, release.clone()).await;
            check_services(&platform, &all_replaced, &load).await;
            replacements += 1;
        }
    }
    let mut sent = load.stop().await;
    if let Some(unreplaced) = unreplaced {
        sent.extend(unreplaced.stop().await);
    }
    // This release reads the orders that both releases have written.
    for service in all_replaced {
        replace(service, None).await;
    }
    platform.create_order.wait_until_ready().await;
    let orders = sent.acknowledged.len();
    retry_and_reconcile(&platform, sent).await;
    Report { replacements, orders }
}

async fn replace(service: &Instance, release: Option<PathBuf>) {
    service.stop().await;
    service.use_programs_of(release);
    service.start().await;
}

/// A db-proxy and a create-order of the last release that are never replaced, and clients that use them.
struct UnreplacedServices {
    _db_proxy: Instance,
    _create_order: Instance,
    load: LoadGenerator,
}

impl UnreplacedServices {
    async fn start(platform: &Platform) -> Self {
        let db_proxy = platform.start_second_db_proxy().await;
        let create_order = platform.start_second_create_order(&db_proxy).await;
        create_order.wait_until_ready().await;
        let load = LoadGenerator::start_at(platform, &create_order, MissingResponse::Fails);
        Self { _db_proxy: db_proxy, _create_order: create_order, load }
    }

    async fn stop(self) -> SentOrders {
        self.load.wait_for_orders(ORDERS).await;
        self.load.stop().await
    }
}

/// Checks that the services are ready, orders are placed and found, and new prices and courses are published.
async fn check_services(platform: &Platform, services: &[&Instance], load: &LoadGenerator) {
    let start = Timestamp::now();
    for service in services {
        service.wait_until_ready().await;
    }
    load.wait_for_orders(ORDERS).await;
    let page = platform.fetch(&format!("{ORDERS_PATH}?limit=1")).await.json(200);
    let newest: Order = serde_json::from_value(page["data"][0].clone()).unwrap();
    assert!(newest.created_at > start, "fetch-orders shows no order that was placed after {start}: {newest:?}");
    wait_until("a new price is published", RECOVERY_LIMIT, async || {
        let response = platform.client.get(platform.price_cache.url("/record")).await;
        let record = serde_json::from_slice::<PriceRecord>(&response.body).ok()?;
        (response.status == 200 && record.as_of > start).then_some(())
    })
    .await;
    wait_until("rates shows courses", RECOVERY_LIMIT, async || {
        let courses = platform.client.get(platform.rates.url("/api/v1/courses")).await;
        let exchanges: Value = serde_json::from_slice(&courses.body).ok()?;
        exchanges.as_array().filter(|exchanges| courses.status == 200 && exchanges.len() == 2).map(|_| ())
    })
    .await;
}

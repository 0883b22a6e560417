//! Load at half of the full rate of the services. Resident memory and file descriptors of each process must not grow
//! beyond their margins. Every acknowledged order must be stored exactly one time and unchanged. Each balance must
//! equal the sum of the acknowledged movements.

mod generator;
mod recorder;
mod resources;
mod wallets;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::money::Sats;

use self::{
    generator::{CLIENTS, Generator, Rate},
    recorder::RunRecorder,
    resources::ResourceLog,
    wallets::SoakWallets,
};
use crate::{
    Platform, Stack,
    process_kills::{create_database, wait_for_release},
    servers::PrivateServer,
};

/// How long the full load is sent.
const FULL_LOAD_DURATION: Duration = Duration::from_secs(20);
/// The measurement of the full load begins after this time, when connections are open and caches are filled.
const WARM_UP: Duration = Duration::from_secs(5);
const SAMPLE_INTERVAL: Duration = Duration::from_secs(10);
const REPORT_INTERVAL: Duration = Duration::from_mins(1);
/// The limit over all orders. A run does not reach it.
const LIMIT: &str = "20000000";
/// The load was sustained if at least this share of the planned requests was sent.
const SUSTAINED_PERCENT: u64 = 95;
/// A run fails if there is more than one failed attempt for this many requests. A request and its retries are several
/// attempts, and count as one request.
const MIN_REQUESTS_PER_FAILURE: u64 = 10_000;

/// The result of a run on one stack.
pub struct Report {
    pub summary: String,
    pub violations: Vec<String>,
}

/// Sustains half of the full load for `duration` on a new database. Passes each line of progress to `print`.
pub async fn run(stack: Stack, duration: Duration, print: impl Fn(String)) -> Report {
    let postgres = match stack {
        Stack::Embedded => None,
        Stack::Servers => Some(PrivateServer::postgres().await),
    };
    let database = create_database(postgres.as_ref()).await;
    let url = database.url();
    let platform = Platform::builder(stack).database(&url).in_processes().without_prices().set("BTC_LIMIT", LIMIT);
    let platform = platform.start().await;
    platform.start_other_services().await;
    platform.create_order.wait_until_ready().await;

    let (recorder, wallets) = (Arc::<RunRecorder>::default(), Arc::new(SoakWallets::create(&platform, CLIENTS).await));
    let generator = Generator::start(&platform, &recorder, &wallets, Rate::Full);
    tokio::time::sleep(WARM_UP).await;
    let (before, start) = (recorder.requests(), Instant::now());
    tokio::time::sleep(FULL_LOAD_DURATION.saturating_sub(WARM_UP)).await;
    let full_rate = per_second(recorder.requests() - before, start.elapsed());
    generator.stop().await;
    let rate = (full_rate / 2).max(1);
    print(format!(
        "{stack:?}: full load is {full_rate} requests/s; sustaining {rate} for {} min",
        duration.as_secs() / 60
    ));

    let (before, start) = (recorder.requests(), Instant::now());
    let generator = Generator::start(&platform, &recorder, &wallets, Rate::PerSecond(rate));
    let mut resources = ResourceLog::new(&platform).await;
    sample_resources(duration, &recorder, &mut resources, |line| print(format!("{stack:?}: {line}"))).await;
    let (sent, planned) = (recorder.requests() - before, rate * start.elapsed().as_secs());
    generator.stop().await;

    let mut violations = resources.violations(stack);
    if sent * 100 < planned * SUSTAINED_PERCENT {
        violations.push(format!("LOAD NOT SUSTAINED: {sent} of {planned} planned requests were sent"));
    }
    let (requests, failed) = (recorder.requests(), recorder.failed());
    if failed * MIN_REQUESTS_PER_FAILURE > requests {
        violations.push(format!("FAILED ATTEMPTS: {failed} attempts failed, and {requests} requests were sent"));
    }
    wait_for_release(&url).await;
    let orders = recorder.acknowledged();
    violations.extend(recorder.check(&url, LIMIT.parse::<Sats>().unwrap()).await);
    violations.extend(wallets.check(&platform).await);
    let summary_count = &platform.summary().await["count"];
    if *summary_count != orders {
        violations
            .push(format!("WRONG SUMMARY: fetch-orders counts {summary_count} orders, and {orders} were acknowledged"));
    }
    let summary = format!(
        "{stack:?}: {} min at {rate} requests/s; with the full load before, {requests} requests, {failed} failed attempts, {orders} orders and {} movements acknowledged; \
         {}; {} violations",
        duration.as_secs() / 60,
        wallets.movements(),
        resources.summary(),
        violations.len()
    );
    Report { summary, violations }
}

/// Samples the resources of the processes while the generator sustains the load, and prints a line each minute.
async fn sample_resources(
    duration: Duration,
    recorder: &RunRecorder,
    resources: &mut ResourceLog,
    print: impl Fn(String),
) {
    let start = Instant::now();
    let mut ticks = tokio::time::interval(SAMPLE_INTERVAL);
    let (mut reported_at, mut before) = (start, recorder.requests());
    recorder.take_latencies();
    while start.elapsed() < duration {
        ticks.tick().await;
        resources.sample();
        if reported_at.elapsed() >= REPORT_INTERVAL {
            let (now, requests) = (Instant::now(), recorder.requests());
            let rate = per_second(requests - before, now - reported_at);
            print(format!(
                "{:3} min  {rate} requests/s, {}, {} orders, {} failed attempts; {}",
                start.elapsed().as_secs() / 60,
                recorder.take_latencies(),
                recorder.acknowledged(),
                recorder.failed(),
                resources.latest()
            ));
            (reported_at, before) = (now, requests);
        }
    }
}

fn per_second(count: u64, duration: Duration) -> u64 {
    u64::try_from(u128::from(count) * 1000 / duration.as_millis().max(1)).unwrap()
}

//! Every built-in price source is polled at its simulated exchange, and its response is parsed.

use std::time::Duration;

use serde_json::Value;
use tests::{Platform, Stack, wait_until};

/// Several poll intervals, and the time to detect pairs that are no longer traded.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_built_in_source_is_parsed() {
    let names: Vec<_> = price_updater::url_variables().map(|(name, _)| name).collect();
    let builder = Platform::builder(Stack::Embedded).without_prices();
    let builder = builder.set("PRICE_SOURCES", names.join(",")).set("PRICE_REFRESH_SECS", "5");
    let platform = builder.start().await;
    platform.start_other_services().await;
    let sources = wait_until("every source is parsed", LIMIT, async || {
        let report = platform.client.get_internal(platform.price_updater.url("/sources")).await.json(200);
        let sources = report["sources"].as_array().unwrap().clone();
        sources.iter().all(|source| !source["asked_at"].is_null() && error_kinds(source).is_empty()).then_some(sources)
    });
    let polled: Vec<_> = sources.await.iter().map(|source| source["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(polled, names);
}

/// The kinds of the errors of a source, except unknown pairs.
fn error_kinds(source: &Value) -> Vec<&str> {
    let kinds = source["errors"].as_array().unwrap().iter().map(|error| error["kind"].as_str().unwrap());
    kinds.filter(|&kind| kind != "unknown_pair").collect()
}

use std::sync::Arc;

use common::{
    api::health::Readiness,
    clients::{db_proxy::DbProxyClient, http_client},
    config::{Secret, ServiceUrls},
    metrics::Metrics,
    time::Clock,
};

use super::fixtures::{agreed_price, snapshot, time_at};
use crate::{
    readiness,
    snapshot::{SnapshotOrigin, SnapshotStore},
};

#[tokio::test]
async fn rates_needs_a_snapshot_but_not_db_proxy_to_be_ready() {
    // The listener of this port is closed, so connections are refused.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address: ServiceUrls = format!("http://{closed}").parse().unwrap();
    let db_proxy = DbProxyClient::new(http_client(), address, Secret::new("a token of 16 characters"));
    let snapshots = Arc::new(SnapshotStore::new(Clock::starting_at(time_at(0)), &Metrics::new("rates")));
    let check = readiness(&snapshots, &db_proxy);
    assert!(!Readiness::from(check().await).ready);
    snapshots.replace_if_newer(
        snapshot(time_at(0), vec![], vec![agreed_price("BTC-USD", "91000")]),
        SnapshotOrigin::PriceCache,
    );
    let readiness = Readiness::from(check().await);
    assert!(readiness.ready, "{readiness:?}");
    let db_proxy_part = readiness.parts.iter().find(|part| part.name == "db-proxy").unwrap();
    assert!(!db_proxy_part.ready && db_proxy_part.optional);
}

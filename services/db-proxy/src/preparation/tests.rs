use std::net::TcpListener;

use super::*;

#[tokio::test]
async fn preparation_fails_after_its_time_limit_with_the_cause_of_the_outage() {
    let unused_address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let database = Database::open(&format!("postgres://buydesk:secret@{unused_address}/orders")).await.unwrap();
    let preparation = Preparation { migrations: Migrations::Apply, origin: None };
    let time_limit = Duration::from_secs(1);
    let start = Instant::now();
    let error = preparation.run_until_done(&database, Some(time_limit)).await.unwrap_err().chain();
    assert!(start.elapsed() >= time_limit, "{:?}", start.elapsed());
    assert!(error.contains(&unused_address.to_string()) && error.contains("no server listens there"), "{error}");
}

#[tokio::test]
async fn preparation_of_a_database_without_tables_names_the_command_that_creates_them() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&format!("sqlite:{}", folder.path().join("orders.db").display())).await.unwrap();
    let preparation = Preparation { migrations: Migrations::Check, origin: None };
    let error = preparation.run_until_done(&database, Some(Duration::ZERO)).await.unwrap_err();
    assert!(error.is_transient());
    assert!(error.chain().contains("waits until `db-proxy --migrate` has applied the migrations"), "{}", error.chain());
}

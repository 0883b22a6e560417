//! The last release and this release use one database at the same time, and a program runs on a newer schema.
//!
//! `tests/last-release` contains the statements of the last release, unchanged.

pub mod last_release;

use common::{money::Sats, time::Timestamp};
use db_proxy::{
    group_commit::Attempt,
    orders::{DecisionClock, DecisionContext},
};
use tests::{Platform, Stack, on_both_stacks, platform::order, servers::Database};

use self::last_release::{LastRelease, LastReleaseOrder};
use super::{Fixture, OrderStore, commands, expect_placed, market_order, no_limit};

on_both_stacks!(
    last_release_places_orders_while_its_database_is_migrated,
    statements_of_last_release_are_valid_on_current_schema,
    program_starts_on_newer_schema,
    changed_migration_is_a_permanent_error,
);

async fn last_release_places_orders_while_its_database_is_migrated(stack: Stack) {
    let database = Database::create(stack).await;
    let mut last_release = LastRelease::create_schema(&database.url()).await;
    last_release.place_order(LastReleaseOrder { seq: 1, key: "before" }).await;

    // Before the migration, an error of this release is transient.
    let fixture = Fixture::open(database).await;
    let context = DecisionContext { limit: no_limit(), clock: DecisionClock::Fixed(Timestamp::now()) };
    let mut early = commands(&[market_order("early", 1)]);
    if let Err(error) = fixture.store.commit_batch(context, &mut early, &mut Attempt::default()).await {
        assert!(error.is_transient(), "{error:?}");
    }
    fixture.connections.migrate().await.unwrap();

    let early = fixture.place(&[market_order("early", 1)], no_limit()).await;
    assert_eq!(expect_placed(&early[0]).0.bitcoin_amount, Sats::new(1).unwrap());
    // The connection of the last release is older than the migrations.
    last_release.place_order(LastReleaseOrder { seq: 3, key: "during" }).await;
    fixture.place_new(market_order("after", 1)).await;
    last_release.place_order(LastReleaseOrder { seq: 5, key: "later" }).await;
    // A retry of an order that the last release placed.
    let replay = fixture.place(&[LastReleaseOrder::as_test_order("during")], no_limit()).await;
    assert!(expect_placed(&replay[0]).1, "{replay:?}");
    assert_eq!(fixture.check_tables().await, (5, 2 + 3 * LastReleaseOrder::SATS));
}

async fn statements_of_last_release_are_valid_on_current_schema(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut last_release = LastRelease::connect(&fixture.database.url()).await;
    assert!(last_release.prepare_every_statement().await > 20);
}

async fn program_starts_on_newer_schema(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    fixture.place_new(market_order("before", 1)).await;
    fixture.query_text("alter table orders add column added_later text").await;
    let applied = match stack {
        Stack::Embedded => "values (9999, 'later', 1, x'00', 1)",
        Stack::Servers => "values (9999, 'later', true, '\\x00', 1)",
    };
    let columns = "version, description, success, checksum, execution_time";
    fixture.query_text(&format!("insert into _sqlx_migrations ({columns}) {applied}")).await;

    let connections = fixture.reconnect().await;
    connections.migrate().await.unwrap();
    let store = OrderStore::new(&connections);
    let mut commands = commands(&[market_order("after", 1), market_order("before", 1)]);
    let decisions = super::commit(&store, &mut commands, no_limit(), Timestamp::now()).await;
    assert_eq!(decisions.iter().map(|decision| expect_placed(decision).1).collect::<Vec<_>>(), [false, true]);
    assert_eq!(fixture.check_tables().await, (2, 2));
}

async fn changed_migration_is_a_permanent_error(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let checksum = if stack == Stack::Embedded { "x'00'" } else { "'\\x00'" };
    fixture.query_text(&format!("update _sqlx_migrations set checksum = {checksum} where version = 2")).await;
    let error = fixture.reconnect().await.migrate().await.unwrap_err();
    assert!(!error.is_transient() && error.chain().contains("migration 2"), "{}", error.chain());
}

/// A connection has prepared its statements when a newer release changes the type of a column.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migration_under_a_running_program_fails_no_request() {
    let platform = Platform::start(Stack::Servers).await;
    let first = platform.place_with_key("first", order("USD", "1")).await.json(201);
    // sqlx prepares a statement at its first use, so an order is placed and pages are read before the migration.
    // Concurrent requests for pages use several connections.
    let pages = async || {
        let pages = (0..16).map(|_| platform.fetch("/api/v1/orders?currency=USD"));
        futures_util::future::join_all(pages).await.iter().map(|page| page.json(200)).collect::<Vec<_>>()
    };
    pages().await;
    let connection = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect(&platform.database.url()).await;
    // PostgreSQL does not change the type of a column that a view uses.
    let migration = "drop view orders_readable; alter table orders alter column price_state type varchar(40)";
    sqlx::raw_sql(migration).execute(&connection.unwrap()).await.unwrap();

    assert_eq!(platform.place_with_key("first", order("USD", "1")).await.json(201), first);
    platform.place_with_key("second", order("USD", "2")).await.json(201);
    for page in pages().await {
        assert_eq!(page["data"].as_array().unwrap().len(), 2);
    }
    let id = first["id"].as_str().unwrap();
    assert_eq!(platform.fetch(&format!("/api/v1/orders/{id}")).await.json(200), first);
}

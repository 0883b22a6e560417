//! A database is marked as a database of simulated orders or of real orders, and then refuses orders of the other
//! origin.

use common::{
    api::orders::{OrderOrigin, RefusalReason, Refused},
    time::Timestamp,
};
use db_proxy::{
    database::{self, DatabaseError},
    orders::Decision,
};
use tests::{Stack, on_both_stacks, servers::Database};

use super::{
    Fixture, TestOrder, commands, commit, expect_placed, market_order, no_limit,
    upgrades::last_release::{LastRelease, LastReleaseOrder},
};

on_both_stacks!(
    first_start_marks_the_database_and_the_other_origin_is_refused,
    first_order_marks_the_database_for_every_process,
    orders_of_the_last_release_mark_the_database,
    order_of_the_last_release_after_the_migration_determines_the_origin,
);

fn simulated_order(key: &str) -> TestOrder {
    let mut order = market_order(key, 1);
    order.price.as_mut().unwrap().simulated = true;
    order
}

/// The origin of the database if it differs from `declared`. `None` if the claim succeeds.
async fn refusal_of_claim(connections: &database::Database, declared: OrderOrigin) -> Option<OrderOrigin> {
    match connections.claim_origin(Some(declared)).await {
        Ok(()) => None,
        Err(DatabaseError::OtherOrigin { database }) => Some(database),
        Err(error) => panic!("{error:?}"),
    }
}

async fn marks(fixture: &Fixture) -> Vec<Vec<String>> {
    fixture.query_text("select cast(cast(simulated as integer) as text) from order_origin").await
}

#[track_caller]
fn refusing_origin(decision: &Decision) -> OrderOrigin {
    match decision {
        Decision::Refused(Refused {
            reason: RefusalReason::PriceUnavailable,
            database_origin: Some(origin),
            remaining: None,
            ..
        }) => *origin,
        other => panic!("not refused because of its origin: {other:?}"),
    }
}

async fn first_start_marks_the_database_and_the_other_origin_is_refused(stack: Stack) {
    for origin in [OrderOrigin::Simulated, OrderOrigin::Real] {
        let fixture = Fixture::new(stack).await;
        // Neither a start that declares no origin nor a refused order marks the database.
        fixture.connections.claim_origin(None).await.unwrap();
        fixture.place(&[market_order("too-large", 2)], super::sats(1)).await;
        assert_eq!(marks(&fixture).await, [[""; 0]; 0]);

        assert_eq!(refusal_of_claim(&fixture.connections, origin).await, None);
        let other_process = fixture.reconnect().await;
        assert_eq!(refusal_of_claim(&other_process, origin.opposite()).await, Some(origin));
        assert_eq!(refusal_of_claim(&other_process, origin).await, None);
        other_process.claim_origin(None).await.unwrap();

        let orders = [market_order("real", 1), simulated_order("simulated")];
        let decisions = fixture.place(&orders, no_limit()).await;
        let (accepted, refused) = if origin.is_simulated() { (1, 0) } else { (0, 1) };
        assert_eq!(expect_placed(&decisions[accepted]).0.simulated, origin.is_simulated());
        assert_eq!(refusing_origin(&decisions[refused]), origin);
        assert_eq!(fixture.check_tables().await, (1, 1));
    }
}

async fn first_order_marks_the_database_for_every_process(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let other_store = fixture.another_store().await;
    // The other store reads the database before the database is marked.
    let mut too_large = commands(&[market_order("too-large", 2)]);
    commit(&other_store, &mut too_large, super::sats(1), Timestamp::now()).await;

    fixture.place_new(simulated_order("first")).await;
    assert_eq!(marks(&fixture).await, [["1"]]);
    let mut real = commands(&[market_order("real", 1)]);
    let decisions = commit(&other_store, &mut real, no_limit(), Timestamp::now()).await;
    assert_eq!(refusing_origin(&decisions[0]), OrderOrigin::Simulated);
    fixture.place_new(simulated_order("second")).await;
    let claim = refusal_of_claim(&fixture.connections, OrderOrigin::Real).await;
    assert_eq!(claim, Some(OrderOrigin::Simulated));
}

async fn orders_of_the_last_release_mark_the_database(stack: Stack) {
    // Of the two orders, none, one or both are simulated.
    for (simulated, origin) in [(0, OrderOrigin::Real), (1, OrderOrigin::Real), (2, OrderOrigin::Simulated)] {
        let database = Database::create(stack).await;
        let mut last_release = LastRelease::create_schema(&database.url()).await;
        last_release.place_order(LastReleaseOrder { seq: 1, key: "first" }).await;
        last_release.place_order(LastReleaseOrder { seq: 2, key: "second" }).await;
        let fixture = Fixture::open(database).await;
        let flag = if stack == Stack::Embedded { "seq <= 2" } else { "true" };
        fixture.query_text(&format!("update orders set simulated = ({flag}) where seq <= {simulated}")).await;

        fixture.connections.migrate().await.unwrap();
        assert_eq!(refusal_of_claim(&fixture.connections, origin.opposite()).await, Some(origin), "{simulated}");
        assert_eq!(refusal_of_claim(&fixture.connections, origin).await, None);
    }
}

/// A process of the last release places an order after this release has migrated the database.
async fn order_of_the_last_release_after_the_migration_determines_the_origin(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut last_release = LastRelease::connect(&fixture.database.url()).await;
    last_release.place_order(LastReleaseOrder { seq: 1, key: "late" }).await;
    assert_eq!(marks(&fixture).await, [[""; 0]; 0]);
    let claim = refusal_of_claim(&fixture.connections, OrderOrigin::Simulated).await;
    assert_eq!(claim, Some(OrderOrigin::Real));
    assert_eq!(marks(&fixture).await, [["0"]]);
}

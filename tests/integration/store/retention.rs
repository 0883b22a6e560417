//! Retention of idempotency keys.

use std::time::Duration;

use common::time::Timestamp;
use db_proxy::{
    orders::OrderRetention,
    retention::{self, Retention},
};
use tests::{Stack, on_both_stacks};

use super::{Fixture, expect_placed, market_order, no_limit};

on_both_stacks!(recent_key_is_kept_if_the_machine_clock_is_ahead, keys_are_deleted_when_they_are_old);

const DAY: Duration = Duration::from_hours(24);

impl Fixture {
    fn order_retention(&self) -> OrderRetention {
        OrderRetention { store: self.store.clone(), key_retention: DAY }
    }

    /// The number of stored keys.
    async fn keys(&self) -> String {
        self.query_text("select cast(count(*) as text) from idempotency_keys").await[0][0].clone()
    }

    /// Moves the times of the keys and of the newest order into the past.
    async fn age(&self, stack: Stack, age: Duration) {
        let earlier = match stack {
            Stack::Embedded => format!("- {}", age.as_micros()),
            Stack::Servers => format!("- interval '{} seconds'", age.as_secs()),
        };
        self.query_text(&format!("update idempotency_keys set created_at = created_at {earlier}")).await;
        self.query_text(&format!("update order_totals set last_created_at = last_created_at {earlier}")).await;
    }
}

/// On SQLite, the retention runs at a machine time that is two days ahead. On PostgreSQL, the time of the database
/// replaces the machine time. After the retention, a retry with the key returns the order.
async fn recent_key_is_kept_if_the_machine_clock_is_ahead(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let order = fixture.place_new(market_order("a", 1)).await;
    let retention = fixture.order_retention();
    let wrong = Timestamp::now().plus(DAY * 2);
    // Retention uses the clock of PostgreSQL instead of the clock of the machine. On SQLite, which has no clock of its
    // own, the age of a key is the time from the key to the newest order.
    let time = retention.database_time().await.unwrap().unwrap_or(wrong);
    assert_eq!(time == wrong, stack == Stack::Embedded);
    retention::run_once(&retention, time).await.unwrap();
    assert_eq!(fixture.keys().await, "1");
    let again = fixture.place(&[market_order("a", 1)], no_limit()).await;
    assert_eq!(expect_placed(&again[0]), (&order, true));
}

async fn keys_are_deleted_when_they_are_old(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    fixture.place_new(market_order("old", 1)).await;
    fixture.age(stack, DAY + Duration::from_mins(1)).await;
    let retention = fixture.order_retention();
    if stack == Stack::Embedded {
        retention::run_once(&retention, Timestamp::now()).await.unwrap();
        assert_eq!(fixture.keys().await, "1", "SQLite has no clock, so the key of the newest order counts as new");
    }
    fixture.place_new(market_order("new", 1)).await;
    let time = retention.database_time().await.unwrap().unwrap_or_else(Timestamp::now);
    retention::run_once(&retention, time).await.unwrap();
    assert_eq!(fixture.query_text("select key from idempotency_keys").await, [["new"]]);
}

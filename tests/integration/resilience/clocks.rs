//! Wrong clocks: the wall clock of a process is set ahead or back.
//!
//! The services are real processes. libfaketime changes the wall clock that a process reads; the monotonic clock stays
//! real.

use std::time::Duration;

use common::{
    api::prices::{NewPriceRecord, Price, PriceState},
    time::Timestamp,
};
use serde_json::Value;
use tests::{
    Platform, Stack, on_both_stacks,
    platform::{Instance, Validity, order},
    process_kills::{self, Faults, Plan},
    reconciliation::assert_reconciled,
    wait_until,
};

on_both_stacks!(
    clock_jumps_violate_no_invariant,
    db_proxy_writes_nothing_while_its_clock_is_wrong,
    price_from_the_future_is_replaced_by_the_next_price,
    refusals_of_db_proxy_with_clock_ahead_do_not_apply_later,
    create_order_whose_clock_is_behind_returns_no_outdated_refusal,
    services_recover_after_clock_is_corrected,
);

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// The maximum time in which a service detects that its clock is wrong, or correct again.
const NOTICE_LIMIT: Duration = Duration::from_secs(10);
/// On SQLite, the clock of each of the six services is set four times without a restart. Each further jump restarts the
/// service.
const CLOCK_JUMPS: usize = 30;

async fn clock_jumps_violate_no_invariant(stack: Stack) {
    let mut servers = process_kills::start_servers(stack).await;
    let plan = Plan { stack, faults: Faults::ClockJumps, kills: CLOCK_JUMPS, seed: 1 };
    let report = process_kills::run(plan, servers.as_mut()).await;
    eprintln!("{}", report.summary());
    assert_eq!(report.violation_count(), 0, "{}", report.violation_details());
    assert!(
        report.acknowledged > CLOCK_JUMPS && report.without_final_outcome > 0,
        "too few orders, or no jump affected an order"
    );
}

/// Waits until `/readyz` reports the component as ready or not, and returns the component.
async fn wait_for_component(instance: &Instance, name: &str, ready: bool) -> Value {
    wait_until("the readiness of the component changes", NOTICE_LIMIT, async || {
        Some(instance.component(name).await).filter(|component| component["ready"] == ready)
    })
    .await
}

async fn db_proxy_writes_nothing_while_its_clock_is_wrong(stack: Stack) {
    let platform = Platform::builder(stack).in_processes_with_own_clocks().start().await;
    platform.health_check.start().await;
    let mut orders = vec![platform.place(order("USD", "1")).await.json(201)];
    for (number, offset) in [HOUR, -HOUR, DAY, -DAY].into_iter().enumerate() {
        platform.db_proxy.set_clock_offset(offset);
        // Each transaction that places orders checks the clock, so even the first order after the change is refused.
        let key = format!("key-{number}");
        let response = platform.place_with_key(&key, order("USD", "2")).await;
        assert_eq!(response.status, 503, "{offset}: {}", response.text());
        let component = wait_for_component(&platform.db_proxy, "clock", false).await;
        assert!(component["detail"].as_str().is_some_and(|detail| detail.contains("clock")), "{component}");
        platform.db_proxy.set_clock_offset(0);
        wait_for_component(&platform.db_proxy, "clock", true).await;
        orders.push(platform.place_with_key(&key, order("USD", "2")).await.json(201));
    }
    wait_until("the fault is reported to health-check", NOTICE_LIMIT, async || {
        let reports = platform.client.get(platform.health_check.url("/api/v1/reports?service=db-proxy")).await;
        reports.text().contains("nothing is written until the clock is right").then_some(())
    })
    .await;
    assert_reconciled(&platform, &orders).await;
}

/// While its clock is an hour ahead, price-cache-proxy accepts a price with a time in the future. When the clock is
/// correct again, the next price is used.
async fn price_from_the_future_is_replaced_by_the_next_price(stack: Stack) {
    let platform = Platform::builder(stack).in_processes_with_own_clocks().without_prices().start().await;
    platform.price_cache.set_clock_offset(HOUR);
    let price = Price::new("50000000".parse().unwrap(), vec!["alpha".to_owned()]);
    let record = NewPriceRecord {
        state: PriceState::Fresh,
        as_of: Timestamp::now().plus(Duration::from_secs(3_600)),
        simulated: false,
        prices: [("USD".parse().unwrap(), price)].into(),
    };
    platform.try_put_record(&record, Duration::from_mins(10)).await.unwrap();
    platform.place(order("USD", "1")).await.problem(503, "price_unavailable");
    platform.price_cache.set_clock_offset(0);
    platform.put_prices(&[("USD", "100000000")], Validity::default()).await;
    let placed = wait_until("the new price is used", NOTICE_LIMIT, async || {
        let response = platform.place(order("USD", "1")).await;
        (response.status == 201).then(|| response.json(201))
    })
    .await;
    assert_eq!(placed["exchange_rate"], "100000000.00");
    assert_reconciled(&platform, &[placed]).await;
}

/// db-proxy starts with a clock that is two hours ahead, and refuses orders. With a correct clock, db-proxy places the
/// same orders with the same keys.
async fn refusals_of_db_proxy_with_clock_ahead_do_not_apply_later(stack: Stack) {
    let platform = Platform::builder(stack).in_processes_with_own_clocks().start().await;
    platform.db_proxy.kill().await;
    platform.db_proxy.set_clock_offset(2 * HOUR);
    platform.db_proxy.start().await;
    for number in 0..20 {
        let response = platform.place_with_key(&format!("key-{number}"), order("USD", "1")).await;
        assert_eq!(response.status, 503, "{}", response.text());
    }
    platform.db_proxy.kill().await;
    platform.db_proxy.set_clock_offset(0);
    platform.db_proxy.start().await;
    platform.db_proxy.wait_until_ready().await;
    let mut orders = Vec::new();
    for number in 0..20 {
        orders.push(platform.place_with_key(&format!("key-{number}"), order("USD", "1")).await.json(201));
    }
    assert_reconciled(&platform, &orders).await;
}

/// The clock of create-order is behind by less than the allowed skew. An order is refused because a quote reserves a
/// part of the limit. After the quote expires, a retry places the order.
async fn create_order_whose_clock_is_behind_returns_no_outdated_refusal(stack: Stack) {
    let platform = Platform::builder(stack)
        .set("BTC_LIMIT", "0.00000100")
        .set("QUOTE_HOLD_SECS", "1")
        .in_processes_with_own_clocks()
        .start()
        .await;
    platform.create_order.set_clock_offset(-4);
    platform.quote(order("USD", "60")).await.json(201);
    platform.place_with_key("a", order("USD", "50")).await.problem(409, "limit_exceeded");
    wait_until("the reservation ends", NOTICE_LIMIT, async || {
        (platform.summary().await["reserved"] == "0.00000000").then_some(())
    })
    .await;
    let placed = platform.place_with_key("a", order("USD", "50")).await.json(201);
    assert_reconciled(&platform, &[placed]).await;
}

/// All services run, with simulated exchanges. When the clock of a service is correct again, orders are placed at a new
/// price.
async fn services_recover_after_clock_is_corrected(stack: Stack) {
    let platform = Platform::builder(stack)
        .set("PRICE_REFRESH_SECS", "1")
        .set("COURSE_REFRESH_SECS", "1")
        .in_processes_with_own_clocks()
        .without_prices()
        .start()
        .await;
    platform.start_other_services().await;
    let mut orders = Vec::new();
    let services = [&platform.price_updater, &platform.price_cache, &platform.create_order, &platform.rates];
    for (service, offset) in services.into_iter().zip([HOUR, -HOUR, DAY, -DAY]) {
        service.set_clock_offset(offset);
        // An order is placed at a current price or refused.
        let response = platform.place(order("USD", "1")).await;
        if response.status == 201 {
            orders.push(response.json(201));
        } else {
            assert_eq!(response.status, 503, "{}: {}", service.name, response.text());
        }
        service.set_clock_offset(0);
        let corrected_at = Timestamp::now();
        let placed =
            wait_until("an order has a price from after the clock was corrected", NOTICE_LIMIT * 3, async || {
                let response = platform.place(order("USD", "1")).await;
                let order: Option<Value> = (response.status == 201).then(|| response.json(201));
                orders.extend(order.clone());
                let as_of: Timestamp = order?["price_as_of"].as_str()?.parse().ok()?;
                (as_of > corrected_at && as_of <= Timestamp::now()).then_some(())
            });
        placed.await;
        platform.rates.wait_until_ready().await;
    }
    assert_reconciled(&platform, &orders).await;
}

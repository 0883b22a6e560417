use common::{
    api::orders::{Order, Placed, RefusalReason, Refused},
    time::Timestamp,
};
use serde_json::json;

use super::*;

fn placed(currency: &str, amount: &str, bitcoin_amount: &str, replayed: bool) -> Decision {
    let order: Order = serde_json::from_value(json!({
        "id": "01912d68-783e-7a03-8467-5661c1243ad4", "created_at": "2026-01-01T00:00:00Z", "currency": currency,
        "amount": amount, "exchange_rate": "84000.12", "bitcoin_amount": bitcoin_amount,
        "price_as_of": "2026-01-01T00:00:00Z", "simulated": false,
    }))
    .unwrap();
    Decision::Placed(Placed { order, replayed })
}

#[test]
fn placed_orders_are_counted_exactly_by_currency() {
    let metrics = Metrics::new("db-proxy");
    let orders = OrderMetrics::register(&metrics, "100".parse().unwrap());
    let refused = Refused::because(RefusalReason::LimitExceeded);
    orders.record_decisions(&[
        placed("EUR", "69.1", "0.00082262", false),
        placed("EUR", "0.2", "0.00000239", false),
        placed("EUR", "1000", "0.1", true),
        placed("USD", "10", "0.00011905", false),
        Decision::Refused(refused),
    ]);
    let time: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let (bitcoin, reserved) = ("0.00094406".parse().unwrap(), "0.5".parse().unwrap());
    let totals = Totals {
        orders: 3,
        bitcoin,
        user_orders: 0,
        user_bitcoin: Sats::ZERO,
        reserved,
        last_created_at: time,
        last_refused_at: time,
    };
    orders.set_totals(&totals, "101".parse().unwrap());
    let text = metrics.encode();
    for line in [
        "buydesk_orders_placed_total{service=\"db-proxy\",currency=\"EUR\"} 2",
        "buydesk_orders_placed_total{service=\"db-proxy\",currency=\"USD\"} 1",
        "buydesk_orders_amount_total{service=\"db-proxy\",currency=\"EUR\"} 69.3",
        "buydesk_orders_bitcoin_total{service=\"db-proxy\",currency=\"EUR\"} 0.00082501",
        "buydesk_limit_bitcoin{service=\"db-proxy\"} 101.0",
        "buydesk_limit_remaining_bitcoin{service=\"db-proxy\"} 100.49905594",
        "buydesk_limit_reserved_bitcoin{service=\"db-proxy\"} 0.5",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

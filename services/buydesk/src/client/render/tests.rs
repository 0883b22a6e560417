use common::api::pages::PageLinks;
use serde_json::json;

use super::*;

const NOW: &str = "2026-01-02T03:04:05Z";

fn order_json(simulated: bool, price_state: &str, price_as_of: &str) -> Order {
    let order = json!({
        "id": "0197b0c4-7a5e-7d44-9b0a-1c2d3e4f5a6b", "created_at": NOW, "currency": "EUR", "amount": "69.00",
        "exchange_rate": "84000.12", "bitcoin_amount": "0.00082143", "price_as_of": price_as_of, "simulated": simulated,
        "price_state": price_state,
    });
    serde_json::from_str(&order.to_string()).unwrap()
}

#[test]
fn order_table_marks_simulated_and_prolonged_prices() {
    let earlier = "2026-01-02T02:59:00Z";
    for (simulated, state, expected) in [
        (false, "fresh", "real"),
        (true, "fresh", "SIMULATED"),
        (false, "prolonged", "real, PROLONGED, 5 min old"),
        (true, "prolonged", "SIMULATED, PROLONGED, 5 min old"),
    ] {
        let table = order_table([&order_json(simulated, state, earlier)]).fit(None);
        let row = table.lines().nth(3).unwrap();
        assert_eq!(row.rsplit('┆').next().unwrap().trim_end_matches('│').trim(), expected);
    }
}

#[test]
fn list_of_orders_shows_references_and_the_command_for_the_next_page() {
    let mut order = order_json(true, "fresh", NOW);
    let page_of = |order: &Order| LinkedOrderPage {
        data: vec![order.clone()],
        links: PageLinks { next: None },
        next_cursor: None,
    };
    let text = page(&page_of(&order), None);
    assert!(!text.contains("reference") && !text.contains("More orders"), "{text}");
    order.client_reference = Some("invoice-42".parse().unwrap());
    let text = page(&page_of(&order), Some("buydesk order list --cursor o1f"));
    assert!(text.contains("invoice-42"), "{text}");
    assert!(text.ends_with("\nMore orders: buydesk order list --cursor o1f"), "{text}");
    let empty = LinkedOrderPage { data: Vec::new(), ..page_of(&order) };
    assert_eq!(page(&empty, None), "No orders.");
}

#[test]
fn tables_round_prices_but_not_amounts() {
    let order = Order {
        amount: "69.1234".parse().unwrap(),
        exchange_rate: "91370.17693188".parse().unwrap(),
        ..order_json(true, "fresh", NOW)
    };
    let table = order_table([&order]).fit(None);
    for shown in [" 69.1234 EUR ", " 91370.18 ", " 0.00082143 "] {
        assert!(table.contains(shown), "{shown}: {table}");
    }
    let course = |direction: &str, value: &str| json!({ "direction": direction, "value": value, "bid": value, "kind": "trade", "observed_at": NOW, "simulated": true });
    let group = json!({ "exchanger": "kraken", "courses": [course("ETH-BTC", "0.03297015"), course("USDT-EUR", "0.92314567")] });
    let text = courses(&[serde_json::from_str(&group.to_string()).unwrap()]);
    for (shown, times) in [("0.03297015", 2), ("0.923146", 2), ("0.92314567", 0)] {
        assert_eq!(text.matches(shown).count(), times, "{shown}: {text}");
    }
}

#[test]
fn paid_order_names_its_wallets() {
    let mut paid = order_json(true, "fresh", NOW);
    assert!(!order(&paid).contains("wallet"));
    let wallet = "0197b0c4-7a5e-7d44-9b0a-1c2d3e4f5a6c";
    (paid.wallet_id, paid.credit_wallet_id) = (wallet.parse().ok(), wallet.parse().ok());
    let text = order(&paid);
    assert!(text.ends_with(&format!("\nPaid from wallet: {wallet}\nBitcoin credited to wallet: {wallet}")), "{text}");
}

#[test]
fn conversion_names_the_legs_of_a_computed_price() {
    let step = json!({ "direction": "BTC-RUB", "price": "8190045.00", "inverse": false, "as_of": NOW, "kind": "computed",
                       "legs": ["BTC-USD", "USD-RUB"], "sources": ["kraken"], "state": "prolonged" });
    let value = json!({
        "from": "BTC", "to": "RUB", "amount": "1", "result": "8190045.00", "decimals": 2, "rounding": "half_even",
        "rate": "8190045.00", "path": "cross", "steps": [step], "as_of": NOW, "age_secs": 750, "state": "prolonged",
        "known_error_percent": "0.0500", "simulated": true,
    });
    let text = conversion(&serde_json::from_str(&value.to_string()).unwrap(), "buydesk price");
    for part in [
        "1 BTC = 8190045.00 RUB\nRate: 1 BTC = 8190045.00 RUB\n",
        "times 8190045.00 of BTC-RUB, computed from BTC-USD and USD-RUB",
        "PROLONGED, 12 min old",
        "0.0500 % apart",
        "SIMULATED",
        "`buydesk price` shows whether orders use it.",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("direct") && !text.contains("orders use the last one"), "{text}");
}

#[test]
fn result_below_the_smallest_amount_is_not_shown_as_zero() {
    let step = json!({ "direction": "BTC-EUR", "price": "84000.00", "inverse": false, "as_of": NOW, "kind": "agreed" });
    for (to, result, shown) in [
        ("EUR", "0.00", "0.00000001 BTC is less than 0.01 EUR\n"),
        ("JPY", "0", "0.00000001 BTC is less than 1 JPY\n"),
        ("EUR", "0.01", "0.00000001 BTC = 0.01 EUR\n"),
    ] {
        let value = json!({
            "from": "BTC", "to": to, "amount": "0.00000001", "result": result, "decimals": 2, "rounding": "half_even",
            "rate": "84000.00", "path": "direct", "steps": [step], "as_of": NOW, "simulated": true,
        });
        let text = conversion(&serde_json::from_str(&value.to_string()).unwrap(), "buydesk price");
        assert!(text.starts_with(shown), "{text}");
    }
}

#[test]
fn conversion_shows_the_prices_of_the_legs_and_their_sources() {
    let legs = json!([
        { "direction": "BTC-USD", "price": "91000.50", "inverse": false, "as_of": NOW, "kind": "agreed", "sources": ["kraken", "okx"] },
        { "direction": "USD-RUB", "price": "90.00", "inverse": false, "as_of": NOW, "kind": "official", "sources": ["cbr"],
          "official_day": "2025-12-31" },
    ]);
    let step = json!({ "direction": "BTC-RUB", "price": "8190045.00", "inverse": false, "as_of": NOW, "kind": "computed",
                       "legs": ["BTC-USD", "USD-RUB"], "leg_prices": legs, "sources": ["kraken", "okx", "cbr"] });
    let text = conversion_step(&serde_json::from_value(step).unwrap());
    assert_eq!(
        text,
        "  times 8190045.00 of BTC-RUB, computed from BTC-USD and USD-RUB\n    \
         91000.50 of BTC-USD, agreed by kraken, okx\n    \
         times 90.00 of USD-RUB, official rate by cbr of 2025-12-31"
    );
}

#[test]
fn conversion_names_the_bank_of_an_official_rate() {
    let step = json!({ "direction": "EUR-USD", "price": "1.0833", "inverse": true, "as_of": NOW, "kind": "official",
                       "sources": ["ecb"], "official_day": "2025-12-31" });
    let value = json!({
        "from": "USD", "to": "EUR", "amount": "1", "result": "0.92", "decimals": 2, "rounding": "half_even",
        "rate": "0.9231053263177329", "path": "inverse", "steps": [step], "as_of": NOW, "simulated": false, "known_error_percent": "0.0049",
    });
    let text = conversion(&serde_json::from_str(&value.to_string()).unwrap(), "buydesk price");
    assert!(text.starts_with("1 USD = 0.92 EUR\nRate: 1 USD = 0.923105 EUR\n"), "{text}");
    assert!(text.contains("divided by 1.0833 of EUR-USD, official rate by ecb of 2025-12-31"), "{text}");
    assert!(text.contains("; the banks that publish the rate are at most 0.0049 % apart"), "{text}");
}

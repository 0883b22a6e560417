use super::*;

fn summary(limit: &str, remaining: &str) -> OrderSummary {
    let sats = |text: &str| text.parse().unwrap();
    OrderSummary {
        count: 1,
        bitcoin_amount: sats("0.002"),
        reserved: sats("0.001"),
        remaining: sats(remaining),
        limit: sats(limit),
    }
}

#[test]
fn limit_component_states_why_nothing_remains() {
    let detail = |limit, remaining| component_of(&summary(limit, remaining)).detail;
    assert_eq!(detail("100", "99.997"), None);
    assert_eq!(detail("0.003", "0").unwrap(), "orders and quotes take all of the 0.00300000 BTC");
    assert_eq!(detail("0", "0").unwrap(), "it is 0 BTC, so only orders with an open quote are accepted");
    // The limit was lowered below the sum of the orders and quotes.
    assert_eq!(
        detail("0.00001", "0").unwrap(),
        "orders and quotes take 0.00300000 BTC, which is more than the limit of 0.00001000 BTC"
    );
    let status = component_of(&summary("0.00001", "0")).limit.unwrap();
    assert_eq!(status.used(), "0.003".parse().unwrap());
}

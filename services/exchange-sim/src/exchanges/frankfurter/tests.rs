use super::*;
use crate::tests::Sim;

#[tokio::test(start_paused = true)]
async fn version_one_has_ecb_rates_in_the_requested_base() {
    let sim = Sim::starting_at("2026-01-04T12:00:00Z");
    let rates = sim.json("/frankfurter/v1/latest?base=USD&symbols=EUR,GBP").await;
    assert_eq!((&rates["base"], &rates["date"]), (&"USD".into(), &"2026-01-02".into()));
    assert_eq!(rates["rates"].as_object().unwrap().keys().collect::<Vec<_>>(), ["EUR", "GBP"]);
    assert!(sim.get("/frankfurter/v1/latest?base=USD&symbols=EUR").await.1.starts_with(r#"{"amount":1.0,"#));
    let all = sim.json("/frankfurter/v1/latest").await;
    assert_eq!((all["rates"].as_object().unwrap().len(), all["rates"].get("RUB")), (29, None));
    assert_eq!(sim.json("/frankfurter/v1/2025-12-28?from=USD&to=CHF").await["date"], "2025-12-24");
    for (path, status) in [("latest?base=RUB", 404), ("yesterday", 404), ("latest?base=USD&symbols=USD", 422)] {
        assert_eq!(sim.get(&format!("/frankfurter/v1/{path}")).await.0, status, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn version_two_has_the_rouble_and_rows_of_different_days() {
    let sim = Sim::starting_at("2026-01-23T16:00:00Z");
    let rates = sim.json("/frankfurter/v2/rates?base=USD&quotes=EUR,RUB").await;
    let rows: Vec<_> = rates.as_array().unwrap().iter().map(|row| (&row["quote"], &row["date"])).collect();
    assert_eq!(rows, [(&"EUR".into(), &"2026-01-23".into()), (&"RUB".into(), &"2026-01-22".into())]);
    assert!(rates[1]["rate"].as_f64().unwrap() > 80.0, "{rates}");
    assert_eq!(sim.json("/frankfurter/v2/rate/USD/RUB").await, rates[1]);
    let (status, body) = sim.get("/frankfurter/v2/rates?base=XYZ").await;
    assert_eq!((status, body.as_str()), (422, r#"{"status":422,"message":"invalid base"}"#));
    sim.start_fault(NAME, r#"{"fault":"unlisted","direction":"USD-RUB"}"#);
    assert_eq!(sim.json("/frankfurter/v2/rates?base=USD&quotes=EUR,RUB").await.as_array().unwrap().len(), 1);
}

//! The admin API: its effects, and its errors for invalid requests.

use poem::http::Method;
use serde_json::Value;

use super::Sim;

async fn set(sim: &Sim, exchange: &str, fault: &str) -> (u16, String) {
    sim.admin(Method::PUT, &format!("/admin/faults/{exchange}"), fault).await
}

#[tokio::test(start_paused = true)]
async fn admin_api_needs_the_internal_token() {
    let sim = Sim::new();
    for path in ["/admin/faults", "/admin/timeline", "/admin/calls"] {
        assert_eq!(sim.get(path).await.0, 401, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn invalid_fault_is_refused() {
    let sim = Sim::new();
    assert_eq!(set(&sim, "mtgox", r#"{"fault":"down"}"#).await.0, 404);
    for (fault, field) in [
        (r#"{"fault":"no_such_kind"}"#, "fault"),
        (r#"{"fault":"down","seconds":0}"#, "seconds"),
        (r#"{"fault":"lie_factor","factor":"0"}"#, "factor"),
        (r#"{"fault":"down","second":1}"#, "second"),
        (r#"{"fault":"down","direction":"BTC-USD"}"#, "direction"),
        (r#"{"fault":"frozen","direction":"BTC"}"#, "direction"),
    ] {
        let answer = set(&sim, "kraken", fault).await;
        assert!(answer.0 == 422 && answer.1.contains(field), "{fault}: {answer:?}");
    }
    assert!(sim.simulation.active_faults().is_empty());
}

#[tokio::test(start_paused = true)]
async fn fault_is_listed_until_it_is_ended() {
    let sim = Sim::new();
    let list = async || sim.admin(Method::GET, "/admin/faults", "").await.1;
    assert!(list().await.contains(r#""faults":[]"#));
    assert_eq!(set(&sim, "kraken", r#"{"fault":"slow"}"#).await.0, 200);
    let faults = list().await;
    assert!(faults.contains(r#""exchange":"kraken","fault":"slow""#) && !faults.contains("factor"), "{faults}");
    assert_eq!(sim.admin(Method::DELETE, "/admin/faults/kraken", "").await.0, 204);
    assert!(list().await.contains(r#""faults":[]"#));
}

#[tokio::test(start_paused = true)]
async fn timeline_begins_when_it_is_set() {
    let sim = Sim::new();
    let timeline = r#"{"timeline":[
        {"exchange":"coinbase","at_seconds":10,"seconds":5,"fault":"error_500"},
        {"exchange":"coinbase","at_seconds":20,"seconds":5,"fault":"lie_factor","factor":2}]}"#;
    let (status, body) = sim.admin(Method::PUT, "/admin/timeline", timeline).await;
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &answer["timeline"][1]["factor"]), (200, &Value::from("2")));
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let (status, body) = sim.get("/coinbase/products/BTC-USD/ticker").await;
        statuses.push((status, body.contains("\"price\":\"18")));
        sim.advance(5).await;
    }
    let ok = (200, false);
    assert_eq!(statuses, [ok, ok, (500, false), ok, (200, true), ok]);
}

#[tokio::test(start_paused = true)]
async fn timeline_with_an_invalid_fault_is_refused() {
    let sim = Sim::new();
    let valid = r#"{"timeline":[{"exchange":"coinbase","at_seconds":1,"fault":"down","seconds":5}]}"#;
    assert_eq!(sim.admin(Method::PUT, "/admin/timeline", valid).await.0, 200);
    let invalid = r#"{"timeline":[{"exchange":"coinbase","at_seconds":1,"fault":"down","seconds":0}]}"#;
    let (status, body) = sim.admin(Method::PUT, "/admin/timeline", invalid).await;
    assert!(status == 422 && body.contains("timeline[0].seconds"), "{body}");
    assert_eq!(sim.simulation.timeline().len(), 1);
    assert_eq!(sim.admin(Method::PUT, "/admin/timeline", r#"{"timeline":[]}"#).await.0, 200);
    assert!(sim.admin(Method::GET, "/admin/timeline", "").await.1.contains(r#""timeline":[]"#));
}

/// The field and the message of each error, without quotation marks.
fn errors(answer: &(u16, String)) -> Vec<String> {
    let problem: Value = serde_json::from_str(&answer.1).unwrap();
    let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{answer:?}")).iter();
    errors.map(|error| format!("{} {}", error["field"], error["message"]).replace(['"', '\\'], "")).collect()
}

#[tokio::test(start_paused = true)]
async fn every_wrong_field_of_a_fault_is_named() {
    let sim = Sim::new();
    let refused = set(&sim, "kraken", r#"{"fault":"slow","seconds":0,"latency_millis":"1","days":4000,"x":1}"#).await;
    assert_eq!(
        errors(&refused),
        [
            "latency_millis must be a whole number from 1 to 25000, but is 1",
            "x is unknown; the known names are fault, seconds, factor, direction, retry_after, latency_millis, status, \
             skew_seconds, days, number_form, time_form",
            "days does not apply to the fault slow, which takes latency_millis and seconds",
            "seconds must be a whole number from 1 to 86400, but is 0",
        ]
    );
    // If the kind is unknown, only the ranges of the parameters are checked.
    let refused = errors(&set(&sim, "kraken", r#"{"fault":"slo","latency_millis":5,"days":0}"#).await);
    assert!(refused[0].ends_with(", but is slo (did you mean slow?)"), "{refused:?}");
    assert_eq!(refused[1..], ["days must be a whole number from 1 to 3650, but is 0"]);
    let unknown = set(&sim, "krakn", "{}").await.1;
    assert!(unknown.contains(r#"The exchange \"krakn\" (did you mean kraken?) does not exist."#), "{unknown}");
}

#[tokio::test(start_paused = true)]
async fn every_wrong_field_of_a_timeline_is_named_with_its_path() {
    let sim = Sim::new();
    let timeline = r#"{"timeline":[
        {"exchange":"coinbase","at_seconds":1,"fault":"down"},
        {"exchange":"krakn","at_seconds":-1,"fault":"down","seconds":0},
        {"at_seconds":1,"fault":"down","days":1}],
        "market":[{"at_seconds":1,"seconds":0,"change_percent":-30},7]}"#;
    let refused = errors(&sim.admin(Method::PUT, "/admin/timeline", timeline).await);
    let fields: Vec<_> = refused.iter().map(|error| error.split_once(' ').unwrap().0).collect();
    assert_eq!(
        fields,
        [
            "timeline[1].at_seconds",
            "timeline[2].exchange",
            "market[1]",
            "timeline[1].exchange",
            "timeline[1].seconds",
            "timeline[2].days",
            "market[0].seconds",
        ]
    );
    assert_eq!(refused[2], "market[1] must be a JSON object, but is 7");
    assert!(sim.simulation.timeline().is_empty());
}

#[tokio::test(start_paused = true)]
async fn timeline_with_an_invalid_move_of_the_market_is_refused() {
    let sim = Sim::new();
    let invalid = r#"{"timeline":[{"exchange":"coinbase","at_seconds":1,"fault":"down"}],
        "market":[{"at_seconds":1,"change_percent":-30},{"at_seconds":1,"seconds":0,"change_percent":-30}]}"#;
    let (status, body) = sim.admin(Method::PUT, "/admin/timeline", invalid).await;
    assert!(status == 422 && body.contains("market[1].seconds"), "{body}");
    let unchanged = (200, "{\"timeline\":[],\"market\":[]}\n".to_owned());
    assert_eq!(sim.admin(Method::GET, "/admin/timeline", "").await, unchanged);
}

#[tokio::test(start_paused = true)]
async fn calls_during_an_announced_ban_are_counted_and_end_fault_lifts_the_ban() {
    let sim = Sim::new();
    let path = "/gemini/v1/pricefeed";
    sim.start_fault("gemini", r#"{"fault":"rate_limited","retry_after":90,"seconds":1}"#);
    assert_eq!(sim.header(path, "retry-after").await.unwrap(), "90");
    sim.advance(30).await;
    assert_eq!(sim.get(path).await.0, 429);
    let calls: Value = serde_json::from_str(&sim.admin(Method::GET, "/admin/calls", "").await.1).unwrap();
    let gemini = calls["exchanges"].as_array().unwrap().iter().find(|calls| calls["exchange"] == "gemini").unwrap();
    assert_eq!((&gemini["calls"], &gemini["inside_announced_ban"]), (&2.into(), &1.into()), "{gemini}");
    assert!(gemini["banned_until"].is_string() && gemini["last_inside_at"].is_string(), "{gemini}");
    assert_eq!(sim.admin(Method::DELETE, "/admin/faults/gemini", "").await.0, 204);
    assert_eq!(sim.get(path).await.0, 200);
    assert_eq!(sim.calls("gemini").inside_announced_ban, 1);
}

use std::time::Duration;

use serde_json::{Value, json};

use super::OrderLoad;
use crate::{
    cli::{Arguments, CheckScope, Command, LoadCommand, OrderLoadArgs},
    client::scripted_service::{Reply, ScriptedService},
    load::{report::Check, transport::Transport, workload::Workload},
};

const FIRST: &str = "01900000-0000-7000-8000-000000000001";
const SECOND: &str = "01900000-0000-7000-8000-000000000002";

fn order(id: &str) -> Value {
    json!({
        "id": id, "created_at": "2026-01-02T03:04:05Z", "currency": "EUR", "amount": "0.01", "exchange_rate": "84000.12",
        "bitcoin_amount": "0.00000012", "price_as_of": "2026-01-02T03:04:00Z", "simulated": true
    })
}

fn page(ids: &[&str]) -> Value {
    json!({ "data": ids.iter().map(|id| order(id)).collect::<Vec<_>>(), "_links": {} })
}

fn args() -> OrderLoadArgs {
    use clap::Parser;
    match Arguments::try_parse_from(["buydesk", "load", "orders"]).unwrap().command {
        Command::Load(LoadCommand::Orders(args)) => args,
        other => panic!("{other:?}"),
    }
}

/// Sends two orders, and checks them.
async fn check(replies: Vec<Reply>) -> (Check, ScriptedService) {
    let service = ScriptedService::start(replies);
    let client = service.client(&[]);
    let transport = Transport::new(2, Duration::from_secs(5), None).unwrap();
    let load = OrderLoad::new(&client, transport, &args()).unwrap();
    for number in 0..2 {
        // A request without a response fails here. The check finds out its outcome.
        let _ = load.send(number).await;
    }
    (load.check(&client, CheckScope::All).await.unwrap(), service)
}

fn successes(documents: impl IntoIterator<Item = Value>) -> Vec<Reply> {
    documents.into_iter().map(Reply::Success).collect()
}

#[tokio::test]
async fn acknowledged_orders_that_are_listed_once_pass_the_check() {
    // The responses to two orders, two repeated requests, a read of the first order, and a read of the list.
    let placed = [FIRST, SECOND, FIRST, SECOND, FIRST].map(order);
    let (check, service) = check(successes(placed.into_iter().chain([page(&[SECOND, FIRST])]))).await;
    assert_eq!(check, Check { acknowledged: 2, looked_up: 2, repeated: 2, ..Check::default() });
    let requests = service.requests();
    assert!(requests[0].contains(r#"{"currency":"EUR","amount":"0.01""#), "{}", requests[0]);
}

#[tokio::test]
async fn acknowledged_order_that_is_not_listed_or_listed_twice_is_a_violation() {
    for (listed, count) in [(&[FIRST][..], 0), (&[SECOND, FIRST, SECOND], 2)] {
        let placed = [FIRST, SECOND, FIRST, SECOND, FIRST].map(order);
        let (check, _) = check(successes(placed.into_iter().chain([page(listed)]))).await;
        assert_eq!(check.violations, 1);
        assert_eq!(check.examples, [format!("Order {SECOND} was acknowledged, and is listed {count} times.")]);
    }
}

#[tokio::test]
async fn repeated_request_that_returns_another_order_is_a_violation() {
    let third = "01900000-0000-7000-8000-000000000003";
    let placed = [FIRST, SECOND, FIRST, third, FIRST].map(order);
    let (check, _) = check(successes(placed.into_iter().chain([page(&[SECOND, FIRST])]))).await;
    assert_eq!(check.violations, 1);
    assert!(check.examples[0].contains(&format!("did not return {SECOND}")), "{:?}", check.examples);
}

#[tokio::test]
async fn transport_keeps_the_first_detail_of_each_code() {
    let problem = |detail| {
        Reply::Problem(
            json!({ "type": "about:blank", "title": "", "status": 422, "code": "validation_failed", "detail": detail })
                .to_string(),
        )
    };
    let service = ScriptedService::start(vec![problem("amount: is wrong"), problem("currency: is wrong")]);
    let transport = Transport::new(2, Duration::from_secs(5), None).unwrap();
    let load = OrderLoad::new(&service.client(&[]), transport.clone(), &args()).unwrap();
    for number in 0..2 {
        assert_eq!(load.send(number).await.unwrap_err().code, "validation_failed");
    }
    assert_eq!(transport.first_detail("validation_failed").as_deref(), Some("amount: is wrong"));
    assert_eq!(transport.first_detail("limit_exceeded"), None);
}

#[tokio::test]
async fn two_keys_with_one_order_are_a_violation() {
    let placed = [FIRST; 5].map(order);
    let (check, _) = check(successes(placed.into_iter().chain([page(&[FIRST])]))).await;
    assert_eq!(check.violations, 1);
    assert!(check.examples[0].contains("different keys and the same change"), "{:?}", check.examples);
}

#[tokio::test]
async fn order_without_a_response_is_sent_again_with_its_key() {
    let placed = [FIRST, SECOND, FIRST, SECOND, FIRST].map(order);
    let mut replies = successes(placed.into_iter().chain([page(&[SECOND, FIRST])]));
    replies.insert(1, Reply::NoResponse);
    let (check, service) = check(replies).await;
    assert_eq!(check, Check { acknowledged: 2, looked_up: 2, repeated: 2, resolved: 1, ..Check::default() });
    let requests = service.requests();
    let key = |request: &str| request.lines().find(|line| line.starts_with("idempotency-key")).map(str::to_owned);
    assert_eq!(key(&requests[1]), key(&requests[2]));
}

//! Concurrent movements and look-ups are sent in few requests.

use common::money::Money;
use futures_util::future::join_all;

use super::*;

#[tokio::test(start_paused = true)]
async fn operations_on_one_wallet_are_sent_in_few_requests_in_the_order_of_arrival() {
    let fixture = Fixture::new();
    let (id, path) = fixture.wallet(Currency::USD);
    let answers = join_all((1..=2000).map(|amount| fixture.post(&path, deposit(&amount.to_string())))).await;
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert_eq!(fixture.backend.balance(id), "2001000.00");
    let batches = fixture.backend.batches();
    assert_eq!(batches.iter().sum::<usize>(), 2000);
    assert!(batches.len() <= 40, "{batches:?}");
    // Within a batch, the balances grow in the order of arrival.
    let balance_of = |answer: &TestResponse| answer.body["balance"].as_str().unwrap().parse::<Money>().unwrap().units();
    let balances: Vec<_> = answers.iter().map(balance_of).collect();
    let ordered = balances.windows(2).filter(|pair| pair[0] < pair[1]).count();
    assert!(ordered >= 2000 - batches.len(), "{ordered}");
    let line = r#"buydesk_wallet_movements_total{service="wallets",kind="deposit",result="moved"} 2000"#;
    assert!(fixture.metrics.encode().contains(line), "{}", fixture.metrics.encode());
}

#[tokio::test(start_paused = true)]
async fn concurrent_reads_share_look_ups() {
    let fixture = Fixture::new();
    let (id, _) = fixture.wallet(Currency::USD);
    let of_ada = fixture.backend.add_wallet(Currency::USD, Some(fixture.ada));
    let paths = [wallet_path(id), wallet_path(of_ada)];
    let answers = join_all((0..500).map(|n| fixture.get(&paths[n % 2]))).await;
    for (n, answer) in answers.iter().enumerate() {
        assert_eq!(answer.status, if n % 2 == 0 { 200 } else { 404 });
    }
    let batches = fixture.backend.batches();
    assert!(batches.len() <= 20 && batches.iter().all(|ids| *ids <= 2), "{batches:?}");
}

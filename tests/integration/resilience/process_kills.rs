//! Services, nginx, PostgreSQL and Redis are killed repeatedly while clients place orders and move money. Afterwards,
//! no invariant is violated, and the orders fill the limit. `tests/load/kills` runs longer.

use common::{
    api::orders::Order,
    money::{Currency, Sats},
    time::Timestamp,
};
use tests::{
    Platform, Stack,
    client::try_send,
    history::{Attempt, History, Outcome, RequestedOrder, StoredState, Violation, check_history},
    on_both_stacks,
    process_kills::{self, Faults, Plan},
    servers::query_text,
};

on_both_stacks!(process_kills_violate_no_invariant, checker_detects_changed_database_rows);

/// The number of kills on each stack. They take half a minute in total.
const KILLS: usize = 60;
const SEED: u64 = 1;

async fn process_kills_violate_no_invariant(stack: Stack) {
    let mut servers = process_kills::start_servers(stack).await;
    let report =
        process_kills::run(Plan { stack, faults: Faults::Kills, kills: KILLS, seed: SEED }, servers.as_mut()).await;
    eprintln!("{}", report.summary());
    assert_eq!(report.violation_count(), 0, "{}", report.violation_details());
    assert!(
        report.acknowledged > KILLS && report.without_final_outcome > 0,
        "too few orders, or no kill affected an order"
    );
    assert!(
        report.moved > KILLS && report.movements_without_final_outcome > 0,
        "too few movements, or no kill affected a movement"
    );
}

/// Proves that the checker reads the tables.
async fn checker_detects_changed_database_rows(stack: Stack) {
    let platform = Platform::builder(stack).set("BTC_LIMIT", "0.00000060").start().await;
    let mut history = History { fill_started_at: Some(Timestamp::now()), ..History::default() };
    for (number, satoshi) in [10, 20, 30, 1].into_iter().enumerate() {
        let amount = satoshi.to_string().parse().unwrap();
        let requested = RequestedOrder::AtMarketPrice { currency: Currency::USD, amount };
        let (idempotency_key, start) = (format!("key-{number}"), Timestamp::now());
        let request = platform.order_request(requested.body()).header("idempotency-key", &idempotency_key);
        let outcome = Outcome::from_response(try_send(request).await);
        let bitcoin_amount = Sats::new(satoshi).ok();
        let end = Timestamp::now();
        history.attempts.push(Attempt { user: None, idempotency_key, requested, bitcoin_amount, start, end, outcome });
    }
    let url = platform.database.url();
    let limit = Sats::new(60).unwrap();
    assert_eq!(check_history(&history, &StoredState::read(&url).await.unwrap(), limit), []);

    query_text(&url, "delete from orders where seq = 2").await;
    query_text(&url, "update orders set price_sources = 'nobody', exchange_rate_e8 = 7 where seq = 3").await;
    query_text(&url, "update order_totals set bitcoin_sats = 61").await;
    let id = |number: usize| match &history.attempts[number].outcome {
        Outcome::Placed { body, .. } => serde_json::from_slice::<Order>(body).unwrap().id,
        other => panic!("not placed: {other:?}"),
    };
    let expected = [
        Violation::OrderMissing { key: "key-1".to_owned(), id: id(1).to_string() },
        Violation::OrderDiffers {
            key: "key-2".to_owned(),
            id: id(2),
            field: "exchange_rate".to_owned(),
            acknowledged: "\"100000000.00\"".to_owned(),
            stored: "\"0.00000007\"".to_owned(),
        },
        Violation::WrongSum { orders: 40, totals: 61 },
        Violation::WrongCount { orders: 2, totals: 3 },
        Violation::SequenceGap { after: 1, next: 3 },
        Violation::LimitNotFilled { left: 20 },
    ];
    assert_eq!(check_history(&history, &StoredState::read(&url).await.unwrap(), limit), expected);
}

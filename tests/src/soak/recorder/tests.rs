use common::{
    api::{orders::OrderedBy, prices::PriceState},
    ids::OrderId,
    money::{Currency, FiatAmount, Rate, Sats},
    time::Timestamp,
};
use uuid::Uuid;

use super::{Attempt, Key, Order, Outcome, RunRecorder, SAMPLE_RATIO, StoredOrder, StoredOrdersCheck, StoredTotals};
use crate::history::RequestedOrder;

const ORDERS: u64 = 3 * SAMPLE_RATIO;
/// A key whose history is not recorded.
const NOT_SAMPLED: u64 = SAMPLE_RATIO + 77;

/// The result of a run in which each order was acknowledged and stored. A test then changes the stored orders or the
/// totals.
struct SimulatedRun {
    recorder: RunRecorder,
    stored: Vec<StoredOrder>,
    totals: StoredTotals,
}

impl SimulatedRun {
    fn new() -> Self {
        let (recorder, mut stored) = (RunRecorder::default(), Vec::new());
        for seq in 1..=i64::try_from(ORDERS).unwrap() {
            let key = recorder.new_key();
            let order = order(seq);
            recorder.record_order(key, vec![attempt(key, &order)]);
            stored.push(StoredOrder { seq, idempotency_key: key.text(), order, quote: None });
        }
        let bitcoin = stored.iter().map(|stored| stored.order.bitcoin_amount.get()).sum();
        let totals = StoredTotals { orders: i64::try_from(ORDERS).unwrap(), bitcoin, reserved: 0 };
        Self { recorder, stored, totals }
    }

    fn violations(self) -> Vec<String> {
        let records = self.recorder.records();
        let mut check = StoredOrdersCheck::new(&records.history, ORDERS, Sats::new(1_000_000_000_000).unwrap());
        for order in self.stored {
            check.visit(order);
        }
        check.finish(&records.history, records.acknowledged, self.totals)
    }
}

fn order(seq: i64) -> Order {
    let created_at = Timestamp::from_micros(1_700_000_000_000_000 + seq * 1000).unwrap();
    let (currency, amount) = (Currency::EUR, FiatAmount::from_ten_thousandths(seq).unwrap());
    Order {
        id: OrderId(Uuid::from_u128(u128::try_from(seq).unwrap())),
        created_at,
        currency,
        amount,
        exchange_rate: Rate::from_hundred_millionths(8_400_012_000_000).unwrap(),
        bitcoin_amount: Sats::new(seq).unwrap(),
        price_as_of: created_at,
        simulated: true,
        price_state: PriceState::Fresh,
        ordered_by: OrderedBy::Amount,
        quote: None,
        client_reference: RequestedOrder::AtMarketPrice { currency, amount }.client_reference(),
        metadata: None,
        user_id: None,
        wallet_id: None,
        credit_wallet_id: None,
    }
}

fn attempt(key: Key, order: &Order) -> Attempt {
    let requested = RequestedOrder::AtMarketPrice { currency: order.currency, amount: order.amount };
    let body = serde_json::to_vec(order).unwrap().into();
    let (start, end) = (order.created_at, order.created_at);
    let outcome = Outcome::Placed { body, replayed: false };
    Attempt { user: None, idempotency_key: key.text(), requested, bitcoin_amount: None, start, end, outcome }
}

#[track_caller]
fn assert_found(violations: &[String], kind: &str) {
    assert!(violations.iter().any(|violation| violation.starts_with(kind)), "{kind} is not among {violations:#?}");
}

#[test]
fn correct_service_has_no_violation() {
    assert_eq!(SimulatedRun::new().violations(), [""; 0]);
}

#[test]
fn lost_order_outside_the_sample_is_found() {
    let mut run = SimulatedRun::new();
    run.stored.remove(usize::try_from(NOT_SAMPLED).unwrap());
    let violations = run.violations();
    assert_found(&violations, &format!("MISSING ORDER: no order with the key soak-{NOT_SAMPLED} is stored"));
    assert_found(&violations, "SEQUENCE GAP");
    assert_found(&violations, "WRONG COUNT");
    assert_found(&violations, "WRONG SUM");
}

#[test]
fn changed_order_outside_the_sample_is_found() {
    let mut run = SimulatedRun::new();
    run.stored[usize::try_from(NOT_SAMPLED).unwrap()].order.exchange_rate = Rate::from_hundred_millionths(1).unwrap();
    let violations = run.violations();
    assert_eq!(violations.len(), 1, "{violations:#?}");
    assert_found(&violations, "CHANGED ORDERS");
}

#[test]
fn changed_order_of_the_sample_is_described() {
    let mut run = SimulatedRun::new();
    run.stored[0].order.exchange_rate = Rate::from_hundred_millionths(1).unwrap();
    assert_found(&run.violations(), "CHANGED ORDER: soak-0: exchange_rate of order");
}

#[test]
fn duplicate_order_and_order_with_unknown_key_are_found() {
    for key in [NOT_SAMPLED, ORDERS] {
        let mut run = SimulatedRun::new();
        let order = order(i64::try_from(ORDERS).unwrap() + 1);
        let (seq, idempotency_key) = (i64::try_from(ORDERS).unwrap() + 1, Key(key).text());
        run.totals.orders += 1;
        run.totals.bitcoin += order.bitcoin_amount.get();
        run.stored.push(StoredOrder { seq, idempotency_key, order, quote: None });
        assert_found(&run.violations(), "UNREQUESTED ORDER");
    }
}

#[test]
fn history_of_a_retried_key_is_recorded() {
    let recorder = RunRecorder::default();
    let keys: Vec<_> = (0..3).map(|_| recorder.new_key()).collect();
    let order = order(1);
    let unanswered = Attempt { outcome: Outcome::NoResponse, ..attempt(keys[1], &order) };
    recorder.record_order(keys[1], vec![unanswered, attempt(keys[1], &order)]);
    recorder.record_order(keys[2], vec![attempt(keys[2], &order)]);
    let records = recorder.records();
    let history_keys: Vec<_> =
        records.history.attempts.iter().map(|attempt| attempt.idempotency_key.as_str()).collect();
    assert_eq!(history_keys, ["soak-1", "soak-1"]);
}

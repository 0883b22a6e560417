//! Compares what clients were told with what is kept. Nothing here waits, asks or draws lots: the same record gives the same
//! violations.

use std::{collections::BTreeMap, time::Duration};

use common::{
    api::{Code, orders::Order},
    ids::QuoteId,
    money::Sats,
    time::Timestamp,
};
use serde_json::Value;

use super::{
    Attempt, History, Outcome, RequestedOrder, StoredState, Violation,
    stored_state::{StoredOrder, terms},
};

/// An order gets a time a little after the clock's where several get theirs in one microsecond.
const AHEAD: Duration = Duration::from_millis(10);

/// Every violation, each once, sorted by its kind.
pub fn check(record: &History, kept: &StoredState, limit: Sats) -> Vec<Violation> {
    let mut check = Check { kept, limit: limit.get(), found: Vec::new() };
    check.numbers();
    check.sums();
    check.quotes(record);
    check.limit_is_full(record);

    let mut keys: BTreeMap<&str, (Vec<&Attempt>, Vec<&StoredOrder>)> = BTreeMap::new();
    for attempt in &record.attempts {
        keys.entry(&attempt.key).or_default().0.push(attempt);
    }
    for order in &kept.orders {
        keys.entry(&order.key).or_default().1.push(order);
    }
    let by_id = kept.orders.iter().map(|kept| (kept.order.id.to_string(), kept)).collect();
    for (key, (attempts, orders)) in &keys {
        check.responses(key, attempts, &by_id);
        check.orders_of_key(key, attempts, orders);
        check.refusals(key, attempts, orders);
    }
    check.found.sort();
    check.found.dedup();
    check.found
}

struct Check<'a> {
    kept: &'a StoredState,
    limit: i64,
    found: Vec<Violation>,
}

impl Check<'_> {
    /// Numbers grow by one, times grow, and the totals count.
    fn numbers(&mut self) {
        let mut before: Option<&StoredOrder> = None;
        for order in &self.kept.orders {
            let after = before.map_or(0, |before| before.seq);
            if order.seq != after + 1 {
                self.found.push(Violation::SequenceGap { after, next: order.seq });
            }
            if before.is_some_and(|before| order.order.created_at <= before.order.created_at) {
                self.found.push(Violation::TimeNotIncreasing { seq: order.seq });
            }
            before = Some(order);
        }
        let (orders, totals) = (i64::try_from(self.kept.orders.len()).unwrap(), self.kept.totals.orders);
        if orders != totals {
            self.found.push(Violation::WrongCount { orders, totals });
        }
    }

    /// The totals are the sum, and no order, in their sequence, passed the limit.
    fn sums(&mut self) {
        let mut sum = 0;
        for StoredOrder { seq, order, .. } in &self.kept.orders {
            let before = sum;
            sum += order.bitcoin_amount.get();
            if before <= self.limit && sum > self.limit {
                self.found.push(Violation::LimitExceeded { seq: *seq, sum, limit: self.limit });
            }
        }
        let totals = self.kept.totals.bitcoin;
        if sum != totals {
            self.found.push(Violation::WrongSum { orders: sum, totals });
        }
    }

    /// What was told of quotes is kept; each was taken once, on its terms, and those that are settled hold nothing.
    fn quotes(&mut self, record: &History) {
        let kept: BTreeMap<_, _> = self.kept.quotes.iter().map(|quote| (quote.id, quote)).collect();
        for outcome in &record.quotes {
            let differs = |field: &str| Violation::QuoteDiffers { quote: outcome.id, field: field.to_owned() };
            let Some(kept) = kept.get(&outcome.id) else {
                self.found.push(differs("all"));
                continue;
            };
            if kept.expires_at != outcome.expires_at {
                self.found.push(differs("expires_at"));
            }
            if kept.terms != terms(&outcome.currency, outcome.amount, outcome.exchange_rate, outcome.bitcoin_amount) {
                self.found.push(differs("terms"));
            }
        }
        let mut takers: BTreeMap<QuoteId, i64> = BTreeMap::new();
        for StoredOrder { seq, order, quote, .. } in &self.kept.orders {
            let Some(quote) = *quote else { continue };
            if let Some(first) = takers.insert(quote, *seq) {
                self.found.push(Violation::QuoteTakenTwice { quote, first, second: *seq });
            }
            let differs = |field: &str| Violation::OrderDiffersFromQuote { quote, seq: *seq, field: field.to_owned() };
            match kept.get(&quote) {
                None => self.found.push(differs("quote")),
                Some(kept) => {
                    if kept.terms != terms(&order.currency, order.amount, order.exchange_rate, order.bitcoin_amount) {
                        self.found.push(differs("terms"));
                    }
                    if kept.state != "taken" {
                        self.found.push(differs("state"));
                    }
                }
            }
        }
        let nobody = |id: &&QuoteId| !takers.contains_key(*id) && kept[*id].state == "taken";
        self.found.extend(kept.keys().filter(nobody).map(|id| Violation::QuoteTakenWithoutOrder { quote: *id }));
        // The run ends when the last quote has run out.
        let satoshi = self.kept.totals.reserved;
        if satoshi != 0 || self.kept.quotes.iter().any(|quote| quote.state == "held") {
            self.found.push(Violation::ReservationNotReleased { satoshi });
        }
    }

    /// Orders of one satoshi were asked for until there was no more.
    fn limit_is_full(&mut self, record: &History) {
        let full = |attempt: &&Attempt| matches!(attempt.outcome, Outcome::Refused { code: Code::LimitExceeded, .. });
        let at_the_end =
            record.attempts.iter().filter(|attempt| record.fill_started_at.is_some_and(|at| attempt.start >= at));
        if !at_the_end.clone().any(|attempt| full(&attempt) && attempt.bitcoin == Sats::new(1).ok()) {
            self.found.push(Violation::LimitNotProbed);
        }
        let sum: i64 = self.kept.orders.iter().map(|kept| kept.order.bitcoin_amount.get()).sum();
        let left = self.limit - sum - self.kept.totals.reserved;
        let fits = |attempt: &Attempt| attempt.bitcoin.is_some_and(|bitcoin| bitcoin.get() <= left);
        if at_the_end.filter(full).any(fits) {
            self.found.push(Violation::LimitNotFilled { left });
        }
    }

    /// Each 201 is kept as it was told, and every one of a key is the same; nobody was left without an answer.
    fn responses(&mut self, key: &str, attempts: &[&Attempt], by_id: &BTreeMap<String, &StoredOrder>) {
        let key = || key.to_owned();
        let (mut first, mut new) = (None, 0);
        for attempt in attempts {
            match &attempt.outcome {
                Outcome::Placed { body, replayed } => {
                    new += i32::from(!replayed);
                    if first.get_or_insert(body) != &body {
                        self.found.push(Violation::ReplayDiffers { key: key() });
                    }
                    let outcome: Value = serde_json::from_slice(body).unwrap_or_default();
                    let id = outcome["id"].as_str().unwrap_or_default();
                    match by_id.get(id) {
                        None => self.found.push(Violation::OrderMissing { key: key(), id: id.to_owned() }),
                        Some(kept) => self.found.extend(difference(attempt, &outcome, kept)),
                    }
                }
                Outcome::Unexpected { status, body } => {
                    let (status, body) = (*status, body.clone());
                    self.found.push(Violation::UnexpectedResponse { key: key(), status, body });
                }
                Outcome::Refused { .. } | Outcome::Unavailable(_) | Outcome::NoResponse => {}
            }
        }
        if new > 1 {
            self.found.push(Violation::CreatedTwice { key: key() });
        }
        if attempts.iter().max_by_key(|attempt| attempt.end).is_some_and(|last| !last.outcome.is_definite()) {
            self.found.push(Violation::Undecided { key: key() });
        }
    }

    /// Each order of a key is one that a client asked for, and that no client was told is not there.
    fn orders_of_key(&mut self, key: &str, attempts: &[&Attempt], orders: &[&StoredOrder]) {
        for pair in orders.windows(2) {
            let (first, second) = (pair[0].seq, pair[1].seq);
            self.found.push(Violation::DuplicateOrder { key: key.to_owned(), first, second });
        }
        for kept in orders {
            let at = kept.order.created_at;
            let asked: Vec<_> = attempts.iter().filter(|attempt| is_of(kept, attempt) && attempt.start <= at).collect();
            let denied = asked.iter().filter_map(|attempt| Some((attempt, attempt.outcome.denial()?)));
            if asked.is_empty() {
                self.found.push(Violation::OrderNotRequested { seq: kept.seq, key: key.to_owned() });
            } else if !asked.iter().any(|attempt| may_have_placed(attempt, at)) {
                // Only one that was told "no" can have placed it.
                self.found.extend(denied.map(|(_, code)| Violation::denied(key, kept.seq, code)).next_back());
            }
            // Who was told "no" last believes it, whatever was told before.
            let same: Vec<_> = attempts.iter().filter(|attempt| is_of(kept, attempt)).collect();
            let lasts = same.iter().filter(|last| {
                same.iter().all(|other| std::ptr::eq::<Attempt>(**other, ***last) || other.end <= last.start)
            });
            let denials = lasts.filter_map(|last| last.outcome.denial());
            self.found.extend(denials.map(|code| Violation::denied(key, kept.seq, code)));
        }
    }

    /// What a refusal says is true.
    fn refusals(&mut self, key: &str, attempts: &[&Attempt], orders: &[&StoredOrder]) {
        for attempt in attempts {
            let Outcome::Refused { code, remaining } = &attempt.outcome else { continue };
            let taker = |id: &QuoteId| self.kept.orders.iter().find(|order| order.quote == Some(*id));
            let why = match (code, &attempt.requested) {
                (Code::LimitExceeded, RequestedOrder::Market { .. }) => {
                    let fits = attempt.bitcoin.zip(*remaining).is_some_and(|(bitcoin, left)| bitcoin <= left);
                    fits.then_some("what it asked for is not more than what was left")
                }
                (Code::KeyReused, _) if orders.is_empty() => Some("there is no order under the key"),
                (Code::KeyReused, _) => {
                    let own = orders.iter().any(|order| is_of(order, attempt));
                    own.then_some("the order under the key is the one that it asked for")
                }
                (Code::QuoteTaken, RequestedOrder::Quoted(id)) => {
                    taker(id).is_none_or(|order| order.key == key).then_some("no other order took the quote")
                }
                (Code::QuoteExpired, RequestedOrder::Quoted(id)) => {
                    taker(id).map(|_| "an order took the quote in time")
                }
                _ => Some("that is no answer to what was asked"),
            };
            if let Some(why) = why {
                let (key, code, why) = (key.to_owned(), code.to_string(), why.to_owned());
                self.found.push(Violation::FalseRefusal { key, code, why });
            }
        }
    }
}

/// Whether the order is what the attempt asks for.
fn is_of(kept: &StoredOrder, attempt: &Attempt) -> bool {
    match attempt.requested {
        RequestedOrder::Market { currency, amount } => {
            kept.quote.is_none() && (kept.order.currency, kept.order.amount) == (currency, amount)
        }
        RequestedOrder::Quoted(id) => kept.quote == Some(id),
    }
}

/// Whether the attempt, which began before, can be the one that placed an order at this time, and the client knows so or
/// knows nothing.
fn may_have_placed(attempt: &Attempt, at: Timestamp) -> bool {
    match attempt.outcome {
        Outcome::Placed { .. } => at <= attempt.end.plus(AHEAD),
        // It may have lain somewhere for long.
        Outcome::NoResponse | Outcome::Unexpected { .. } | Outcome::Unavailable(Code::OutcomeUnknown) => true,
        Outcome::Refused { .. } | Outcome::Unavailable(_) => false,
    }
}

/// Each field of a 201 that is kept otherwise.
fn difference(attempt: &Attempt, outcome: &Value, kept: &StoredOrder) -> Vec<Violation> {
    let differs = |field: &str, outcome: String, kept_as: String| Violation::OrderDiffers {
        key: attempt.key.clone(),
        id: kept.order.id,
        field: field.to_owned(),
        outcome,
        kept: kept_as,
    };
    let mut found = Vec::new();
    if kept.key != attempt.key {
        found.push(differs("key", attempt.key.clone(), kept.key.clone()));
    }
    if !is_of(kept, attempt) {
        let kept_as = RequestedOrder::Market { currency: kept.order.currency, amount: kept.order.amount }.body();
        found.push(differs("request", attempt.requested.body(), kept_as));
    }
    // As it goes over the wire, so that a field that is missing or not known differs too.
    let kept_as = shown(&kept.order);
    let empty = serde_json::Map::new();
    let (outcome, kept_as) = (outcome.as_object().unwrap_or(&empty), kept_as.as_object().unwrap_or(&empty).clone());
    for field in outcome.keys().chain(kept_as.keys().filter(|field| !outcome.contains_key(*field))) {
        let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
        if outcome.get(field) != kept_as.get(field) {
            found.push(differs(field, text(outcome.get(field)), text(kept_as.get(field))));
        }
    }
    found
}

/// An order as every answer shows it.
pub(super) fn shown(order: &Order) -> Value {
    serde_json::to_value(order).expect("an order is plain JSON")
}

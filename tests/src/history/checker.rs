//! Checks a history against the stored state. The check is a pure function: the same input gives the same violations.

use std::{collections::BTreeMap, time::Duration};

use common::{
    api::{Code, orders::Order},
    ids::QuoteId,
    money::{Currency, Sats},
    time::Timestamp,
};
use serde_json::Value;

use super::{
    Attempt, ClientUser, History, Outcome, ReadKind, RequestedOrder, StoredState, Violation,
    owners::{check_owners, name_of},
    stored_state::{StoredOrder, StoredTotals, Terms},
};

/// The creation time of an order may be later than the end of its request by at most this duration: the orders of one
/// batch get increasing times, and some of these times are ahead of the clock.
const CREATED_AT_TOLERANCE: Duration = Duration::from_millis(10);

/// Returns every violation once, sorted by kind.
pub fn check_history(history: &History, stored: &StoredState, limit: Sats) -> Vec<Violation> {
    let mut sequence = SequenceChecker::new(limit);
    for order in &stored.orders {
        sequence.check_next(order);
    }
    let mut checker = Checker { stored, limit: limit.get(), violations: sequence.finish(stored.totals) };
    checker.violations.extend(check_owners(history, stored));
    checker.check_quotes(history);
    checker.check_limit_is_filled(history);
    checker.check_keys(history);
    checker.into_violations()
}

/// Checks each idempotency key of the history. `stored` contains the orders of these keys and no other orders.
pub fn check_keys(history: &History, stored: &StoredState) -> Vec<Violation> {
    let mut checker = Checker { stored, limit: i64::MAX, violations: Vec::new() };
    checker.check_keys(history);
    checker.into_violations()
}

/// Checks the stored orders, one at a time. Sequence numbers must have no gap, and creation times must increase. The
/// sum must not exceed the limit. The totals must be the number and the sum of the orders.
#[derive(Debug)]
pub struct SequenceChecker {
    limit: i64,
    orders: i64,
    sum: i64,
    previous: Option<PreviousOrder>,
    violations: Vec<Violation>,
}

#[derive(Debug, Clone, Copy)]
struct PreviousOrder {
    seq: i64,
    created_at: Timestamp,
}

impl SequenceChecker {
    pub fn new(limit: Sats) -> Self {
        Self { limit: limit.get(), orders: 0, sum: 0, previous: None, violations: Vec::new() }
    }

    /// Checks the next order. The caller passes the orders in the order of their sequence numbers.
    pub fn check_next(&mut self, StoredOrder { seq, order, .. }: &StoredOrder) {
        let (seq, after) = (*seq, self.previous.map_or(0, |previous| previous.seq));
        if seq != after + 1 {
            self.violations.push(Violation::SequenceGap { after, next: seq });
        }
        if self.previous.is_some_and(|previous| order.created_at <= previous.created_at) {
            self.violations.push(Violation::TimeNotIncreasing { seq });
        }
        let before = self.sum;
        self.sum += order.bitcoin_amount.get();
        if before <= self.limit && self.sum > self.limit {
            self.violations.push(Violation::LimitExceeded { seq, sum: self.sum, limit: self.limit });
        }
        self.orders += 1;
        self.previous = Some(PreviousOrder { seq, created_at: order.created_at });
    }

    pub fn finish(self, totals: StoredTotals) -> Vec<Violation> {
        let Self { orders, sum, mut violations, .. } = self;
        if orders != totals.orders {
            violations.push(Violation::WrongCount { orders, totals: totals.orders });
        }
        if sum != totals.bitcoin {
            violations.push(Violation::WrongSum { orders: sum, totals: totals.bitcoin });
        }
        violations
    }
}

/// An idempotency key and the user of the client that sent it. Equal keys of two users are independent of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ClientKey<'a> {
    user: ClientUser,
    key: &'a str,
}

impl<'a> ClientKey<'a> {
    fn of(stored: &'a StoredOrder) -> Self {
        Self { user: stored.order.user_id, key: &stored.idempotency_key }
    }
}

/// The attempts and the stored orders with one idempotency key of a client.
#[derive(Default)]
struct KeyHistory<'a> {
    attempts: Vec<&'a Attempt>,
    orders: Vec<&'a StoredOrder>,
}

struct Checker<'a> {
    stored: &'a StoredState,
    limit: i64,
    violations: Vec<Violation>,
}

impl Checker<'_> {
    fn into_violations(mut self) -> Vec<Violation> {
        self.violations.sort();
        self.violations.dedup();
        self.violations
    }

    fn check_keys(&mut self, history: &History) {
        let mut keys: BTreeMap<ClientKey, KeyHistory> = BTreeMap::new();
        for attempt in &history.attempts {
            let key = ClientKey { user: attempt.user, key: &attempt.idempotency_key };
            keys.entry(key).or_default().attempts.push(attempt);
        }
        for stored in &self.stored.orders {
            keys.entry(ClientKey::of(stored)).or_default().orders.push(stored);
        }
        let by_id = self.stored.orders.iter().map(|stored| (stored.order.id.to_string(), stored)).collect();
        for (key, KeyHistory { attempts, orders }) in &keys {
            self.check_responses(key.key, attempts, &by_id);
            self.check_orders_of_key(key.key, attempts, orders);
            self.check_refusals(*key, attempts, orders);
        }
    }

    /// Checks that quotes are stored as clients received them, and that no quote reserves anything at the end of the
    /// run. At most one order may take a quote, and the order must have the terms and the user of the quote.
    fn check_quotes(&mut self, history: &History) {
        let stored: BTreeMap<_, _> = self.stored.quotes.iter().map(|quote| (quote.id, quote)).collect();
        for received in &history.quotes {
            let differs = |field: &str| Violation::QuoteDiffers { quote: received.id, field: field.to_owned() };
            let Some(stored) = stored.get(&received.id) else {
                self.violations.push(differs("all"));
                continue;
            };
            if stored.expires_at != received.expires_at {
                self.violations.push(differs("expires_at"));
            }
            if stored.terms != Terms::from(received) {
                self.violations.push(differs("terms"));
            }
            if stored.user != received.user_id {
                self.violations.push(differs("user_id"));
            }
        }
        let mut taking_orders: BTreeMap<QuoteId, i64> = BTreeMap::new();
        for StoredOrder { seq, order, quote, .. } in &self.stored.orders {
            let Some(quote) = *quote else { continue };
            if let Some(first) = taking_orders.insert(quote, *seq) {
                self.violations.push(Violation::QuoteTakenTwice { quote, first, second: *seq });
            }
            let differs = |field: &str| Violation::OrderDiffersFromQuote { quote, seq: *seq, field: field.to_owned() };
            match stored.get(&quote) {
                None => self.violations.push(differs("quote")),
                Some(stored) => {
                    if stored.terms != Terms::from(order) {
                        self.violations.push(differs("terms"));
                    }
                    if stored.state != "taken" {
                        self.violations.push(differs("state"));
                    }
                    if stored.user != order.user_id {
                        self.violations.push(differs("user_id"));
                    }
                }
            }
        }
        let without_order = |id: &&QuoteId| !taking_orders.contains_key(*id) && stored[*id].state == "taken";
        let without_order = stored.keys().filter(without_order);
        self.violations.extend(without_order.map(|id| Violation::QuoteTakenWithoutOrder { quote: *id }));
        // The run waits until the last quote has expired.
        let satoshi = self.stored.totals.reserved;
        if satoshi != 0 || self.stored.quotes.iter().any(|quote| quote.state == "held") {
            self.violations.push(Violation::ReservationNotReleased { satoshi });
        }
    }

    /// Checks the orders that fill the limit at the end of the run. An order of one satoshi must be refused. An order
    /// that was refused because of the limit must be larger than the remaining bitcoin.
    fn check_limit_is_filled(&mut self, history: &History) {
        let is_over_limit =
            |attempt: &&Attempt| matches!(attempt.outcome, Outcome::Refused { code: Code::LimitExceeded, .. });
        let fill_started = |attempt: &&Attempt| history.fill_started_at.is_some_and(|at| attempt.start >= at);
        let refused = history.attempts.iter().filter(fill_started).filter(is_over_limit);
        if !refused.clone().any(|attempt| attempt.bitcoin_amount == Sats::new(1).ok()) {
            self.violations.push(Violation::LimitNotProbed);
        }
        let sum: i64 = self.stored.orders.iter().map(|stored| stored.order.bitcoin_amount.get()).sum();
        let left = self.limit - sum - self.stored.totals.reserved;
        if refused.clone().any(|attempt| attempt.bitcoin_amount.is_some_and(|bitcoin| bitcoin.get() <= left)) {
            self.violations.push(Violation::LimitNotFilled { left });
        }
    }

    /// Checks the responses to the attempts with one key. An acknowledged order must be stored as acknowledged. All
    /// acknowledgements must be the same, but at most one may report a new order. The last attempt must have a final
    /// outcome.
    fn check_responses(&mut self, key: &str, attempts: &[&Attempt], by_id: &BTreeMap<String, &StoredOrder>) {
        let key = || key.to_owned();
        let (mut first_body, mut created) = (None, 0);
        for attempt in attempts {
            match &attempt.outcome {
                Outcome::Placed { body, replayed } => {
                    created += i32::from(!replayed);
                    if first_body.get_or_insert(body) != &body {
                        self.violations.push(Violation::ReplayDiffers { key: key() });
                    }
                    let acknowledged: Value = serde_json::from_slice(body).unwrap_or_default();
                    let id = acknowledged["id"].as_str().unwrap_or_default();
                    match by_id.get(id) {
                        None => self.violations.push(Violation::OrderMissing { key: key(), id: id.to_owned() }),
                        Some(stored) => self.violations.extend(differences(attempt, &acknowledged, stored)),
                    }
                }
                Outcome::Unexpected { status, body } => {
                    let (status, body) = (*status, body.clone());
                    self.violations.push(Violation::UnexpectedResponse { key: key(), status, body });
                }
                Outcome::Refused { .. } | Outcome::Unavailable(_) | Outcome::NoResponse => {}
            }
        }
        if created > 1 {
            self.violations.push(Violation::CreatedTwice { key: key() });
        }
        let last = attempts.iter().max_by_key(|attempt| attempt.end);
        if last.is_some_and(|last| !last.outcome.is_final()) {
            self.violations.push(Violation::Undecided { key: key() });
        }
    }

    /// Checks that one key has at most one order, and that a client requested the order. At least one request must have
    /// a response that agrees with the order. The response to the last request must not deny the order.
    fn check_orders_of_key(&mut self, key: &str, attempts: &[&Attempt], orders: &[&StoredOrder]) {
        for pair in orders.windows(2) {
            let (first, second) = (pair[0].seq, pair[1].seq);
            self.violations.push(Violation::DuplicateOrder { key: key.to_owned(), first, second });
        }
        for stored in orders {
            let created_at = stored.order.created_at;
            let same: Vec<_> = attempts.iter().filter(|attempt| requests_order(attempt, stored)).collect();
            let earlier: Vec<_> = same.iter().filter(|attempt| attempt.start <= created_at).collect();
            if earlier.is_empty() {
                self.violations.push(Violation::OrderNotRequested { seq: stored.seq, key: key.to_owned() });
            } else if !earlier.iter().any(|attempt| may_have_placed(attempt, created_at)) {
                // The order was placed by a request whose response denied it.
                let denial = earlier.iter().filter_map(|attempt| attempt.outcome.denial()).next_back();
                self.violations.extend(denial.map(|code| Violation::denied_but_placed(key, stored.seq, code)));
            }
            // The response to the last request is final for the client.
            let is_last = |last: &&&&Attempt| {
                same.iter().all(|other| std::ptr::eq::<Attempt>(**other, ***last) || other.end <= last.start)
            };
            let denials = same.iter().filter(is_last).filter_map(|last| last.outcome.denial());
            self.violations.extend(denials.map(|code| Violation::denied_but_placed(key, stored.seq, code)));
        }
    }

    /// Checks that the reason of every refusal was true.
    fn check_refusals(&mut self, client_key: ClientKey<'_>, attempts: &[&Attempt], orders: &[&StoredOrder]) {
        for attempt in attempts {
            let Outcome::Refused { code, remaining, .. } = &attempt.outcome else { continue };
            let taking_order = |id: &QuoteId| self.stored.orders.iter().find(|order| order.quote == Some(*id));
            let why = match (code, &attempt.requested) {
                (Code::LimitExceeded, RequestedOrder::AtMarketPrice { .. } | RequestedOrder::Paid { .. }) => {
                    let fits = attempt.bitcoin_amount.zip(*remaining).is_some_and(|(bitcoin, left)| bitcoin <= left);
                    fits.then_some("the order is not larger than the remaining bitcoin")
                }
                // `check_wallets` checks whether the wallet had less money.
                (Code::InsufficientFunds, RequestedOrder::Paid { .. }) => None,
                (Code::KeyReused, _) if orders.is_empty() => Some("the key has no order"),
                (Code::KeyReused, _) => {
                    let is_same = orders.iter().any(|order| requests_order(attempt, order));
                    is_same.then_some("the key has exactly the requested order")
                }
                (Code::QuoteTaken, RequestedOrder::FromQuote(id)) => {
                    let not_taken = taking_order(id).is_none_or(|taken| ClientKey::of(taken) == client_key);
                    not_taken.then_some("no other order took the quote")
                }
                (Code::QuoteExpired, RequestedOrder::FromQuote(id)) => {
                    taking_order(id).map(|_| "an order took the quote before it expired")
                }
                (Code::QuoteUnknown, RequestedOrder::FromQuote(id)) => {
                    let is_own = self.stored.quotes.iter().any(|quote| quote.id == *id && quote.user == attempt.user);
                    is_own.then_some("the quote belongs to the client")
                }
                _ => Some("this code is not a valid response to the request"),
            };
            if let Some(why) = why {
                let (key, code, why) = (client_key.key.to_owned(), code.to_string(), why.to_owned());
                self.violations.push(Violation::FalseRefusal { key, code, why });
            }
        }
    }
}

/// Whether the attempt requests this order.
fn requests_order(attempt: &Attempt, stored: &StoredOrder) -> bool {
    if attempt.user != stored.order.user_id {
        return false;
    }
    match attempt.requested {
        RequestedOrder::AtMarketPrice { currency, amount } => {
            stored.quote.is_none()
                && stored.order.wallets().is_none()
                && (stored.order.currency, stored.order.amount) == (currency, amount)
                && stored.order.client_reference == attempt.requested.client_reference()
        }
        RequestedOrder::FromQuote(id) => stored.quote == Some(id) && stored.order.wallets().is_none(),
        RequestedOrder::Paid { amount, wallets } => {
            let paid = (stored.order.currency, stored.order.amount, stored.order.wallets());
            stored.quote.is_none() && paid == (Currency::USD, amount, Some(wallets))
        }
    }
}

/// Whether the outcome permits that the attempt placed an order that was created at `created_at`. The attempt must have
/// started before that time.
fn may_have_placed(attempt: &Attempt, created_at: Timestamp) -> bool {
    match attempt.outcome {
        Outcome::Placed { .. } => created_at <= attempt.end.plus(CREATED_AT_TOLERANCE),
        // The request may have arrived at any time after it was sent.
        Outcome::NoResponse | Outcome::Unexpected { .. } | Outcome::Unavailable(Code::OutcomeUnknown) => true,
        Outcome::Refused { .. } | Outcome::Unavailable(_) => false,
    }
}

/// The differences between an acknowledged order and the stored order.
fn differences(attempt: &Attempt, acknowledged: &Value, stored: &StoredOrder) -> Vec<Violation> {
    let differs = |field: &str, acknowledged: String, stored_as: String| Violation::OrderDiffers {
        key: attempt.idempotency_key.clone(),
        id: stored.order.id,
        field: field.to_owned(),
        acknowledged,
        stored: stored_as,
    };
    let mut found = Vec::new();
    if stored.idempotency_key != attempt.idempotency_key {
        found.push(differs("key", attempt.idempotency_key.clone(), stored.idempotency_key.clone()));
    }
    if attempt.user != stored.order.user_id {
        let (client, owner) = (name_of(attempt.user), name_of(stored.order.user_id));
        let (read, id) = (ReadKind::Placement, stored.order.id);
        found.push(Violation::SeenByAnother { client, read, id, owner });
    } else if !requests_order(attempt, stored) {
        let Order { currency, amount, .. } = stored.order;
        let stored_as = RequestedOrder::AtMarketPrice { currency, amount }.body();
        found.push(differs("request", attempt.requested.body(), stored_as));
    }
    // Compared as JSON, so that a missing or an additional field is a difference too.
    let stored_as = order_json(&stored.order);
    let empty = serde_json::Map::new();
    let (acknowledged, stored_as) =
        (acknowledged.as_object().unwrap_or(&empty), stored_as.as_object().unwrap_or(&empty));
    for field in acknowledged.keys().chain(stored_as.keys().filter(|field| !acknowledged.contains_key(*field))) {
        let text = |value: Option<&Value>| value.map_or("nothing".to_owned(), Value::to_string);
        if acknowledged.get(field) != stored_as.get(field) {
            found.push(differs(field, text(acknowledged.get(field)), text(stored_as.get(field))));
        }
    }
    found
}

/// An order as the API shows it.
pub(super) fn order_json(order: &Order) -> Value {
    serde_json::to_value(order).expect("an order serializes to JSON")
}

//! A desk in memory that takes orders as the services do, loses answers, dies, and may have one bug planted in it; and
//! clients that keep at it. Everything follows from the seed.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use common::{
    api::{Code, orders::Order, prices::PriceState, quotes::Quote},
    ids::{OrderId, QuoteId},
    money::{Currency, FiatAmount, Rate, Sats},
    time::Timestamp,
};
use fastrand::Rng;
use uuid::Uuid;

use crate::history::{
    Attempt, History, Outcome, RequestedOrder, StoredState,
    checker::shown,
    stored_state::{StoredOrder, StoredQuote, terms},
};

pub const LIMIT: i64 = 2_000;
const ROUNDS: usize = 250;
/// At which of its opportunities a bug shows.
const SHOWN: std::ops::Range<u32> = 3..10;
const HOLD: Duration = Duration::from_secs(2);
/// A dollar is a satoshi.
const RATE_E8: i64 = 100_000_000 * 100_000_000;

/// What is wrong with a desk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    None,
    /// A key is forgotten, and a repeat places a second order.
    KeyLost,
    /// 201 before the commit, which a crash then takes away.
    EarlyAnswer,
    /// One satoshi too few, and one too many.
    LimitTooLow,
    LimitTooHigh,
    /// An order that was not answered is handed on once more under another key.
    RetryWithoutKey,
    /// The answer of a repeat is made anew, at the price of the moment.
    AnswerMadeAnew,
    GapInNumbers,
    /// "Not placed" of an order that is.
    Denied,
    SumNotUpdated,
    ClockGoesBack,
    QuoteTakenTwice,
    ReserveKept,
    /// Written down with another amount.
    WrittenOtherwise,
    /// Two who ask at once are both told that the order is new.
    NewTwice,
    KeyReusedWithoutReason,
    InternalError,
}

pub struct Desk {
    bug: Bug,
    opportunities: u32,
    rng: Rng,
    now: Timestamp,
    keys: BTreeMap<String, usize>,
    quotes: Vec<(Quote, &'static str)>,
    kept: StoredState,
    record: History,
    keys_made: u32,
}

/// What becomes of the way of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// Nothing arrived, and the client is told so.
    Refused,
    LostBefore,
    LostAfter,
}

impl Desk {
    /// Lets clients work with a desk until the limit is full: what they were told, and what is kept.
    pub fn run(bug: Bug, seed: u64) -> (History, StoredState) {
        let mut desk = Self {
            bug,
            opportunities: 0,
            rng: Rng::with_seed(seed),
            now: Timestamp::from_micros(1_700_000_000_000_000).unwrap(),
            keys: BTreeMap::new(),
            quotes: Vec::new(),
            kept: StoredState::default(),
            record: History::default(),
            keys_made: 0,
        };
        for _ in 0..ROUNDS {
            desk.client();
        }
        desk.now = desk.now.plus(HOLD);
        desk.release();
        desk.record.fill_started_at = Some(desk.now);
        while matches!(desk.until_definite(&market(1)), Outcome::Placed { .. }) {}
        desk.release();
        let quote = |(quote, state): &(Quote, &str)| StoredQuote {
            id: quote.id,
            expires_at: quote.expires_at,
            terms: terms(&quote.currency, quote.amount, quote.exchange_rate, quote.bitcoin_amount),
            state: (*state).to_owned(),
        };
        desk.kept.quotes = desk.quotes.iter().map(quote).collect();
        (desk.record, desk.kept)
    }

    /// One thing that a client does.
    fn client(&mut self) {
        self.tick();
        let requested = market(self.rng.i64(1..=20));
        match self.rng.u32(0..10) {
            0..=4 => drop(self.until_definite(&requested)),
            5 => {
                let key = self.new_key();
                for _ in 0..3 {
                    self.until_definite_under(&key, &requested);
                }
            }
            6 => {
                let key = self.new_key();
                self.until_definite_under(&key, &requested);
                self.until_definite_under(&key, &market(21));
            }
            7 => {
                let too_much = market((LIMIT - self.kept.totals.bitcoin).max(0) + 1);
                self.until_definite(&too_much);
            }
            kind => {
                let satoshi = self.rng.i64(1..=20);
                let Some(id) = self.hold(satoshi) else { return };
                if kind == 8 {
                    self.until_definite(&RequestedOrder::Quoted(id));
                    self.until_definite(&RequestedOrder::Quoted(id));
                }
                // Nobody takes the others.
            }
        }
    }

    fn new_key(&mut self) -> String {
        self.keys_made += 1;
        format!("key-{:04}", self.keys_made)
    }

    fn tick(&mut self) {
        self.now = self.now.plus(Duration::from_millis(self.rng.u64(1..30)));
    }

    fn until_definite(&mut self, requested: &RequestedOrder) -> Outcome {
        let key = self.new_key();
        self.until_definite_under(&key, requested)
    }

    /// A client that asks again until it knows.
    fn until_definite_under(&mut self, key: &str, requested: &RequestedOrder) -> Outcome {
        loop {
            let start = self.now;
            let outcome = self.request(key, requested);
            self.tick();
            let bitcoin = match requested {
                RequestedOrder::Market { amount, .. } => Sats::new(amount.ten_thousandths() / 10_000).ok(),
                RequestedOrder::Quoted(_) => None,
            };
            let attempt = Attempt {
                key: key.to_owned(),
                requested: *requested,
                bitcoin,
                start,
                end: self.now,
                outcome: outcome.clone(),
            };
            self.record.attempts.push(attempt);
            if outcome.is_definite() || matches!(outcome, Outcome::Unexpected { .. }) {
                return outcome;
            }
        }
    }

    /// Whether the bug shows here. What the desk does wrong may be lost on its way, so that it shows more than once.
    fn shows(&mut self, bug: Bug) -> bool {
        if self.bug == bug {
            self.opportunities += 1;
        }
        self.bug == bug && SHOWN.contains(&self.opportunities)
    }

    fn request(&mut self, key: &str, requested: &RequestedOrder) -> Outcome {
        let fate = match self.rng.u32(0..20) {
            0 => Fate::Refused,
            1 => Fate::LostBefore,
            2 => Fate::LostAfter,
            _ => Fate::Answered,
        };
        self.tick();
        match fate {
            Fate::Refused => return Outcome::Unavailable(Code::UpstreamUnavailable),
            Fate::LostBefore => return Outcome::NoResponse,
            Fate::Answered | Fate::LostAfter => {}
        }
        if self.shows(Bug::InternalError) {
            return Outcome::Unexpected { status: 500, body: "a fault".to_owned() };
        }
        let known = self.keys.contains_key(key);
        if !known && matches!(requested, RequestedOrder::Market { .. }) && self.shows(Bug::EarlyAnswer) {
            return answer_of(&self.order(requested, None), false);
        }
        let outcome = self.decide(key, requested);
        let placed = matches!(outcome, Outcome::Placed { .. });
        if fate == Fate::LostAfter {
            if placed && self.shows(Bug::RetryWithoutKey) {
                self.decide("made-by-the-desk", requested);
            }
            return Outcome::NoResponse;
        }
        if placed && !known && self.shows(Bug::Denied) {
            return Outcome::Refused { code: Code::LimitExceeded, remaining: Sats::new(0).ok() };
        }
        outcome
    }

    fn decide(&mut self, key: &str, requested: &RequestedOrder) -> Outcome {
        self.release();
        if let Some(&index) = self.keys.get(key) {
            if self.shows(Bug::KeyLost) {
                self.keys.remove(key);
                return self.decide(key, requested);
            }
            return self.repeat(index, requested);
        }
        if self.shows(Bug::KeyReusedWithoutReason) {
            return Outcome::Refused { code: Code::KeyReused, remaining: None };
        }
        let quote = match *requested {
            RequestedOrder::Market { amount, .. } => {
                let left = self.left();
                let bitcoin = amount.ten_thousandths() / 10_000;
                if bitcoin > left {
                    return Outcome::Refused { code: Code::LimitExceeded, remaining: Sats::new(left.max(0)).ok() };
                }
                None
            }
            RequestedOrder::Quoted(id) => {
                let index = self.quotes.iter().position(|(quote, _)| quote.id == id).unwrap();
                let state = self.quotes[index].1;
                match state {
                    "taken" if !self.shows(Bug::QuoteTakenTwice) => {
                        return Outcome::Refused { code: Code::QuoteTaken, remaining: None };
                    }
                    "expired" => return Outcome::Refused { code: Code::QuoteExpired, remaining: None },
                    _ => {}
                }
                self.quotes[index].1 = "taken";
                let quote = self.quotes[index].0.clone();
                self.kept.totals.reserved -= quote.bitcoin_amount.get();
                Some(quote)
            }
        };
        self.place(key, requested, quote)
    }

    fn repeat(&mut self, index: usize, requested: &RequestedOrder) -> Outcome {
        let StoredOrder { order, quote, .. } = self.kept.orders[index].clone();
        let same = match requested {
            RequestedOrder::Market { currency, amount } => {
                quote.is_none() && (order.currency, order.amount) == (*currency, *amount)
            }
            RequestedOrder::Quoted(id) => quote == Some(*id),
        };
        if !same {
            return Outcome::Refused { code: Code::KeyReused, remaining: None };
        }
        if self.shows(Bug::AnswerMadeAnew) {
            let anew = Order { price_as_of: self.now, ..order };
            return answer_of(&anew, true);
        }
        let replayed = !self.shows(Bug::NewTwice);
        answer_of(&order, replayed)
    }

    fn place(&mut self, key: &str, requested: &RequestedOrder, quote: Option<Quote>) -> Outcome {
        let mut order = self.order(requested, quote.as_ref());
        let last = self.kept.orders.last();
        let (mut seq, before) = last.map_or((1, None), |last| (last.seq + 1, Some(last.order.created_at)));
        if self.shows(Bug::GapInNumbers) {
            seq += 1;
        }
        if let Some(before) = before.filter(|_| self.shows(Bug::ClockGoesBack)) {
            order.created_at = before;
        }
        self.kept.totals.orders += 1;
        if !self.shows(Bug::SumNotUpdated) {
            self.kept.totals.bitcoin += order.bitcoin_amount.get();
        }
        let mut written = order.clone();
        if quote.is_none() && self.shows(Bug::WrittenOtherwise) {
            written.price_as_of = self.now;
        }
        let quote = quote.map(|quote| quote.id);
        self.kept.orders.push(StoredOrder { seq, key: key.to_owned(), order: written, quote });
        self.keys.insert(key.to_owned(), self.kept.orders.len() - 1);
        answer_of(&order, false)
    }

    fn order(&self, requested: &RequestedOrder, quote: Option<&Quote>) -> Order {
        let (currency, amount) = match (requested, quote) {
            (RequestedOrder::Market { currency, amount }, _) => (*currency, *amount),
            (RequestedOrder::Quoted(_), quote) => quote.map(|quote| (quote.currency, quote.amount)).unwrap(),
        };
        Order {
            id: OrderId(Uuid::from_u128(u128::try_from(self.now.micros()).unwrap() << 8)),
            created_at: self.now,
            currency,
            amount,
            exchange_rate: Rate::from_hundred_millionths(RATE_E8).unwrap(),
            bitcoin_amount: Sats::new(amount.ten_thousandths() / 10_000).unwrap(),
            price_as_of: Timestamp::from_micros(1_700_000_000_000_000).unwrap(),
            simulated: false,
            price_state: PriceState::Fresh,
        }
    }

    fn left(&self) -> i64 {
        let limit = match self.bug {
            Bug::LimitTooLow => LIMIT - 1,
            Bug::LimitTooHigh => LIMIT + 1,
            _ => LIMIT,
        };
        limit - self.kept.totals.bitcoin - self.kept.totals.reserved
    }

    fn hold(&mut self, satoshi: i64) -> Option<QuoteId> {
        self.release();
        if satoshi > self.left() {
            return None;
        }
        let RequestedOrder::Market { currency, amount } = market(satoshi) else { return None };
        let order = self.order(&RequestedOrder::Market { currency, amount }, None);
        let quote = Quote {
            id: QuoteId(order.id.0),
            created_at: self.now,
            expires_at: self.now.plus(HOLD),
            currency,
            amount,
            exchange_rate: order.exchange_rate,
            bitcoin_amount: order.bitcoin_amount,
            price_as_of: order.price_as_of,
            simulated: false,
            price_state: PriceState::Fresh,
        };
        self.kept.totals.reserved += satoshi;
        self.record.quotes.push(quote.clone());
        self.quotes.push((quote.clone(), "held"));
        Some(quote.id)
    }

    /// Quotes that ran out give back what they held.
    fn release(&mut self) {
        for index in 0..self.quotes.len() {
            let (quote, state) = &self.quotes[index];
            if *state == "held" && quote.expires_at <= self.now {
                let bitcoin = quote.bitcoin_amount.get();
                self.quotes[index].1 = "expired";
                if !self.shows(Bug::ReserveKept) {
                    self.kept.totals.reserved -= bitcoin;
                }
            }
        }
    }
}

fn answer_of(order: &Order, replayed: bool) -> Outcome {
    Outcome::Placed { body: Bytes::from(shown(order).to_string()), replayed }
}

/// An order of so many satoshi.
fn market(satoshi: i64) -> RequestedOrder {
    RequestedOrder::Market {
        currency: Currency::USD,
        amount: FiatAmount::from_ten_thousandths(satoshi * 10_000).unwrap(),
    }
}

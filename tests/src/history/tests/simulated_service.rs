//! An order service in memory that loses requests and responses and may contain one planted bug, with clients that
//! retry. The seed determines the whole run.

mod planted_bug;
mod quotes;
mod reads;

use std::{collections::BTreeMap, time::Duration};

use common::{
    api::{
        Code,
        orders::{Order, OrderedBy},
        prices::PriceState,
        quotes::Quote,
    },
    ids::{OrderId, UserId},
    money::{Rate, Sats},
    time::Timestamp,
};
use fastrand::Rng;
use uuid::Uuid;

pub use self::planted_bug::PlantedBug;
use crate::history::{
    Attempt, ClientUser, History, Outcome, RequestedOrder, StoredState,
    stored_state::{StoredOrder, StoredQuote, Terms},
    tests::{acknowledgement, market_order},
};

pub const LIMIT: i64 = 2_000;
const ROUNDS: usize = 250;
/// Most bugs could occur at many points of a run. They do occur at the points with these numbers, counted from one.
/// Several points are needed, because the response that shows the bug may be lost.
const BUG_POINTS: std::ops::Range<u32> = 3..10;
const QUOTE_DURATION: Duration = Duration::from_secs(2);
/// One dollar buys one satoshi.
const RATE_E8: i64 = 100_000_000 * 100_000_000;
/// The users of the clients. `None` is a client without a key.
const CLIENT_USERS: [ClientUser; 3] = [None, Some(UserId(Uuid::from_u128(1))), Some(UserId(Uuid::from_u128(2)))];

pub struct SimulatedService {
    bug: PlantedBug,
    /// The number of points so far at which the planted bug could have occurred.
    points_reached: u32,
    rng: Rng,
    now: Timestamp,
    /// The user of the client that acts now.
    user: ClientUser,
    /// Maps a user and an idempotency key to the index of the order in `stored.orders`.
    keys: BTreeMap<(ClientUser, String), usize>,
    quotes: Vec<QuoteEntry>,
    stored: StoredState,
    history: History,
    /// The number of idempotency keys that each user has generated. Different users generate equal keys.
    generated_keys: BTreeMap<ClientUser, u32>,
}

struct QuoteEntry {
    quote: Quote,
    /// The value of the column `state`: `held` until an order takes the quote or the quote expires, then `taken` or
    /// `expired`.
    state: &'static str,
}

/// What happens to a request and its response on the network.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Transmission {
    /// The client receives the response.
    Delivered,
    /// create-order cannot reach db-proxy, and the client receives `upstream_unavailable`.
    Unreachable,
    RequestLost,
    ResponseLost,
}

impl SimulatedService {
    /// Performs [`ROUNDS`] random actions of clients, and then places orders of one satoshi until an order is not
    /// placed. Returns the history of the clients and the stored state.
    pub fn run(bug: PlantedBug, seed: u64) -> (History, StoredState) {
        let mut service = Self {
            bug,
            points_reached: 0,
            rng: Rng::with_seed(seed),
            now: Timestamp::from_micros(1_700_000_000_000_000).unwrap(),
            user: None,
            keys: BTreeMap::new(),
            quotes: Vec::new(),
            stored: StoredState::default(),
            history: History::default(),
            generated_keys: BTreeMap::new(),
        };
        for _ in 0..ROUNDS {
            service.user = service.random_user();
            service.run_client();
        }
        service.now = service.now.plus(QUOTE_DURATION);
        service.expire_quotes();
        service.history.fill_started_at = Some(service.now);
        while matches!(service.place_order(&market_order(1)), Outcome::Placed { .. }) {}
        service.expire_quotes();
        service.list_orders_of_everybody();
        let quote = |QuoteEntry { quote, state }: &QuoteEntry| StoredQuote {
            id: quote.id,
            user: quote.user_id,
            expires_at: quote.expires_at,
            terms: Terms::from(quote),
            state: (*state).to_owned(),
        };
        service.stored.quotes = service.quotes.iter().map(quote).collect();
        (service.history, service.stored)
    }

    /// Performs one random action of a client.
    fn run_client(&mut self) {
        self.advance_clock();
        let requested = market_order(self.rng.i64(1..=20));
        match self.rng.u32(0..12) {
            0..=4 => drop(self.place_order(&requested)),
            10..=11 => self.read_orders(),
            5 => {
                let key = self.new_key();
                for _ in 0..3 {
                    self.place_order_with_key(&key, &requested);
                }
            }
            6 => {
                let key = self.new_key();
                self.place_order_with_key(&key, &requested);
                self.place_order_with_key(&key, &market_order(21));
            }
            7 => {
                let over_limit = market_order((LIMIT - self.stored.totals.bitcoin).max(0) + 1);
                self.place_order(&over_limit);
            }
            kind => {
                let satoshi = self.rng.i64(1..=20);
                let Some(id) = self.create_quote(satoshi) else { return };
                if kind == 8 {
                    self.place_as_another_user(&RequestedOrder::FromQuote(id));
                    self.place_order(&RequestedOrder::FromQuote(id));
                    self.place_order(&RequestedOrder::FromQuote(id));
                }
                // For kind 9, no order takes the quote, and the quote expires.
            }
        }
    }

    fn new_key(&mut self) -> String {
        let number = self.generated_keys.entry(self.user).or_default();
        *number += 1;
        format!("key-{number:04}")
    }

    fn random_user(&mut self) -> ClientUser {
        CLIENT_USERS[self.rng.usize(0..CLIENT_USERS.len())]
    }

    /// Sends the order as a random other user.
    fn place_as_another_user(&mut self, requested: &RequestedOrder) {
        let user = self.user;
        let others: Vec<_> = CLIENT_USERS.into_iter().filter(|other| *other != user).collect();
        self.user = self.rng.choice(others).unwrap();
        self.place_order(requested);
        self.user = user;
    }

    fn advance_clock(&mut self) {
        self.now = self.now.plus(Duration::from_millis(self.rng.u64(1..30)));
    }

    fn place_order(&mut self, requested: &RequestedOrder) -> Outcome {
        let key = self.new_key();
        self.place_order_with_key(&key, requested)
    }

    /// Sends the order until its outcome is final or unexpected, and records each attempt.
    fn place_order_with_key(&mut self, key: &str, requested: &RequestedOrder) -> Outcome {
        loop {
            let start = self.now;
            let outcome = self.send_request(key, requested);
            self.advance_clock();
            let bitcoin_amount = match requested {
                RequestedOrder::AtMarketPrice { amount, .. } => Sats::new(amount.ten_thousandths() / 10_000).ok(),
                RequestedOrder::FromQuote(_) | RequestedOrder::Paid { .. } => None,
            };
            let attempt = Attempt {
                user: self.user,
                idempotency_key: key.to_owned(),
                requested: *requested,
                bitcoin_amount,
                start,
                end: self.now,
                outcome: outcome.clone(),
            };
            self.history.attempts.push(attempt);
            if outcome.is_final() || matches!(outcome, Outcome::Unexpected { .. }) {
                return outcome;
            }
        }
    }

    /// Called at a point where `bug` could occur. Counts the point if `bug` is the planted bug, and returns whether the
    /// bug occurs.
    fn triggers(&mut self, bug: PlantedBug) -> bool {
        if self.bug != bug {
            return false;
        }
        self.points_reached += 1;
        BUG_POINTS.contains(&self.points_reached)
    }

    fn send_request(&mut self, key: &str, requested: &RequestedOrder) -> Outcome {
        let transmission = match self.rng.u32(0..20) {
            0 => Transmission::Unreachable,
            1 => Transmission::RequestLost,
            2 => Transmission::ResponseLost,
            _ => Transmission::Delivered,
        };
        self.advance_clock();
        match transmission {
            Transmission::Unreachable => return Outcome::Unavailable(Code::UpstreamUnavailable),
            Transmission::RequestLost => return Outcome::NoResponse,
            Transmission::Delivered | Transmission::ResponseLost => {}
        }
        if self.triggers(PlantedBug::InternalError) {
            return Outcome::Unexpected { status: 500, body: "internal error".to_owned() };
        }
        let is_used = self.keys.contains_key(&(self.user, key.to_owned()));
        if !is_used
            && matches!(requested, RequestedOrder::AtMarketPrice { .. })
            && self.triggers(PlantedBug::AcknowledgedBeforeCommit)
        {
            return acknowledgement(&self.build_order(requested, None), false);
        }
        let outcome = self.decide_order(key, requested);
        let placed = matches!(outcome, Outcome::Placed { .. });
        if transmission == Transmission::ResponseLost {
            if placed && self.triggers(PlantedBug::PlacesAgainWithGeneratedKey) {
                self.decide_order("generated-key", requested);
            }
            return Outcome::NoResponse;
        }
        if placed && !is_used && self.triggers(PlantedBug::RefusedAfterPlacing) {
            return Outcome::Refused { code: Code::LimitExceeded, remaining: Sats::new(0).ok(), balance: None };
        }
        outcome
    }

    fn decide_order(&mut self, key: &str, requested: &RequestedOrder) -> Outcome {
        self.expire_quotes();
        if let Some(&index) = self.keys.get(&(self.user, key.to_owned())) {
            if self.triggers(PlantedBug::LostKey) {
                self.keys.remove(&(self.user, key.to_owned()));
                return self.decide_order(key, requested);
            }
            return self.replay_order(index, requested);
        }
        let order_of_another = self.keys.iter().find(|((_, other), _)| other == key).map(|(_, index)| *index);
        if let Some(index) = order_of_another.filter(|_| self.bug == PlantedBug::SharedKeys) {
            return self.replay_order(index, requested);
        }
        if self.triggers(PlantedBug::RefusesNewKey) {
            return Outcome::Refused { code: Code::KeyReused, remaining: None, balance: None };
        }
        let quote = match *requested {
            RequestedOrder::AtMarketPrice { amount, .. } => {
                let remaining = self.remaining();
                let bitcoin = amount.ten_thousandths() / 10_000;
                if bitcoin > remaining {
                    return Outcome::Refused {
                        code: Code::LimitExceeded,
                        remaining: Sats::new(remaining.max(0)).ok(),
                        balance: None,
                    };
                }
                None
            }
            // No client of the simulation pays from a wallet.
            RequestedOrder::Paid { .. } => {
                return Outcome::Refused { code: Code::InsufficientFunds, remaining: None, balance: None };
            }
            RequestedOrder::FromQuote(id) => {
                let index = self.quotes.iter().position(|entry| entry.quote.id == id).unwrap();
                let is_own = self.quotes[index].quote.user_id == self.user;
                if !is_own && !self.triggers(PlantedBug::TakesQuoteOfAnother) {
                    return Outcome::Refused { code: Code::QuoteUnknown, remaining: None, balance: None };
                }
                let state = self.quotes[index].state;
                match state {
                    "taken" if !self.triggers(PlantedBug::QuoteTakenTwice) => {
                        return Outcome::Refused { code: Code::QuoteTaken, remaining: None, balance: None };
                    }
                    "expired" => return Outcome::Refused { code: Code::QuoteExpired, remaining: None, balance: None },
                    _ => {}
                }
                self.quotes[index].state = "taken";
                let quote = self.quotes[index].quote.clone();
                self.stored.totals.reserved -= quote.bitcoin_amount.get();
                Some(quote)
            }
        };
        self.store_order(key, requested, quote)
    }

    fn replay_order(&mut self, index: usize, requested: &RequestedOrder) -> Outcome {
        let StoredOrder { order, quote, .. } = self.stored.orders[index].clone();
        let same = match requested {
            RequestedOrder::AtMarketPrice { currency, amount } => {
                quote.is_none() && (order.currency, order.amount) == (*currency, *amount)
            }
            RequestedOrder::FromQuote(id) => quote == Some(*id),
            RequestedOrder::Paid { .. } => false,
        };
        if !same {
            return Outcome::Refused { code: Code::KeyReused, remaining: None, balance: None };
        }
        if self.triggers(PlantedBug::RecomputedReplay) {
            let recomputed = Order { price_as_of: self.now, ..order };
            return acknowledgement(&recomputed, true);
        }
        let replayed = !self.triggers(PlantedBug::ReplayReportedAsNew);
        acknowledgement(&order, replayed)
    }

    fn store_order(&mut self, key: &str, requested: &RequestedOrder, quote: Option<Quote>) -> Outcome {
        let mut order = self.build_order(requested, quote.as_ref());
        let last = self.stored.orders.last();
        let (mut seq, before) = last.map_or((1, None), |last| (last.seq + 1, Some(last.order.created_at)));
        if self.triggers(PlantedBug::SequenceGap) {
            seq += 1;
        }
        if let Some(before) = before.filter(|_| self.triggers(PlantedBug::ClockMovesBackwards)) {
            order.created_at = before.minus(Duration::from_micros(1));
        }
        self.stored.totals.orders += 1;
        if !self.triggers(PlantedBug::SumNotUpdated) {
            self.stored.totals.bitcoin += order.bitcoin_amount.get();
        }
        let mut stored_order = order.clone();
        if quote.is_none() && self.triggers(PlantedBug::StoredDifferently) {
            stored_order.price_as_of = self.now;
        }
        let quote = quote.map(|quote| quote.id);
        self.stored.orders.push(StoredOrder { seq, idempotency_key: key.to_owned(), order: stored_order, quote });
        self.keys.insert((self.user, key.to_owned()), self.stored.orders.len() - 1);
        acknowledgement(&order, false)
    }

    fn build_order(&self, requested: &RequestedOrder, quote: Option<&Quote>) -> Order {
        let (currency, amount) = match (requested, quote) {
            (RequestedOrder::AtMarketPrice { currency, amount }, _) => (*currency, *amount),
            (RequestedOrder::FromQuote(_) | RequestedOrder::Paid { .. }, quote) => {
                quote.map(|quote| (quote.currency, quote.amount)).unwrap()
            }
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
            ordered_by: OrderedBy::Amount,
            quote: quote.map(|quote| quote.id),
            client_reference: requested.client_reference(),
            metadata: None,
            user_id: self.user,
            wallet_id: None,
            credit_wallet_id: None,
        }
    }

    fn remaining(&self) -> i64 {
        let limit = match self.bug {
            PlantedBug::LimitTooLow => LIMIT - 1,
            PlantedBug::LimitTooHigh => LIMIT + 1,
            _ => LIMIT,
        };
        limit - self.stored.totals.bitcoin - self.stored.totals.reserved
    }
}

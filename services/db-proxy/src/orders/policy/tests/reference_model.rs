//! Compares the decisions on batches of commands with a simple model.
//! The model handles one command at a time and never fails.
//!
//! Commands are new, repeated, in conflict with earlier commands, or over the limit. Quotes are taken, released, or expire. The
//! commands are split into random batches. The first attempt to commit a batch may fail before or after the commit.

use proptest::{collection::vec, prelude::*};

use super::*;

const LIMIT: i64 = 100;
const MAX_BATCH: usize = 8;

#[derive(Debug, Clone)]
enum Action {
    Place {
        key: u8,
        amount: u8,
        satoshi: i64,
        has_price: bool,
        /// Whether the order was requested at the start, before all other actions.
        delayed: bool,
    },
    Quote {
        satoshi: i64,
        seconds: u64,
    },
    Take {
        key: u8,
        quote: usize,
    },
    Release {
        quote: usize,
    },
}

/// How the first attempt to commit a batch ends. A failed attempt is retried.
#[derive(Debug, Clone, Copy)]
enum FirstAttempt {
    Committed,
    FailedBeforeCommit,
    /// The batch is committed, but the response to the commit is lost.
    ResponseLost,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (0..6_u8, 0..2_u8, 1..40_i64, prop::bool::weighted(0.9), prop::bool::weighted(0.2)).prop_map(
            |(key, amount, satoshi, has_price, delayed)| Action::Place { key, amount, satoshi, has_price, delayed }
        ),
        2 => (1..40_i64, 1..4_u64).prop_map(|(satoshi, seconds)| Action::Quote { satoshi, seconds }),
        2 => (0..6_u8, quote_number()).prop_map(|(key, quote)| Action::Take { key, quote }),
        1 => quote_number().prop_map(|quote| Action::Release { quote }),
    ]
}

/// The number of a quote that possibly does not exist.
fn quote_number() -> impl Strategy<Value = usize> {
    prop_oneof![5 => 0..6_usize, 1 => 900..901_usize]
}

fn first_attempt() -> impl Strategy<Value = FirstAttempt> {
    prop_oneof![
        3 => Just(FirstAttempt::Committed),
        1 => Just(FirstAttempt::FailedBeforeCommit),
        1 => Just(FirstAttempt::ResponseLost),
    ]
}

/// A decision without generated ids and times.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Order { number: usize, satoshi: i64, replayed: bool },
    Quote { number: usize },
    Released { number: usize },
    Refused(RefusalReason, Option<i64>),
}

fn refusal(reason: RefusalReason) -> Outcome {
    Outcome::Refused(reason, None)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Terms {
    Amount(u8),
    Quote(usize),
}

struct ModelOrder {
    key: u8,
    terms: Terms,
    satoshi: i64,
}

struct ModelQuote {
    satoshi: i64,
    /// In seconds since the start.
    expires_at: u64,
    taken: bool,
    released: bool,
}

struct ModelRefusal {
    batch: usize,
    outcome: Outcome,
}

#[derive(Default)]
struct Model {
    orders: Vec<ModelOrder>,
    quotes: Vec<ModelQuote>,
    /// The last refusal of each key and amount.
    refusals: HashMap<(u8, u8), ModelRefusal>,
    second: u64,
    batch: usize,
}

impl Model {
    fn remaining(&self) -> i64 {
        let open = self.quotes.iter().filter(|quote| !quote.taken && !quote.released && quote.expires_at > self.second);
        let reserved: i64 = open.map(|quote| quote.satoshi).sum();
        LIMIT - self.orders.iter().map(|order| order.satoshi).sum::<i64>() - reserved
    }

    fn check_limit(&self, satoshi: i64) -> Result<i64, Outcome> {
        let remaining = self.remaining();
        if satoshi <= remaining {
            Ok(satoshi)
        } else {
            Err(Outcome::Refused(RefusalReason::LimitExceeded, Some(remaining)))
        }
    }

    /// If `key` is new, places an order for the bitcoin amount that `decide_new` returns.
    fn place(&mut self, key: u8, terms: Terms, decide_new: impl FnOnce(&mut Self) -> Result<i64, Outcome>) -> Outcome {
        if let Some(number) = self.orders.iter().position(|order| order.key == key) {
            let order = &self.orders[number];
            if order.terms == terms {
                return Outcome::Order { number, satoshi: order.satoshi, replayed: true };
            }
            return refusal(RefusalReason::KeyReused);
        }
        match decide_new(self) {
            Ok(satoshi) => {
                self.orders.push(ModelOrder { key, terms, satoshi });
                Outcome::Order { number: self.orders.len() - 1, satoshi, replayed: false }
            }
            Err(outcome) => outcome,
        }
    }

    fn apply(&mut self, action: &Action) -> Outcome {
        match *action {
            Action::Place { key, amount, satoshi, has_price, delayed } => {
                self.place(key, Terms::Amount(amount), |model| {
                    if let Some(refusal) = model.refusals.get(&(key, amount))
                        && (delayed || refusal.batch == model.batch)
                    {
                        return Err(refusal.outcome.clone());
                    }
                    let result = if has_price {
                        model.check_limit(satoshi)
                    } else {
                        Err(refusal(RefusalReason::PriceUnavailable))
                    };
                    if let Err(outcome) = &result {
                        let refusal = ModelRefusal { batch: model.batch, outcome: outcome.clone() };
                        model.refusals.insert((key, amount), refusal);
                    }
                    result
                })
            }
            Action::Quote { satoshi, seconds } => match self.check_limit(satoshi) {
                Ok(_) => {
                    let expires_at = self.second + seconds;
                    self.quotes.push(ModelQuote { satoshi, expires_at, taken: false, released: false });
                    Outcome::Quote { number: self.quotes.len() - 1 }
                }
                Err(outcome) => outcome,
            },
            Action::Take { key, quote } => self.place(key, Terms::Quote(quote), |model| {
                let second = model.second;
                match model.quotes.get_mut(quote) {
                    None => Err(refusal(RefusalReason::QuoteUnknown)),
                    Some(quote) if quote.taken => Err(refusal(RefusalReason::QuoteTaken)),
                    Some(quote) if quote.released || quote.expires_at <= second => {
                        Err(refusal(RefusalReason::QuoteExpired))
                    }
                    Some(quote) => {
                        quote.taken = true;
                        Ok(quote.satoshi)
                    }
                }
            }),
            Action::Release { quote: number } => match self.quotes.get_mut(number) {
                None => refusal(RefusalReason::QuoteUnknown),
                Some(quote) if quote.taken => refusal(RefusalReason::QuoteTaken),
                Some(quote) => {
                    quote.released = true;
                    Outcome::Released { number }
                }
            },
        }
    }
}

/// Tables that check each change. `orders` and `quotes` list the rows in the sequence of their insertion.
struct CheckedTables {
    tables: Tables,
    orders: Vec<Order>,
    quotes: Vec<QuoteId>,
}

impl CheckedTables {
    fn new() -> Self {
        Self { tables: Tables::empty(), orders: Vec::new(), quotes: Vec::new() }
    }

    /// Marks expired quotes, as a store does before the decision. Returns the sum of their reservations.
    fn release_expired_quotes(&mut self, now: Timestamp) -> Sats {
        let mut released = Sats::ZERO;
        for stored in self.tables.records.quotes.values_mut() {
            if stored.quote.state == QuoteState::Open && stored.quote.expires_at <= now {
                stored.quote.state = QuoteState::Expired;
                released = add_within_limit(released, stored.quote.bitcoin_amount);
            }
        }
        released
    }

    fn write(&mut self, changes: &ChangeSet) {
        let records = &self.tables.records;
        for row in &changes.orders {
            assert!(!records.orders.contains_key(&row.key), "a key is inserted twice");
            self.orders.push(row.stored.order.clone());
            assert_eq!(row.stored.seq, i64::try_from(self.orders.len()).unwrap(), "the sequence has a gap");
        }
        self.quotes.extend(changes.quotes.iter().map(|row| row.stored.quote.id));
        for (_, refusal) in &changes.refusals {
            assert!(refusal.refused_at <= changes.totals.last_refused_at, "a refusal is later than `last_refused_at`");
        }
        for id in &changes.taken_quotes {
            assert_eq!(records.quotes[id].quote.state, QuoteState::Open, "a quote is taken that is not open");
        }
        for id in &changes.released_quotes {
            assert_eq!(records.quotes[id].quote.state, QuoteState::Open, "a quote is released that is not open");
        }
        self.tables.write(changes);
    }

    fn assert_consistent(&self) {
        let ordered: i64 = self.orders.iter().map(|order| order.bitcoin_amount.get()).sum();
        let open = self.tables.records.quotes.values().filter(|stored| stored.quote.state == QuoteState::Open);
        let reserved: i64 = open.map(|stored| stored.quote.bitcoin_amount.get()).sum();
        let totals = &self.tables.totals;
        assert_eq!((totals.bitcoin.get(), totals.reserved.get()), (ordered, reserved));
        assert!(ordered + reserved <= LIMIT);
    }

    fn outcome_of(&self, decision: &Decision) -> Outcome {
        match decision {
            Decision::Placed(Placed { order, replayed }) => {
                let number = self.orders.iter().position(|stored| stored == order).expect("the order is stored");
                Outcome::Order { number, satoshi: order.bitcoin_amount.get(), replayed: *replayed }
            }
            Decision::Quoted(quote) => Outcome::Quote { number: self.number_of(quote) },
            Decision::QuoteReleased(quote) => Outcome::Released { number: self.number_of(quote) },
            Decision::Refused(Refused { reason, remaining, .. }) => Outcome::Refused(*reason, remaining.map(Sats::get)),
            Decision::QuoteCapExceeded(_) => panic!("the model has no caps: {decision:?}"),
        }
    }

    fn number_of(&self, quote: &Quote) -> usize {
        self.quotes.iter().position(|id| *id == quote.id).expect("the quote is stored")
    }

    fn id_of(&self, quote: usize) -> QuoteId {
        let unknown = || QuoteId(uuid::Uuid::from_u128(u128::try_from(quote).unwrap()));
        self.quotes.get(quote).copied().unwrap_or_else(unknown)
    }

    /// The command for an action.
    fn command_of(&self, action: &Action, now: Timestamp) -> Command {
        let expires_at = now.plus(MINUTE);
        match *action {
            Action::Place { key, amount, satoshi, has_price, delayed } => {
                let price = has_price.then(|| price(satoshi, expires_at));
                let command = market_of(&format!("k{key}"), &(amount + 1).to_string(), price);
                requested_at(command, if delayed { NOW } else { now })
            }
            Action::Quote { satoshi, seconds } => quote_at(price(satoshi, expires_at), seconds),
            Action::Take { key, quote } => place(&format!("k{key}"), OrderTerms::Quote(self.id_of(quote))),
            Action::Release { quote } => {
                Command::ReleaseQuote(ReleaseQuoteCommand { id: self.id_of(quote), owner: OwnerFilter::Anonymous })
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn decisions_match_the_model(
        batches in vec((vec(action(), 1..MAX_BATCH), first_attempt(), 0..3_u64), 1..12)
    ) {
        let mut model = Model::default();
        let mut tables = CheckedTables::new();
        for (actions, first_attempt, seconds) in batches {
            model.second += seconds;
            model.batch += 1;
            // Each batch has a different time, because its number is added in milliseconds. No quote expires in
            // these few milliseconds.
            let now = NOW.plus(Duration::from_secs(model.second) + Duration::from_millis(model.batch as u64));
            // A command can name only a quote of an earlier batch, because no caller knows the id of a quote of the
            // current batch.
            let known_quotes = model.quotes.len();
            let can_be_sent = |action: &Action| match action {
                Action::Take { quote, .. } | Action::Release { quote } => *quote < known_quotes || *quote >= known_quotes + MAX_BATCH,
                Action::Place { .. } | Action::Quote { .. } => true,
            };
            let actions: Vec<_> = actions.into_iter().filter(can_be_sent).collect();
            let mut commands: Vec<_> = actions.iter().map(|action| tables.command_of(action, now)).collect();

            let attempts = match first_attempt {
                FirstAttempt::Committed => 1,
                FirstAttempt::FailedBeforeCommit | FirstAttempt::ResponseLost => 2,
            };
            let mut decisions = Vec::new();
            for attempt in 0..attempts {
                let commits = attempt > 0 || !matches!(first_attempt, FirstAttempt::FailedBeforeCommit);
                let before = tables.tables.clone();
                let released = tables.release_expired_quotes(now);
                let snapshot = tables.tables.snapshot(released, now);
                let decided = decide_batch(sats(LIMIT), snapshot, &mut commands);
                decisions = decided.decisions;
                match decided.changes {
                    Some(changes) if commits => tables.write(&changes),
                    _ => tables.tables = before,
                }
            }
            tables.assert_consistent();
            let mut expected: Vec<_> = actions.iter().map(|action| model.apply(action)).collect();
            if matches!(first_attempt, FirstAttempt::ResponseLost) {
                // A refusal of a command for a quote is not recorded, so the retry decides the command again. The rest
                // of the batch is already stored.
                let refused = |(_, outcome): &(&Action, &mut Outcome)| matches!(outcome, Outcome::Refused(..));
                for (action, outcome) in actions.iter().zip(&mut expected).filter(refused) {
                    *outcome = model.apply(action);
                }
            }
            let outcomes: Vec<_> = decisions.iter().map(|decision| tables.outcome_of(decision)).collect();
            prop_assert_eq!(expected, outcomes, "{:?} {:?}", first_attempt, actions);
        }
    }
}

//! Any interleaving of new, repeated, conflicting and over-limit orders, of quotes that are taken or run out, cut into any
//! groups, with crashes before and after each commit: compared with a model that does one thing at a time and never fails.

use proptest::{collection::vec, prelude::*};

use super::*;

const LIMIT: i64 = 100;
const MAX_GROUP: usize = 8;

#[derive(Debug, Clone)]
enum Action {
    /// A late one was asked for before everything else.
    Place {
        key: u8,
        amount: u8,
        satoshi: i64,
        priced: bool,
        late: bool,
    },
    Quote {
        satoshi: i64,
        seconds: u64,
    },
    Take {
        key: u8,
        quote: usize,
    },
}

/// What happens to the transaction of a group.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Committed,
    /// Lost before the commit, and tried again.
    LostBefore,
    /// Committed, but nobody heard of it, and tried again.
    LostAfter,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        4 => (0..6_u8, 0..2_u8, 1..40_i64, prop::bool::weighted(0.9), prop::bool::weighted(0.2)).prop_map(
            |(key, amount, satoshi, priced, late)| Action::Place { key, amount, satoshi, priced, late }
        ),
        2 => (1..40_i64, 1..4_u64).prop_map(|(satoshi, seconds)| Action::Quote { satoshi, seconds }),
        2 => (0..6_u8, prop_oneof![5 => 0..6_usize, 1 => 900..901_usize]).prop_map(|(key, quote)| Action::Take { key, quote }),
    ]
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![3 => Just(Fate::Committed), 1 => Just(Fate::LostBefore), 1 => Just(Fate::LostAfter)]
}

/// What a caller is told, with nothing in it that is drawn at random.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Order { number: usize, satoshi: i64, replayed: bool },
    Quote { number: usize },
    No(RefusalReason, Option<i64>),
}

/// The plain model: lists, and one thing at a time.
#[derive(Default)]
struct Model {
    /// Key, what was asked for, and bitcoin of each order.
    orders: Vec<(u8, Wanted, i64)>,
    /// Bitcoin, the second it runs out, and whether it was taken.
    quotes: Vec<(i64, u64, bool)>,
    /// What was refused last for each key and amount, and in which group.
    refusals: HashMap<(u8, u8), (usize, Told)>,
    second: u64,
    group: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Amount(u8),
    Quote(usize),
}

impl Model {
    fn left(&self) -> i64 {
        let held = self.quotes.iter().filter(|(_, until, taken)| !taken && *until > self.second);
        LIMIT - self.orders.iter().map(|order| order.2).sum::<i64>() - held.map(|quote| quote.0).sum::<i64>()
    }

    fn order(&mut self, key: u8, asked: Wanted, new: impl FnOnce(&mut Self) -> Result<i64, Told>) -> Told {
        if let Some(number) = self.orders.iter().position(|order| order.0 == key) {
            let (_, before, satoshi) = self.orders[number];
            let same = before == asked;
            return if same { Told::Order { number, satoshi, replayed: true } } else { no(RefusalReason::KeyReused) };
        }
        match new(self) {
            Ok(satoshi) => {
                self.orders.push((key, asked, satoshi));
                Told::Order { number: self.orders.len() - 1, satoshi, replayed: false }
            }
            Err(told) => told,
        }
    }

    fn fits(&self, satoshi: i64) -> Result<i64, Told> {
        let left = self.left();
        if satoshi <= left { Ok(satoshi) } else { Err(Told::No(RefusalReason::LimitExceeded, Some(left))) }
    }

    fn act(&mut self, action: &Action) -> Told {
        match *action {
            Action::Place { key, amount, satoshi, priced, late } => self.order(key, Wanted::Amount(amount), |model| {
                if let Some((group, told)) = model.refusals.get(&(key, amount))
                    && (late || *group == model.group)
                {
                    return Err(told.clone());
                }
                let new = if priced { model.fits(satoshi) } else { Err(no(RefusalReason::PriceUnavailable)) };
                if let Err(told) = &new {
                    model.refusals.insert((key, amount), (model.group, told.clone()));
                }
                new
            }),
            Action::Quote { satoshi, seconds } => match self.fits(satoshi) {
                Ok(_) => {
                    self.quotes.push((satoshi, self.second + seconds, false));
                    Told::Quote { number: self.quotes.len() - 1 }
                }
                Err(told) => told,
            },
            Action::Take { key, quote } => self.order(key, Wanted::Quote(quote), |model| {
                let second = model.second;
                match model.quotes.get_mut(quote) {
                    None => Err(no(RefusalReason::QuoteUnknown)),
                    Some((_, _, true)) => Err(no(RefusalReason::QuoteTaken)),
                    Some((_, until, _)) if *until <= second => Err(no(RefusalReason::QuoteExpired)),
                    Some((satoshi, _, taken)) => {
                        *taken = true;
                        Ok(*satoshi)
                    }
                }
            }),
        }
    }
}

fn no(reason: RefusalReason) -> Told {
    Told::No(reason, None)
}

/// Tables, as far as [`decide`] sees them.
struct Tables {
    totals: Totals,
    known: StoredRecords,
    /// In the order in which they were written.
    orders: Vec<Order>,
    quotes: Vec<QuoteId>,
}

impl Tables {
    /// What a store does before it asks: gives back what quotes held that ran out.
    fn release(&mut self, now: Timestamp) {
        for stored in self.known.quotes.values_mut() {
            if stored.state == QuoteState::Active && stored.quote.expires_at <= now {
                stored.state = QuoteState::Expired;
                self.totals.reserved = self.totals.reserved.saturating_sub(stored.quote.bitcoin_amount);
            }
        }
    }

    fn write(&mut self, changes: &ChangeSet) {
        self.totals = changes.totals;
        for row in &changes.rows {
            assert!(self.known.orders.insert(row.key.clone(), row.stored.clone()).is_none(), "a key is written twice");
            self.orders.push(row.stored.order.clone());
            assert_eq!(row.stored.seq, i64::try_from(self.orders.len()).unwrap(), "the numbers have a gap");
        }
        for stored in &changes.held {
            self.known.quotes.insert(stored.quote.id, stored.clone());
            self.quotes.push(stored.quote.id);
        }
        for (asked, refusal) in &changes.refusals {
            assert!(refusal.at <= self.totals.last_refused_at, "a refusal would not be found");
            self.known.refusals.insert(asked.clone(), *refusal);
        }
        for id in &changes.taken {
            let stored = self.known.quotes.get_mut(id).unwrap();
            assert_eq!(stored.state, QuoteState::Active, "a quote is taken twice");
            stored.state = QuoteState::Taken;
        }
    }

    fn check(&self) {
        let ordered: Sats = self.orders.iter().map(|order| order.bitcoin_amount).sum();
        let held = self.known.quotes.values().filter(|stored| stored.state == QuoteState::Active);
        let held: Sats = held.map(|stored| stored.quote.bitcoin_amount).sum();
        assert_eq!((self.totals.bitcoin, self.totals.reserved), (ordered, held));
        assert!(ordered.get() + held.get() <= LIMIT);
    }

    fn told(&self, decision: &Decision) -> Told {
        match decision {
            Decision::Placed { order, replayed } => {
                let number = self.orders.iter().position(|known| known == order).expect("an order that is written");
                Told::Order { number, satoshi: order.bitcoin_amount.get(), replayed: *replayed }
            }
            Decision::Quoted(quote) => {
                let number = self.quotes.iter().position(|id| *id == quote.id).expect("a quote that is written");
                Told::Quote { number }
            }
            Decision::Refused { reason, remaining } => Told::No(*reason, remaining.map(Sats::get)),
        }
    }

    /// The work of an action; a quote that the model does not know of is one that nobody knows.
    fn work(&self, action: &Action, now: Timestamp) -> Command {
        let later = now.plus(Duration::from_secs(60));
        match *action {
            Action::Place { key, amount, satoshi, priced, late } => {
                let price = priced.then(|| price(satoshi, later));
                let mut work = market_of(&format!("k{key}"), &(amount + 1).to_string(), price);
                if let Command::Place(entry) = &mut work {
                    entry.asked_at = if late { NOW } else { now };
                }
                work
            }
            Action::Quote { satoshi, seconds } => Command::Quote(QuoteCommand {
                currency: Currency::EUR,
                amount: "69".parse().unwrap(),
                price: price(satoshi, later),
                duration: Duration::from_secs(seconds),
                attempted_ids: Vec::new(),
            }),
            Action::Take { key, quote } => {
                let unknown = || QuoteId(uuid::Uuid::from_u128(u128::try_from(quote).unwrap()));
                entry(&format!("k{key}"), OrderTerms::Quote(self.quotes.get(quote).copied().unwrap_or_else(unknown)))
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_callers_are_told_is_what_the_model_says(
        groups in vec((vec(action(), 1..MAX_GROUP), fate(), 0..3_u64), 1..12)
    ) {
        let mut model = Model::default();
        let mut tables = Tables { totals: totals(), known: StoredRecords::default(), orders: Vec::new(), quotes: Vec::new() };
        for (actions, fate, seconds) in groups {
            model.second += seconds;
            model.group += 1;
            // No two groups at once, and no more than a fraction of a second for all.
            let now = NOW.plus(Duration::from_secs(model.second) + Duration::from_millis(model.group as u64));
            // A taker can only name a quote that it was told of; one of its own group it cannot know yet.
            let told_of = model.quotes.len();
            let nameable = |action: &Action| match action {
                Action::Take { quote, .. } => *quote < told_of || *quote >= told_of + MAX_GROUP,
                Action::Place { .. } | Action::Quote { .. } => true,
            };
            let actions: Vec<_> = actions.into_iter().filter(nameable).collect();
            let mut work: Vec<_> = actions.iter().map(|action| tables.work(action, now)).collect();

            let tries = match fate { Fate::Committed => 1, Fate::LostBefore | Fate::LostAfter => 2 };
            let mut decisions = Vec::new();
            for number in 0..tries {
                tables.release(now);
                let changes = decide(tables.totals, sats(LIMIT), now, tables.known.clone(), &mut work);
                if number > 0 || !matches!(fate, Fate::LostBefore) {
                    tables.write(&changes);
                }
                decisions = changes.decisions;
            }
            tables.check();
            let mut expected: Vec<_> = actions.iter().map(|action| model.act(action)).collect();
            if matches!(fate, Fate::LostAfter) {
                // That of a quote is not remembered: when it is tried again, the rest of its group is there already.
                for (action, told) in actions.iter().zip(&mut expected).filter(|(_, told)| matches!(told, Told::No(..))) {
                    *told = model.act(action);
                }
            }
            let told: Vec<_> = decisions.iter().map(|decision| tables.told(decision)).collect();
            prop_assert_eq!(expected, told, "{:?} {:?}", fate, actions);
        }
    }
}

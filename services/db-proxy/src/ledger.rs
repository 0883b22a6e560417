//! What is decided about orders and quotes, with no database in it: idempotency, the expiry of prices and quotes, and the
//! limit, in the order of arrival.
//!
//! A store opens a transaction that no other can run beside, reads [`Totals`] and what [`StoredRecords`] says of the keys and
//! quotes of a group, asks [`decide`], and writes what it says.

use std::{collections::HashMap, time::Duration};

use common::{
    api::{
        orders::{Order, OrderPrice, RefusalReason},
        quotes::Quote,
    },
    ids::{IdempotencyKey, OrderId, QuoteId},
    money::{Currency, FiatAmount, Sats},
    time::Timestamp,
};

use crate::order_id::{order_id, uuid_at};

/// What all orders and held quotes come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// How many orders there are, which is the sequence number of the newest.
    pub orders: i64,
    pub bitcoin: Sats,
    /// What held quotes may still take.
    pub reserved: Sats,
    pub last_created_at: Timestamp,
    /// No refusal that is remembered is younger.
    pub last_refused_at: Timestamp,
}

/// Whose key, and which.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientKey {
    pub client: String,
    pub key: IdempotencyKey,
}

/// What waits to be decided.
#[derive(Debug, Clone)]
pub enum Command {
    Place(PlaceCommand),
    Quote(QuoteCommand),
}

/// An order that waits to be decided.
#[derive(Debug, Clone)]
pub struct PlaceCommand {
    pub key: ClientKey,
    pub ask: OrderTerms,
    /// When its client asked for it.
    pub asked_at: Timestamp,
    /// The ids that earlier tries to commit this entry gave it. An order with one of them is this entry's own work, found
    /// again after its outcome was not known.
    pub attempted_ids: Vec<OrderId>,
}

/// What an order asks for.
#[derive(Debug, Clone)]
pub enum OrderTerms {
    /// The price of the moment; nothing where there is none.
    Market { currency: Currency, amount: FiatAmount, price: Option<OrderPrice> },
    /// The price that the quote holds.
    Quote(QuoteId),
}

/// A quote that waits to be decided.
#[derive(Debug, Clone)]
pub struct QuoteCommand {
    pub currency: Currency,
    pub amount: FiatAmount,
    pub price: OrderPrice,
    pub duration: Duration,
    /// As with orders: the ids of earlier tries.
    pub attempted_ids: Vec<QuoteId>,
}

/// An order with what only the tables know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOrder {
    pub seq: i64,
    pub order: Order,
    pub quote: Option<QuoteId>,
}

/// A quote with what only the tables know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredQuote {
    pub quote: Quote,
    pub sources: String,
    pub state: QuoteState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuoteState {
    /// Counts against the limit, and can be taken.
    Active,
    Taken,
    Expired,
}

/// An order at the market price, as its client asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RefusalKey {
    pub key: ClientKey,
    pub currency: Currency,
    pub amount: FiatAmount,
}

/// A refusal that is remembered for a while.
///
/// Whoever is told "no" must not find later that an earlier request of theirs was placed, which lay in the queue of another
/// db-proxy because its sender died. So what was asked for before the refusal has the same answer, and what is asked for
/// later is decided anew. Only refusals that would not stay by themselves are remembered: a quote that was taken or ran out
/// remains so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordedRefusal {
    /// What was left where the limit was the reason; nothing where there was no price.
    pub remaining: Option<Sats>,
    pub at: Timestamp,
}

impl RecordedRefusal {
    fn decision(self) -> Decision {
        let reason =
            if self.remaining.is_some() { RefusalReason::LimitExceeded } else { RefusalReason::PriceUnavailable };
        Decision::Refused { reason, remaining: self.remaining }
    }
}

/// What the tables say of the keys and quotes of a group.
#[derive(Debug, Clone, Default)]
pub struct StoredRecords {
    /// The orders that keys were used for.
    pub orders: HashMap<ClientKey, StoredOrder>,
    pub quotes: HashMap<QuoteId, StoredQuote>,
    pub refusals: HashMap<RefusalKey, RecordedRefusal>,
}

/// What becomes of one piece of work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Placed { order: Order, replayed: bool },
    Quoted(Quote),
    Refused { reason: RefusalReason, remaining: Option<Sats> },
}

/// An order to be written, with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewOrderRow {
    pub stored: StoredOrder,
    pub sources: String,
    pub key: ClientKey,
}

/// What becomes of a group: a decision for each piece, and what is to be written before anyone is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeSet {
    pub decisions: Vec<Decision>,
    pub rows: Vec<NewOrderRow>,
    pub held: Vec<StoredQuote>,
    pub taken: Vec<QuoteId>,
    /// To be remembered; each order once.
    pub refusals: Vec<(RefusalKey, RecordedRefusal)>,
    pub totals: Totals,
}

impl ChangeSet {
    /// Whether anything is to be written.
    pub fn changes(&self) -> bool {
        !self.rows.is_empty() || !self.held.is_empty() || !self.refusals.is_empty()
    }
}

/// Decides a group in the order of arrival. One refused piece does not touch the others. Ids that are given are noted in
/// the work.
pub fn decide(totals: Totals, limit: Sats, now: Timestamp, known: StoredRecords, work: &mut [Command]) -> ChangeSet {
    let (rows, held, taken) = (Vec::with_capacity(work.len()), Vec::new(), Vec::new());
    let mut state = DecisionState { totals, limit, now, known, rows, held, taken, refusals: HashMap::new() };
    let decisions = work.iter_mut().map(|work| {
        let decided = match work {
            Command::Place(entry) => state.place(entry),
            Command::Quote(quote) => state.hold(quote),
        };
        decided.unwrap_or_else(|reason| state.refuse(reason))
    });
    let decisions = decisions.collect();
    let DecisionState { rows, held, taken, refusals, totals, .. } = state;
    ChangeSet { decisions, rows, held, taken, refusals: refusals.into_iter().collect(), totals }
}

/// The state of the world while a group is decided.
struct DecisionState {
    totals: Totals,
    limit: Sats,
    now: Timestamp,
    known: StoredRecords,
    rows: Vec<NewOrderRow>,
    held: Vec<StoredQuote>,
    taken: Vec<QuoteId>,
    refusals: HashMap<RefusalKey, RecordedRefusal>,
}

impl DecisionState {
    fn place(&mut self, entry: &mut PlaceCommand) -> Result<Decision, RefusalReason> {
        if let Some(stored) = self.known.orders.get(&entry.key) {
            return repeat(entry, stored);
        }
        match entry.ask.clone() {
            OrderTerms::Market { currency, amount, price } => {
                let asked = RefusalKey { key: entry.key.clone(), currency, amount };
                if let Some(past) = self.known.refusals.get(&asked).filter(|past| entry.asked_at <= past.at) {
                    return Ok(past.decision());
                }
                match price.filter(|price| self.now < price.expires_at) {
                    None => Ok(self.refuse_so_far(asked, None)),
                    Some(price) if self.fits(price.bitcoin_amount).is_err() => {
                        Ok(self.refuse_so_far(asked, Some(self.left())))
                    }
                    Some(price) => Ok(self.accept(entry, currency, amount, &price, None)),
                }
            }
            OrderTerms::Quote(id) => {
                let stored = self.take(id)?;
                let Quote { currency, amount, .. } = stored.quote;
                let price = OrderPrice {
                    exchange_rate: stored.quote.exchange_rate,
                    bitcoin_amount: stored.quote.bitcoin_amount,
                    as_of: stored.quote.price_as_of,
                    expires_at: stored.quote.expires_at,
                    sources: vec![stored.sources],
                    simulated: stored.quote.simulated,
                    price_state: stored.quote.price_state,
                };
                Ok(self.accept(entry, currency, amount, &price, Some(id)))
            }
        }
    }

    fn hold(&mut self, hold: &mut QuoteCommand) -> Result<Decision, RefusalReason> {
        // Found again after its outcome was not known.
        if let Some(stored) = hold.attempted_ids.iter().find_map(|id| self.known.quotes.get(id)) {
            return Ok(Decision::Quoted(stored.quote.clone()));
        }
        if self.now >= hold.price.expires_at {
            return Err(RefusalReason::PriceUnavailable);
        }
        let bitcoin = hold.price.bitcoin_amount;
        self.fits(bitcoin)?;
        let id = QuoteId(uuid_at(self.now));
        hold.attempted_ids.push(id);
        let quote = Quote {
            id,
            created_at: self.now,
            expires_at: self.now.plus(hold.duration),
            currency: hold.currency,
            amount: hold.amount,
            exchange_rate: hold.price.exchange_rate,
            bitcoin_amount: bitcoin,
            price_as_of: hold.price.as_of,
            simulated: hold.price.simulated,
            price_state: hold.price.price_state,
        };
        let stored =
            StoredQuote { quote: quote.clone(), sources: hold.price.sources.join(","), state: QuoteState::Active };
        self.totals.reserved = sum(self.totals.reserved, bitcoin);
        self.known.quotes.insert(id, stored.clone());
        self.held.push(stored);
        Ok(Decision::Quoted(quote))
    }

    /// Takes a held quote off the shelf; its share of the limit goes over to the order that took it.
    fn take(&mut self, id: QuoteId) -> Result<StoredQuote, RefusalReason> {
        let stored = self.known.quotes.get_mut(&id).ok_or(RefusalReason::QuoteUnknown)?;
        match stored.state {
            QuoteState::Taken => return Err(RefusalReason::QuoteTaken),
            QuoteState::Expired => return Err(RefusalReason::QuoteExpired),
            QuoteState::Active if self.now >= stored.quote.expires_at => return Err(RefusalReason::QuoteExpired),
            QuoteState::Active => stored.state = QuoteState::Taken,
        }
        let stored = stored.clone();
        self.totals.reserved = self.totals.reserved.saturating_sub(stored.quote.bitcoin_amount);
        self.taken.push(id);
        Ok(stored)
    }

    /// Whether `more` fits under the limit beside all orders and all that quotes hold.
    fn fits(&self, more: Sats) -> Result<(), RefusalReason> {
        let all = self.totals.bitcoin.checked_add(self.totals.reserved).and_then(|all| all.checked_add(more));
        if all.is_ok_and(|all| all <= self.limit) { Ok(()) } else { Err(RefusalReason::LimitExceeded) }
    }

    fn accept(
        &mut self,
        entry: &mut PlaceCommand,
        currency: Currency,
        amount: FiatAmount,
        price: &OrderPrice,
        quote: Option<QuoteId>,
    ) -> Decision {
        // Strictly later than the order before, whatever the clock does, so that time, id and sequence sort alike.
        let created_at = self.now.max(self.totals.last_created_at.plus(Duration::from_micros(1)));
        let seq = self.totals.orders + 1;
        let bitcoin = sum(self.totals.bitcoin, price.bitcoin_amount);
        self.totals = Totals { orders: seq, bitcoin, last_created_at: created_at, ..self.totals };
        let order = Order {
            id: order_id(created_at),
            created_at,
            currency,
            amount,
            exchange_rate: price.exchange_rate,
            bitcoin_amount: price.bitcoin_amount,
            price_as_of: price.as_of,
            simulated: price.simulated,
            price_state: price.price_state,
        };
        entry.attempted_ids.push(order.id);
        let stored = StoredOrder { seq, order: order.clone(), quote };
        self.known.orders.insert(entry.key.clone(), stored.clone());
        self.rows.push(NewOrderRow { stored, sources: price.sources.join(","), key: entry.key.clone() });
        Decision::Placed { order, replayed: false }
    }

    /// Refuses all that was asked for until now.
    fn refuse_so_far(&mut self, asked: RefusalKey, remaining: Option<Sats>) -> Decision {
        let refusal = RecordedRefusal { remaining, at: self.now };
        self.totals.last_refused_at = self.totals.last_refused_at.max(self.now);
        self.known.refusals.insert(asked.clone(), refusal);
        self.refusals.insert(asked, refusal);
        refusal.decision()
    }

    fn refuse(&self, reason: RefusalReason) -> Decision {
        Decision::Refused { reason, remaining: (reason == RefusalReason::LimitExceeded).then(|| self.left()) }
    }

    fn left(&self) -> Sats {
        self.limit.saturating_sub(self.totals.bitcoin).saturating_sub(self.totals.reserved)
    }
}

/// The answer for a key that was used before: the same order for the same request, a refusal for another.
fn repeat(entry: &PlaceCommand, StoredOrder { order, quote, .. }: &StoredOrder) -> Result<Decision, RefusalReason> {
    let same = match &entry.ask {
        OrderTerms::Market { currency, amount, .. } => {
            quote.is_none() && (order.currency, order.amount) == (*currency, *amount)
        }
        OrderTerms::Quote(id) => *quote == Some(*id),
    };
    if same {
        Ok(Decision::Placed { order: order.clone(), replayed: !entry.attempted_ids.contains(&order.id) })
    } else {
        Err(RefusalReason::KeyReused)
    }
}

/// The sum of amounts that are both under the limit, which is under all the bitcoin there will be.
fn sum(a: Sats, b: Sats) -> Sats {
    a.checked_add(b).expect("what fits under the limit can be added")
}

#[cfg(test)]
mod tests;

//! The decisions about orders and quotes, without I/O: idempotency, expiry of prices and quotes, the limit, and the separation of
//! simulated and real orders.
//!
//! Commands are decided in the sequence of their arrival. A refused command does not affect the others.

use std::{collections::HashMap, time::Duration};

use common::{
    api::{
        orders::{
            ANONYMOUS, Annotations, Order, OrderOrigin, OrderPrice, OrderedBy, OwnerFilter, Placed, PricedOrder,
            RefusalReason, Refused,
        },
        quotes::{ExceededCap, Quote, QuoteCap, QuoteState},
    },
    ids::QuoteId,
    money::{Currency, Sats},
    time::{MAX_CLOCK_SKEW, Timestamp},
};

use super::{
    command::{
        CapsExceeded, Command, Decision, MarketTerms, OrderTerms, PlaceCommand, QuoteCommand, ReleaseQuoteCommand,
    },
    order_id::new_order_id,
    records::{
        ChangeSet, NewOrderRow, NewQuoteRow, RecordedRefusal, RefusalKey, Snapshot, StoredOrder, StoredQuote, Totals,
    },
};
use crate::{group_commit::Decided, uuid_v7::new_uuid_at};

/// Minimum difference between the times of two orders: the precision of stored times.
const TIME_STEP: Duration = Duration::from_micros(1);

/// Decides a batch. `limit` is the maximum bitcoin amount of all orders and open quotes together.
///
/// Adds the id that it assigns to the `attempted_ids` of the command.
pub fn decide_batch(limit: Sats, snapshot: Snapshot, commands: &mut [Command]) -> Decided<Decision, ChangeSet> {
    let mut state = DecisionState::new(limit, snapshot, commands.len());
    let decisions = commands.iter_mut().map(|command| state.decide_command(command)).collect();
    Decided { decisions, changes: state.into_changes() }
}

/// What remains of the limit.
pub fn remaining(limit: Sats, totals: &Totals) -> Sats {
    limit.saturating_sub(totals.bitcoin).saturating_sub(totals.reserved)
}

/// The state while a batch is decided: the snapshot, and the changes of the commands that are decided so far.
struct DecisionState {
    limit: Sats,
    snapshot: Snapshot,
    /// The totals including the changes of the batch. [`Snapshot::totals`] contains the stored totals.
    totals: Totals,
    /// The origin that marks the database, including a mark that this batch sets. [`Snapshot::origin`] contains the stored mark.
    origin: Option<OrderOrigin>,
    orders: Vec<NewOrderRow>,
    quotes: Vec<NewQuoteRow>,
    taken_quotes: Vec<QuoteId>,
    released_quotes: Vec<QuoteId>,
    refusals: HashMap<RefusalKey, RecordedRefusal>,
}

impl DecisionState {
    fn new(limit: Sats, snapshot: Snapshot, commands: usize) -> Self {
        let reserved = snapshot.totals.reserved.saturating_sub(snapshot.released);
        Self {
            limit,
            totals: Totals { reserved, ..snapshot.totals },
            origin: snapshot.origin,
            snapshot,
            orders: Vec::with_capacity(commands),
            quotes: Vec::new(),
            taken_quotes: Vec::new(),
            released_quotes: Vec::new(),
            refusals: HashMap::new(),
        }
    }

    fn into_changes(self) -> Option<ChangeSet> {
        // An order always changes the totals. A quote leaves them unchanged if it reserves exactly the amount that an expired
        // quote released. A refusal leaves them unchanged if the clock went back, because the refusal is then not the newest.
        let unchanged = self.quotes.is_empty()
            && self.released_quotes.is_empty()
            && self.refusals.is_empty()
            && self.totals == self.snapshot.totals;
        let mark = self.origin.filter(|_| self.snapshot.origin.is_none());
        (!unchanged).then(|| ChangeSet {
            orders: self.orders,
            quotes: self.quotes,
            taken_quotes: self.taken_quotes,
            released_quotes: self.released_quotes,
            refusals: self.refusals.into_iter().collect(),
            totals: self.totals,
            decided_at: self.snapshot.now,
            mark,
        })
    }

    fn decide_command(&mut self, command: &mut Command) -> Decision {
        let decision = match command {
            Command::Place(place) => self.place_order(place),
            Command::Quote(quote) => self.create_quote(quote),
            Command::ReleaseQuote(release) => self.release_quote(*release),
        };
        decision.unwrap_or_else(|reason| self.refuse_command(reason))
    }

    fn place_order(&mut self, command: &mut PlaceCommand) -> Result<Decision, RefusalReason> {
        if let Some(stored) = self.snapshot.records.orders.get(&command.key) {
            return replay_order(command, stored);
        }
        let order = match &command.terms {
            OrderTerms::Market(MarketTerms { order, priced }) => {
                let refusal_key = RefusalKey { key: command.key.clone(), order: *order };
                let refusal = self.snapshot.records.refusals.get(&refusal_key);
                if let Some(refusal) =
                    refusal.filter(|refusal| refusal.applies_to(command.requested_at, self.snapshot.now))
                {
                    return Ok(refusal.decision());
                }
                match priced.as_ref().filter(|priced| is_current(&priced.price, self.snapshot.now)) {
                    None => return Ok(self.record_refusal(refusal_key, None)),
                    Some(priced) if let Some(decision) = self.refuse_origin(priced.price.simulated) => {
                        self.record_refusal(refusal_key, None);
                        return Ok(decision);
                    }
                    Some(priced) if !self.fits_limit(priced.price.bitcoin_amount) => {
                        return Ok(self.record_refusal(refusal_key, Some(self.remaining())));
                    }
                    Some(priced) => {
                        let ordered_by = order.amount.ordered_by();
                        let terms = AcceptedTerms { currency: order.currency, ordered_by, priced, quote: None };
                        self.accept_order(command, terms)
                    }
                }
            }
            &OrderTerms::Quote(id) => {
                let owner = OwnerFilter::of(command.user);
                // A db-proxy of an earlier release did not check the origin, so the stored quote may have the other origin.
                let simulated = self.find_quote(id, owner)?.quote.simulated;
                if let Some(decision) = self.refuse_origin(simulated) {
                    return Ok(decision);
                }
                let StoredQuote { quote, sources, .. } = self.take_quote(id, owner)?;
                let price = OrderPrice {
                    exchange_rate: quote.exchange_rate,
                    bitcoin_amount: quote.bitcoin_amount,
                    as_of: quote.price_as_of,
                    expires_at: quote.expires_at,
                    sources: vec![sources],
                    simulated: quote.simulated,
                    price_state: quote.price_state,
                };
                let (currency, ordered_by) = (quote.currency, quote.ordered_by);
                let priced = &PricedOrder { amount: quote.amount, price };
                self.accept_order(command, AcceptedTerms { currency, ordered_by, priced, quote: Some(id) })
            }
        };
        command.attempted_ids.push(order.id);
        Ok(Decision::Placed(Placed { order, replayed: false }))
    }

    fn create_quote(&mut self, command: &mut QuoteCommand) -> Result<Decision, RefusalReason> {
        let quotes = &self.snapshot.records.quotes;
        // If an attempt with an unknown outcome has committed, its quote is stored.
        if let Some(stored) = command.attempted_ids.iter().find_map(|id| quotes.get(id)) {
            return Ok(Decision::Quoted(stored.quote.clone()));
        }
        let (now, price) = (self.snapshot.now, &command.price);
        if !is_current(price, now) {
            return Err(RefusalReason::PriceUnavailable);
        }
        if let Some(decision) = self.refuse_origin(price.simulated) {
            return Ok(decision);
        }
        let fits_limit = self.fits_limit(price.bitcoin_amount);
        let caps = self.exceeded_caps(command);
        if !caps.is_empty() {
            let remaining_limit = (!fits_limit).then(|| self.remaining());
            return Ok(Decision::QuoteCapExceeded(CapsExceeded { remaining_limit, caps }));
        }
        if !fits_limit {
            return Err(RefusalReason::LimitExceeded);
        }
        self.origin.get_or_insert(OrderOrigin::of(price.simulated));
        let quote = Quote {
            id: QuoteId(new_uuid_at(now)),
            created_at: now,
            expires_at: now.plus(command.duration),
            currency: command.currency,
            amount: command.amount,
            exchange_rate: price.exchange_rate,
            bitcoin_amount: price.bitcoin_amount,
            price_as_of: price.as_of,
            simulated: price.simulated,
            price_state: price.price_state,
            state: QuoteState::Open,
            order_id: None,
            ordered_by: command.ordered_by,
            user_id: command.user,
        };
        let stored = StoredQuote {
            quote: quote.clone(),
            sources: price.sources.join(","),
            client: command.client.clone().unwrap_or_else(|| ANONYMOUS.to_owned()),
        };
        self.totals.reserved = add_within_limit(self.totals.reserved, price.bitcoin_amount);
        let reserved = self.snapshot.records.reserved_by_client.entry(stored.client.clone()).or_insert(Sats::ZERO);
        *reserved = add_within_limit(*reserved, price.bitcoin_amount);
        command.attempted_ids.push(quote.id);
        self.snapshot.records.quotes.insert(quote.id, stored.clone());
        self.quotes.push(NewQuoteRow { stored, written_by: command.written_by });
        Ok(Decision::Quoted(quote))
    }

    /// The quote, if it belongs to the owner. A quote of another owner is refused like a quote that does not exist.
    fn find_quote(&mut self, id: QuoteId, owner: OwnerFilter) -> Result<&mut StoredQuote, RefusalReason> {
        let stored = self.snapshot.records.quotes.get_mut(&id);
        stored.filter(|stored| owner.selects(stored.quote.user_id)).ok_or(RefusalReason::QuoteUnknown)
    }

    /// Marks an open quote as taken. Its reservation passes to the order that takes it.
    fn take_quote(&mut self, id: QuoteId, owner: OwnerFilter) -> Result<StoredQuote, RefusalReason> {
        let now = self.snapshot.now;
        let stored = self.find_quote(id, owner)?;
        match stored.quote.state {
            QuoteState::Taken => return Err(RefusalReason::QuoteTaken),
            // A released quote is refused as expired, because an older create-order knows no reason for a released quote.
            QuoteState::Expired | QuoteState::Released => return Err(RefusalReason::QuoteExpired),
            QuoteState::Open if stored.has_expired(now) => return Err(RefusalReason::QuoteExpired),
            QuoteState::Open => stored.quote.state = QuoteState::Taken,
        }
        let stored = stored.clone();
        self.return_reservation(&stored);
        self.taken_quotes.push(id);
        Ok(stored)
    }

    fn release_quote(
        &mut self,
        ReleaseQuoteCommand { id, owner }: ReleaseQuoteCommand,
    ) -> Result<Decision, RefusalReason> {
        let stored = self.find_quote(id, owner)?;
        match stored.quote.state {
            QuoteState::Taken => return Err(RefusalReason::QuoteTaken),
            QuoteState::Expired | QuoteState::Released => return Ok(Decision::QuoteReleased(stored.quote.clone())),
            QuoteState::Open => stored.quote.state = QuoteState::Released,
        }
        let stored = stored.clone();
        self.return_reservation(&stored);
        self.released_quotes.push(id);
        Ok(Decision::QuoteReleased(stored.quote))
    }

    /// Subtracts the reservation of a quote that is no longer open.
    fn return_reservation(&mut self, StoredQuote { quote, client, .. }: &StoredQuote) {
        self.totals.reserved = self.totals.reserved.saturating_sub(quote.bitcoin_amount);
        if let Some(reserved) = self.snapshot.records.reserved_by_client.get_mut(client) {
            *reserved = reserved.saturating_sub(quote.bitcoin_amount);
        }
    }

    /// The caps that the quote of a command would exceed.
    fn exceeded_caps(&self, command: &QuoteCommand) -> Vec<ExceededCap> {
        let QuoteCommand { caps, client, price, .. } = command;
        let reserved_by = |client| self.snapshot.records.reserved_by_client.get(client).copied().unwrap_or(Sats::ZERO);
        let remaining_by_cap = [
            (QuoteCap::Quote, Some(caps.quote)),
            (QuoteCap::Client, client.as_ref().map(|client| caps.client.saturating_sub(reserved_by(client)))),
            (QuoteCap::AllQuotes, Some(caps.all_quotes.saturating_sub(self.totals.reserved))),
        ];
        let by_cap = remaining_by_cap.into_iter();
        let by_cap = by_cap.filter_map(|(cap, remaining)| Some(ExceededCap { cap, remaining: remaining? }));
        by_cap.filter(|cap| price.bitcoin_amount > cap.remaining).collect()
    }

    /// Whether `amount` fits under the limit together with all orders and reservations.
    fn fits_limit(&self, amount: Sats) -> bool {
        let Totals { bitcoin, reserved, .. } = self.totals;
        let total = bitcoin.checked_add(reserved).and_then(|total| total.checked_add(amount));
        total.is_ok_and(|total| total <= self.limit)
    }

    /// Adds an accepted order to the changes of the batch.
    fn accept_order(
        &mut self,
        command: &PlaceCommand,
        AcceptedTerms { currency, ordered_by, priced, quote }: AcceptedTerms<'_>,
    ) -> Order {
        let &PricedOrder { amount, ref price } = priced;
        // The time is later than that of the previous order even if the clock went back, so that times, ids and sequence
        // numbers sort alike.
        let created_at = self.snapshot.now.max(self.totals.last_created_at.plus(TIME_STEP));
        self.origin.get_or_insert(OrderOrigin::of(price.simulated));
        let seq = self.totals.orders + 1;
        let anonymous_before = command.user.map(|_| self.totals.anonymous_orders());
        if command.user.is_some() {
            self.totals.user_orders += 1;
            self.totals.user_bitcoin = add_within_limit(self.totals.user_bitcoin, price.bitcoin_amount);
        }
        let bitcoin = add_within_limit(self.totals.bitcoin, price.bitcoin_amount);
        self.totals = Totals { orders: seq, bitcoin, last_created_at: created_at, ..self.totals };
        let order = Order {
            id: new_order_id(created_at),
            created_at,
            currency,
            amount,
            exchange_rate: price.exchange_rate,
            bitcoin_amount: price.bitcoin_amount,
            price_as_of: price.as_of,
            simulated: price.simulated,
            price_state: price.price_state,
            ordered_by,
            quote,
            client_reference: command.annotations.client_reference.clone(),
            metadata: command.annotations.metadata.clone(),
            user_id: command.user,
        };
        let stored = StoredOrder { seq, order: order.clone() };
        self.snapshot.records.orders.insert(command.key.clone(), stored.clone());
        let (sources, key) = (price.sources.join(","), command.key.clone());
        self.orders.push(NewOrderRow { stored, sources, key, anonymous_before, written_by: command.written_by });
        order
    }

    /// Refuses an order and records the refusal. The refusal applies to every request for this order that was made until now.
    fn record_refusal(&mut self, key: RefusalKey, remaining: Option<Sats>) -> Decision {
        let refusal = RecordedRefusal { remaining, refused_at: self.snapshot.now };
        // A time later than `latest` is from a clock that was ahead, and the refusal from that time no longer applies.
        let latest = self.snapshot.now.plus(MAX_CLOCK_SKEW);
        self.totals.last_refused_at = self.totals.last_refused_at.max(refusal.refused_at).min(latest);
        self.snapshot.records.refusals.insert(key.clone(), refusal);
        self.refusals.insert(key, refusal);
        refusal.decision()
    }

    /// Refuses a command without recording the refusal; see [`RecordedRefusal`].
    fn refuse_command(&self, reason: RefusalReason) -> Decision {
        let remaining = (reason == RefusalReason::LimitExceeded).then(|| self.remaining());
        Decision::Refused(Refused { remaining, ..Refused::because(reason) })
    }

    /// The refusal if the price is simulated and the orders of the database are real, or the reverse. `None` if the price may
    /// be used.
    fn refuse_origin(&self, simulated: bool) -> Option<Decision> {
        let origin = self.origin.filter(|origin| *origin != OrderOrigin::of(simulated))?;
        let refused = Refused::because(RefusalReason::PriceUnavailable);
        Some(Decision::Refused(Refused { database_origin: Some(origin), ..refused }))
    }

    fn remaining(&self) -> Sats {
        remaining(self.limit, &self.totals)
    }
}

/// What an accepted order buys, and at which price.
struct AcceptedTerms<'a> {
    currency: Currency,
    ordered_by: OrderedBy,
    priced: &'a PricedOrder,
    quote: Option<QuoteId>,
}

/// The decision for a key that was used before. The same request receives the same order, and a different request is refused.
fn replay_order(command: &PlaceCommand, stored: &StoredOrder) -> Result<Decision, RefusalReason> {
    let order = &stored.order;
    let has_same_terms = match &command.terms {
        OrderTerms::Market(MarketTerms { order: requested, .. }) => {
            order.quote.is_none() && (order.currency, order.ordered_amount()) == (requested.currency, requested.amount)
        }
        OrderTerms::Quote(id) => order.quote == Some(*id),
    };
    let Annotations { client_reference, metadata } = &command.annotations;
    let has_same_annotations = order.client_reference == *client_reference && order.metadata == *metadata;
    if !has_same_terms || !has_same_annotations {
        return Err(RefusalReason::KeyReused);
    }
    let replayed = !command.attempted_ids.contains(&order.id);
    Ok(Decision::Placed(Placed { order: order.clone(), replayed }))
}

/// Whether an order or a quote may use the price at `now`.
fn is_current(price: &OrderPrice, now: Timestamp) -> bool {
    now < price.expires_at && !price.as_of.is_beyond_skew(now)
}

/// The sum of two amounts that fit under the limit. The limit is at most the supply of bitcoin, so the addition
/// cannot fail.
fn add_within_limit(a: Sats, b: Sats) -> Sats {
    a.checked_add(b).expect("amounts that fit under the limit can be added")
}

#[cfg(test)]
mod tests;

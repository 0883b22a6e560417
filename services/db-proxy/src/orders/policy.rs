//! The decisions about orders and quotes, without I/O: idempotency, expiry of prices and quotes, the limit, payments
//! from wallets, and the separation of simulated and real orders.
//!
//! Commands are decided in the sequence of their arrival. A refused command takes no part of the limit.

mod payment;
mod quotes;

use std::{collections::HashMap, mem, time::Duration};

use common::{
    api::{
        limit::remaining_of_limit,
        orders::{
            Annotations, Order, OrderOrigin, OrderPrice, OrderedBy, OwnerFilter, Placed, PricedOrder, RefusalReason,
            Refused,
        },
    },
    ids::QuoteId,
    money::{Currency, Sats},
    time::{MAX_CLOCK_SKEW, Timestamp},
};

use self::payment::Payment;
use super::{
    command::{Command, Decision, MarketTerms, OrderTerms, PlaceCommand},
    order_id::new_order_id,
    records::{ChangeSet, NewOrderRow, NewQuoteRow, RecordedRefusal, RefusalKey, Snapshot, StoredOrder, Totals},
};
use crate::{group_commit::Decided, wallets::running_balances::RunningBalances};

/// Minimum difference between the times of two orders: the precision of stored times.
const TIME_STEP: Duration = Duration::from_micros(1);

/// Decides a batch. `limit` is the maximum bitcoin amount of all orders and open quotes together.
///
/// Adds the id of each new order and quote to the `attempted_ids` of its command.
pub fn decide_batch(limit: Sats, snapshot: Snapshot, commands: &mut [Command]) -> Decided<Decision, ChangeSet> {
    let mut state = DecisionState::new(limit, snapshot, commands.len());
    let decisions = commands.iter_mut().map(|command| state.decide_command(command)).collect();
    Decided { decisions, changes: state.into_changes() }
}

pub fn remaining(limit: Sats, totals: &Totals) -> Sats {
    remaining_of_limit(limit, totals.bitcoin, totals.reserved)
}

/// The state while a batch is decided: the snapshot, and the changes of the commands that are decided so far.
struct DecisionState {
    limit: Sats,
    snapshot: Snapshot,
    /// The totals including the changes of the batch, and without the reservations of expired quotes.
    /// [`Snapshot::totals`] contains the stored totals.
    totals: Totals,
    /// The origin of the database: the stored origin ([`Snapshot::origin`]), or the origin that this batch will store.
    origin: Option<OrderOrigin>,
    orders: Vec<NewOrderRow>,
    quotes: Vec<NewQuoteRow>,
    taken_quotes: Vec<QuoteId>,
    released_quotes: Vec<QuoteId>,
    refusals: HashMap<RefusalKey, RecordedRefusal>,
    /// The wallets of the paid orders of the batch.
    balances: RunningBalances,
}

impl DecisionState {
    fn new(limit: Sats, mut snapshot: Snapshot, commands: usize) -> Self {
        let balances = RunningBalances::new(mem::take(&mut snapshot.wallets));
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
            balances,
        }
    }

    fn into_changes(self) -> Option<ChangeSet> {
        // Rows can change without a change of the totals. A new quote can reserve exactly the amount that an expired
        // quote released. A refusal can leave the totals unchanged if the clock went back.
        let wallet_changes = self.balances.into_changes();
        let unchanged = wallet_changes.is_none()
            && self.quotes.is_empty()
            && self.released_quotes.is_empty()
            && self.refusals.is_empty()
            && self.totals == self.snapshot.totals;
        let new_origin = self.origin.filter(|_| self.snapshot.origin.is_none());
        (!unchanged).then(|| ChangeSet {
            orders: self.orders,
            quotes: self.quotes,
            taken_quotes: self.taken_quotes,
            released_quotes: self.released_quotes,
            refusals: self.refusals.into_iter().collect(),
            totals: self.totals,
            decided_at: self.snapshot.now,
            new_origin,
            wallet_changes,
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
        let decision = match &command.terms {
            OrderTerms::Market(terms) => self.place_market_order(command, terms),
            &OrderTerms::Quote(id) => self.place_quoted_order(command, id)?,
        };
        if let Decision::Placed(Placed { order, .. }) = &decision {
            command.attempted_ids.push(order.id);
        }
        Ok(decision)
    }

    fn place_market_order(&mut self, command: &PlaceCommand, MarketTerms { order, priced }: &MarketTerms) -> Decision {
        let refusal_key = RefusalKey { key: command.key.clone(), order: *order };
        let refusal = self.snapshot.records.refusals.get(&refusal_key);
        if let Some(refusal) = refusal.filter(|refusal| refusal.applies_to(command.requested_at, self.snapshot.now)) {
            return refusal.decision();
        }
        match priced.as_ref().filter(|priced| is_current(&priced.price, self.snapshot.now)) {
            None => self.record_refusal(refusal_key, None),
            Some(priced) if let Some(decision) = self.refuse_origin(priced.price.simulated) => {
                self.record_refusal(refusal_key, None);
                decision
            }
            Some(priced) if !self.fits_limit(priced.price.bitcoin_amount) => {
                self.record_refusal(refusal_key, Some(self.remaining()))
            }
            Some(priced) => {
                let ordered_by = order.amount.ordered_by();
                let terms = AcceptedTerms { currency: order.currency, ordered_by, priced, quote: None };
                match self.check_payment(command, order.currency, priced) {
                    Payment::Refused(decision) => decision,
                    payment => self.accept_order(command, terms, payment),
                }
            }
        }
    }

    fn place_quoted_order(&mut self, command: &PlaceCommand, id: QuoteId) -> Result<Decision, RefusalReason> {
        let owner = OwnerFilter::of(command.user);
        // A db-proxy of an earlier release did not check the origin, so the stored quote may have the other origin.
        let simulated = self.find_quote(id, owner)?.quote.simulated;
        if let Some(decision) = self.refuse_origin(simulated) {
            return Ok(decision);
        }
        let stored = self.takeable_quote(id, owner)?;
        let quote = &stored.quote;
        let price = OrderPrice {
            exchange_rate: quote.exchange_rate,
            bitcoin_amount: quote.bitcoin_amount,
            as_of: quote.price_as_of,
            expires_at: quote.expires_at,
            sources: vec![stored.sources.clone()],
            simulated: quote.simulated,
            price_state: quote.price_state,
        };
        let (currency, ordered_by) = (quote.currency, quote.ordered_by);
        let priced = &PricedOrder { amount: quote.amount, price };
        match self.check_payment(command, currency, priced) {
            // The quote remains open.
            Payment::Refused(decision) => Ok(decision),
            payment => {
                self.take_quote(&stored);
                let terms = AcceptedTerms { currency, ordered_by, priced, quote: Some(id) };
                Ok(self.accept_order(command, terms, payment))
            }
        }
    }

    /// Whether `amount` fits under the limit together with all orders and reservations.
    fn fits_limit(&self, amount: Sats) -> bool {
        let Totals { bitcoin, reserved, .. } = self.totals;
        let total = bitcoin.checked_add(reserved).and_then(|total| total.checked_add(amount));
        total.is_ok_and(|total| total <= self.limit)
    }

    /// Adds an accepted order to the changes of the batch, with its payment.
    fn accept_order(
        &mut self,
        command: &PlaceCommand,
        AcceptedTerms { currency, ordered_by, priced, quote }: AcceptedTerms<'_>,
        payment: Payment,
    ) -> Decision {
        let &PricedOrder { amount, ref price } = priced;
        // Even if the clock went back, the time is later than the time of the previous order. Times and ids therefore
        // increase with the sequence number.
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
            wallet_id: command.wallets.map(|wallets| wallets.paying),
            credit_wallet_id: command.wallets.and_then(|wallets| wallets.credited),
        };
        if let Payment::Permitted(permitted) = payment {
            self.book_payment(command, &order, permitted);
        }
        let stored = StoredOrder { seq, order: order.clone() };
        self.snapshot.records.orders.insert(command.key.clone(), stored.clone());
        let (sources, key) = (price.sources.join(","), command.key.clone());
        self.orders.push(NewOrderRow { stored, sources, key, anonymous_before, written_by: command.written_by });
        Decision::Placed(Placed { order, replayed: false })
    }

    /// Refuses an order and records the refusal, so that delayed copies of the request are refused too; see
    /// [`RecordedRefusal`].
    fn record_refusal(&mut self, key: RefusalKey, remaining: Option<Sats>) -> Decision {
        let refusal = RecordedRefusal { remaining, refused_at: self.snapshot.now };
        // If the stored `last_refused_at` is later than `latest`, it was stored while the clock was ahead. The refusal of
        // that time does not apply at `now`, so its time need not be kept.
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

    /// The refusal if the price is simulated and the orders of the database are real, or the reverse. `None` otherwise.
    fn refuse_origin(&self, simulated: bool) -> Option<Decision> {
        let origin = self.origin.filter(|origin| *origin != OrderOrigin::of(simulated))?;
        let refused = Refused::because(RefusalReason::PriceUnavailable);
        Some(Decision::Refused(Refused { database_origin: Some(origin), ..refused }))
    }

    fn remaining(&self) -> Sats {
        remaining(self.limit, &self.totals)
    }
}

/// The amount and the price of an accepted order.
struct AcceptedTerms<'a> {
    currency: Currency,
    ordered_by: OrderedBy,
    priced: &'a PricedOrder,
    quote: Option<QuoteId>,
}

/// The decision for an idempotency key that was used before. The same request receives the same order, and a different
/// request is refused.
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
    if !has_same_terms || !has_same_annotations || order.wallets() != command.wallets {
        return Err(RefusalReason::KeyReused);
    }
    let replayed = !command.attempted_ids.contains(&order.id);
    Ok(Decision::Placed(Placed { order: order.clone(), replayed }))
}

/// Whether an order or a quote may use the price at `now`.
fn is_current(price: &OrderPrice, now: Timestamp) -> bool {
    now < price.expires_at && !price.as_of.is_beyond_skew(now)
}

/// The sum of amounts that fitted under the limit when they were accepted. Each limit is at most the supply of bitcoin,
/// so the addition does not fail.
fn add_within_limit(a: Sats, b: Sats) -> Sats {
    a.checked_add(b).expect("amounts that fit under the limit can be added")
}

#[cfg(test)]
mod tests;

//! The decisions about quotes: their caps, their expiry, and the reservation of the limit.

use common::{
    api::{
        orders::{ANONYMOUS, OrderOrigin, OwnerFilter, RefusalReason},
        quotes::{ExceededCap, Quote, QuoteCap, QuoteState},
    },
    ids::QuoteId,
    money::Sats,
};

use super::{DecisionState, add_within_limit, is_current};
use crate::{
    orders::{
        command::{CapsExceeded, Decision, QuoteCommand, ReleaseQuoteCommand},
        records::{NewQuoteRow, StoredQuote},
    },
    uuid_v7::new_uuid_at,
};

impl DecisionState {
    pub(super) fn create_quote(&mut self, command: &mut QuoteCommand) -> Result<Decision, RefusalReason> {
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
    pub(super) fn find_quote(&mut self, id: QuoteId, owner: OwnerFilter) -> Result<&mut StoredQuote, RefusalReason> {
        let stored = self.snapshot.records.quotes.get_mut(&id);
        stored.filter(|stored| owner.selects(stored.quote.user_id)).ok_or(RefusalReason::QuoteUnknown)
    }

    /// The quote, if an order of the owner may take it.
    pub(super) fn takeable_quote(&mut self, id: QuoteId, owner: OwnerFilter) -> Result<StoredQuote, RefusalReason> {
        let now = self.snapshot.now;
        let stored = self.find_quote(id, owner)?;
        match stored.quote.state {
            QuoteState::Taken => Err(RefusalReason::QuoteTaken),
            // A released quote is refused as expired. Older releases of create-order know no separate reason for it.
            QuoteState::Expired | QuoteState::Released => Err(RefusalReason::QuoteExpired),
            QuoteState::Open if stored.has_expired(now) => Err(RefusalReason::QuoteExpired),
            QuoteState::Open => Ok(stored.clone()),
        }
    }

    /// Marks an open quote as taken. Its reservation passes to the order that takes it.
    pub(super) fn take_quote(&mut self, stored: &StoredQuote) {
        let id = stored.quote.id;
        if let Some(quote) = self.snapshot.records.quotes.get_mut(&id) {
            quote.quote.state = QuoteState::Taken;
        }
        self.return_reservation(stored);
        self.taken_quotes.push(id);
    }

    pub(super) fn release_quote(
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
        let cap_of_client = caps.of_client(self.limit);
        let of_client = client.as_ref().map(|client| cap_of_client.saturating_sub(reserved_by(client)));
        let remaining_by_cap = [
            (QuoteCap::Quote, Some(caps.of_quote(self.limit))),
            (QuoteCap::Client, of_client),
            (QuoteCap::AllQuotes, Some(caps.of_all_quotes(self.limit).saturating_sub(self.totals.reserved))),
        ];
        let by_cap = remaining_by_cap.into_iter();
        let by_cap = by_cap.filter_map(|(cap, remaining)| Some(ExceededCap { cap, remaining: remaining? }));
        by_cap.filter(|cap| price.bitcoin_amount > cap.remaining).collect()
    }
}

//! Quotes of the simulated service.

use common::{
    api::{
        orders::OrderedBy,
        prices::PriceState,
        quotes::{Quote, QuoteState},
    },
    ids::QuoteId,
};

use super::{PlantedBug, QUOTE_DURATION, QuoteEntry, SimulatedService};
use crate::history::{RequestedOrder, tests::market_order};

impl SimulatedService {
    pub(super) fn create_quote(&mut self, satoshi: i64) -> Option<QuoteId> {
        self.expire_quotes();
        if satoshi > self.remaining() {
            return None;
        }
        let RequestedOrder::AtMarketPrice { currency, amount } = market_order(satoshi) else { return None };
        let order = self.build_order(&RequestedOrder::AtMarketPrice { currency, amount }, None);
        let quote = Quote {
            id: QuoteId(order.id.0),
            created_at: self.now,
            expires_at: self.now.plus(QUOTE_DURATION),
            currency,
            amount,
            exchange_rate: order.exchange_rate,
            bitcoin_amount: order.bitcoin_amount,
            price_as_of: order.price_as_of,
            simulated: false,
            price_state: PriceState::Fresh,
            state: QuoteState::Open,
            order_id: None,
            ordered_by: OrderedBy::Amount,
            user_id: self.user,
        };
        self.stored.totals.reserved += satoshi;
        self.history.quotes.push(quote.clone());
        self.quotes.push(QuoteEntry { quote: quote.clone(), state: "held" });
        Some(quote.id)
    }

    /// Expires each quote whose time has passed, and releases its reservation.
    pub(super) fn expire_quotes(&mut self) {
        for index in 0..self.quotes.len() {
            let QuoteEntry { quote, state } = &self.quotes[index];
            if *state == "held" && quote.expires_at <= self.now {
                let bitcoin = quote.bitcoin_amount.get();
                self.quotes[index].state = "expired";
                if !self.triggers(PlantedBug::UnreleasedReservation) {
                    self.stored.totals.reserved -= bitcoin;
                }
            }
        }
    }
}

//! Commands of the order aggregate, and the decisions about them.

use std::time::Duration;

use common::{
    api::{
        orders::{
            Annotations, OrderPrice, OrderWallets, OrderedBy, OwnerFilter, Placed, PricedOrder, Refused, ValidatedOrder,
        },
        quotes::{ExceededCap, Quote},
    },
    config::Caller,
    ids::{OrderId, QuoteId, UserId},
    money::{Currency, FiatAmount, Sats},
    time::Timestamp,
};

pub use crate::client_key::ClientKey;

/// A requested change. The writer decides whether to accept it, and commits it.
#[derive(Debug, Clone)]
pub enum Command {
    Place(PlaceCommand),
    Quote(QuoteCommand),
    ReleaseQuote(ReleaseQuoteCommand),
}

/// Releases the reservation of an open quote. Has no effect on a quote that is expired or released, and is refused for
/// a quote that an order has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseQuoteCommand {
    pub id: QuoteId,
    /// The quote is released only if it belongs to this owner.
    pub owner: OwnerFilter,
}

#[derive(Debug, Clone)]
pub struct PlaceCommand {
    /// If `user` is present, `key.client` is the client name of this user. No user can therefore use the idempotency
    /// keys of another user.
    pub key: ClientKey,
    /// `None` if the order is placed without an API key.
    pub user: Option<UserId>,
    pub terms: OrderTerms,
    pub annotations: Annotations,
    /// `None` if no wallet pays the order.
    pub wallets: Option<OrderWallets>,
    /// When create-order handled the request, by the clock of the database. At most the time at which db-proxy received
    /// the order.
    pub requested_at: Timestamp,
    /// The service that sent the order to db-proxy.
    pub written_by: Caller,
    /// The ids that earlier attempts to commit this command assigned. A stored order with one of these ids was placed
    /// by this command, so a decision that returns it is not a replay.
    pub attempted_ids: Vec<OrderId>,
}

/// The amount and the price of an order.
#[derive(Debug, Clone)]
pub enum OrderTerms {
    /// An amount at the current price.
    Market(MarketTerms),
    /// The currency, amount and price of a quote.
    Quote(QuoteId),
}

/// An order at the current price.
#[derive(Debug, Clone)]
pub struct MarketTerms {
    pub order: ValidatedOrder,
    /// `None` if no price is available.
    pub priced: Option<PricedOrder>,
}

/// Creates a quote: offers a price for a time, and reserves a share of the limit.
#[derive(Debug, Clone)]
pub struct QuoteCommand {
    pub currency: Currency,
    pub amount: FiatAmount,
    /// Whether the client requested an amount in the currency or in bitcoin.
    pub ordered_by: OrderedBy,
    pub price: OrderPrice,
    pub duration: Duration,
    /// The client that requested the quote. `None` if the sender does not distinguish clients.
    pub client: Option<String>,
    /// The user that requested the quote. Only an order of this user can take the quote. `None` without an API key.
    pub user: Option<UserId>,
    pub caps: QuoteCaps,
    /// The service that sent the request to db-proxy.
    pub written_by: Caller,
    /// The ids that earlier attempts to commit this command assigned.
    pub attempted_ids: Vec<QuoteId>,
}

/// The settings of the maximum amounts of bitcoin that open quotes may reserve. `None` selects the default, which is a
/// share of the limit and at least 0.01 BTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuoteCaps {
    /// Maximum for one quote. Default: a tenth of the limit.
    pub quote: Option<Sats>,
    /// Maximum for all open quotes of one client together. Default: a tenth of the limit.
    pub client: Option<Sats>,
    /// Maximum for all open quotes together. Default: half of the limit.
    pub all_quotes: Option<Sats>,
}

impl QuoteCaps {
    /// The minimum default of a cap: 0.01 BTC. If the limit is low, a lower default would refuse ordinary quotes.
    const MIN_DEFAULT_SATS: i64 = 1_000_000;

    pub fn of_quote(self, limit: Sats) -> Sats {
        self.quote.unwrap_or_else(|| Self::share(limit, 10))
    }

    pub fn of_client(self, limit: Sats) -> Sats {
        self.client.unwrap_or_else(|| Self::share(limit, 10))
    }

    pub fn of_all_quotes(self, limit: Sats) -> Sats {
        self.all_quotes.unwrap_or_else(|| Self::share(limit, 2))
    }

    /// The default of a cap. Quotes are free of charge, so the defaults prevent quotes from reserving the whole limit.
    /// If the limit is at most [`Self::MIN_DEFAULT_SATS`], one quote can reserve it.
    fn share(limit: Sats, divisor: i64) -> Sats {
        let share = Sats::new((limit.get() / divisor).max(Self::MIN_DEFAULT_SATS));
        share.expect("a share of the limit is below the supply")
    }
}

/// Why a quote was refused: the caps that the quote exceeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapsExceeded {
    /// The remaining limit over all orders, if the quote exceeds the limit too.
    pub remaining_limit: Option<Sats>,
    /// Every cap that the quote exceeds, at least one.
    pub caps: Vec<ExceededCap>,
}

impl CapsExceeded {
    /// The maximum amount that a quote of the client may reserve now under the exceeded caps.
    pub fn remaining(&self) -> Option<Sats> {
        self.caps.iter().map(|exceeded| exceeded.remaining).min()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Placed(Placed),
    Quoted(Quote),
    /// The quote reserves nothing any more. This command or an earlier command released it, or it has expired.
    QuoteReleased(Quote),
    Refused(Refused),
    QuoteCapExceeded(CapsExceeded),
}

//! Commands of the order aggregate, and the decisions about them.

use std::time::Duration;

use common::{
    api::{
        orders::{Annotations, OrderPrice, OrderedBy, OwnerFilter, Placed, PricedOrder, Refused, ValidatedOrder},
        quotes::{Quote, QuoteCap},
    },
    config::Caller,
    ids::{IdempotencyKey, OrderId, QuoteId, UserId},
    money::{Currency, FiatAmount, Sats},
    time::Timestamp,
};

/// An idempotency key and the client that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientKey {
    pub client: String,
    pub key: IdempotencyKey,
}

/// A change that the writer decides and commits.
#[derive(Debug, Clone)]
pub enum Command {
    Place(PlaceCommand),
    Quote(QuoteCommand),
    ReleaseQuote(ReleaseQuoteCommand),
}

/// Releases the reservation of an open quote. Has no effect on a quote that is expired or released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleaseQuoteCommand {
    pub id: QuoteId,
    /// Whose quotes may be released.
    pub owner: OwnerFilter,
}

/// Places an order.
#[derive(Debug, Clone)]
pub struct PlaceCommand {
    /// The client of the key is that of `user`, so the order of a key always has the same user.
    pub key: ClientKey,
    /// `None` if the order is placed without a key of a user.
    pub user: Option<UserId>,
    pub terms: OrderTerms,
    pub annotations: Annotations,
    /// When the client requested the order. It is not later than the time at which db-proxy received the request.
    pub requested_at: Timestamp,
    /// Who sent the order to db-proxy.
    pub written_by: Caller,
    /// The ids that earlier attempts to commit this command assigned. A stored order with one of these ids was placed by this
    /// command and is not a replay.
    pub attempted_ids: Vec<OrderId>,
}

/// What an order buys, and at which price.
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
    /// Who requested the quote. `None` if the sender does not distinguish clients.
    pub client: Option<String>,
    /// Only this user can take the quote. `None` if it was requested without a key of a user.
    pub user: Option<UserId>,
    pub caps: QuoteCaps,
    /// Who sent the request to db-proxy.
    pub written_by: Caller,
    /// The ids that earlier attempts to commit this command assigned.
    pub attempted_ids: Vec<QuoteId>,
}

/// How much bitcoin quotes may reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuoteCaps {
    /// Maximum for one quote.
    pub quote: Sats,
    /// Maximum for all open quotes of one client together.
    pub client: Sats,
    /// Maximum for all open quotes together.
    pub all_quotes: Sats,
}

/// A quote that was refused because of a cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CapExceeded {
    pub cap: QuoteCap,
    /// What a quote of the client may reserve now.
    pub remaining: Sats,
}

/// The result of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Placed(Placed),
    Quoted(Quote),
    /// The quote reserves nothing: it was released by this command or an earlier one, or it has expired.
    QuoteReleased(Quote),
    Refused(Refused),
    QuoteCapExceeded(CapExceeded),
}

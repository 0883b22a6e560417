//! Conversions between wire types and the commands and decisions of the policy.

use std::time::Duration;

use common::{
    api::{
        FieldError,
        orders::{
            Annotations, MAX_ORDERS_PER_REQUEST, MarketOrder, OrderWallets, OrderedAmount, Outcome, PlaceOrderCommand,
            PricedOrder, RefusalReason, Refused, ValidatedOrder,
        },
        quotes::{CreateQuoteCommand, MAX_HOLD_SECS, QuoteOutcome},
    },
    config::Caller,
    time::Timestamp,
};

use super::command::{
    CapsExceeded, ClientKey, Command, Decision, MarketTerms, OrderTerms, PlaceCommand, QuoteCaps, QuoteCommand,
};
use crate::client_key::check_client;

/// The command for an order. `received_at` is the time of its receipt by the clock of the database.
pub fn place_command(
    order: PlaceOrderCommand,
    received_at: Timestamp,
    written_by: Caller,
) -> Result<Command, FieldError> {
    let PlaceOrderCommand { client, key, requested_at, market, quote, client_reference, metadata, .. } = order;
    let (user, wallets) = (order.user_id, OrderWallets::from_ids(order.wallet_id, order.credit_wallet_id)?);
    check_client(&client, user)?;
    let terms = match (market, quote) {
        (Some(market), None) => OrderTerms::Market(market_terms(market)?),
        (None, Some(quote)) => OrderTerms::Quote(quote),
        (None, None) | (Some(_), Some(_)) => {
            return Err(FieldError::new("quote", "must be present if market is absent, and absent otherwise"));
        }
    };
    // The clock of the sender may be ahead, so a later time is replaced by the time of receipt.
    let requested_at = requested_at.map_or(received_at, |requested_at| requested_at.min(received_at));
    let key = ClientKey { client, key };
    let annotations = Annotations { client_reference, metadata };
    let attempted_ids = Vec::new();
    Ok(Command::Place(PlaceCommand { key, user, terms, annotations, wallets, requested_at, written_by, attempted_ids }))
}

/// The amount that the client requested, and the price. Checks the amounts that create-order computed; no later step
/// checks these amounts.
fn market_terms(
    MarketOrder { currency, amount, bitcoin_amount, price }: MarketOrder,
) -> Result<MarketTerms, FieldError> {
    let ordered = match (amount, bitcoin_amount) {
        (Some(amount), None) => OrderedAmount::Fiat(amount),
        (_, Some(bitcoin)) => OrderedAmount::Bitcoin(bitcoin),
        (None, None) => return Err(FieldError::new("market.amount", "is required, unless bitcoin_amount is present")),
    };
    let priced = match (amount, price) {
        (Some(amount), Some(price)) => Some(PricedOrder { amount, price }),
        (None, Some(_)) => return Err(FieldError::new("market.amount", "is required, because price is present")),
        (_, None) => None,
    };
    priced.as_ref().map_or(Ok(()), |priced| check_conversion(priced, ordered))?;
    Ok(MarketTerms { order: ValidatedOrder { currency, amount: ordered }, priced })
}

/// The command for a quote to which these caps apply.
pub fn quote_command(quote: CreateQuoteCommand, caps: QuoteCaps, written_by: Caller) -> Result<Command, FieldError> {
    let ordered = quote.ordered_amount();
    let CreateQuoteCommand { currency, amount, price, hold_secs, client, ordered_by, user_id: user } = quote;
    let priced = PricedOrder { amount, price };
    check_conversion(&priced, ordered)?;
    client.as_deref().map_or(Ok(()), |client| check_client(client, user))?;
    if !(1..=MAX_HOLD_SECS).contains(&hold_secs) {
        return Err(FieldError::new("hold_secs", format!("must be 1 to {MAX_HOLD_SECS}")));
    }
    let duration = Duration::from_secs(hold_secs.into());
    Ok(Command::Quote(QuoteCommand {
        currency,
        amount: priced.amount,
        ordered_by,
        price: priced.price,
        duration,
        client,
        user,
        caps,
        written_by,
        attempted_ids: Vec::new(),
    }))
}

/// Checks the number of orders or ids in a request.
pub fn check_group_size(field: &str, size: usize) -> Result<(), FieldError> {
    if (1..=MAX_ORDERS_PER_REQUEST).contains(&size) {
        return Ok(());
    }
    Err(FieldError::new(field, format!("must contain 1 to {MAX_ORDERS_PER_REQUEST} elements")))
}

fn check_conversion(priced: &PricedOrder, ordered: OrderedAmount) -> Result<(), FieldError> {
    match ordered {
        _ if priced.is_conversion_of(ordered) => Ok(()),
        OrderedAmount::Fiat(_) => {
            Err(FieldError::new("price.bitcoin_amount", "must be amount / exchange_rate, rounded up"))
        }
        OrderedAmount::Bitcoin(_) => Err(FieldError::new(
            "amount",
            "must be bitcoin_amount * exchange_rate, rounded up, and price.bitcoin_amount must equal bitcoin_amount",
        )),
    }
}

/// A decision of the wrong kind, such as a quote for an order. It means that the policy has a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnexpectedDecision;

impl TryFrom<Decision> for Outcome {
    type Error = UnexpectedDecision;

    fn try_from(decision: Decision) -> Result<Self, UnexpectedDecision> {
        match decision {
            Decision::Placed(placed) => Ok(Self { placed: Some(placed), refused: None }),
            Decision::Refused(refused) => Ok(Self { placed: None, refused: Some(refused) }),
            Decision::Quoted(_) | Decision::QuoteReleased(_) | Decision::QuoteCapExceeded(_) => Err(UnexpectedDecision),
        }
    }
}

impl TryFrom<Decision> for QuoteOutcome {
    type Error = UnexpectedDecision;

    fn try_from(decision: Decision) -> Result<Self, UnexpectedDecision> {
        match decision {
            Decision::Quoted(quote) | Decision::QuoteReleased(quote) => {
                Ok(Self { quote: Some(quote), refused: None, exceeded_cap: None, exceeded_caps: Vec::new() })
            }
            Decision::Refused(refused) => {
                Ok(Self { quote: None, refused: Some(refused), exceeded_cap: None, exceeded_caps: Vec::new() })
            }
            Decision::QuoteCapExceeded(exceeded) => {
                let remaining = exceeded.remaining_limit.or(exceeded.remaining());
                let CapsExceeded { remaining_limit, caps } = exceeded;
                let refused = Refused { remaining, ..Refused::because(RefusalReason::LimitExceeded) };
                let exceeded_cap = caps.first().filter(|_| remaining_limit.is_none()).map(|exceeded| exceeded.cap);
                Ok(Self { quote: None, refused: Some(refused), exceeded_cap, exceeded_caps: caps })
            }
            Decision::Placed(_) => Err(UnexpectedDecision),
        }
    }
}

#[cfg(test)]
mod tests;

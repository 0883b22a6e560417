//! Conversions between wire types and the aggregate's own types.

use std::time::Duration;

use common::{
    api::{
        FieldError,
        orders::{MAX_GROUP, OrderPrice, Outcome, PlaceOrderCommand, RefusalReason, Refused},
        quotes::{CreateQuoteCommand, MAX_HOLD_SECS, QuoteOutcome},
    },
    config::Caller,
    ids::IdempotencyKey,
    money::{FiatAmount, Sats},
    time::Timestamp,
};

use super::command::{CapExceeded, ClientKey, Command, Decision, OrderTerms, PlaceCommand, QuoteCaps, QuoteCommand};

/// The command for an order that was received at `received_at` by the clock of the database.
pub fn place_command(
    order: PlaceOrderCommand,
    received_at: Timestamp,
    written_by: Caller,
) -> Result<Command, FieldError> {
    let PlaceOrderCommand { client, key, asked_at, market, quote } = order;
    check_client(&client)?;
    let terms = match (market, quote) {
        (Some(market), None) => {
            market.price.as_ref().map_or(Ok(()), |price| check_price(market.amount, price))?;
            OrderTerms::Market(market)
        }
        (None, Some(quote)) => OrderTerms::Quote(quote),
        (None, None) | (Some(_), Some(_)) => {
            return Err(FieldError::new("quote", "must be present if market is absent, and absent otherwise"));
        }
    };
    // The clock of the sender may be ahead.
    let requested_at = asked_at.map_or(received_at, |asked_at| asked_at.min(received_at));
    let key = ClientKey { client, key };
    Ok(Command::Place(PlaceCommand { key, terms, requested_at, written_by, attempted_ids: Vec::new() }))
}

/// The command for a quote to which these caps apply.
pub fn quote_command(quote: CreateQuoteCommand, caps: QuoteCaps, written_by: Caller) -> Result<Command, FieldError> {
    let CreateQuoteCommand { currency, amount, price, hold_secs, client } = quote;
    check_price(amount, &price)?;
    client.as_deref().map_or(Ok(()), check_client)?;
    if !(1..=MAX_HOLD_SECS).contains(&hold_secs) {
        return Err(FieldError::new("hold_secs", format!("must be 1 to {MAX_HOLD_SECS}")));
    }
    let duration = Duration::from_secs(hold_secs.into());
    Ok(Command::Quote(QuoteCommand {
        currency,
        amount,
        price,
        duration,
        client,
        caps,
        written_by,
        attempted_ids: Vec::new(),
    }))
}

/// The name of a client has the form of a key.
fn check_client(client: &str) -> Result<(), FieldError> {
    let parsed = client.parse::<IdempotencyKey>();
    parsed.map(drop).map_err(|_| FieldError::new("client", "must be 1 to 128 visible ASCII characters"))
}

/// Checks the number of orders or ids in a request.
pub fn check_group_size(field: &str, size: usize) -> Result<(), FieldError> {
    if (1..=MAX_GROUP).contains(&size) {
        return Ok(());
    }
    Err(FieldError::new(field, format!("must contain 1 to {MAX_GROUP} elements")))
}

/// Checks the conversion that create-order computed. This is the last check before the amount is stored.
fn check_price(amount: FiatAmount, price: &OrderPrice) -> Result<(), FieldError> {
    if Sats::bought_rounded_up(amount, price.exchange_rate) == Ok(price.bitcoin_amount) {
        Ok(())
    } else {
        Err(FieldError::new("price.bitcoin_amount", "must be amount / exchange_rate, rounded up"))
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
                Ok(Self { quote: Some(quote), refused: None, exceeded_cap: None })
            }
            Decision::Refused(refused) => Ok(Self { quote: None, refused: Some(refused), exceeded_cap: None }),
            Decision::QuoteCapExceeded(CapExceeded { cap, remaining }) => {
                let refused = Refused { remaining: Some(remaining), ..Refused::because(RefusalReason::LimitExceeded) };
                Ok(Self { quote: None, refused: Some(refused), exceeded_cap: Some(cap) })
            }
            Decision::Placed(_) => Err(UnexpectedDecision),
        }
    }
}

#[cfg(test)]
mod tests;

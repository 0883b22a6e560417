//! Concludes from the failed attempts to place one order whether the order was certainly not placed or may have been placed.

use common::ids::IdempotencyKey;

use super::error::{ClientError, Effect};

/// Maximum number of attempts to place an order. Retries are safe, because every attempt has the same key.
const MAX_ATTEMPTS: usize = 3;

/// The idempotency key of an order.
#[derive(Debug, Clone)]
pub(super) enum OrderKey {
    /// The user chose the key, so an earlier command may have placed an order with it.
    Chosen(IdempotencyKey),
    /// This command generated the key, so no earlier command used it.
    Generated(IdempotencyKey),
}

impl OrderKey {
    pub(super) fn new(chosen: Option<IdempotencyKey>) -> Self {
        chosen.map_or_else(|| Self::Generated(IdempotencyKey::generate()), Self::Chosen)
    }

    pub(super) fn key(&self) -> &IdempotencyKey {
        match self {
            Self::Chosen(key) | Self::Generated(key) => key,
        }
    }
}

/// A failed attempt.
#[derive(Debug)]
pub(super) struct FailedAttempt {
    pub(super) effect: Effect,
    pub(super) error: ClientError,
}

/// The conclusion from all attempts.
#[derive(Debug)]
pub(super) enum Failure {
    /// The service refused the order, and this error states why.
    Refused(ClientError),
    /// No order was placed. The service reported that at least one request had no effect, and the other requests were not sent.
    NoEffect(ClientError),
    /// No order was placed, because no request was sent.
    NotSent(ClientError),
    /// A request of this command may have placed the order.
    Unknown(ClientError),
    /// No request of this command placed the order, but an earlier request with the same key may have placed it.
    UnknownEarlier(ClientError),
}

/// The failed attempts so far.
#[derive(Debug, Default)]
pub(super) struct FailedAttempts(Vec<FailedAttempt>);

impl FailedAttempts {
    /// Adds a failed attempt. Returns the conclusion, or `None` if the request must be sent again.
    pub(super) fn add(&mut self, attempt: FailedAttempt, key: &OrderKey) -> Option<Failure> {
        let is_last = attempt.effect == Effect::Refused || self.0.len() + 1 >= MAX_ATTEMPTS;
        self.0.push(attempt);
        is_last.then(|| conclude(std::mem::take(&mut self.0), key))
    }
}

/// The conclusion from these attempts. There must be at least one attempt.
fn conclude(mut attempts: Vec<FailedAttempt>, key: &OrderKey) -> Failure {
    let last = attempts.len() - 1;
    // An attempt may have placed the order even if a later attempt is refused.
    if attempts.iter().any(|attempt| attempt.effect == Effect::Unknown) {
        return Failure::Unknown(attempts.swap_remove(last).error);
    }
    // The error of a response has more information for the user than the error of a failed connection.
    let responded = attempts.iter().position(|attempt| attempt.effect == Effect::None);
    let shown = if attempts[last].effect == Effect::Refused { last } else { responded.unwrap_or(last) };
    let FailedAttempt { effect, error } = attempts.swap_remove(shown);
    match (effect, key) {
        (Effect::Refused, _) => Failure::Refused(error),
        (Effect::None | Effect::NotSent, OrderKey::Chosen(_)) => Failure::UnknownEarlier(error),
        (Effect::None, OrderKey::Generated(_)) => Failure::NoEffect(error),
        (Effect::NotSent, OrderKey::Generated(_)) => Failure::NotSent(error),
        (Effect::Unknown, _) => Failure::Unknown(error),
    }
}

#[cfg(test)]
mod tests;

//! What the failed attempts to place one order show: the order was certainly not placed, or it may have been placed.

use common::ids::IdempotencyKey;

use super::error::ClientError;

/// Maximum number of attempts to place an order. Retries are safe, because every attempt has the same key.
const MAX_ATTEMPTS: usize = 3;

/// The idempotency key of an order.
#[derive(Debug, Clone)]
pub(super) enum OrderKey {
    /// The user chose it, so an earlier command may have placed an order with it.
    Chosen(IdempotencyKey),
    /// This command generated it, so no earlier request has it.
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

/// The effect of a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// None: the service refused the request, and states why. It is not sent again.
    Refused,
    /// None, but the service did not look up the key.
    None,
    /// None: there was no connection, so nothing was sent.
    NotSent,
    /// The request may have placed the order.
    Unknown,
}

/// A failed attempt.
#[derive(Debug)]
pub(super) struct FailedAttempt {
    pub(super) effect: Effect,
    pub(super) error: ClientError,
}

/// What all attempts show.
#[derive(Debug)]
pub(super) enum Failure {
    /// The service refused the order, and this error states why.
    Refused(ClientError),
    /// No order was placed: the service reported that a request had no effect, and none had any.
    NoEffect(ClientError),
    /// No order was placed: no request was sent.
    NotSent(ClientError),
    /// A request of this command may have placed the order.
    Unknown(ClientError),
    /// No request of this command placed the order, but an earlier one with the key may have.
    UnknownEarlier(ClientError),
}

/// The failed attempts so far.
#[derive(Debug, Default)]
pub(super) struct FailedAttempts(Vec<FailedAttempt>);

impl FailedAttempts {
    /// Adds a failed attempt. Returns what the attempts show, or `None` if the order is to be sent again.
    pub(super) fn add(&mut self, attempt: FailedAttempt, key: &OrderKey) -> Option<Failure> {
        let is_last = attempt.effect == Effect::Refused || self.0.len() + 1 >= MAX_ATTEMPTS;
        self.0.push(attempt);
        is_last.then(|| conclude(std::mem::take(&mut self.0), key))
    }
}

/// What these attempts show. There is at least one.
fn conclude(mut attempts: Vec<FailedAttempt>, key: &OrderKey) -> Failure {
    let last = attempts.len() - 1;
    // After an attempt that may have placed the order, a refusal proves nothing.
    if attempts.iter().any(|attempt| attempt.effect == Effect::Unknown) {
        return Failure::Unknown(attempts.swap_remove(last).error);
    }
    // A response says more than a connection that was refused.
    let answered = attempts.iter().position(|attempt| attempt.effect == Effect::None);
    let shown = if attempts[last].effect == Effect::Refused { last } else { answered.unwrap_or(last) };
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

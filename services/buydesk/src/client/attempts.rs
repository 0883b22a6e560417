//! Concludes from the failed attempts of one change, such as an order or a deposit, whether the change was certainly not made or
//! may have been made.

use common::ids::IdempotencyKey;

use super::error::{ClientError, Effect};

/// Maximum number of attempts of one change. Retries are safe, because every attempt has the same key.
const MAX_ATTEMPTS: usize = 3;

/// The idempotency key of a change.
#[derive(Debug, Clone)]
pub(super) enum ChangeKey {
    /// The user chose the key, so an earlier command may have made the change with it.
    Chosen(IdempotencyKey),
    /// This command generated the key, so no earlier command used it.
    Generated(IdempotencyKey),
}

impl ChangeKey {
    pub(super) fn new(chosen: Option<IdempotencyKey>) -> Self {
        chosen.map_or_else(|| Self::Generated(IdempotencyKey::generate()), Self::Chosen)
    }

    pub(super) fn key(&self) -> &IdempotencyKey {
        match self {
            Self::Chosen(key) | Self::Generated(key) => key,
        }
    }
}

/// The sentences about the outcome of a change whose attempts failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct OutcomeTexts {
    /// States that the change was certainly not made, such as `No order was placed`, without a full stop.
    pub(super) not_made: &'static str,
    /// States that a request of this command may have made the change.
    pub(super) unknown: &'static str,
    /// States that no request of this command made the change, but that an earlier request with the same key may have
    /// made it.
    pub(super) unknown_earlier: &'static str,
    /// States that requests with the same key make the change only once.
    pub(super) only_once: &'static str,
}

#[derive(Debug)]
pub(super) struct FailedAttempt {
    pub(super) effect: Effect,
    pub(super) error: ClientError,
}

/// The conclusion from all attempts.
#[derive(Debug)]
pub(super) enum Failure {
    /// The service refused the change, or another server responded. This error states why.
    Refused(ClientError),
    /// The change was not made. The service reported that at least one request had no effect, and the other requests were not sent.
    NoEffect(ClientError),
    /// The change was not made, because no request was sent.
    NotSent(ClientError),
    /// A request of this command may have made the change.
    Unknown(ClientError),
    /// No request of this command made the change, but an earlier request with the same key may have made it.
    UnknownEarlier(ClientError),
}

/// The failed attempts so far.
#[derive(Debug, Default)]
pub(super) struct FailedAttempts(Vec<FailedAttempt>);

impl FailedAttempts {
    /// Adds a failed attempt. Returns the conclusion, or `None` if the request must be sent again.
    pub(super) fn add(&mut self, attempt: FailedAttempt, key: &ChangeKey) -> Option<Failure> {
        let is_last = attempt.effect == Effect::Refused || self.0.len() + 1 >= MAX_ATTEMPTS;
        self.0.push(attempt);
        is_last.then(|| conclude(std::mem::take(&mut self.0), key))
    }
}

/// The conclusion from these attempts. There must be at least one attempt.
fn conclude(mut attempts: Vec<FailedAttempt>, key: &ChangeKey) -> Failure {
    let last = attempts.len() - 1;
    // An attempt may have made the change even if a later attempt is refused.
    if attempts.iter().any(|attempt| attempt.effect == Effect::Unknown) {
        return Failure::Unknown(attempts.swap_remove(last).error);
    }
    // The error of a response has more information for the user than the error of a failed connection.
    let responded = attempts.iter().position(|attempt| attempt.effect == Effect::None);
    let shown = if attempts[last].effect == Effect::Refused { last } else { responded.unwrap_or(last) };
    let FailedAttempt { effect, error } = attempts.swap_remove(shown);
    match (effect, key) {
        (Effect::Refused, _) => Failure::Refused(error),
        (Effect::None | Effect::NotSent, ChangeKey::Chosen(_)) => Failure::UnknownEarlier(error),
        (Effect::None, ChangeKey::Generated(_)) => Failure::NoEffect(error),
        (Effect::NotSent, ChangeKey::Generated(_)) => Failure::NotSent(error),
        (Effect::Unknown, _) => Failure::Unknown(error),
    }
}

#[cfg(test)]
mod tests;

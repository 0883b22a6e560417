//! The decisions of db-proxy about movements.

use common::{
    api::wallets::{MoveOutcome, MoveRefused, Operation, Transfer},
    clients::DispatchError,
};

/// A movement that is stored durably.
#[derive(Debug, Clone)]
pub enum Movement {
    Operation(Operation),
    Transfer(Transfer),
}

/// The decision of db-proxy about a movement.
#[derive(Debug, Clone)]
pub enum Decision {
    Moved {
        movement: Movement,
        /// Whether an earlier request with the same key moved the money.
        replayed: bool,
    },
    Refused(MoveRefused),
}

impl TryFrom<MoveOutcome> for Decision {
    type Error = DispatchError;

    fn try_from(outcome: MoveOutcome) -> Result<Self, DispatchError> {
        let MoveOutcome { operation, transfer, refused, replayed } = outcome;
        match (operation, transfer, refused) {
            (Some(operation), None, None) => Ok(Self::Moved { movement: Movement::Operation(operation), replayed }),
            (None, Some(transfer), None) => Ok(Self::Moved { movement: Movement::Transfer(transfer), replayed }),
            (None, None, Some(refused)) => Ok(Self::Refused(refused)),
            _ => Err(DispatchError::OutcomeUnknown),
        }
    }
}

pub type DispatchResult = Result<Decision, DispatchError>;

#[cfg(test)]
mod tests;

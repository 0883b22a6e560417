//! Commands of the wallet aggregate, and the decisions about them.

use common::{
    api::{
        orders::OwnerFilter,
        wallets::{MoveRefused, OperationType},
    },
    config::Caller,
    ids::{MovementId, WalletId},
    money::OperationAmount,
    time::Timestamp,
};

use super::records::{Movement, RefusalKey};
use crate::client_key::ClientKey;

/// A movement of money that the writer decides and commits.
#[derive(Debug, Clone)]
pub struct MoveMoneyCommand {
    pub key: ClientKey,
    /// The wallet of an operation and the paying wallet of a transfer must belong to this owner. The receiving wallet may belong to
    /// any owner.
    pub owner: OwnerFilter,
    pub terms: MoveTerms,
    /// The time of the request by the clock of the database, stated by the sender. Never after the arrival of the
    /// command.
    pub requested_at: Timestamp,
    /// The service that sent the request to db-proxy.
    pub written_by: Caller,
    /// The ids that earlier attempts to commit this command assigned. A decision that returns the movement with such an
    /// id is not a replay.
    pub attempted_ids: Vec<MovementId>,
}

/// The movement that a command requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MoveTerms {
    /// Money enters or leaves one wallet.
    Operation {
        operation_type: OperationType,
        wallet: WalletId,
        amount: OperationAmount,
    },
    Transfer {
        from: WalletId,
        to: WalletId,
        amount: OperationAmount,
    },
}

impl MoveTerms {
    /// The wallet whose `last_refused_at` changes if a refusal of the command is recorded: the wallet of an operation,
    /// or the paying wallet of a transfer.
    pub fn primary_wallet(self) -> WalletId {
        match self {
            Self::Operation { wallet, .. } => wallet,
            Self::Transfer { from, .. } => from,
        }
    }

    /// The wallets that change.
    pub fn wallets(self) -> impl Iterator<Item = WalletId> {
        let receiver = match self {
            Self::Operation { .. } => None,
            Self::Transfer { to, .. } => Some(to),
        };
        std::iter::once(self.primary_wallet()).chain(receiver)
    }

    /// The text of the request in the table of refusals.
    fn to_text(self) -> String {
        match self {
            Self::Operation { operation_type: OperationType::Deposit, wallet, amount } => {
                format!("deposit {amount} to {wallet}")
            }
            Self::Operation { operation_type: OperationType::Withdraw, wallet, amount } => {
                format!("withdraw {amount} from {wallet}")
            }
            Self::Transfer { from, to, amount } => format!("transfer {amount} from {from} to {to}"),
        }
    }
}

impl RefusalKey {
    pub fn of(command: &MoveMoneyCommand) -> Self {
        Self { key: command.key.clone(), request: command.terms.to_text() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The writer returns this decision after the movement is stored durably.
    Moved {
        movement: Movement,
        /// Whether an earlier request with the same key moved the money.
        replayed: bool,
        /// Whether the owner may see the wallet that receives a transfer.
        shows_receiver: bool,
    },
    Refused(MoveRefused),
}

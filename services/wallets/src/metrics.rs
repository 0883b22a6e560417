//! The metrics of movements.

use common::{
    api::wallets::{MoveCommand, MoveRefusalReason, OperationCommand, OperationType},
    clients::DispatchError,
    metrics::Metrics,
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use crate::decision::{Decision, DispatchResult};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    kind: &'static str,
    result: &'static str,
}

/// Counts movements by their kind and result.
#[derive(Clone)]
pub struct MovementMetrics(Family<Labels, Counter>);

impl MovementMetrics {
    pub fn register(metrics: &Metrics) -> Self {
        let movements = Family::default();
        metrics.register("wallet_movements", "Requests to move money, by their kind and result", movements.clone());
        Self(movements)
    }

    /// The kind of a movement as a label.
    pub fn kind_of(command: &MoveCommand) -> &'static str {
        match command.operation {
            Some(OperationCommand { operation_type: OperationType::Deposit, .. }) => "deposit",
            Some(OperationCommand { operation_type: OperationType::Withdraw, .. }) => "withdrawal",
            None => "transfer",
        }
    }

    pub fn record(&self, kind: &'static str, result: &DispatchResult) {
        let result = match result {
            Ok(Decision::Moved { replayed: false, .. }) => "moved",
            Ok(Decision::Moved { replayed: true, .. }) => "replayed",
            Ok(Decision::Refused(refused)) => refusal_label(refused.reason),
            Err(DispatchError::OutcomeUnknown) => "unknown",
            Err(
                DispatchError::QueueFull
                | DispatchError::ShuttingDown
                | DispatchError::Call(_)
                | DispatchError::KeyNotLookedUp(_),
            ) => "failed",
        };
        self.0.get_or_create(&Labels { kind, result }).inc();
    }
}

fn refusal_label(reason: MoveRefusalReason) -> &'static str {
    match reason {
        MoveRefusalReason::KeyReused => "key_reused",
        MoveRefusalReason::WalletNotFound => "wallet_not_found",
        MoveRefusalReason::SameWallet => "same_wallet",
        MoveRefusalReason::CurrencyMismatch => "currency_mismatch",
        MoveRefusalReason::TooManyDecimals => "too_many_decimals",
        MoveRefusalReason::InsufficientFunds => "insufficient_funds",
        MoveRefusalReason::BalanceOutOfRange => "balance_out_of_range",
    }
}

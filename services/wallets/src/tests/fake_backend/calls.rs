//! The calls of db-proxy that the fake answers, and their faults.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    api::{
        Code,
        orders::OwnerFilter,
        wallets::{
            CreateWalletCommand, CreatedWallet, FoundWallets, MoveCommands, MoveOutcome, MoveOutcomes,
            MoveRefusalReason, OperationCursor, OperationPage, VerificationCursor, Wallet, WalletCursor, WalletLookup,
            WalletPage,
        },
    },
    clients::{CallError, CallOutcome, db_proxy::DbProxyClient},
    config::TokenRefusal,
    ids::WalletId,
};

use super::{
    FakeBackend, Fault,
    responses::{decided, failed, no_response, problem, to_json, unreachable},
};
use crate::wallet_backend::WalletBackend;

#[async_trait]
impl WalletBackend for FakeBackend {
    async fn create_wallet(&self, command: &CreateWalletCommand) -> CallOutcome<CreatedWallet> {
        let fault = self.state().fault;
        let result = match fault {
            Fault::Unreachable => Err(unreachable()),
            Fault::Problem(code) => Err(problem(code)),
            Fault::LostResponse { moves } => {
                if moves {
                    _ = self.create(command);
                }
                Err(no_response())
            }
            Fault::None | Fault::LostThenDecided { .. } => self.create(command),
            other => panic!("not a fault of a creation: {other:?}"),
        };
        CallOutcome { result, unanswered: matches!(fault, Fault::LostThenDecided { .. }) }
    }

    async fn find_wallets_json(&self, lookup: &WalletLookup) -> Result<Bytes, CallError> {
        let mut state = self.state();
        if state.fault != Fault::None {
            return Err(unreachable());
        }
        state.batches.push(lookup.ids.len());
        let wallets = state.wallets.iter().filter(|wallet| lookup.ids.contains(&wallet.id)).cloned().collect();
        Ok(to_json(&FoundWallets { wallets }))
    }

    async fn list_wallets_json(
        &self,
        owner: OwnerFilter,
        cursor: Option<WalletCursor>,
        limit: u32,
    ) -> Result<Bytes, CallError> {
        let state = self.state();
        let matches = |wallet: &&Wallet| owner.selects(wallet.user_id) && cursor.is_none_or(|c| wallet.id < c.0);
        let found: Vec<_> = state.wallets.iter().rev().filter(matches).cloned().collect();
        let data: Vec<_> = found.iter().take(limit as usize).cloned().collect();
        let next_cursor = (found.len() > data.len()).then(|| WalletCursor(data.last().unwrap().id));
        Ok(to_json(&WalletPage { data, next_cursor }))
    }

    async fn list_operations_json(
        &self,
        id: WalletId,
        owner: OwnerFilter,
        cursor: Option<OperationCursor>,
        limit: u32,
    ) -> Result<Option<Bytes>, CallError> {
        let state = self.state();
        if state.find_owned_wallet(id, owner).is_err() {
            return Ok(None);
        }
        let operations = state.operations.get(&id).cloned().unwrap_or_default();
        let before = cursor.map_or(operations.len() + 1, |cursor| usize::try_from(cursor.0).unwrap());
        let numbers: Vec<_> = (1..before).rev().take(limit as usize).collect();
        let next_cursor = numbers.last().filter(|number| **number > 1);
        let next_cursor = next_cursor.map(|number| OperationCursor(i64::try_from(*number).unwrap()));
        let data = numbers.iter().map(|number| operations[number - 1].clone()).collect();
        Ok(Some(to_json(&OperationPage { data, next_cursor })))
    }

    async fn move_money(&self, commands: &MoveCommands) -> CallOutcome<MoveOutcomes> {
        let fault = {
            let mut state = self.state();
            state.batches.push(commands.movements.len());
            state.requested = commands.movements.last().cloned();
            state.fault
        };
        // Lets other requests arrive while this call is in flight.
        tokio::time::sleep(Duration::from_millis(1)).await;
        match fault {
            Fault::None => {
                let outcomes = self.decide_all(commands);
                self.state().is_decided = true;
                decided(outcomes, false)
            }
            Fault::Unreachable => failed(unreachable(), false),
            Fault::TokenRefused => {
                failed(CallError::TokenRefused(DbProxyClient::SERVICE, "wallets", TokenRefusal::Unknown), false)
            }
            Fault::Problem(code) => {
                self.state().is_indeterminate = code == Code::OutcomeUnknown;
                failed(problem(code), false)
            }
            Fault::LostResponse { moves } => {
                self.process_without_outcome(commands, moves);
                failed(no_response(), false)
            }
            Fault::LostThenUnreachable { moves } => {
                self.process_without_outcome(commands, moves);
                failed(unreachable(), true)
            }
            Fault::LostThenDecided { moves } => {
                self.process_without_outcome(commands, moves);
                let outcomes = self.decide_all(commands);
                let is_final = |outcome: &MoveOutcome| {
                    outcome.refused.is_none_or(|refused| refused.reason != MoveRefusalReason::InsufficientFunds)
                };
                let mut state = self.state();
                // A refusal because of a balance is not final, because the first attempt can move the money later.
                (state.is_decided, state.is_indeterminate) =
                    if outcomes.iter().all(is_final) { (true, false) } else { (false, true) };
                drop(state);
                decided(outcomes, true)
            }
            Fault::InvalidResponse => {
                self.process_without_outcome(commands, true);
                failed(DbProxyClient::invalid_response("not JSON"), false)
            }
            Fault::WrongCount => {
                self.process_without_outcome(commands, true);
                let outcomes = self.decide_all(commands);
                decided([outcomes.clone(), outcomes].concat(), false)
            }
            Fault::EmptyOutcome => {
                self.process_without_outcome(commands, true);
                let none = MoveOutcome { operation: None, transfer: None, refused: None, replayed: false };
                decided(vec![none; commands.movements.len()], false)
            }
            Fault::Panics => {
                self.process_without_outcome(commands, true);
                panic!("a defect of the client")
            }
            Fault::Hangs => {
                self.process_without_outcome(commands, true);
                // Longer than the service `wallets` waits.
                tokio::time::sleep(Duration::from_secs(60)).await;
                failed(no_response(), false)
            }
        }
    }

    async fn verify_journal_json(&self, cursor: Option<VerificationCursor>, limit: u32) -> Result<Bytes, CallError> {
        let checked = serde_json::json!({ "wallets": limit, "entries": 0, "movements": 0 });
        let cursor = cursor.map_or(serde_json::Value::Null, |cursor| cursor.to_string().into());
        Ok(to_json(&serde_json::json!({ "checked": checked, "violations": [], "next_cursor": cursor })))
    }
}

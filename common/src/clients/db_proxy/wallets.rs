//! The calls that concern wallets and their journal.

use std::time::Duration;

use bytes::Bytes;
use poem::http::Method;

use super::{DbProxyClient, READ_DEADLINE, unavailable_if_older};
use crate::{
    api::{
        Code,
        orders::OwnerFilter,
        wallets::{
            CreateWalletCommand, CreatedWallet, MAX_MOVES_PER_REQUEST, MAX_WALLET_LOOKUP, MoveCommands, MoveOutcomes,
            OperationCursor, VerificationCursor, WALLET_ID_FIELD, WalletCursor, WalletLookup, page_query,
        },
    },
    clients::{CallError, CallOutcome, Retry},
    concurrency::batching::BatchLimits,
    ids::WalletId,
};

/// Deadline for a batch of movements, including retries. db-proxy spends less time on a batch, so its response arrives
/// before this deadline.
pub const MOVE_DEADLINE: Duration = Duration::from_secs(12);
const CREATE_DEADLINE: Duration = Duration::from_secs(10);
/// Deadline for a page of a verification. A page can read tens of thousands of rows while other requests use the
/// database.
pub const VERIFICATION_DEADLINE: Duration = Duration::from_secs(15);
/// Limits of the batches of movements. Batches grow under load, so a few batches in flight suffice for thousands of
/// movements per second.
pub const MOVE_LIMITS: BatchLimits =
    BatchLimits { max_queued: 8192, max_batch_size: MAX_MOVES_PER_REQUEST, max_in_flight: 4 };
/// Limits of the batches of wallet ids.
pub const LOOKUP_LIMITS: BatchLimits =
    BatchLimits { max_queued: 4096, max_batch_size: MAX_WALLET_LOOKUP, max_in_flight: 4 };

impl DbProxyClient {
    /// Creates an empty wallet. Retries are safe, because the command has an idempotency key.
    pub async fn create_wallet(&self, command: &CreateWalletCommand) -> CallOutcome<CreatedWallet> {
        let outcome = self.0.call(Method::POST, "/wallets", Some(command), Retry::Safe, CREATE_DEADLINE).await;
        self.parse_outcome(outcome)
    }

    /// The wallets of everybody with these ids, as the JSON of [`FoundWallets`](crate::api::wallets::FoundWallets). Accepts at most
    /// [`MAX_WALLET_LOOKUP`]. The caller selects the wallets that its clients may see.
    pub async fn find_wallets_json(&self, lookup: &WalletLookup) -> Result<Bytes, CallError> {
        let found = self.0.call_bytes(Method::POST, "/wallets/lookup", Some(lookup), Retry::Safe, READ_DEADLINE).await;
        found.map_err(unavailable_if_older)
    }

    /// A page of the wallets of the owner, newest first, as the JSON of a [`WalletPage`](crate::api::wallets::WalletPage). The page
    /// begins after the wallet of `cursor`.
    pub async fn list_wallets_json(
        &self,
        owner: OwnerFilter,
        cursor: Option<WalletCursor>,
        limit: u32,
    ) -> Result<Bytes, CallError> {
        let path = format!("/wallets?{}", page_query(("owner", Some(owner)), cursor, limit));
        self.get_wallets_json(&path, READ_DEADLINE).await.map_err(unavailable_if_older)
    }

    /// A page of the operations of a wallet, newest first, as the JSON of an
    /// [`OperationPage`](crate::api::wallets::OperationPage). `None` if `owner` does not select a wallet with this id.
    pub async fn list_operations_json(
        &self,
        id: WalletId,
        owner: OwnerFilter,
        cursor: Option<OperationCursor>,
        limit: u32,
    ) -> Result<Option<Bytes>, CallError> {
        let path = format!("/wallets/{id}/operations?{}", page_query(("owner", Some(owner)), cursor, limit));
        match self.get_wallets_json(&path, READ_DEADLINE).await {
            Ok(page) => Ok(Some(page)),
            Err(error) if is_unknown_wallet(&error) => Ok(None),
            Err(error) => Err(unavailable_if_older(error)),
        }
    }

    /// Moves money. Retries are safe, because every movement has an idempotency key.
    pub async fn move_money(&self, commands: &MoveCommands) -> CallOutcome<MoveOutcomes> {
        let outcome = self.0.call(Method::POST, "/movements", Some(commands), Retry::Safe, MOVE_DEADLINE).await;
        self.parse_outcome(outcome)
    }

    /// Checks the rows of the journal after `cursor`. Returns the JSON of a
    /// [`VerificationPage`](crate::api::wallets::VerificationPage). `limit` is the maximum number of wallets, of entries, or of
    /// movements; see [`MAX_VERIFIED_ROWS`](crate::api::wallets::MAX_VERIFIED_ROWS).
    pub async fn verify_journal_json(
        &self,
        cursor: Option<VerificationCursor>,
        limit: u32,
    ) -> Result<Bytes, CallError> {
        let path = format!("/journal/verification?{}", page_query(("owner", None::<OwnerFilter>), cursor, limit));
        self.get_wallets_json(&path, VERIFICATION_DEADLINE).await.map_err(unavailable_if_older)
    }

    async fn get_wallets_json(&self, path: &str, deadline: Duration) -> Result<Bytes, CallError> {
        self.0.call_bytes(Method::GET, path, None::<&()>, Retry::Safe, deadline).await
    }
}

/// Whether the error states that the owner has no wallet with the requested id. The 404 of a db-proxy without the endpoint does not
/// name the field.
fn is_unknown_wallet(error: &CallError) -> bool {
    match error {
        CallError::Problem(_, problem) => {
            problem.code == Code::NotFound && problem.errors.iter().any(|error| error.field == WALLET_ID_FIELD)
        }
        CallError::Unreachable(..)
        | CallError::NoResponse(..)
        | CallError::TokenRefused(..)
        | CallError::InvalidResponse(..) => false,
    }
}

#[cfg(test)]
mod tests;

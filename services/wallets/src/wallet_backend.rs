//! The operations of db-proxy that the service `wallets` calls.

use async_trait::async_trait;
use bytes::Bytes;
use common::{
    api::{
        orders::OwnerFilter,
        wallets::{
            CreateWalletCommand, CreatedWallet, MoveCommands, MoveOutcomes, OperationCursor, VerificationCursor,
            WalletCursor, WalletLookup,
        },
    },
    clients::{CallError, CallOutcome, db_proxy::DbProxyClient},
    ids::WalletId,
};

/// Stores wallets and moves money: [`DbProxyClient`], or a fake in tests.
#[async_trait]
pub trait WalletBackend: Send + Sync {
    async fn create_wallet(&self, command: &CreateWalletCommand) -> CallOutcome<CreatedWallet>;

    /// The JSON of a [`FoundWallets`](common::api::wallets::FoundWallets).
    async fn find_wallets_json(&self, lookup: &WalletLookup) -> Result<Bytes, CallError>;

    /// The JSON of a [`WalletPage`](common::api::wallets::WalletPage).
    async fn list_wallets_json(
        &self,
        owner: OwnerFilter,
        cursor: Option<WalletCursor>,
        limit: u32,
    ) -> Result<Bytes, CallError>;

    /// The JSON of an [`OperationPage`](common::api::wallets::OperationPage). `None` if `owner` does not select the wallet.
    async fn list_operations_json(
        &self,
        id: WalletId,
        owner: OwnerFilter,
        cursor: Option<OperationCursor>,
        limit: u32,
    ) -> Result<Option<Bytes>, CallError>;

    async fn move_money(&self, commands: &MoveCommands) -> CallOutcome<MoveOutcomes>;

    /// The JSON of a [`VerificationPage`](common::api::wallets::VerificationPage).
    async fn verify_journal_json(&self, cursor: Option<VerificationCursor>, limit: u32) -> Result<Bytes, CallError>;
}

#[async_trait]
impl WalletBackend for DbProxyClient {
    async fn create_wallet(&self, command: &CreateWalletCommand) -> CallOutcome<CreatedWallet> {
        Self::create_wallet(self, command).await
    }

    async fn find_wallets_json(&self, lookup: &WalletLookup) -> Result<Bytes, CallError> {
        Self::find_wallets_json(self, lookup).await
    }

    async fn list_wallets_json(
        &self,
        owner: OwnerFilter,
        cursor: Option<WalletCursor>,
        limit: u32,
    ) -> Result<Bytes, CallError> {
        Self::list_wallets_json(self, owner, cursor, limit).await
    }

    async fn list_operations_json(
        &self,
        id: WalletId,
        owner: OwnerFilter,
        cursor: Option<OperationCursor>,
        limit: u32,
    ) -> Result<Option<Bytes>, CallError> {
        Self::list_operations_json(self, id, owner, cursor, limit).await
    }

    async fn move_money(&self, commands: &MoveCommands) -> CallOutcome<MoveOutcomes> {
        Self::move_money(self, commands).await
    }

    async fn verify_journal_json(&self, cursor: Option<VerificationCursor>, limit: u32) -> Result<Bytes, CallError> {
        Self::verify_journal_json(self, cursor, limit).await
    }
}

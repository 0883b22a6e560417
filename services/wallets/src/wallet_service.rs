//! The operations on wallets that customers and operators may request.

use std::sync::Arc;

use bytes::Bytes;
use common::{
    api::{
        Code,
        orders::{OwnerFilter, client_name},
        pages::link_page,
        wallets::{
            CreateWalletCommand, CreatedWallet, MoveCommand, Operation, OperationCommand, OperationCursor, Transfer,
            TransferCommand, VerificationCursor, WalletCursor, page_query,
        },
    },
    clients::{CallError, DispatchError, db_proxy::DbProxyClient},
    config::Live,
    ids::{UserId, WalletId},
    money::Currency,
    server::RequestKey,
};

use crate::{
    decision::{Decision, Movement},
    dispatcher::MovementDispatcher,
    error::{Error, MovementTerms},
    wallet_backend::WalletBackend,
    wallet_finder::WalletFinder,
};

/// Reads and creates wallets, and moves money.
#[derive(Clone)]
pub struct WalletService {
    pub backend: Arc<dyn WalletBackend>,
    pub finder: WalletFinder,
    pub dispatcher: MovementDispatcher,
    /// The currencies of new wallets.
    pub currencies: Live<Arc<[Currency]>>,
}

/// A movement that is stored durably.
#[derive(Debug, Clone)]
pub struct Moved<T> {
    pub movement: T,
    /// Whether an earlier request with the same key moved the money.
    pub replayed: bool,
}

/// Selects a page of wallets.
#[derive(Debug, Clone, Copy)]
pub struct WalletPageRequest {
    pub owner: OwnerFilter,
    /// The parameter `user` of the request.
    pub user: Option<UserId>,
    pub cursor: Option<WalletCursor>,
    pub limit: u32,
}

/// Selects a page of the operations of a wallet.
#[derive(Debug, Clone, Copy)]
pub struct OperationPageRequest {
    pub wallet: WalletId,
    pub owner: OwnerFilter,
    pub cursor: Option<OperationCursor>,
    pub limit: u32,
}

impl WalletService {
    /// Creates a wallet of a user, or without an owner. Calls of one user with the same idempotency key create at most one wallet.
    /// The returned wallet is durable.
    pub async fn create_wallet(
        &self,
        currency: Currency,
        key: &RequestKey,
        user_id: Option<UserId>,
    ) -> Result<CreatedWallet, Error> {
        let command = CreateWalletCommand { key: key.as_idempotency_key().clone(), currency, user_id };
        let outcome = self.backend.create_wallet(&command).await;
        let is_unknown = outcome.has_unknown_effect();
        let error = match outcome.result {
            Ok(created) => return Ok(created),
            // This refusal is final even after an attempt without a response: the key was used for a different wallet.
            Err(CallError::Problem(_, problem)) if problem.code == Code::KeyReused => {
                return Err(Error::KeyReused(command.key));
            }
            Err(error) if is_unknown => {
                tracing::warn!(error = %error.chain(), "it is not known whether db-proxy created a wallet");
                DispatchError::OutcomeUnknown
            }
            Err(error) => DispatchError::Call(Arc::new(error)),
        };
        Err(Error::Creation(with_client_key(error, key)))
    }

    /// The JSON of a wallet that `owner` selects.
    pub async fn find_wallet(&self, id: WalletId, owner: OwnerFilter) -> Result<Bytes, Error> {
        self.finder.find_wallet(id, owner).await?.ok_or(Error::WalletNotFound(id))
    }

    /// The JSON of a page of wallets, newest first.
    pub async fn list_wallets(&self, request: WalletPageRequest) -> Result<Bytes, Error> {
        let WalletPageRequest { owner, user, cursor, limit } = request;
        let page = self.backend.list_wallets_json(owner, cursor, limit).await?;
        let next_url =
            |cursor| format!("/api/v1/wallets?{}", page_query(("user", user), Some::<WalletCursor>(cursor), limit));
        Ok(link_page(&page, next_url).map_err(DbProxyClient::invalid_response)?)
    }

    /// The JSON of a page of the operations of a wallet that `owner` selects, newest first.
    pub async fn list_operations(&self, request: OperationPageRequest) -> Result<Bytes, Error> {
        let OperationPageRequest { wallet, owner, cursor, limit } = request;
        let page = self.backend.list_operations_json(wallet, owner, cursor, limit).await?;
        let page = page.ok_or(Error::WalletNotFound(wallet))?;
        let next_url = |cursor| {
            let query = page_query(("user", None::<UserId>), Some::<OperationCursor>(cursor), limit);
            format!("/api/v1/wallets/{wallet}/operations?{query}")
        };
        Ok(link_page(&page, next_url).map_err(DbProxyClient::invalid_response)?)
    }

    /// Deposits money to a wallet, or withdraws money from it. The wallet must belong to `user`, or to no user if `user` is `None`.
    /// Calls of one user with the same idempotency key move the money at most once. The returned operation is durable.
    pub async fn operate(
        &self,
        command: OperationCommand,
        key: &RequestKey,
        user: Option<UserId>,
    ) -> Result<Moved<Operation>, Error> {
        let Moved { movement, replayed } = self.move_money(MovementTerms::Operation(command), key, user).await?;
        match movement {
            Movement::Operation(movement) => Ok(Moved { movement, replayed }),
            Movement::Transfer(_) => Err(DispatchError::OutcomeUnknown.into()),
        }
    }

    /// Moves money to another wallet of the same currency. `user`, idempotency and durability are as for [`WalletService::operate`].
    pub async fn transfer(
        &self,
        command: TransferCommand,
        key: &RequestKey,
        user: Option<UserId>,
    ) -> Result<Moved<Transfer>, Error> {
        let Moved { movement, replayed } = self.move_money(MovementTerms::Transfer(command), key, user).await?;
        match movement {
            Movement::Transfer(movement) => Ok(Moved { movement, replayed }),
            Movement::Operation(_) => Err(DispatchError::OutcomeUnknown.into()),
        }
    }

    /// Checks one page of the wallets and their journal, after the cursor. Returns the JSON of db-proxy.
    pub async fn verify_journal(&self, cursor: Option<VerificationCursor>, limit: u32) -> Result<Bytes, Error> {
        Ok(self.backend.verify_journal_json(cursor, limit).await?)
    }

    async fn move_money(
        &self,
        terms: MovementTerms,
        key: &RequestKey,
        user: Option<UserId>,
    ) -> Result<Moved<Movement>, Error> {
        let (operation, transfer) = match terms {
            MovementTerms::Operation(operation) => (Some(operation), None),
            MovementTerms::Transfer(transfer) => (None, Some(transfer)),
        };
        let command = MoveCommand {
            client: client_name(user),
            key: key.as_idempotency_key().clone(),
            requested_at: Some(self.dispatcher.database_time()),
            owner: OwnerFilter::of(user),
            operation,
            transfer,
            traceparent: None,
        };
        match self.dispatcher.dispatch(command).await {
            Ok(Decision::Moved { movement, replayed }) => Ok(Moved { movement, replayed }),
            Ok(Decision::Refused(refused)) => {
                Err(Error::Refused { refused, terms, key: key.as_idempotency_key().clone() })
            }
            Err(error) => Err(with_client_key(error, key).into()),
        }
    }
}

/// The error of a request with this key. If the client chose the key, the error states that an earlier request with the
/// key may have had an effect.
fn with_client_key(error: DispatchError, key: &RequestKey) -> DispatchError {
    if !key.is_client_supplied() {
        return error;
    }
    let error = error.with_client_key();
    if let DispatchError::KeyNotLookedUp(cause) = &error {
        tracing::debug!(error = %cause, "the idempotency key of a client was not looked up");
    }
    error
}

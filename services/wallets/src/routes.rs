//! The HTTP endpoints of the service `wallets`. `common/src/access/policy.rs` decides who may use each of them.

use std::time::Duration;

use common::{
    access::Principal,
    api::{
        FieldError, Problem,
        wallets::{
            CreatedWallet, LinkedOperationPage, LinkedWalletPage, Operation, OperationCursor, OperationPayload,
            Transfer, TransferPayload, VerificationCursor, VerificationPage, Wallet, WalletCursor, WalletPayload,
        },
    },
    clients::DispatchError,
    ids::{IdempotencyKey, UserId, WalletId},
    server::{
        ExportClient, ExportFile, ExportFormat, ExportSlots, Json, PreserializedJson, RequestKey, TrustedProxies,
        UncheckedBody,
    },
};
use futures_util::StreamExt;
use poem::{Body, Request, http::HeaderMap};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Path, Query},
};

use crate::{
    error::Error,
    export::OperationExport,
    validation::{validate_operation, validate_transfer, validate_wallet},
    wallet_service::{Moved, OperationPageRequest, WalletPageRequest, WalletService},
};

/// Maximum time that a handler waits for a movement. After this time, the response states that the outcome is unknown.
///
/// The response at the request timeout of the server does not state the outcome. `MOVE_TIMEOUT` expires first, even if
/// checking the API key and reading the body take their maximum times.
const MOVE_TIMEOUT: Duration = Duration::from_secs(18);

pub struct Api {
    pub wallets: WalletService,
    pub export_slots: ExportSlots,
    pub trusted_proxies: TrustedProxies,
}

/// The response to a request that creates a wallet.
#[derive(ApiResponse)]
enum CreateWalletResponse {
    /// The wallet is stored durably.
    #[oai(status = 201)]
    Created(
        Json<Wallet>,
        /// The path of the wallet.
        #[oai(header = "Location")]
        String,
        /// The key of the wallet: the key of the request, or a generated key.
        #[oai(header = "Idempotency-Key")]
        String,
        /// Whether an earlier request with the same key created the wallet.
        #[oai(header = "Idempotency-Replayed")]
        bool,
    ),
}

/// The response to a deposit or a withdrawal.
#[derive(ApiResponse)]
enum OperationResponse {
    /// The operation is stored durably.
    #[oai(status = 200)]
    Stored(
        Json<Operation>,
        /// The key of the operation: the key of the request, or a generated key.
        #[oai(header = "Idempotency-Key")]
        String,
        /// Whether an earlier request with the same key moved the money.
        #[oai(header = "Idempotency-Replayed")]
        bool,
    ),
}

/// The response to a transfer.
#[derive(ApiResponse)]
enum TransferResponse {
    /// The transfer is stored durably.
    #[oai(status = 200)]
    Stored(
        Json<Transfer>,
        /// The key of the transfer: the key of the request, or a generated key.
        #[oai(header = "Idempotency-Key")]
        String,
        /// Whether an earlier request with the same key moved the money.
        #[oai(header = "Idempotency-Replayed")]
        bool,
    ),
}

#[OpenApi]
impl Api {
    /// Creates an empty wallet. It belongs to the user of the API key. Without an API key, it belongs to no user.
    ///
    /// Without an idempotency key, a repetition creates another wallet.
    #[oai(path = "/api/v1/wallets", method = "post", operation_id = "create_wallet")]
    async fn create_wallet(
        &self,
        principal: Principal,
        /// Requests of one user with the same key create one wallet. Requests without an API key count as requests of one user.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<IdempotencyKey>>,
        headers: &HeaderMap,
        body: UncheckedBody<WalletPayload>,
    ) -> Result<CreateWalletResponse, Problem> {
        let key = RequestKey::from_header(idempotency_key.0, headers)?;
        let validate = |payload: &WalletPayload| validate_wallet(payload, &self.wallets.currencies.get());
        let payload = body.or_problem(|parsed| errors_of(validate(parsed)))?;
        let currency = validate(&payload).map_err(Error::Invalid)?;
        let created = self.wallets.create_wallet(currency, &key, principal.user_id()).await;
        let CreatedWallet { wallet, replayed } = created.map_err(|error| key.add_to(error.into()))?;
        let location = format!("/api/v1/wallets/{}", wallet.id);
        Ok(CreateWalletResponse::Created(Json(wallet), location, key.to_string(), replayed))
    }

    /// Lists the wallets that the caller may see, newest first.
    ///
    /// A user sees its own wallets. A client without an API key sees the wallets that were created without a key. An operator sees
    /// all wallets.
    ///
    /// To read all pages, follow `_links.next`, or send `next_cursor` as `cursor` with the same `user`. On the last page, neither
    /// is present. Every wallet appears once, even while wallets are created.
    #[oai(path = "/api/v1/wallets", method = "get", operation_id = "list_wallets")]
    async fn list_wallets(
        &self,
        principal: Principal,
        /// Maximum number of wallets on the page.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "1000")))]
        Query(limit): Query<u32>,
        /// The `next_cursor` of the previous page.
        Query(cursor): Query<Option<WalletCursor>>,
        /// Wallets of this user. Only an operator can select the wallets of others.
        Query(user): Query<Option<UserId>>,
    ) -> Result<PreserializedJson<LinkedWalletPage>, Problem> {
        let owner = principal.select_owner(user).ok_or(Error::WalletsOfAnotherUser)?;
        let request = WalletPageRequest { owner, user, cursor, limit };
        Ok(PreserializedJson::new(self.wallets.list_wallets(request).await?))
    }

    /// Returns one wallet with its balance. A user receives 404 for a wallet of another owner.
    #[oai(path = "/api/v1/wallets/:id", method = "get", operation_id = "get_wallet")]
    async fn get_wallet(&self, principal: Principal, id: Path<WalletId>) -> Result<PreserializedJson<Wallet>, Problem> {
        Ok(PreserializedJson::new(self.wallets.find_wallet(id.0, principal.owner_filter()).await?))
    }

    /// Returns one wallet: the short form of `/api/v1/wallets/{id}`.
    #[oai(path = "/wallet", method = "get", operation_id = "find_wallet")]
    async fn get_wallet_by_query(
        &self,
        principal: Principal,
        /// The id of the wallet.
        Query(id): Query<WalletId>,
    ) -> Result<PreserializedJson<Wallet>, Problem> {
        Ok(PreserializedJson::new(self.wallets.find_wallet(id, principal.owner_filter()).await?))
    }

    /// Deposits money to a wallet, or withdraws money from it.
    ///
    /// The response has the balance after the operation. If the wallet has less money than a withdrawal takes, nothing moves: 409
    /// `insufficient_funds`.
    #[oai(path = "/api/v1/wallets/:id/operation", method = "post", operation_id = "create_operation")]
    async fn create_operation(
        &self,
        principal: Principal,
        id: Path<WalletId>,
        /// Requests of one user with the same key move the money once. Requests without an API key count as requests of one user.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<IdempotencyKey>>,
        headers: &HeaderMap,
        body: UncheckedBody<OperationPayload>,
    ) -> Result<OperationResponse, Problem> {
        let key = RequestKey::from_header(idempotency_key.0, headers)?;
        let payload = body.or_problem(|parsed| errors_of(validate_operation(id.0, parsed)))?;
        let command = validate_operation(id.0, &payload).map_err(Error::Invalid)?;
        let moved = with_timeout(&key, self.wallets.operate(command, &key, principal.user_id())).await?;
        Ok(OperationResponse::Stored(Json(moved.movement), key.to_string(), moved.replayed))
    }

    /// Lists the operations of one wallet, newest first: deposits, withdrawals, transfers and orders.
    ///
    /// To read all pages, follow `_links.next`, or send `next_cursor` as `cursor`. On the last page, neither is present. Every
    /// operation appears once, even while new operations arrive.
    #[oai(path = "/api/v1/wallets/:id/operations", method = "get", operation_id = "list_operations")]
    async fn list_operations(
        &self,
        principal: Principal,
        id: Path<WalletId>,
        /// Maximum number of operations on the page.
        #[oai(default = "default_limit", validator(minimum(value = "1"), maximum(value = "1000")))]
        Query(limit): Query<u32>,
        /// The `next_cursor` of the previous page.
        Query(cursor): Query<Option<OperationCursor>>,
    ) -> Result<PreserializedJson<LinkedOperationPage>, Problem> {
        let request = OperationPageRequest { wallet: id.0, owner: principal.owner_filter(), cursor, limit };
        Ok(PreserializedJson::new(self.wallets.list_operations(request).await?))
    }

    /// Exports all operations of one wallet, newest first, as one file.
    ///
    /// The file is sent while the operations are read. If the connection closes early, the file is incomplete. The number of
    /// concurrent exports is limited. An export is refused with 503 if too many exports are running, and with 429 if the user
    /// or the address itself runs too many exports.
    #[oai(path = "/api/v1/wallets/:id/operations/export", method = "get", operation_id = "export_operations")]
    async fn export_operations(
        &self,
        principal: Principal,
        request: &Request,
        id: Path<WalletId>,
        /// The file format.
        Query(format): Query<ExportFormat>,
    ) -> Result<ExportFile, Problem> {
        let address = || ExportClient::Address(self.trusted_proxies.client_address(request));
        let slot = self.export_slots.acquire(principal.user_id().map_or_else(address, ExportClient::User))?;
        let (backend, owner) = (self.wallets.backend.clone(), principal.owner_filter());
        let pages = OperationExport { backend, wallet: id.0, owner, format }.start().await?;
        // The slot is freed when the stream is dropped.
        let body = Body::from_bytes_stream(pages.inspect(move |_| _ = &slot));
        Ok(ExportFile { format, name: "operations", body })
    }

    /// Moves money from a wallet of the caller to any other wallet of the same currency, all or nothing.
    #[oai(path = "/api/v1/transfers", method = "post", operation_id = "create_transfer")]
    async fn create_transfer(
        &self,
        principal: Principal,
        /// Requests of one user with the same key move the money once. Requests without an API key count as requests of one user.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<IdempotencyKey>>,
        headers: &HeaderMap,
        body: UncheckedBody<TransferPayload>,
    ) -> Result<TransferResponse, Problem> {
        let key = RequestKey::from_header(idempotency_key.0, headers)?;
        let payload = body.or_problem(|parsed| errors_of(validate_transfer(parsed)))?;
        let command = validate_transfer(&payload).map_err(Error::Invalid)?;
        let moved = with_timeout(&key, self.wallets.transfer(command, &key, principal.user_id())).await?;
        Ok(TransferResponse::Stored(Json(moved.movement), key.to_string(), moved.replayed))
    }

    /// Checks some rows of the wallets and their journal.
    ///
    /// Send the first request without a cursor, and each further request with the `next_cursor` of the previous response. After the
    /// last page, every row that existed at the first request has been checked.
    #[oai(path = "/api/v1/journal/verification", method = "get", operation_id = "verify_journal")]
    async fn verify_journal(
        &self,
        /// Maximum number of rows to check.
        #[oai(default = "default_verified_rows", validator(minimum(value = "1"), maximum(value = "10000")))]
        Query(limit): Query<u32>,
        /// The `next_cursor` of the previous page.
        Query(cursor): Query<Option<VerificationCursor>>,
    ) -> Result<PreserializedJson<VerificationPage>, Problem> {
        Ok(PreserializedJson::new(self.wallets.verify_journal(cursor, limit).await?))
    }
}

/// Waits for a movement, at most for [`MOVE_TIMEOUT`]. If the outcome is unknown, the problem contains the idempotency key.
async fn with_timeout<T>(
    key: &RequestKey,
    moving: impl Future<Output = Result<Moved<T>, Error>>,
) -> Result<Moved<T>, Problem> {
    let result = match tokio::time::timeout(MOVE_TIMEOUT, moving).await {
        Ok(result) => result,
        Err(_elapsed) => Err(DispatchError::OutcomeUnknown.into()),
    };
    result.map_err(|error| key.add_to(error.into()))
}

fn errors_of<T>(result: Result<T, Vec<FieldError>>) -> Vec<FieldError> {
    result.err().unwrap_or_default()
}

fn default_limit() -> u32 {
    50
}

fn default_verified_rows() -> u32 {
    1000
}

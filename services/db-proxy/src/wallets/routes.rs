//! The HTTP endpoints of wallets. Each endpoint requires the token of a caller that has the permission for it; see
//! `common/src/server/internal_caller.rs`.

use common::{
    api::{
        Problem,
        orders::OwnerFilter,
        wallets::{
            CreateWalletCommand, CreatedWallet, FoundWallets, MoveCommands, MoveOutcome, MoveOutcomes, OperationCursor,
            OperationPage, VerificationCursor, VerificationPage, Wallet, WalletCursor, WalletLookup, WalletPage,
        },
    },
    config::Caller,
    ids::WalletId,
    server::{Json, WalletWriter},
};
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Path, Query},
};

use super::{
    WalletBatchStore, WalletService,
    requests::{UnexpectedMovement, check_group_size, move_money_command, outcome_of},
};
use crate::{
    error::Error,
    group_commit::{CommandTraces, WriterHandle, all_or_error},
};

pub struct WalletRoutes {
    pub service: WalletService,
    pub writer: WriterHandle<WalletBatchStore>,
}

/// The response to a request that creates a wallet.
#[derive(ApiResponse)]
enum CreateWalletResponse {
    /// The wallet is stored durably.
    #[oai(status = 201)]
    Created(Json<CreatedWallet>),
}

#[OpenApi]
impl WalletRoutes {
    /// Creates an empty wallet. Repeating the request with the same key has no effect.
    #[oai(path = "/wallets", method = "post", operation_id = "create_wallet")]
    async fn create_wallet(
        &self,
        _caller: WalletWriter,
        body: Json<CreateWalletCommand>,
    ) -> Result<CreateWalletResponse, Problem> {
        Ok(CreateWalletResponse::Created(Json(self.service.create_wallet(body.0).await?)))
    }

    /// Returns the wallets of the owner, newest first.
    #[oai(path = "/wallets", method = "get", operation_id = "list_wallets")]
    async fn list_wallets(
        &self,
        _caller: WalletWriter,
        owner: Query<OwnerFilter>,
        #[oai(default = "default_page", validator(minimum(value = "1"), maximum(value = "1000")))] limit: Query<u32>,
        cursor: Query<Option<WalletCursor>>,
    ) -> Result<Json<WalletPage>, Problem> {
        Ok(Json(self.service.list_wallets(owner.0, cursor.0, limit.0).await?))
    }

    /// Returns the wallets with these ids, of all owners. The caller must select the wallets that its clients may see.
    #[oai(path = "/wallets/lookup", method = "post", operation_id = "lookup_wallets")]
    async fn lookup_wallets(
        &self,
        _caller: WalletWriter,
        body: Json<WalletLookup>,
    ) -> Result<Json<FoundWallets>, Problem> {
        Ok(Json(self.service.find_wallets(&body.0).await?))
    }

    /// Returns one wallet of the owner.
    #[oai(path = "/wallets/:id", method = "get", operation_id = "get_wallet")]
    async fn get_wallet(
        &self,
        _caller: WalletWriter,
        id: Path<WalletId>,
        owner: Query<OwnerFilter>,
    ) -> Result<Json<Wallet>, Problem> {
        Ok(Json(self.service.wallet(id.0, owner.0).await?))
    }

    /// Returns the operations of one wallet of the owner, newest first: deposits, withdrawals, transfers and orders.
    #[oai(path = "/wallets/:id/operations", method = "get", operation_id = "list_operations")]
    async fn list_operations(
        &self,
        _caller: WalletWriter,
        id: Path<WalletId>,
        owner: Query<OwnerFilter>,
        #[oai(default = "default_page", validator(minimum(value = "1"), maximum(value = "1000")))] limit: Query<u32>,
        cursor: Query<Option<OperationCursor>>,
    ) -> Result<Json<OperationPage>, Problem> {
        Ok(Json(self.service.list_operations(id.0, owner.0, cursor.0, limit.0).await?))
    }

    /// Moves money: deposits, withdrawals and transfers. Each movement is decided separately, in the order of the
    /// request. The response is sent after all accepted movements are stored durably. Repeating a movement with the
    /// same key has no effect.
    #[oai(path = "/movements", method = "post", operation_id = "move_money")]
    async fn move_money(&self, caller: WalletWriter, body: Json<MoveCommands>) -> Result<Json<MoveOutcomes>, Problem> {
        let outcomes = self.move_all(body.0, caller.0).await?;
        Ok(Json(MoveOutcomes { outcomes, decided_at: Some(self.service.clock_check.database_time()) }))
    }

    /// Checks some rows of wallets and their journal. Send the first request without a cursor, and each further request with the
    /// `next_cursor` of the previous response. After the last page, every row that existed at the first request has been checked.
    #[oai(path = "/journal/verification", method = "get", operation_id = "verify_journal")]
    async fn verify_journal(
        &self,
        _caller: WalletWriter,
        #[oai(default = "default_verified_rows", validator(minimum(value = "1"), maximum(value = "10000")))]
        limit: Query<u32>,
        cursor: Query<Option<VerificationCursor>>,
    ) -> Result<Json<VerificationPage>, Problem> {
        Ok(Json(self.service.store.verify_journal(cursor.0, limit.0).await.map_err(Error::from)?))
    }
}

impl WalletRoutes {
    /// Returns one outcome for each movement, or one error for all of them.
    async fn move_all(
        &self,
        MoveCommands { movements }: MoveCommands,
        caller: Caller,
    ) -> Result<Vec<MoveOutcome>, Error> {
        check_group_size(movements.len())?;
        let received_at = self.service.clock_check.database_time();
        let traces = CommandTraces::of_batch(movements.iter().map(|command| command.traceparent.as_deref()));
        let commands = movements.into_iter().map(|command| move_money_command(command, received_at, caller));
        let commands = commands.collect::<Result<Vec<_>, _>>()?;
        let decisions = all_or_error(self.writer.submit_traced(commands, traces).await)?;
        Ok(decisions.iter().map(outcome_of).collect::<Result<_, _>>()?)
    }
}

impl From<UnexpectedMovement> for Error {
    fn from(_: UnexpectedMovement) -> Self {
        Self::UnexpectedResult
    }
}

fn default_page() -> u32 {
    50
}

fn default_verified_rows() -> u32 {
    1000
}

//! Wallets and their journal.
//!
//! A movement of money passes through these types: [`MoveCommand`](common::api::wallets::MoveCommand), as the service `wallets`
//! sends it; [`MoveMoneyCommand`], in the queue of the writer; [`Movement`](records::Movement) with its entries, as it is stored;
//! [`MoveOutcome`](common::api::wallets::MoveOutcome), as responses contain it.
//!
//! Each entry of a movement is booked on a wallet or on the account for money outside Buydesk. The entries of a movement add up to
//! zero in each currency, and the balance of a wallet is the sum of its entries.

pub mod command;
mod journal_check;
pub mod policy;
pub mod records;
mod requests;
mod retention;
mod routes;
pub mod running_balances;
pub mod store;
pub mod verification;

use std::time::Duration;

use common::{
    api::{
        orders::OwnerFilter,
        wallets::{
            CreateWalletCommand, CreatedWallet, FoundWallets, MAX_WALLET_PAGE, OperationCursor, OperationPage, Wallet,
            WalletCursor, WalletLookup, WalletPage,
        },
    },
    ids::WalletId,
    metrics::Metrics,
    time::Clock,
};
use uuid::Uuid;

use self::store::{OperationScan, StoredCreation};
pub use self::{
    command::{Decision, MoveMoneyCommand, MoveTerms},
    requests::{move_money_command, outcome_of},
    retention::WalletRetention,
    routes::WalletRoutes,
    store::{WalletScan, WalletStore},
};
pub use crate::client_key::ClientKey;
use crate::{
    background::BackgroundTasks,
    clock_check::ClockCheck,
    database::{Database, DatabaseError},
    error::Error,
    group_commit::{Attempt, BatchStore, WriteHealth, WriterHandle, WriterMetrics},
};

/// Builds the routes and adds the background work of the aggregate. `key_retention` is how long an idempotency key is kept.
pub fn build(
    database: &Database,
    key_retention: Duration,
    clock_check: &ClockCheck,
    metrics: &Metrics,
    health: &WriteHealth,
    tasks: &mut BackgroundTasks,
) -> WalletRoutes {
    let store = WalletStore::new(database);
    let batches = WalletBatchStore { store: store.clone(), clock_check: clock_check.clone() };
    let (writer, writer_task) =
        WriterHandle::new(batches, WriterMetrics::register(metrics, "movement"), health.clone());
    tasks.add_writer(writer_task);
    tasks.add_retention(WalletRetention { store: store.clone(), key_retention }, Clock::System);
    WalletRoutes { service: WalletService { store, clock_check: clock_check.clone() }, writer }
}

pub struct WalletBatchStore {
    pub store: WalletStore,
    pub clock_check: ClockCheck,
}

impl BatchStore for WalletBatchStore {
    type Command = MoveMoneyCommand;
    type Decision = Decision;

    async fn commit_batch(
        &self,
        commands: &mut [MoveMoneyCommand],
        attempt: &mut Attempt,
    ) -> Result<Vec<Decision>, DatabaseError> {
        self.store.commit_batch(&self.clock_check, commands, attempt).await
    }

    async fn run_idle_work(&self) -> Result<(), DatabaseError> {
        Ok(())
    }

    async fn probe_write(&self) -> Result<(), DatabaseError> {
        self.store.probe_write().await
    }
}

/// Creates and reads wallets. Movements of money go through the writer.
#[derive(Clone)]
pub struct WalletService {
    pub store: WalletStore,
    pub clock_check: ClockCheck,
}

impl WalletService {
    /// Creates a wallet. If a wallet was created with the same idempotency key before, returns that wallet as it was
    /// created. Fails with [`Error::WalletKeyReused`] if that wallet has another currency.
    pub async fn create_wallet(&self, command: CreateWalletCommand) -> Result<CreatedWallet, Error> {
        let currency = command.currency;
        let StoredCreation { wallet, replayed } =
            self.store.create_wallet(command, self.clock_check.write_time()?).await?;
        if wallet.currency != currency {
            return Err(Error::WalletKeyReused);
        }
        Ok(CreatedWallet { wallet: wallet.at_creation()?.into(), replayed })
    }

    /// The wallet with this id, if it belongs to the owner.
    pub async fn wallet(&self, id: WalletId, owner: OwnerFilter) -> Result<Wallet, Error> {
        let wallet = self.store.wallets_by_id(&[id]).await?.pop().filter(|wallet| owner.selects(wallet.user_id));
        Ok(wallet.ok_or(Error::WalletNotFound)?.into())
    }

    /// The wallets with these ids, regardless of their owners.
    pub async fn find_wallets(&self, lookup: &WalletLookup) -> Result<FoundWallets, Error> {
        requests::check_lookup_size(lookup.ids.len())?;
        let wallets = self.store.wallets_by_id(&lookup.ids).await?;
        Ok(FoundWallets { wallets: wallets.into_iter().map(Wallet::from).collect() })
    }

    /// A page of the wallets of the owner, newest first. `limit` is reduced to [`MAX_WALLET_PAGE`].
    pub async fn list_wallets(
        &self,
        owner: OwnerFilter,
        cursor: Option<WalletCursor>,
        limit: u32,
    ) -> Result<WalletPage, Error> {
        let before = cursor.map_or(WalletId(Uuid::max()), |WalletCursor(id)| id);
        let limit = limit.min(MAX_WALLET_PAGE);
        // Reads one wallet more than the page has, to find out whether there is a next page.
        let mut wallets = self.store.list_wallets(WalletScan { owner, before, limit: limit + 1 }).await?;
        let has_more = wallets.len() > page_len(limit);
        wallets.truncate(page_len(limit));
        let next_cursor = wallets.last().filter(|_| has_more).map(|last| WalletCursor(last.id));
        Ok(WalletPage { data: wallets.into_iter().map(Wallet::from).collect(), next_cursor })
    }

    /// A page of the operations of a wallet, newest first. `limit` is reduced to [`MAX_WALLET_PAGE`].
    pub async fn list_operations(
        &self,
        wallet: WalletId,
        owner: OwnerFilter,
        cursor: Option<OperationCursor>,
        limit: u32,
    ) -> Result<OperationPage, Error> {
        self.wallet(wallet, owner).await?;
        let before = cursor.map_or(i64::MAX, |OperationCursor(number)| number);
        let limit = limit.min(MAX_WALLET_PAGE);
        let rows = self.store.list_operations(OperationScan { wallet, before, limit }).await?;
        // Operations are numbered without a gap from 1.
        let next = rows.last().map(|row| row.number).filter(|number| rows.len() == page_len(limit) && *number > 1);
        let data = rows.into_iter().map(|row| row.operation).collect();
        Ok(OperationPage { data, next_cursor: next.map(OperationCursor) })
    }
}

fn page_len(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

//! Kills the services, nginx, PostgreSQL and Redis at random, or sets the clocks of the services. During these faults,
//! clients place orders and move money between wallets. Afterwards, new clients fill the limit, and every invariant is
//! checked against the history of the clients.

mod clients;
mod progress;
mod reads;
mod targets;
mod wallet_clients;

use std::{sync::Arc, time::Duration};

use common::{api::keys::Scope, money::Sats};
use fastrand::Rng;
use tokio::task::JoinSet;

use self::targets::Targets;
pub(crate) use self::{
    clients::{Client, Connection, Identity, dollar_order},
    progress::Progress,
    targets::put_changed_prices,
    wallet_clients::{WalletClient, WalletConnection, connect_wallets, verify_journal},
};
use crate::{
    Platform, Stack,
    history::{History, StoredState, Violation, check_history},
    servers::{Database, PrivateServer},
    wait_until,
    wallet_history::{EntryTimes, Orders, StoredJournal, WalletHistory, WalletViolation, check_wallets},
};

pub(crate) const CLIENTS: u64 = 64;
/// The number of clients that move money between wallets.
const WALLET_CLIENTS: u64 = 16;
/// The number of identities that the clients share: one without an API key, and users.
const IDENTITIES: usize = 4;
/// The limit over all orders of a run, in satoshi.
const LIMIT: i64 = 1_000_000;
/// How long quotes are valid, in seconds. Short, so that many expire and release their reservations.
const QUOTE_HOLD_SECS: &str = "1";
/// How long clients may take to finish, and quotes to expire, after the last kill.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);

/// The faults of the processes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    /// Processes are killed at random.
    Kills,
    /// The clock of one process after another is set an hour or a day ahead or back.
    ClockJumps,
}

/// One run of the test.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub stack: Stack,
    pub faults: Faults,
    /// The number of kills, or the number of times that a clock is set wrong and then corrected.
    pub kills: usize,
    /// The seed of the random requests of the clients. The times of the kills are not reproducible.
    pub seed: u64,
}

/// The result of a run.
pub struct Report {
    pub faults: Faults,
    pub kills: usize,
    pub acknowledged: usize,
    pub attempts: usize,
    /// Attempts without a final outcome.
    pub without_final_outcome: usize,
    pub violations: Vec<Violation>,
    /// Deposits, withdrawals and transfers that were acknowledged.
    pub moved: usize,
    /// Attempts to move money without a final outcome.
    pub movements_without_final_outcome: usize,
    pub wallet_violations: Vec<WalletViolation>,
    history: History,
    wallet_history: WalletHistory,
}

impl Report {
    /// A summary in one line.
    pub fn summary(&self) -> String {
        let faults = match self.faults {
            Faults::Kills => "kills",
            Faults::ClockJumps => "clock jumps",
        };
        let Self { kills, acknowledged, attempts, without_final_outcome, moved, .. } = self;
        format!(
            "{kills} {faults}, {acknowledged} orders acknowledged, {moved} movements of money, {} violations ({attempts} requests \
             for orders, {without_final_outcome} without a final outcome; {} requests to move money, {} without a final outcome)",
            self.violation_count(),
            self.wallet_history.attempts.len(),
            self.movements_without_final_outcome
        )
    }

    pub fn violation_count(&self) -> usize {
        self.violations.len() + self.wallet_violations.len()
    }

    /// Every violation, followed by the attempts with the idempotency key that it names.
    pub fn violation_details(&self) -> String {
        let of_orders = self.violations.iter().map(|violation| self.history.describe(violation));
        let of_wallets = self.wallet_violations.iter().map(|violation| self.wallet_history.describe(violation));
        of_orders.chain(of_wallets).collect()
    }
}

/// The servers that a run kills besides the services.
pub struct Servers {
    postgres: PrivateServer,
    redis: PrivateServer,
}

/// Starts the servers of a stack. The embedded stack has none.
pub async fn start_servers(stack: Stack) -> Option<Servers> {
    match stack {
        Stack::Embedded => None,
        Stack::Servers => {
            Some(Servers { postgres: PrivateServer::postgres().await, redis: PrivateServer::redis().await })
        }
    }
}

/// A new database on this server. Without a server, a new SQLite file.
pub(crate) async fn create_database(postgres: Option<&PrivateServer>) -> Database {
    match postgres {
        None => Database::sqlite(),
        Some(postgres) => Database::postgres_on(&postgres.url()).await,
    }
}

/// Runs the plan on a new database.
pub async fn run(plan: Plan, servers: Option<&mut Servers>) -> Report {
    let Plan { stack, faults, kills, seed } = plan;
    let database = create_database(servers.as_deref().map(|servers| &servers.postgres)).await;
    let url = database.url();
    let limit = Sats::new(LIMIT).unwrap();
    let mut platform = Platform::builder(stack).database(&url);
    if let Some(servers) = &servers {
        platform = platform.set("REDIS_URL", servers.redis.url());
    }
    let platform = match faults {
        Faults::Kills => platform.in_processes(),
        Faults::ClockJumps => platform.in_processes_with_own_clocks(),
    };
    let platform = platform.set("BTC_LIMIT", limit.to_string()).set("QUOTE_HOLD_SECS", QUOTE_HOLD_SECS).start().await;
    let mut targets = Targets::start(&platform, stack, servers, seed).await;

    let progress = Arc::new(Progress::new(kills, LIMIT));
    let identities = create_identities(&platform).await;
    let wallet_connections = connect_wallets(&platform, targets.wallets_urls(), &identities).await;
    for wallet in &wallet_connections[0].wallets.all {
        progress.wallets.record_wallet(wallet.clone());
    }
    let create_order_urls = targets.create_order_urls();
    let read_urls: Vec<_> = create_order_urls.iter().cloned().chain([platform.fetch_orders.url("")]).collect();
    let connection = |identity: &Identity| Connection {
        http: platform.client.clone(),
        create_order_urls: create_order_urls.clone(),
        read_urls: read_urls.clone(),
        identity: identity.clone(),
        wallets: wallet_connections[0].wallets.paying_orders(identity.user),
    };
    // Clients of different identities use the same idempotency keys.
    let client = |number: u64| {
        let rng = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let (name, identity) = (number / IDENTITIES as u64, number % IDENTITIES as u64);
        let connection = connection(&identities[usize::try_from(identity).unwrap()]);
        Client::new(connection, format!("client-{name}"), rng, progress.clone())
    };
    let wallet_client = |number: u64| {
        let rng = Rng::with_seed(!seed.wrapping_mul(1_000_003).wrapping_add(number));
        let (name, identity) = (number / IDENTITIES as u64, usize::try_from(number).unwrap() % IDENTITIES);
        let connection = wallet_connections[identity].clone();
        WalletClient::new(connection, format!("payer-{name}"), rng, progress.clone())
    };
    let mut clients: JoinSet<()> = (0..CLIENTS).map(|number| client(number).place_orders()).collect();
    for number in 0..WALLET_CLIENTS {
        clients.spawn(wallet_client(number).move_money());
    }
    match faults {
        Faults::Kills => targets.kill_until_done(&progress).await,
        Faults::ClockJumps => targets.set_clocks_until_done(&progress).await,
    }
    join_clients(clients).await;

    fill_limit(&url, &progress, client).await;
    for (identity, number) in identities.iter().zip(0..) {
        let rng = Rng::with_seed(number);
        Client::new(connection(identity), "reader".to_owned(), rng, progress.clone()).list_all().await;
    }
    // `wallet_client(number)` acts as the identity with this number.
    for number in 0..IDENTITIES as u64 {
        wallet_client(number).list_all().await;
    }
    progress.wallets.record_verification(verify_journal(&platform).await);
    let (history, stored) = take_history(&url, &progress).await;
    let (wallet_history, journal) = (progress.wallets.take_history(), StoredJournal::read(&url).await.unwrap());
    let movements = &wallet_history.attempts;
    let orders = Orders { attempts: &history.attempts, stored: &stored.orders };
    let times = if faults == Faults::ClockJumps { EntryTimes::Wrong } else { EntryTimes::Comparable };
    Report {
        faults,
        kills,
        acknowledged: progress.acknowledged_orders(),
        attempts: history.attempts.len(),
        without_final_outcome: history.attempts.iter().filter(|attempt| !attempt.outcome.is_final()).count(),
        violations: check_history(&history, &stored, limit),
        moved: movements.iter().filter(|attempt| attempt.outcome.is_new_movement()).count(),
        movements_without_final_outcome: movements.iter().filter(|attempt| !attempt.outcome.is_final()).count(),
        wallet_violations: check_wallets(&wallet_history, &journal, orders, times),
        history,
        wallet_history,
    }
}

pub(crate) async fn join_clients(clients: JoinSet<()>) {
    tokio::time::timeout(RECOVERY_LIMIT, clients.join_all()).await.expect("every client finishes within the limit");
}

/// Creates users with one API key each. Returns an identity without a key, followed by the identities of the users.
pub(crate) async fn create_identities(platform: &Platform) -> Vec<Identity> {
    let mut identities = vec![Identity::default()];
    for number in 1..IDENTITIES {
        let user = platform.create_user(&format!("user-{number}@example.org")).await;
        let key = platform.issue_key(user.id, &[Scope::Orders, Scope::Wallets, Scope::Read]).await;
        identities.push(Identity { user: Some(user.id), api_key: Some(key.key) });
    }
    identities
}

/// Fills the limit with new clients after the last fault.
pub(crate) async fn fill_limit(url: &str, progress: &Progress, client: impl Fn(u64) -> Client) {
    wait_for_release(url).await;
    progress.history.record_fill_start();
    join_clients((0..CLIENTS).map(|number| client(CLIENTS + number).fill_limit()).collect()).await;
}

/// The history of the run, and the stored state.
pub(crate) async fn take_history(url: &str, progress: &Progress) -> (History, StoredState) {
    let stored =
        wait_until("the database can be read", RECOVERY_LIMIT, async || StoredState::read(url).await.ok()).await;
    (progress.history.take_history(), stored)
}

/// Waits until no bitcoin is reserved. If a reservation is not released within [`RECOVERY_LIMIT`], the check of the run
/// reports it.
pub(crate) async fn wait_for_release(url: &str) {
    let release = wait_until("no bitcoin is reserved", Duration::MAX, async || {
        StoredState::read_reserved(url).await.ok().filter(|reserved| *reserved == 0)
    });
    let _ = tokio::time::timeout(RECOVERY_LIMIT, release).await;
}

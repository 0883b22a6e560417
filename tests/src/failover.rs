//! Makes clusters of PostgreSQL and Redis fail over repeatedly. During the failovers, clients place orders, pay orders
//! from wallets and move money, and readers read orders. Afterwards, every invariant is checked against the history of
//! the clients.

mod patroni;
mod readers;
mod sentinel;

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::SeqCst},
    time::{Duration, Instant},
};

use common::money::Sats;
use fastrand::Rng;
use tokio::{task::JoinSet, time::sleep};

pub use self::patroni::Fault;
use self::{
    patroni::PatroniCluster,
    readers::{Observations, Reader},
    sentinel::SentinelCluster,
};
use crate::{
    Platform, Stack,
    history::{Outcome, check_history},
    platform::Instance,
    process_kills::{
        CLIENTS, Client, Connection, Identity, Progress, WalletClient, connect_wallets, dollar_order, fill_limit,
        join_clients, put_changed_prices, take_history, verify_journal,
    },
    wallet_history::{EntryTimes, Orders, StoredJournal, check_wallets},
};

const READERS: u64 = 4;
/// The number of clients that move money between wallets.
const WALLET_CLIENTS: u64 = 8;
/// The limit over all orders of a run, in satoshi.
const LIMIT: i64 = 100_000_000;
/// Maximum time after a promotion until writes must succeed again.
const WRITES_BACK_LIMIT: Duration = Duration::from_secs(15);
const RECOVERY_LIMIT: Duration = Duration::from_secs(90);
/// Maximum of the random number of final outcomes to wait for before each failover.
const MAX_OUTCOMES_BETWEEN_FAILOVERS: usize = 200;
/// Maximum of the random time between the first successful writes after a promotion and the end of the fault.
const MAX_FAULT_END_DELAY_MILLIS: u64 = 2_000;
/// The number of failovers of PostgreSQL for each failover of Redis.
const REDIS_RATIO: usize = 4;
const PRICE_INTERVAL: Duration = Duration::from_secs(1);

/// One run of the test.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The faults of the PostgreSQL primary, in sequence.
    pub faults: Vec<Fault>,
    /// The seed of the random requests of the clients. The times of failovers are not reproducible.
    pub seed: u64,
}

/// The result of a run.
pub struct Report {
    pub failovers: usize,
    pub redis_failovers: usize,
    pub acknowledged: usize,
    /// Deposits, withdrawals and transfers that were acknowledged.
    pub moved: usize,
    /// Requests for orders.
    pub attempts: usize,
    /// Requests for orders without a final outcome.
    pub not_final: usize,
    pub reads: usize,
    /// The longest time from a promotion until writes succeeded again.
    pub slowest: Duration,
    pub violations: Vec<String>,
}

impl Report {
    /// A summary in one line.
    pub fn summary(&self) -> String {
        let Self { failovers, redis_failovers, acknowledged, moved, attempts, not_final, reads, slowest, violations } =
            self;
        format!(
            "{failovers} failovers of PostgreSQL and {redis_failovers} of Redis, {acknowledged} orders acknowledged, {moved} \
             movements of money, {} violations ({attempts} requests for orders, {not_final} without a final outcome, {reads} reads; writes succeeded again within {:.1} s of \
             a promotion)",
            violations.len(),
            slowest.as_secs_f32()
        )
    }
}

/// The services of a run. Two db-proxies use the same cluster: one through `HAProxy`, one with the addresses of all
/// machines.
struct Services {
    platform: Platform,
    _second_db_proxy: Instance,
    second_create_order: Instance,
    second_fetch_orders: Instance,
    second_wallets: Instance,
}

impl Services {
    async fn start(postgres: &PatroniCluster, redis: &SentinelCluster) -> Self {
        let builder = Platform::builder(Stack::Servers).in_processes().database(postgres.haproxy_url());
        let builder = builder.set("REDIS_URL", redis.url()).set("DURABILITY", "remote");
        let limit = Sats::new(LIMIT).unwrap();
        let platform = builder.set("BTC_LIMIT", limit.to_string()).set("QUOTE_HOLD_SECS", "1").start().await;
        let second_db_proxy = platform.db_proxy.another(&[("DATABASE_URL", &postgres.hosts_url())]);
        second_db_proxy.start().await;
        second_db_proxy.wait_until_ready().await;
        let second_create_order = platform.start_second_create_order(&second_db_proxy).await;
        let second_fetch_orders = platform.fetch_orders.another(&[("DB_PROXY_URL", &second_db_proxy.url(""))]);
        second_fetch_orders.start().await;
        let second_wallets = platform.wallets.another(&[("DB_PROXY_URL", &second_db_proxy.url(""))]);
        for wallets in [&platform.wallets, &second_wallets] {
            wallets.start().await;
            wallets.wait_until_ready().await;
        }
        Self { platform, _second_db_proxy: second_db_proxy, second_create_order, second_fetch_orders, second_wallets }
    }

    fn create_order_urls(&self) -> [String; 2] {
        [self.platform.create_order.url(""), self.second_create_order.url("")]
    }

    fn wallets_urls(&self) -> Vec<String> {
        vec![self.platform.wallets.url(""), self.second_wallets.url("")]
    }

    fn fetch_orders_urls(&self) -> [String; 2] {
        [self.platform.fetch_orders.url(""), self.second_fetch_orders.url("")]
    }
}

/// Runs the plan on new clusters.
pub async fn run(plan: Plan) -> Report {
    let Plan { faults, seed } = plan;
    let (mut postgres, mut redis) = tokio::join!(PatroniCluster::start(), SentinelCluster::start());
    let services = Services::start(&postgres, &redis).await;
    let platform = &services.platform;

    // The probes place orders after each failover, so the clients must leave a part of the limit. After the last
    // failover, the clients have ordered about half of the limit.
    let progress = Arc::new(Progress::new(2 * faults.len(), LIMIT));
    let urls = services.create_order_urls();
    let wallets = connect_wallets(platform, services.wallets_urls(), &[Identity::default()]).await.remove(0);
    for wallet in &wallets.wallets.all {
        progress.wallets.record_wallet(wallet.clone());
    }
    let client = |number: u64, urls: [String; 2]| {
        let rng = Rng::with_seed(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let connection = Connection {
            http: platform.client.clone(),
            create_order_urls: urls.to_vec(),
            read_urls: services.fetch_orders_urls().to_vec(),
            identity: Identity::default(),
            wallets: wallets.wallets.paying_orders(None),
        };
        Client::new(connection, format!("client-{number}"), rng, progress.clone())
    };
    let mut clients: JoinSet<()> = (0..CLIENTS).map(|number| client(number, urls.clone()).place_orders()).collect();
    let wallet_client = |number: u64| {
        let rng = Rng::with_seed(!seed.wrapping_mul(1_000_003).wrapping_add(number));
        WalletClient::new(wallets.clone(), format!("payer-{number}"), rng, progress.clone())
    };
    for number in 0..WALLET_CLIENTS {
        clients.spawn(wallet_client(number).move_money());
    }
    let observations = Arc::<Observations>::default();
    let reader = |number: u64| Reader {
        http: platform.client.clone(),
        base_url: services.fetch_orders_urls()[usize::try_from(number % 2).unwrap()].clone(),
        progress: progress.clone(),
        observations: observations.clone(),
        rng: Rng::with_seed(seed.wrapping_add(number)),
    };
    let readers: JoinSet<()> = (0..READERS).map(|number| reader(number).read()).collect();

    let mut run = FaultRun {
        probes: [0, 1].map(|path: usize| client(1000 + path as u64, [urls[path].clone(), urls[path].clone()])),
        services: &services,
        progress: &progress,
        rng: Rng::with_seed(!seed),
        redis_failovers: 0,
        slowest: Duration::ZERO,
        violations: Vec::new(),
    };
    run.perform(&mut postgres, &mut redis, &faults).await;
    let FaultRun { redis_failovers, slowest, mut violations, .. } = run;
    progress.finish();
    join_clients(clients).await;
    readers.join_all().await;

    postgres.wait_until_redundant().await;
    let url = postgres.haproxy_url();
    fill_limit(&url, &progress, |number| client(number, urls.clone())).await;
    wallet_client(0).list_all().await;
    progress.wallets.record_verification(verify_journal(platform).await);
    let (history, stored) = take_history(&url, &progress).await;
    let found = check_history(&history, &stored, Sats::new(LIMIT).unwrap());
    violations.extend(found.iter().map(|violation| history.describe(violation)));
    let (wallet_history, journal) = (progress.wallets.take_history(), StoredJournal::read(&url).await.unwrap());
    let orders = Orders { attempts: &history.attempts, stored: &stored.orders };
    let found = check_wallets(&wallet_history, &journal, orders, EntryTimes::Comparable);
    violations.extend(found.iter().map(|violation| wallet_history.describe(violation)));
    violations.extend(std::mem::take(&mut *observations.violations.lock().unwrap_or_else(PoisonError::into_inner)));
    Report {
        failovers: faults.len(),
        redis_failovers,
        acknowledged: progress.acknowledged_orders(),
        moved: wallet_history.attempts.iter().filter(|attempt| attempt.outcome.is_new_movement()).count(),
        attempts: history.attempts.len(),
        not_final: history.attempts.iter().filter(|attempt| !attempt.outcome.is_final()).count(),
        reads: observations.reads.load(SeqCst),
        slowest,
        violations,
    }
}

/// The failovers of a run and their results.
struct FaultRun<'a> {
    services: &'a Services,
    progress: &'a Progress,
    /// Two clients, one for the create-order of each db-proxy.
    probes: [Client; 2],
    rng: Rng,
    redis_failovers: usize,
    slowest: Duration,
    violations: Vec<String>,
}

impl FaultRun<'_> {
    async fn perform(&mut self, postgres: &mut PatroniCluster, redis: &mut SentinelCluster, faults: &[Fault]) {
        let services = self.services;
        let prices = keep_prices_current(&services.platform);
        let failovers = async {
            for (number, fault) in faults.iter().copied().enumerate() {
                self.fail_over_postgres(postgres, fault).await;
                if number % REDIS_RATIO == 0 {
                    self.fail_over_redis(redis, faults[number / REDIS_RATIO % faults.len()]).await;
                }
                self.progress.record_kill();
            }
        };
        tokio::select! { () = failovers => {}, () = prices => {} }
    }

    async fn fail_over_postgres(&mut self, postgres: &mut PatroniCluster, fault: Fault) {
        let primary = postgres.wait_until_redundant().await;
        self.progress.wait_for_final_outcomes(self.rng.usize(1..=MAX_OUTCOMES_BETWEEN_FAILOVERS), RECOVERY_LIMIT).await;
        postgres.inject(primary, fault).await;
        postgres.wait_for_promotion(primary).await;
        let promoted_at = Instant::now();
        let [first, second] = &mut self.probes;
        let (first, second) = tokio::join!(place_until_acknowledged(first), place_until_acknowledged(second));
        for (path, placed) in [("through HAProxy", first), ("with several hosts", second)] {
            match placed {
                Some(placed_at) => self.record_recovery(&format!("after {fault:?}, {path}"), placed_at - promoted_at),
                None => self.violations.push(format!("after {fault:?}, no order is placed {path}")),
            }
        }
        sleep(Duration::from_millis(self.rng.u64(0..MAX_FAULT_END_DELAY_MILLIS))).await;
        postgres.end_fault(primary, fault);
    }

    async fn fail_over_redis(&mut self, redis: &mut SentinelCluster, fault: Fault) {
        let master = redis.wait_until_redundant().await;
        redis.inject(master, fault).await;
        redis.wait_for_promotion(master).await;
        let promoted_at = Instant::now();
        put_changed_prices(&self.services.platform, &mut self.rng).await;
        self.record_recovery(&format!("after {fault:?} of Redis"), promoted_at.elapsed());
        redis.end_fault(master, fault);
        self.redis_failovers += 1;
    }

    fn record_recovery(&mut self, what: &str, duration: Duration) {
        eprintln!("{what}: writes succeed again after {:.1} s", duration.as_secs_f32());
        self.slowest = self.slowest.max(duration);
        if duration > WRITES_BACK_LIMIT {
            self.violations.push(format!("{what}, writes succeeded again only after {duration:?}"));
        }
    }
}

/// Places an order of one satoshi. Returns the time of the acknowledgement, or `None` if the order was not placed.
async fn place_until_acknowledged(client: &mut Client) -> Option<Instant> {
    let key = client.new_key();
    match client.retry_until_final(&key, dollar_order(1)).await {
        Outcome::Placed { body, .. } => {
            client.record_acknowledged(&body);
            Some(Instant::now())
        }
        _ => None,
    }
}

/// Writes a price record every second, in place of price-updater. Orders use the cached record while Redis fails over.
async fn keep_prices_current(platform: &Platform) {
    let mut rng = Rng::new();
    loop {
        put_changed_prices(platform, &mut rng).await;
        sleep(PRICE_INTERVAL).await;
    }
}

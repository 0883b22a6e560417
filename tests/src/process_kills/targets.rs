//! The processes that are killed: every service that an order or a movement passes through, nginx in front of them,
//! PostgreSQL and Redis.

use std::time::Duration;

use fastrand::Rng;

use super::{Servers, progress::Progress};
use crate::{
    Platform, Stack,
    nginx::Nginx,
    platform::{Instance, Validity},
    servers::PrivateServer,
    wait_until,
};

/// Maximum time to wait for outcomes of requests, and for the price cache to accept prices.
const RECOVERY_LIMIT: Duration = Duration::from_secs(30);
/// Maximum number of final outcomes that a task waits for before a kill.
const MAX_OUTCOMES_BETWEEN_KILLS: usize = 400;
/// Maximum random delay of a kill, so that kills happen at different steps of an order.
const MAX_DELAY_MICROS: u64 = 8_000;
/// On average, one in this many kills by [`kill_db_proxy_and_postgres`] is a kill of PostgreSQL, if there is a
/// PostgreSQL server. All other kills are kills of db-proxy.
const POSTGRES_KILL_RATIO: u32 = 5;
/// On average, one in this many outages of PostgreSQL is long: PostgreSQL starts again only when a request has been
/// answered with `database_unavailable`, or after [`LONG_OUTAGE_LIMIT`].
const LONG_OUTAGE_RATIO: u32 = 4;
/// Maximum time that a long outage waits for a response with `database_unavailable`. A commit with an unknown outcome
/// may block for longer, so that no such response arrives in time.
const LONG_OUTAGE_LIMIT: Duration = Duration::from_secs(3);

/// How far clocks are set ahead or back, in seconds: an hour and a day.
const CLOCK_OFFSETS: [i64; 4] = [3_600, -3_600, 86_400, -86_400];
/// The number of outcomes to wait for while a clock is wrong.
const OUTCOMES_WITH_WRONG_CLOCK: usize = 200;

/// The processes of a run.
pub struct Targets<'a> {
    platform: &'a Platform,
    /// A second db-proxy. Only on PostgreSQL, because one process owns the SQLite file.
    second_db_proxy: Option<Instance>,
    second_create_order: Instance,
    second_wallets: Instance,
    /// Forwards requests to both instances of create-order and of the service `wallets`, and to fetch-orders.
    nginx: Nginx,
    servers: Option<&'a mut Servers>,
    seed: u64,
}

impl<'a> Targets<'a> {
    pub async fn start(
        platform: &'a Platform,
        stack: Stack,
        servers: Option<&'a mut Servers>,
        seed: u64,
    ) -> Targets<'a> {
        platform.wallets.start().await;
        platform.wallets.wait_until_ready().await;
        let (second_db_proxy, second_create_order) = match stack {
            Stack::Embedded => (None, platform.start_second_create_order(&platform.db_proxy).await),
            Stack::Servers => {
                let db_proxy = platform.start_second_db_proxy().await;
                let create_order = platform.start_second_create_order(&db_proxy).await;
                (Some(db_proxy), create_order)
            }
        };
        let db_proxy = second_db_proxy.as_ref().unwrap_or(&platform.db_proxy);
        let second_wallets = platform.wallets.another(&[("DB_PROXY_URL", &db_proxy.url(""))]);
        second_wallets.start().await;
        second_wallets.wait_until_ready().await;
        let nginx = Nginx::builder()
            .service([&platform.create_order, &second_create_order])
            .service([&platform.wallets, &second_wallets])
            .service([&platform.fetch_orders])
            .start()
            .await;
        Targets { platform, second_db_proxy, second_create_order, second_wallets, nginx, servers, seed }
    }

    /// The base URLs for orders: the URLs of both create-orders and of nginx.
    pub fn create_order_urls(&self) -> Vec<String> {
        vec![self.platform.create_order.url(""), self.second_create_order.url(""), self.nginx.url("")]
    }

    /// The base URLs for movements: the URLs of both instances of the service `wallets` and of nginx.
    pub fn wallets_urls(&self) -> Vec<String> {
        vec![self.platform.wallets.url(""), self.second_wallets.url(""), self.nginx.url("")]
    }

    /// Kills and restarts processes until the planned number of kills is reached. One task kills create-order, wallets,
    /// nginx, the price cache and its Redis while another kills db-proxy and PostgreSQL. Returns when everything is
    /// running again.
    pub async fn kill_until_done(&mut self, progress: &Progress) {
        let Self { platform, second_db_proxy, second_create_order, second_wallets, nginx, servers, seed } = self;
        let (postgres, redis) = match servers {
            None => (None, None),
            Some(servers) => (Some(&mut servers.postgres), Some(&mut servers.redis)),
        };
        let services =
            [&platform.create_order, second_create_order, &platform.wallets, second_wallets, &platform.price_cache];
        let targets = OtherTargets { services, nginx, redis };
        let db_proxies: Vec<_> = std::iter::once(&platform.db_proxy).chain(&*second_db_proxy).collect();
        tokio::join!(
            kill_other_targets(targets, platform, progress, Rng::with_seed(*seed)),
            kill_db_proxy_and_postgres(&db_proxies, postgres, progress, Rng::with_seed(!*seed)),
        );
        progress.finish();
    }
}

impl Targets<'_> {
    /// Sets the clock of one service after another wrong by one of [`CLOCK_OFFSETS`], and corrects the clock again.
    /// Stops at the planned number of jumps. The first round of each offset sets the clocks of running services. The
    /// second round of each offset kills a service before each change of its clock, and starts it afterwards. Returns
    /// when every clock is correct again.
    pub async fn set_clocks_until_done(&mut self, progress: &Progress) {
        let Self { platform, second_db_proxy, second_create_order, second_wallets, seed, .. } = self;
        let mut services = vec![
            &platform.db_proxy,
            &platform.create_order,
            second_create_order,
            &platform.wallets,
            second_wallets,
            &platform.price_cache,
        ];
        services.extend(second_db_proxy.as_ref());
        let mut rng = Rng::with_seed(*seed);
        for jump in 0.. {
            if !progress.claim_kill() {
                break;
            }
            let (service, round) = (services[jump % services.len()], jump / services.len());
            let offset = CLOCK_OFFSETS[round % CLOCK_OFFSETS.len()];
            let restarts = round / CLOCK_OFFSETS.len() % 2 == 1;
            wait_for_random_moment(progress, &mut rng).await;
            for seconds in [offset, 0] {
                if restarts {
                    service.kill().await;
                }
                service.set_clock_offset(seconds);
                if restarts {
                    service.start().await;
                }
                if seconds == offset {
                    progress.wait_for_outcomes(OUTCOMES_WITH_WRONG_CLOCK, RECOVERY_LIMIT).await;
                }
            }
            if restarts && service.name == platform.price_cache.name {
                put_changed_prices(platform, &mut rng).await;
            }
            progress.record_kill();
        }
        progress.finish();
    }
}

/// The processes that are killed besides db-proxy and PostgreSQL.
struct OtherTargets<'a> {
    services: [&'a Instance; 5],
    nginx: &'a mut Nginx,
    redis: Option<&'a mut PrivateServer>,
}

async fn kill_other_targets(targets: OtherTargets<'_>, platform: &Platform, progress: &Progress, mut rng: Rng) {
    let OtherTargets { services, nginx, mut redis } = targets;
    while progress.claim_kill() {
        wait_for_random_moment(progress, &mut rng).await;
        let loses_prices = match (rng.usize(0..services.len() + 2), &mut redis) {
            (0, _) => {
                nginx.kill_and_start().await;
                false
            }
            (1, Some(redis)) => {
                redis.stop().await;
                redis.start().await;
                true
            }
            (_, _) => {
                let target = rng.choice(services).unwrap();
                target.kill().await;
                target.start().await;
                target.name == platform.price_cache.name
            }
        };
        if loses_prices {
            put_changed_prices(platform, &mut rng).await;
        }
        progress.record_kill();
    }
}

async fn kill_db_proxy_and_postgres(
    db_proxies: &[&Instance],
    mut postgres: Option<&mut PrivateServer>,
    progress: &Progress,
    mut rng: Rng,
) {
    while progress.claim_kill() {
        wait_for_random_moment(progress, &mut rng).await;
        if let Some(postgres) = postgres.as_deref_mut().filter(|_| rng.u32(0..POSTGRES_KILL_RATIO) == 0) {
            postgres.stop().await;
            if rng.u32(0..LONG_OUTAGE_RATIO) == 0 {
                let answer = progress.wait_for_database_unavailable(RECOVERY_LIMIT);
                let _ = tokio::time::timeout(LONG_OUTAGE_LIMIT, answer).await;
            }
            postgres.start().await;
        } else {
            let target = rng.choice(db_proxies.iter().copied()).unwrap();
            target.kill().await;
            target.start().await;
        }
        progress.record_kill();
    }
}

/// Waits for a random number of final outcomes, and then for a random delay.
async fn wait_for_random_moment(progress: &Progress, rng: &mut Rng) {
    progress.wait_for_final_outcomes(rng.usize(1..=MAX_OUTCOMES_BETWEEN_KILLS), RECOVERY_LIMIT).await;
    tokio::time::sleep(Duration::from_micros(rng.u64(0..MAX_DELAY_MICROS))).await;
}

/// Puts prices into the cache, which may have lost its prices. The dollar price stays the same, because the clients
/// compute bitcoin amounts from it. The other prices change, so that a replay that is computed again differs from the
/// first response.
pub async fn put_changed_prices(platform: &Platform, rng: &mut Rng) {
    let (eur, gbp) = (format!("84000.{:02}", rng.u32(0..100)), format!("72345.{:08}", rng.u32(0..100_000_000)));
    let prices = [("EUR", eur.as_str()), ("GBP", gbp.as_str()), ("USD", "100000000")];
    wait_until("the cache accepts prices", RECOVERY_LIMIT, async || {
        platform.try_put_prices(&prices, Validity::default()).await.ok()
    })
    .await;
}

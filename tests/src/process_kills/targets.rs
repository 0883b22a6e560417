//! The processes that are killed: every service that an order passes through, and PostgreSQL.

use std::time::Duration;

use fastrand::Rng;

use super::progress::Progress;
use crate::{
    Platform, Stack,
    platform::{Instance, Validity},
    servers::PrivateServer,
    wait_until,
};

/// How long it may take until requests have final outcomes again after a process was started.
const RECOVERY_LIMIT: Duration = Duration::from_secs(30);
/// The largest number of final outcomes between two kills.
const MAX_OUTCOMES_BETWEEN_KILLS: usize = 400;
/// Maximum random delay of a kill. The delay makes kills happen at every step of an order.
const MAX_DELAY_MICROS: u64 = 8_000;
/// One in this many kills by [`kill_db_proxy_and_postgres`] is a kill of PostgreSQL, if there is a PostgreSQL server. All
/// other kills are kills of db-proxy.
const POSTGRES_KILL_RATIO: u32 = 5;
/// One in this many outages of PostgreSQL is long: PostgreSQL starts again only when a request has been answered with
/// `database_unavailable`, or after [`LONG_OUTAGE_LIMIT`].
const LONG_OUTAGE_RATIO: u32 = 4;
/// The longest outage of PostgreSQL. A commit with an unknown outcome may block for longer than this, and then no request
/// is answered in time.
const LONG_OUTAGE_LIMIT: Duration = Duration::from_secs(3);

/// How far clocks are set ahead or back, in seconds: an hour and a day.
const CLOCK_OFFSETS: [i64; 4] = [3_600, -3_600, 86_400, -86_400];
/// How many requests are answered while a clock is wrong.
const OUTCOMES_WITH_WRONG_CLOCK: usize = 200;

/// The processes of a run.
pub struct Targets<'a> {
    platform: &'a Platform,
    /// A second db-proxy. Only on PostgreSQL, because one process owns the SQLite file.
    second_db_proxy: Option<Instance>,
    second_create_order: Instance,
    second_wallets: Instance,
    postgres: Option<&'a mut PrivateServer>,
    seed: u64,
}

impl<'a> Targets<'a> {
    pub async fn start(
        platform: &'a Platform,
        stack: Stack,
        postgres: Option<&'a mut PrivateServer>,
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
        Targets { platform, second_db_proxy, second_create_order, second_wallets, postgres, seed }
    }

    /// The base URLs of both create-orders.
    pub fn create_order_urls(&self) -> [String; 2] {
        [self.platform.create_order.url(""), self.second_create_order.url("")]
    }

    /// The base URLs of both wallets.
    pub fn wallets_urls(&self) -> Vec<String> {
        vec![self.platform.wallets.url(""), self.second_wallets.url("")]
    }

    /// Kills and restarts processes until the planned number of kills is reached. One task kills create-order, wallets and the price
    /// cache while another kills db-proxy and PostgreSQL. Returns when everything is running again.
    pub async fn kill_until_done(&mut self, progress: &Progress) {
        let Self { platform, second_db_proxy, second_create_order, second_wallets, postgres, seed } = self;
        let public = [&platform.create_order, second_create_order, &platform.wallets, second_wallets];
        let db_proxies: Vec<_> = std::iter::once(&platform.db_proxy).chain(&*second_db_proxy).collect();
        tokio::join!(
            kill_public_services_and_cache(platform, public, progress, Rng::with_seed(*seed)),
            kill_db_proxy_and_postgres(&db_proxies, postgres.as_deref_mut(), progress, Rng::with_seed(!*seed)),
        );
        progress.finish();
    }
}

impl Targets<'_> {
    /// Sets the clock of one service after another to each of [`CLOCK_OFFSETS`] and back, first while the service runs and then
    /// while it restarts. Returns when every clock is correct again.
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

async fn kill_public_services_and_cache(
    platform: &Platform,
    [first, second, first_wallets, second_wallets]: [&Instance; 4],
    progress: &Progress,
    mut rng: Rng,
) {
    while progress.claim_kill() {
        wait_for_random_moment(progress, &mut rng).await;
        let target = rng.choice([first, second, first_wallets, second_wallets, &platform.price_cache]).unwrap();
        target.kill().await;
        target.start().await;
        if target.name == platform.price_cache.name {
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

/// Waits until requests have final outcomes again, and then for a random delay.
async fn wait_for_random_moment(progress: &Progress, rng: &mut Rng) {
    progress.wait_for_final_outcomes(rng.usize(1..=MAX_OUTCOMES_BETWEEN_KILLS), RECOVERY_LIMIT).await;
    tokio::time::sleep(Duration::from_micros(rng.u64(0..MAX_DELAY_MICROS))).await;
}

/// Puts prices into the cache, which may have lost its prices. The dollar price stays the same, because the clients compute bitcoin
/// amounts from it. The other prices change, so that a replay that is computed again differs from the first response.
pub async fn put_changed_prices(platform: &Platform, rng: &mut Rng) {
    let (eur, gbp) = (format!("84000.{:02}", rng.u32(0..100)), format!("72345.{:08}", rng.u32(0..100_000_000)));
    let prices = [("EUR", eur.as_str()), ("GBP", gbp.as_str()), ("USD", "100000000")];
    wait_until("the cache accepts prices", RECOVERY_LIMIT, async || {
        platform.try_put_prices(&prices, Validity::default()).await.ok()
    })
    .await;
}

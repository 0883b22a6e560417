//! What is killed: every process on the way of an order, and PostgreSQL.

use std::time::Duration;

use fastrand::Rng;

use super::Shared;
use crate::{
    Platform, Stack,
    platform::{Instance, TTL},
    servers::PrivateServer,
    wait_until,
};

/// How long orders may take to come again after a process was started.
const RECOVERY: Duration = Duration::from_secs(30);
/// At most so many orders are decided between two kills.
const BETWEEN: usize = 400;
/// At most so long after the last of them the next kill comes, so that it hits any moment of an order.
const MOMENT_MICROS: u64 = 8_000;
/// One of so many kills at the back is one of PostgreSQL, and one of so many of those lasts until somebody is refused.
const POSTGRES: u32 = 5;
const LONG: u32 = 4;
/// A commit in doubt is waited for longer than this; then nobody is refused, and PostgreSQL comes all the same.
const LONG_LIMIT: Duration = Duration::from_secs(3);

/// Processes that come and go.
pub struct Victims<'a> {
    platform: &'a Platform,
    /// A second one of each; of db-proxy only on PostgreSQL, for a file has one owner.
    db_proxy: Option<Instance>,
    create_order: Instance,
    postgres: Option<&'a mut PrivateServer>,
    seed: u64,
}

impl<'a> Victims<'a> {
    pub async fn start(
        platform: &'a Platform,
        stack: Stack,
        postgres: Option<&'a mut PrivateServer>,
        seed: u64,
    ) -> Victims<'a> {
        let db_proxy = (stack == Stack::Servers).then(|| platform.db_proxy.another(&[]));
        let create_order = match &db_proxy {
            Some(db_proxy) => {
                db_proxy.start().await;
                db_proxy.wait_until_ready().await;
                platform.create_order.another(&[("DB_PROXY_URL", &db_proxy.url(""))])
            }
            None => platform.create_order.another(&[]),
        };
        create_order.start().await;
        Victims { platform, db_proxy, create_order, postgres, seed }
    }

    /// Where orders can be placed.
    pub fn doors(&self) -> [String; 2] {
        [self.platform.create_order.url(""), self.create_order.url("")]
    }

    /// Kills, at the front and at the back at once, until all kills are done and everything runs again.
    pub async fn kill_until_done(&mut self, shared: &Shared) {
        let Self { platform, db_proxy, create_order, postgres, seed } = self;
        let doors = [&platform.create_order, create_order];
        let stores: Vec<_> = std::iter::once(&platform.db_proxy).chain(&*db_proxy).collect();
        tokio::join!(
            kill_doors(platform, &doors, shared, Rng::with_seed(*seed)),
            kill_stores(&stores, postgres.as_deref_mut(), shared, Rng::with_seed(!*seed)),
        );
        shared.end();
    }
}

async fn kill_doors(platform: &Platform, doors: &[&Instance], shared: &Shared, mut rng: Rng) {
    while shared.take_kill() {
        moment(shared, &mut rng).await;
        let victim = rng.choice([doors[0], doors[1], &platform.price_cache]).unwrap();
        victim.kill().await;
        victim.start().await;
        if victim.name == platform.price_cache.name {
            new_price(platform, &mut rng).await;
        }
        shared.done();
    }
}

async fn kill_stores(stores: &[&Instance], mut postgres: Option<&mut PrivateServer>, shared: &Shared, mut rng: Rng) {
    while shared.take_kill() {
        moment(shared, &mut rng).await;
        if let Some(postgres) = postgres.as_deref_mut().filter(|_| rng.u32(0..POSTGRES) == 0) {
            postgres.stop().await;
            if rng.u32(0..LONG) == 0 {
                let _ = tokio::time::timeout(LONG_LIMIT, shared.refused_for_the_database()).await;
            }
            postgres.start().await;
        } else {
            let victim = rng.choice(stores.iter().copied()).unwrap();
            victim.kill().await;
            victim.start().await;
        }
        shared.done();
    }
}

/// Waits until orders are decided again, and for a moment that is drawn.
async fn moment(shared: &Shared, rng: &mut Rng) {
    shared.more_decided(rng.usize(1..=BETWEEN), RECOVERY).await;
    tokio::time::sleep(Duration::from_micros(rng.u64(0..MOMENT_MICROS))).await;
}

/// The cache that keeps prices in memory lost them. Dollars stay as they are, for limits are counted in them; the others
/// change, so that an answer that is made anew shows.
async fn new_price(platform: &Platform, rng: &mut Rng) {
    let (eur, gbp) = (format!("84000.{:02}", rng.u32(0..100)), format!("72345.{:08}", rng.u32(0..100_000_000)));
    let prices = [("EUR", eur.as_str()), ("GBP", gbp.as_str()), ("USD", "100000000")];
    wait_until("the cache takes a price", RECOVERY, async || {
        platform.try_put_prices(&prices, TTL, Duration::ZERO).await.ok()
    })
    .await;
}

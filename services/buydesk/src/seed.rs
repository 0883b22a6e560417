//! `buydesk seed orders`: fills a database with orders, for trying out and measuring what many orders are like.
//!
//! They are decided and stored as real ones are, in large groups and with keys, and are marked as simulated.

use std::time::Duration;

use anyhow::{Context, bail};
use common::{
    api::{
        orders::{ANONYMOUS, OrderPrice},
        prices::PriceState,
    },
    config::Env,
    ids::IdempotencyKey,
    money::{Currency, FiatAmount, Rate, Sats},
    time::Timestamp,
};
use db_proxy::{
    Config,
    ledger::{ClientKey, Command, Decision, OrderTerms, PlaceCommand},
    store::{Attempt, Store},
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::SeedOrders;

/// Orders in one transaction: enough that the commit costs nothing, few enough that the bar moves.
const GROUP: u64 = 4000;
/// What they are priced at, in hundred-millionths.
const RATES: [(Currency, i64); 3] =
    [(Currency::EUR, 8_400_012_000_000), (Currency::GBP, 7_200_034_000_000), (Currency::USD, 9_100_056_000_000)];
/// Amounts go from 0.01 to this many hundredths and begin again: ten million orders come to some 30 bitcoin.
const AMOUNTS: u64 = 50;

/// Fills the database of `DATABASE_URL`.
pub async fn orders(mut env: Env, options: &SeedOrders) -> anyhow::Result<()> {
    env.set_default("INTERNAL_TOKEN", "not used, for nobody is called");
    let config = Config::read(&mut env);
    env.finish()?;
    let store = Store::open(config.database_url.expose()).await?;
    store.migrate().await.map_err(|error| anyhow::anyhow!(error.chain()))?;

    let bar = ProgressBar::new(options.count);
    bar.set_style(ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} orders, {per_sec}, {eta} left")?);
    let mut made = 0;
    while made < options.count {
        let size = GROUP.min(options.count - made);
        let mut group = (made..made + size).map(order).collect::<anyhow::Result<Vec<_>>>()?;
        let settled = store.commit_batch(&mut group, config.limit, &Timestamp::now, &mut Attempt::default()).await;
        let decisions =
            settled.map_err(|error| anyhow::anyhow!(error.chain())).context("the orders were not stored")?;
        if let Some(refused) = decisions.iter().find(|decision| !matches!(decision, Decision::Placed { .. })) {
            bail!("an order was refused, for BTC_LIMIT={} is reached: {refused:?}", config.limit);
        }
        made += size;
        bar.inc(size);
    }
    bar.finish();
    let totals = store.totals().await.map_err(|error| anyhow::anyhow!(error.chain()))?;
    println!("There are {} orders of {} BTC now.", totals.orders, totals.bitcoin);
    store.close().await;
    Ok(())
}

fn order(number: u64) -> anyhow::Result<Command> {
    let (currency, rate) = RATES[usize::try_from(number % 3)?];
    let amount = FiatAmount::from_ten_thousandths(i64::try_from((number % AMOUNTS + 1) * 100)?)?;
    let exchange_rate = Rate::from_hundred_millionths(rate)?;
    let now = Timestamp::now();
    let price = OrderPrice {
        exchange_rate,
        bitcoin_amount: Sats::bought_rounded_up(amount, exchange_rate)?,
        as_of: now,
        expires_at: now.plus(Duration::from_secs(60)),
        sources: vec!["seed".to_owned()],
        simulated: true,
        price_state: PriceState::Fresh,
    };
    Ok(Command::Place(PlaceCommand {
        key: ClientKey { client: ANONYMOUS.to_owned(), key: IdempotencyKey::generate() },
        ask: OrderTerms::Market { currency, amount, price: Some(price) },
        asked_at: now,
        attempted_ids: Vec::new(),
    }))
}

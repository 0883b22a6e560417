//! `buydesk seed orders`: fills a database with orders, for tests and measurements with a large database.
//!
//! The order store of db-proxy decides and stores the orders, in large batches and with idempotency keys. The orders are
//! marked as simulated, and a database of real orders is refused.

use std::{
    io::{IsTerminal, Write, stdin, stdout},
    time::Duration,
};

use anyhow::{Context, anyhow, bail, ensure};
use common::{
    api::{
        orders::{ANONYMOUS, Annotations, OrderOrigin, OrderPrice, OrderedAmount, PricedOrder, ValidatedOrder},
        prices::PriceState,
    },
    config::{Caller, Env},
    ids::IdempotencyKey,
    money::{Currency, FiatAmount, Rate, Sats},
    time::{Clock, Timestamp},
};
use db_proxy::{
    Config,
    clock_check::{ClockCheck, ClockRules},
    database::{Database, DatabaseError, shown_url},
    group_commit::Attempt,
    orders::{
        ClientKey, Command, Decision, DecisionClock, DecisionContext, MarketTerms, OrderStore, OrderTerms, PlaceCommand,
    },
};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::SeedOrders;

/// Maximum number of orders in one transaction. It is large enough that the commit costs little per order, and small enough
/// that the progress bar moves often.
const MAX_BATCH: u64 = 4000;
/// The exchange rates, in hundred-millionths.
const RATES: [(Currency, i64); 3] =
    [(Currency::EUR, 8_400_012_000_000), (Currency::GBP, 7_200_034_000_000), (Currency::USD, 9_100_056_000_000)];
/// Amounts cycle from 0.01 to this many hundredths. Ten million orders come to about 30 bitcoin.
const MAX_HUNDREDTHS: u64 = 50;

/// Fills the database of `DATABASE_URL`.
pub async fn seed_orders(mut env: Env, options: &SeedOrders) -> anyhow::Result<()> {
    env.set_default("INTERNAL_TOKEN", "required by the settings, but not used here");
    env.set("SIMULATED", "true");
    let config = Config::from_env(&mut env);
    env.finish()?;
    let url = shown_url(config.database_url.expose());
    if !options.yes && !confirm(options.count, &url)? {
        println!("Nothing was added.");
        return Ok(());
    }
    let database = Database::open(config.database_url.expose()).await?;
    database.migrate().await.map_err(|error| anyhow!(error.chain()))?;
    let claimed = database.claim_origin(Some(OrderOrigin::Simulated)).await;
    claimed.map_err(|error| match error {
        DatabaseError::OtherOrigin { .. } => anyhow!(
            "{url} is a database of real orders. Generated orders are simulated, and the two never meet. Nothing was added. Set \
             DATABASE_URL to another database"
        ),
        error => anyhow!(error.chain()),
    })?;
    let store = OrderStore::new(&database);

    let bar = ProgressBar::new(options.count);
    bar.set_style(ProgressStyle::with_template("{wide_bar} {human_pos}/{human_len} orders, {per_sec}, {eta} left")?);
    let limit = config.orders.limit;
    let rules = ClockRules { database_has_clock: database.has_clock(), max_order_ahead: config.max_order_ahead };
    let clock_check = ClockCheck::new(Clock::System, rules);
    let context = DecisionContext { limit, clock: DecisionClock::Checked(&clock_check) };
    let mut placed = 0;
    while placed < options.count {
        let size = MAX_BATCH.min(options.count - placed);
        let mut commands = (placed..placed + size).map(place_command).collect::<anyhow::Result<Vec<_>>>()?;
        let decisions = store.commit_batch(context, &mut commands, &mut Attempt::default()).await;
        let decisions = decisions.map_err(|error| anyhow!(error.chain())).context("the orders were not stored")?;
        if let Some(refused) = decisions.iter().find(|decision| !matches!(decision, Decision::Placed(_))) {
            bail!("an order was refused because BTC_LIMIT={limit} is reached: {refused:?}");
        }
        placed += size;
        bar.inc(size);
    }
    bar.finish();
    let totals = store.totals().await.map_err(|error| anyhow!(error.chain()))?;
    println!("The database now holds {} orders of {} BTC.", totals.orders, totals.bitcoin);
    database.close().await;
    Ok(())
}

/// Asks on the terminal whether to add the orders.
fn confirm(count: u64, database: &str) -> anyhow::Result<bool> {
    ensure!(
        stdin().is_terminal() && stdout().is_terminal(),
        "this adds {count} simulated orders to {database}, and they cannot be removed; repeat the command with --yes to confirm"
    );
    print!("Add {count} simulated orders to {database}? They cannot be removed. [y/N] ");
    stdout().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// The order with this number. Its currency and amount depend only on the number.
fn place_command(number: u64) -> anyhow::Result<Command> {
    let (currency, rate) = RATES[usize::try_from(number % 3)?];
    let amount = FiatAmount::from_ten_thousandths(i64::try_from((number % MAX_HUNDREDTHS + 1) * 100)?)?;
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
    let order = ValidatedOrder { currency, amount: OrderedAmount::Fiat(amount) };
    Ok(Command::Place(PlaceCommand {
        key: ClientKey { client: ANONYMOUS.to_owned(), key: IdempotencyKey::generate() },
        terms: OrderTerms::Market(MarketTerms { order, priced: Some(PricedOrder { amount, price }) }),
        annotations: Annotations::default(),
        requested_at: now,
        written_by: Caller::BUYDESK,
        attempted_ids: Vec::new(),
    }))
}

//! `buydesk seed orders`: fills a database with orders.
//!
//! The orders are placed through the order store of db-proxy, in large batches. Each order has its own idempotency key.

use std::time::Duration;

use anyhow::{Context, anyhow};
use common::{
    api::{
        Code,
        limit::remaining_of_limit,
        orders::{ANONYMOUS, Annotations, OrderPrice, OrderedAmount, PricedOrder, RefusalReason, ValidatedOrder},
        prices::PriceState,
    },
    config::{Caller, Env},
    ids::IdempotencyKey,
    money::{Currency, FiatAmount, Rate, Sats},
    time::{Clock, Timestamp},
};
use db_proxy::{
    clock_check::{ClockCheck, ClockRules},
    group_commit::Attempt,
    orders::{
        ClientKey, Command, Decision, DecisionClock, DecisionContext, MarketTerms, OrderStore, OrderTerms, PlaceCommand,
    },
};
use serde_json::json;

use super::{PreparedDatabase, prepare, progress_bar};
use crate::{
    cli::SeedOptions,
    client::{ClientError, print_line},
};

/// Maximum number of orders in one transaction. Larger transactions need fewer commits. Smaller transactions update the
/// progress bar more often.
const MAX_BATCH: u64 = 4000;
/// The exchange rates of the orders, in hundred-millionths.
const RATES: [(Currency, i64); 3] =
    [(Currency::EUR, 8_400_012_000_000), (Currency::GBP, 7_200_034_000_000), (Currency::USD, 9_100_056_000_000)];
/// The amounts of successive orders rise from 0.01 to this number of hundredths, and then start again at 0.01. Ten
/// million orders are about 30 bitcoin in total.
const MAX_HUNDREDTHS: u64 = 50;

/// Adds simulated orders to the database of `DATABASE_URL`.
pub async fn seed_orders(env: Env, options: &SeedOptions, json: bool) -> anyhow::Result<()> {
    let prepared = prepare(env, options, "simulated orders", json).await?;
    let Some(PreparedDatabase { config, database }) = prepared else { return Ok(()) };
    let store = OrderStore::new(&database);
    let bar = progress_bar(options.count, "orders")?;
    let limit = config.orders.limit;
    let rules = ClockRules { database_has_clock: database.has_clock(), max_order_ahead: config.max_order_ahead };
    let clock_check = ClockCheck::new(Clock::System, rules);
    let context = DecisionContext { limit, clock: DecisionClock::Checked(&clock_check) };
    require_room(&store, limit, options.count).await?;
    let mut placed = 0;
    while placed < options.count {
        let size = MAX_BATCH.min(options.count - placed);
        let mut commands = (placed..placed + size).map(place_command).collect::<anyhow::Result<Vec<_>>>()?;
        let decisions = store.commit_batch(context, &mut commands, &mut Attempt::default()).await;
        let decisions = decisions.map_err(|error| anyhow!(error.chain())).context("the orders were not stored")?;
        let added = decisions.iter().filter(|decision| matches!(decision, Decision::Placed(_))).count();
        placed += u64::try_from(added)?;
        if let Some(refused) = decisions.iter().find(|decision| !matches!(decision, Decision::Placed(_))) {
            return Err(refusal(refused, placed, &store, limit).await);
        }
        bar.inc(size);
    }
    bar.finish();
    let totals = store.totals().await.map_err(|error| anyhow!(error.chain()))?;
    if json {
        let seeded = json!({ "added": placed, "orders": totals.orders, "bitcoin_amount": totals.bitcoin });
        print_line(&seeded.to_string())?;
    } else {
        let text = format!("The database now contains {} orders of {} BTC in total.", totals.orders, totals.bitcoin);
        print_line(&text)?;
    }
    database.close().await;
    Ok(())
}

/// Fails if the remaining part of the limit of all orders is too small for the orders of the command. `setting` is the limit of
/// `BTC_LIMIT`.
async fn require_room(store: &OrderStore, setting: Sats, count: u64) -> anyhow::Result<()> {
    let timed = store.totals_and_limit().await.map_err(|error| anyhow!(error.chain()))?;
    let limit = timed.limit.unwrap_or(setting);
    let remaining = remaining_of_limit(limit, timed.totals.bitcoin, timed.totals.reserved);
    let fitting = fitting_orders(remaining)?;
    if count <= fitting {
        return Ok(());
    }
    let message = format!(
        "Only {fitting} of {count} orders fit under the limit of all orders, which is {limit} BTC: {remaining} BTC remain. \
         Nothing was added."
    );
    let raise = advice_to_raise_limit(timed.limit.is_some());
    let next_step =
        if fitting > 0 { format!("Run this command with --count {fitting}. {raise}") } else { raise.to_owned() };
    Err(ClientError::new(Code::LimitExceeded.as_str(), message, next_step).into())
}

/// How many successive orders, from number 0 on, fit into this amount of bitcoin.
fn fitting_orders(remaining: Sats) -> anyhow::Result<u64> {
    // The orders repeat after each period.
    let period = MAX_HUNDREDTHS * u64::try_from(RATES.len())?;
    let bitcoin = |number| anyhow::Ok(u64::try_from(terms_of(number)?.bitcoin_amount.get())?);
    let amounts = (0..period).map(bitcoin).collect::<anyhow::Result<Vec<_>>>()?;
    let sum: u64 = amounts.iter().sum();
    let remaining = u64::try_from(remaining.get())?;
    let mut left = remaining % sum;
    let last = amounts.iter().take_while(|amount| left.checked_sub(**amount).map(|rest| left = rest).is_some());
    Ok(remaining / sum * period + u64::try_from(last.count())?)
}

/// `has_limit` states whether an operator has set the limit, so that `BTC_LIMIT` does not apply.
fn advice_to_raise_limit(has_limit: bool) -> &'static str {
    if has_limit {
        "To raise the limit, start the services and run `buydesk limit set AMOUNT`."
    } else {
        "To raise the limit, start the services and run `buydesk limit set AMOUNT`, or run this command with a higher BTC_LIMIT."
    }
}

/// The error of a command whose order was refused. The command added `placed` orders before. `setting` is the limit of
/// `BTC_LIMIT`.
async fn refusal(decision: &Decision, placed: u64, store: &OrderStore, setting: Sats) -> anyhow::Error {
    let added = match placed {
        1 => "1 order was added".to_owned(),
        placed => format!("{placed} orders were added"),
    };
    let reason = match decision {
        Decision::Refused(refused) => refused.reason,
        _ => return anyhow!("an order was not placed, although nothing refused it; {added}"),
    };
    if reason != RefusalReason::LimitExceeded {
        let name = serde_json::to_value(reason).unwrap_or_default();
        return anyhow!("an order was refused ({}); {added}", name.as_str().unwrap_or_default());
    }
    let timed = match store.totals_and_limit().await {
        Ok(timed) => timed,
        Err(error) => {
            return anyhow!("the limit of all orders is reached, and cannot be read: {}; {added}", error.chain());
        }
    };
    let limit = timed.limit.unwrap_or(setting);
    let remaining = remaining_of_limit(limit, timed.totals.bitcoin, timed.totals.reserved);
    let message = format!(
        "The limit of all orders ({limit} BTC) is reached: {added}, {remaining} BTC remain, and the next order needs more."
    );
    let next_step = advice_to_raise_limit(timed.limit.is_some());
    ClientError::new(Code::LimitExceeded.as_str(), message, next_step).into()
}

/// What an order buys, and for how much.
struct Terms {
    currency: Currency,
    amount: FiatAmount,
    exchange_rate: Rate,
    bitcoin_amount: Sats,
}

/// The terms of the order with this number. They depend only on the number.
fn terms_of(number: u64) -> anyhow::Result<Terms> {
    let (currency, rate) = RATES[usize::try_from(number % 3)?];
    let amount = FiatAmount::from_ten_thousandths(i64::try_from((number % MAX_HUNDREDTHS + 1) * 100)?)?;
    let exchange_rate = Rate::from_hundred_millionths(rate)?;
    let bitcoin_amount = Sats::bought_rounded_up(amount, exchange_rate)?;
    Ok(Terms { currency, amount, exchange_rate, bitcoin_amount })
}

/// The command that places the order with this number.
fn place_command(number: u64) -> anyhow::Result<Command> {
    let Terms { currency, amount, exchange_rate, bitcoin_amount } = terms_of(number)?;
    let now = Timestamp::now();
    let price = OrderPrice {
        exchange_rate,
        bitcoin_amount,
        as_of: now,
        expires_at: now.plus(Duration::from_secs(60)),
        sources: vec!["seed".to_owned()],
        simulated: true,
        price_state: PriceState::Fresh,
    };
    let order = ValidatedOrder { currency, amount: OrderedAmount::Fiat(amount) };
    Ok(Command::Place(PlaceCommand {
        key: ClientKey { client: ANONYMOUS.to_owned(), key: IdempotencyKey::generate() },
        user: None,
        terms: OrderTerms::Market(MarketTerms { order, priced: Some(PricedOrder { amount, price }) }),
        annotations: Annotations::default(),
        wallets: None,
        requested_at: now,
        written_by: Caller::BUYDESK,
        attempted_ids: Vec::new(),
    }))
}

#[cfg(test)]
mod tests;

//! The messages of `buydesk up`: the addresses of the services, the origin of the prices, and commands to try.

use std::time::Duration;

use common::{
    api::health::Component,
    config::{Env, shared},
    server::{Listener, ReadinessCheck},
    service::Service,
    time::format_age,
};

use super::{Listeners, base_url};
use crate::{program, table::Table};

/// The time after which `buydesk up` prints that orders cannot be placed yet.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// The time between two checks of readiness.
const READY_POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The services with their addresses.
pub(super) fn service_table(listeners: &Listeners) -> anyhow::Result<Table> {
    let mut table = Table::new(["service", "address", "purpose"], &[]).wrapped("purpose");
    let mut add_row = |name: &str, listener: &Listener, purpose: &str| -> anyhow::Result<()> {
        table.add_row([name, &base_url(listener)?, purpose]);
        Ok(())
    };
    add_row(create_order::App::NAME, &listeners.create_order, "orders and prices: the address for users")?;
    add_row(fetch_orders::App::NAME, &listeners.fetch_orders, "listing orders")?;
    add_row(rates::App::NAME, &listeners.rates, "courses, conversions, charts")?;
    add_row(wallets::App::NAME, &listeners.wallets, "deposits, withdrawals, transfers")?;
    add_row(users::App::NAME, &listeners.users, "users and API keys")?;
    add_row(health_check::App::NAME, &listeners.health_check, "status page for operators")?;
    add_row(price_cache_proxy::App::NAME, &listeners.price_cache, "the current price")?;
    add_row(price_updater::App::NAME, &listeners.price_updater, "internal")?;
    add_row(db_proxy::App::NAME, &listeners.db_proxy, "internal")?;
    if let Some(listener) = &listeners.exchange_sim {
        add_row(exchange_sim::App::NAME, listener, "SIMULATED exchanges")?;
    }
    Ok(table)
}

/// States where prices come from, and how long orders use the last price. The settings must be valid.
pub(super) fn price_note(env: &mut Env, demo: bool) -> String {
    if demo {
        return "Prices are SIMULATED: they come from exchanges in this process and have no value. Ctrl-C stops all services."
            .to_owned();
    }
    let updater = price_updater::App::configure(env);
    let max_age = create_order::App::configure(env).price_max_age.unwrap_or(updater.max_prolonged_age);
    // Both maximum ages apply to prolonged prices. A fresh price is used until it expires.
    let longest = max_age.min(updater.max_prolonged_age).max(updater.record_ttl);
    let origin = if updater.simulated {
        "Prices are SIMULATED (SIMULATED=true): they come from the exchanges that the settings name, and have no value."
    } else {
        "Prices come from real exchanges."
    };
    format!(
        "{origin} While no newer price is agreed or accepted, orders use the last good price until it is \
         {} old. Then orders are refused. Ctrl-C stops all services.",
        format_age(longest)
    )
}

/// A warning that the addresses of price sources have no effect with `--demo`. `None` if no address is set.
pub(super) fn replaced_source_addresses(env: &mut Env) -> Option<String> {
    let variables = price_updater::url_variables().chain(price_updater::websocket_variables());
    let set: Vec<_> = variables.map(|(_, variable)| variable).filter(|variable| env.text(variable).is_some()).collect();
    let verb = if set.len() == 1 { "has" } else { "have" };
    (!set.is_empty()).then(|| {
        format!(
            "{} {verb} no effect, because the prices of --demo come from the simulated exchanges of this process",
            set.join(", ")
        )
    })
}

/// Commands that the user can run in another terminal. They contain the addresses that differ from the default addresses.
pub(super) struct CommandHints {
    place_order: String,
    health: String,
}

impl CommandHints {
    pub(super) fn new(env: &mut Env, listeners: &Listeners) -> anyhow::Result<Self> {
        fn address_option<S: Service>(name: &str, listener: &Listener) -> anyhow::Result<String> {
            let address = base_url(listener)?;
            let is_default = address == format!("http://127.0.0.1:{}", S::PORT);
            Ok(program::option(name, (!is_default).then_some(address)))
        }
        let server = address_option::<create_order::App>("server", &listeners.create_order)?;
        let health_check = address_option::<health_check::App>("health-check", &listeners.health_check)?;
        let program = program::path();
        let currency = shared::currencies(env)[0];
        Ok(Self {
            place_order: format!("{program} order place --currency {currency} --amount 69{server}"),
            health: format!("{program} health{health_check}"),
        })
    }
}

/// Prints a message when orders can be placed. If they cannot be placed within [`READY_TIMEOUT`], prints why.
pub(super) async fn announce_readiness(readiness: Option<ReadinessCheck>, hints: CommandHints) {
    let Some(readiness) = readiness else { return };
    let becomes_ready = async {
        while readiness().await.iter().any(Component::is_fatal) {
            tokio::time::sleep(READY_POLL_INTERVAL).await;
        }
    };
    let is_ready = tokio::time::timeout(READY_TIMEOUT, becomes_ready).await.is_ok();
    if is_ready {
        return println!("Ready. Try, in another terminal:\n  {}", hints.place_order);
    }
    let missing = Component::fatal_reasons(&readiness().await).join("\n  ");
    println!(
        "Orders cannot be placed yet. create-order waits for:\n  {missing}\nThis command shows more:\n  {}",
        hints.health
    );
}

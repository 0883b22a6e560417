//! The names of the services that `buydesk up` runs.

use common::service::Service;

/// All services. exchange-sim runs only with `--demo`.
pub(super) const SERVICE_NAMES: [&str; 10] = [
    create_order::App::NAME,
    fetch_orders::App::NAME,
    price_cache_proxy::App::NAME,
    price_updater::App::NAME,
    db_proxy::App::NAME,
    health_check::App::NAME,
    rates::App::NAME,
    users::App::NAME,
    wallets::App::NAME,
    exchange_sim::App::NAME,
];

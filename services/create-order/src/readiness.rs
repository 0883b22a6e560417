//! The readiness check of create-order: whether orders can be placed.

use std::{sync::Arc, time::Duration};

use common::{
    api::{
        health::{Component, OrderLimitStatus},
        orders::OrderSummary,
    },
    clients::{db_proxy::DbProxyClient, price_cache::PriceCacheClient},
    config::Live,
    money::{Currency, Sats},
    server::ReadinessCheck,
};

use crate::price_reader::PriceReader;

/// Maximum time to read the limit, so that slow reads in db-proxy do not delay the readiness check.
const LIMIT_TIMEOUT: Duration = Duration::from_millis(300);

/// Ready means that orders can be placed: there is a current price in some currency, and db-proxy is ready.
///
/// price-cache-proxy is optional, because orders use the prices in memory until they expire. The price of each currency
/// is optional, because orders in the other currencies do not depend on it. The limit is optional, because create-order
/// also works when the limit is reached: it refuses orders and states the reason.
pub fn check(
    currencies: Live<Arc<[Currency]>>,
    prices: &PriceReader,
    price_cache: &PriceCacheClient,
    db_proxy: &DbProxyClient,
) -> ReadinessCheck {
    let (prices, price_cache, db_proxy) = (prices.clone(), price_cache.clone(), db_proxy.clone());
    Arc::new(move || {
        let (currencies, prices) = (currencies.get(), prices.clone());
        let (price_cache, db_proxy) = (price_cache.clone(), db_proxy.clone());
        Box::pin(async move {
            let (mut components, price_cache, db_proxy, limit) = tokio::join!(
                prices.components(&currencies),
                price_cache.0.readiness_component(),
                db_proxy.0.readiness_component(),
                limit_component(&db_proxy),
            );
            components.extend([price_cache.optional(), db_proxy]);
            components.extend(limit);
            components
        })
    })
}

/// The component for the limit of all orders. `None` if the limit cannot be read in time.
async fn limit_component(db_proxy: &DbProxyClient) -> Option<Component> {
    let summary = tokio::time::timeout(LIMIT_TIMEOUT, db_proxy.order_summary()).await.ok()?.ok()?;
    Some(component_of(&summary))
}

fn component_of(summary: &OrderSummary) -> Component {
    let limit = OrderLimitStatus {
        limit: summary.limit,
        remaining: summary.remaining,
        reserved: summary.reserved,
        used: summary.bitcoin_amount.checked_add(summary.reserved).ok(),
    };
    let component = if summary.remaining > Sats::ZERO {
        Component::ready(Component::LIMIT)
    } else if summary.limit == Sats::ZERO {
        Component::not_ready(Component::LIMIT, "it is 0 BTC, so only orders with an open quote are accepted".to_owned())
    } else if let Some(used) = limit.used_above_limit() {
        let reason =
            format!("orders and quotes take {used} BTC, which is more than the limit of {} BTC", summary.limit);
        Component::not_ready(Component::LIMIT, reason)
    } else {
        Component::not_ready(Component::LIMIT, format!("orders and quotes take all of the {} BTC", summary.limit))
    };
    Component { limit: Some(limit), ..component.optional() }
}

#[cfg(test)]
mod tests;

//! Two instances of each service except health-check and exchange-sim, and nginx in front of the public services.

use std::time::Duration;

use common::service::Service;

use super::{LIMIT, load::Load};
use crate::{Platform, Stack, nginx::Nginx, platform::Instance, servers::Port, wait_until};

/// Maximum time from the start of a new instance until nginx sends requests to it.
const RETURN_LIMIT: Duration = Duration::from_secs(30);
/// Operations that are also requested without nginx. They do not show that nginx sends requests to the instance.
const PROBES: [&str; 3] = ["livez", "readyz", "metrics"];

pub(super) struct Deployment {
    pub(super) platform: Platform,
    pub(super) nginx: Nginx,
    /// The second instance of each service that has two.
    second: Vec<Instance>,
}

/// A service that is replaced.
pub(super) struct Part {
    pub(super) name: &'static str,
    /// Whether nginx sends requests to the instances.
    is_public: bool,
}

impl Deployment {
    pub(super) async fn start() -> Self {
        let (db_proxy_port, cache_port) = (Port::reserve(), Port::reserve());
        let builder = Platform::builder(Stack::Servers).in_processes().without_prices();
        let both = |first: &str, second: &Port| format!("http://{},{}", builder.address_of(first), second.url());
        let (db_proxies, caches) =
            (both(db_proxy::App::NAME, &db_proxy_port), both(price_cache_proxy::App::NAME, &cache_port));
        let builder = builder.set("DB_PROXY_URL", db_proxies).set("PRICE_CACHE_URL", caches);
        let builder = builder.set("SHUTDOWN_DELAY_SECS", "1").set("BTC_LIMIT", LIMIT).set("QUOTE_HOLD_SECS", "1");
        let platform = builder.start().await;
        let second = vec![
            platform.db_proxy.another_at(db_proxy_port, &[]),
            platform.price_cache.another_at(cache_port, &[]),
            platform.create_order.another(&[]),
            platform.fetch_orders.another(&[]),
            platform.price_updater.another(&[]),
            platform.rates.another(&[]),
            platform.users.another(&[]),
            platform.wallets.another(&[]),
        ];
        for instance in &second {
            instance.start().await;
        }
        platform.start_other_services().await;
        for instance in second.iter().chain([&platform.create_order]) {
            instance.wait_until_ready().await;
        }
        // All clients of a run have the same IP address.
        let nginx = Nginx::builder().as_daemon().change("limit_conn per_address 256;", "limit_conn per_address 8192;");
        let public =
            [&platform.create_order, &platform.fetch_orders, &platform.rates, &platform.users, &platform.wallets];
        let nginx = public.into_iter().fold(nginx, |nginx, first| {
            nginx.service([first].into_iter().chain(second.iter().filter(|second| second.name == first.name)))
        });
        Self { nginx: nginx.start().await, platform, second }
    }

    /// Every service except exchange-sim, which is not a part of a deployment.
    pub(super) fn parts(&self) -> Vec<Part> {
        let Platform { create_order, fetch_orders, rates, users, wallets, exchange_sim, .. } = &self.platform;
        let public = [create_order, fetch_orders, rates, users, wallets].map(|service| service.name);
        let services = self.platform.all_services().into_iter().map(|service| service.name);
        let services = services.filter(|name| *name != exchange_sim.name);
        services.map(|name| Part { name, is_public: public.contains(&name) }).collect()
    }

    /// Stops an instance of the part and starts it again. The instances take turns, one in each round.
    pub(super) async fn replace(&self, part: &Part, round: usize, load: &Load) {
        let all = self.platform.all_services().into_iter().chain(&self.second);
        let instances: Vec<_> = all.filter(|instance| instance.name == part.name).collect();
        let instance = instances[round % instances.len()];
        instance.stop().await;
        // If the service has two instances, the other instance now responds to all requests.
        load.wait_for_a_second().await;
        instance.start().await;
        instance.wait_until_ready().await;
        if part.is_public {
            // nginx sends no request to the instance for some seconds after its port was closed. In this time, the
            // other instance must not be replaced.
            wait_until("nginx sends requests to the new instance", RETURN_LIMIT, async || {
                self.has_served(instance).await.then_some(())
            })
            .await;
        }
        load.wait_for_a_second().await;
    }

    async fn has_served(&self, instance: &Instance) -> bool {
        let metrics = self.platform.client.get(instance.url("/metrics")).await.text();
        let requests = metrics.lines().filter(|line| line.starts_with("buydesk_http_requests_total{"));
        let mut operations = requests.filter_map(|line| line.split_once("operation=\"")?.1.split('"').next());
        operations.any(|operation| !PROBES.contains(&operation))
    }
}

//! The services of one test, connected to each other, to a private database and to a private cache.

mod builder;
mod instance;
mod process_clock;
mod users;

use std::time::Duration;

use common::{
    access::{POLICY, ServicePolicy},
    api::prices::{NewPriceRecord, Price, PriceRecord, PriceState},
    clients::{CallError, ServiceClient, http_client, price_cache::PriceCacheClient},
    config::{Caller, CallerToken, Secret, ServerKey, ServiceUrls},
    time::Timestamp,
};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use tempfile::TempDir;

pub use self::{
    builder::{PlatformBuilder, SERVICES, reserve_ports},
    instance::{Instance, Variables},
};
use crate::{
    client::{Client, Response, all_pages, send},
    servers::Database,
    stack::Stack,
};

/// The default validity of a price after its observation.
pub const TTL: Duration = Duration::from_mins(10);
/// The default prices of one bitcoin. One US dollar buys exactly one satoshi, which makes limits easy to read.
pub const PRICES: [(&str, &str); 3] = [("EUR", "84000.12"), ("GBP", "72345.67890123"), ("USD", "100000000")];
pub const OPERATOR_TOKEN: &str = "the token of operators in tests";
/// The versioned path of create-order and fetch-orders.
pub const ORDERS_PATH: &str = "/api/v1/orders";

/// The age of a price, and how long it is valid after its observation.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    pub ttl: Duration,
    pub age: Duration,
}

impl Default for Validity {
    /// Observed now and valid for [`TTL`].
    fn default() -> Self {
        Self { ttl: TTL, age: Duration::ZERO }
    }
}

/// The services of a test. exchange-sim, price-updater, health-check, rates, users and wallets are created but not
/// started: most tests put prices into the cache themselves and do not need monitoring.
pub struct Platform {
    pub client: Client,
    pub db_proxy: Instance,
    pub price_cache: Instance,
    pub create_order: Instance,
    pub fetch_orders: Instance,
    pub exchange_sim: Instance,
    pub price_updater: Instance,
    pub health_check: Instance,
    pub rates: Instance,
    pub users: Instance,
    pub wallets: Instance,
    token: String,
    // Declared after the services, so that it is dropped after them.
    pub database: Database,
    _folder: TempDir,
}

impl Platform {
    /// Starts the services that an order needs, with the default prices and without rate limits.
    pub async fn start(stack: Stack) -> Self {
        Self::builder(stack).start().await
    }

    pub fn builder(stack: Stack) -> PlatformBuilder {
        PlatformBuilder::new(stack)
    }

    /// The services that place and read orders.
    pub fn order_services(&self) -> [&Instance; 4] {
        [&self.db_proxy, &self.price_cache, &self.create_order, &self.fetch_orders]
    }

    pub fn all_services(&self) -> Vec<&Instance> {
        self.order_services().into_iter().chain(self.other_services()).collect()
    }

    /// The services that [`Platform::order_services`] does not contain.
    pub fn other_services(&self) -> [&Instance; 6] {
        [&self.exchange_sim, &self.price_updater, &self.health_check, &self.rates, &self.users, &self.wallets]
    }

    /// Waits until the services that place and read orders are ready.
    pub async fn wait_until_orders_are_ready(&self) {
        for service in self.order_services() {
            service.wait_until_ready().await;
        }
    }

    /// The value of a metric of db-proxy, by its name without the prefix.
    pub async fn db_proxy_metric(&self, name: &str) -> usize {
        let metrics = self.client.get(self.db_proxy.url("/metrics")).await.text();
        let line = metrics.lines().find(|line| line.starts_with(&format!("buydesk_{name}{{")));
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        value.unwrap_or_else(|| panic!("db-proxy has no metric {name}"))
    }

    /// Starts exchange-sim, price-updater, health-check, rates, users and wallets, and waits until each is ready. From
    /// then on the simulated exchanges provide the prices.
    pub async fn start_other_services(&self) {
        for service in self.other_services() {
            service.start().await;
            service.wait_until_ready().await;
        }
    }

    /// Starts the services that place and read orders. Waits until they are ready, except create-order, which needs a
    /// price to become ready.
    pub async fn start_order_services(&self) {
        for service in self.order_services() {
            service.start().await;
        }
        for service in [&self.db_proxy, &self.price_cache, &self.fetch_orders] {
            service.wait_until_ready().await;
        }
    }

    /// Starts a second db-proxy on the same database, and waits until it is ready.
    pub async fn start_second_db_proxy(&self) -> Instance {
        let db_proxy = self.db_proxy.another(&[]);
        db_proxy.start().await;
        db_proxy.wait_until_ready().await;
        db_proxy
    }

    /// Like [`Platform::start_second_db_proxy`]. `None` on SQLite, where one process owns the file.
    pub async fn start_second_db_proxy_if_supported(&self, stack: Stack) -> Option<Instance> {
        match stack {
            Stack::Embedded => None,
            Stack::Servers => Some(self.start_second_db_proxy().await),
        }
    }

    /// Starts a second create-order that uses this db-proxy.
    pub async fn start_second_create_order(&self, db_proxy: &Instance) -> Instance {
        let create_order = self.create_order.another(&[("DB_PROXY_URL", &db_proxy.url(""))]);
        create_order.start().await;
        create_order
    }

    /// Puts [`PRICES`] into the cache, observed now.
    pub async fn put_default_prices(&self) -> PriceRecord {
        self.put_prices(&PRICES, Validity::default()).await
    }

    /// Puts prices into the cache. Each price is a currency code and a decimal number.
    pub async fn put_prices(&self, prices: &[(&str, &str)], validity: Validity) -> PriceRecord {
        self.try_put_prices(prices, validity).await.unwrap_or_else(|error| panic!("the prices are not stored: {error}"))
    }

    /// Like [`Platform::put_prices`], but for a cache that may be unavailable.
    pub async fn try_put_prices(&self, prices: &[(&str, &str)], validity: Validity) -> Result<PriceRecord, CallError> {
        let sources = vec!["alpha".to_owned(), "beta".to_owned()];
        let prices = prices.iter().map(|(currency, price)| {
            let price = Price::new(price.parse().unwrap(), sources.clone());
            (currency.parse().unwrap(), price)
        });
        let as_of = Timestamp::now().minus(validity.age);
        let record = NewPriceRecord { state: PriceState::Fresh, as_of, simulated: false, prices: prices.collect() };
        self.try_put_record(&record, validity.ttl).await
    }

    /// Puts a price record into the cache, which may be unavailable.
    pub async fn try_put_record(&self, record: &NewPriceRecord, ttl: Duration) -> Result<PriceRecord, CallError> {
        PriceCacheClient(self.internal_client(PriceCacheClient::SERVICE, &self.price_cache))
            .put_price_record(record, ttl)
            .await
    }

    /// A client for one instance, from which the typed clients are built. It sends the token of an operator.
    pub fn internal_client(&self, service: &'static str, instance: &Instance) -> ServiceClient {
        let base: ServiceUrls = instance.url("/").parse().unwrap();
        let token = CallerToken::derive(Secret::new(self.token.clone()), Caller::OPERATOR, service);
        ServiceClient::new(http_client(), service, base, token)
    }

    /// The token of a caller for a server, as derived from the internal token.
    pub fn token_of(&self, caller: Caller, server: &str) -> String {
        ServerKey::derive(&Secret::new(self.token.clone()), server).token(caller).expose().to_owned()
    }

    /// Adds the internal token to a request.
    pub fn with_internal_token(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(&self.token)
    }

    /// Adds the credentials of an operator at this service.
    pub fn as_operator(&self, service: &Instance, request: RequestBuilder) -> RequestBuilder {
        let rules = POLICY.iter().find(|policy| policy.service == service.name).into_iter();
        let is_for_customers = rules.flat_map(ServicePolicy::operations).any(|(_, rule)| rule.checks_credentials());
        request.bearer_auth(if is_for_customers { OPERATOR_TOKEN } else { &self.token })
    }

    /// Builds a POST of an order to the versioned endpoint of create-order.
    pub fn order_request(&self, order: impl Into<String>) -> RequestBuilder {
        self.client.json(self.create_order.url(ORDERS_PATH), order)
    }

    pub async fn place(&self, order: impl Into<String>) -> Response {
        send(self.order_request(order)).await
    }

    /// `key` is the idempotency key.
    pub async fn place_with_key(&self, key: &str, order: impl Into<String>) -> Response {
        send(self.order_request(order).header("idempotency-key", key)).await
    }

    pub async fn quote(&self, order: impl Into<String>) -> Response {
        self.client.post(self.create_order.url("/api/v1/quotes"), order).await
    }

    /// A GET from fetch-orders.
    pub async fn fetch(&self, path: &str) -> Response {
        self.client.get(self.fetch_orders.url(path)).await
    }

    /// Follows `_links.next` from `path` of fetch-orders to the last page, and returns the orders of all pages in
    /// sequence.
    pub async fn all_pages(&self, path: &str) -> Vec<Value> {
        all_pages(path, async |path| self.fetch(&path).await.json(200)).await
    }

    /// The summary of orders that a client without an API key receives.
    pub async fn summary(&self) -> Value {
        self.fetch("/api/v1/orders/summary").await.json(200)
    }
}

/// The JSON of an order of one satoshi for one US dollar, as create-order sends it to `/add` of db-proxy. Its price has
/// the default value and the times of this record.
pub fn internal_order(record: &PriceRecord, key: &str) -> Value {
    let price = json!({
        "exchange_rate": "100000000", "bitcoin_amount": "0.00000001", "as_of": record.as_of,
        "expires_at": record.expires_at, "sources": ["alpha"], "simulated": false,
    });
    json!({ "client": "anonymous", "key": key, "market": { "currency": "USD", "amount": "1", "price": price } })
}

/// The JSON body of an order.
pub fn order(currency: &str, amount: &str) -> String {
    json!({ "currency": currency, "amount": amount }).to_string()
}

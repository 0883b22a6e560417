//! The services, wired to each other, with a database and a cache of a test's own.

mod instance;

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use common::{
    api::prices::{NewPriceRecord, Price, PriceRecord, PriceState},
    clients::{ServiceClient, http_client, price_cache::PriceCacheClient},
    config::Secret,
    service::Service,
    time::Timestamp,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

pub use self::instance::{Instance, Variables};

use crate::{
    client::{Client, Response, send},
    environment::required_variable,
    servers::{Database, Port},
};

/// How long a price lasts when nothing is said.
pub const TTL: Duration = Duration::from_mins(10);
/// What one bitcoin costs when nothing is said. One US dollar buys exactly one satoshi, which makes limits easy to read.
pub const PRICES: [(&str, &str); 3] = [("EUR", "84000.12"), ("GBP", "72345.67890123"), ("USD", "100000000")];

/// What orders and prices are kept in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// SQLite, and prices in memory.
    Embedded,
    /// PostgreSQL and Redis.
    Servers,
}

/// What is still to be said before the services start.
pub struct PlatformBuilder {
    stack: Stack,
    database: Option<String>,
    processes: bool,
    price: bool,
    wait: bool,
    variables: Variables,
    ports: BTreeMap<&'static str, Port>,
}

/// Running services. The last four are there and do not run before they are started: most tests put a price into the cache
/// themselves, and need nobody who watches.
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
    token: String,
    // Dropped after what works in them.
    pub database: Database,
    _folder: TempDir,
}

impl PlatformBuilder {
    /// Sets a variable for every service.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// A database that somebody else takes care of.
    #[must_use]
    pub fn database(mut self, url: impl Into<String>) -> Self {
        self.database = Some(url.into());
        self
    }

    /// Each service is the real binary in a process of its own.
    #[must_use]
    pub fn in_processes(mut self) -> Self {
        self.processes = true;
        self
    }

    /// Starts with no price.
    #[must_use]
    pub fn without_prices(mut self) -> Self {
        self.price = false;
        self
    }

    /// Returns from the start while services are not ready, for something they need is to come later.
    #[must_use]
    pub fn without_readiness_check(mut self) -> Self {
        self.wait = false;
        self
    }

    /// Where a service is going to listen, for a wire that has to be there before.
    pub fn address_of(&self, service: &str) -> String {
        self.ports[service].address()
    }

    /// Starts the services; they are ready when this returns.
    pub async fn start(self) -> Platform {
        let Self { stack, database, processes, price, wait, variables, ports } = self;
        let database = match (database, stack) {
            (Some(url), _) => Database::Lent(url),
            (None, Stack::Embedded) => Database::sqlite(),
            (None, Stack::Servers) => Database::postgres().await,
        };
        let token = Uuid::new_v4().to_string();
        let at = |service: &str, path: &str| format!("http://{}{path}", ports[service].address());
        let mut all: Variables = [
            ("INTERNAL_TOKEN", token.clone()),
            ("DATABASE_URL", database.url()),
            ("DB_PROXY_URL", at(db_proxy::App::NAME, "")),
            ("PRICE_CACHE_URL", at(price_cache_proxy::App::NAME, "")),
            ("ORDERS_URL", at(fetch_orders::App::NAME, "")),
            ("HEALTH_CHECK_URL", at(health_check::App::NAME, "")),
            // Two of them, so that a test can tell what each one's fault does.
            ("PRICE_SOURCES", "coinbase,kraken".to_owned()),
            ("RATE_LIMIT_PER_MINUTE", "0".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for (name, variable) in price_updater::url_variables() {
            all.insert(variable.to_owned(), at(exchange_sim::App::NAME, &format!("/{name}")));
        }
        if stack == Stack::Servers {
            let url = variables.get("REDIS_URL").cloned().unwrap_or_else(|| required_variable("TEST_REDIS_URL"));
            all.insert("REDIS_URL".to_owned(), url);
            all.insert("REDIS_KEY_PREFIX".to_owned(), format!("test-{}:", Uuid::new_v4().simple()));
        }
        all.extend(variables);

        let folder = TempDir::new().unwrap();
        let mut factory =
            InstanceFactory { ports, variables: all, folder: processes.then(|| folder.path().to_owned()) };
        let platform = Platform {
            client: Client::new(&token),
            db_proxy: factory.create::<db_proxy::App>(),
            price_cache: factory.create::<price_cache_proxy::App>(),
            create_order: factory.create::<create_order::App>(),
            fetch_orders: factory.create::<fetch_orders::App>(),
            exchange_sim: factory.create::<exchange_sim::App>(),
            price_updater: factory.create::<price_updater::App>(),
            health_check: factory.create::<health_check::App>(),
            rates: factory.create::<rates::App>(),
            token,
            database,
            _folder: folder,
        };
        if wait {
            platform.start_order_services().await;
        } else {
            for service in platform.order_services() {
                service.start().await;
            }
        }
        if price {
            platform.put_default_prices().await;
        }
        platform
    }
}

struct InstanceFactory {
    ports: BTreeMap<&'static str, Port>,
    variables: Variables,
    folder: Option<PathBuf>,
}

impl InstanceFactory {
    fn create<S: Service + 'static>(&mut self) -> Instance {
        let port = self.ports.remove(S::NAME).expect("each service has a port");
        Instance::new::<S>(port, self.variables.clone(), self.folder.clone())
    }
}

impl Platform {
    /// With a price, no rate limit, and the limits as they are by default.
    pub async fn start(stack: Stack) -> Self {
        Self::builder(stack).start().await
    }

    pub fn builder(stack: Stack) -> PlatformBuilder {
        show_logs();
        let names = [
            db_proxy::App::NAME,
            price_cache_proxy::App::NAME,
            create_order::App::NAME,
            fetch_orders::App::NAME,
            exchange_sim::App::NAME,
            price_updater::App::NAME,
            health_check::App::NAME,
            rates::App::NAME,
        ];
        let ports = names.map(|name| (name, Port::lease())).into();
        PlatformBuilder {
            stack,
            database: None,
            processes: false,
            price: true,
            wait: true,
            variables: Variables::new(),
            ports,
        }
    }

    /// What an order needs.
    pub fn order_services(&self) -> [&Instance; 4] {
        [&self.db_proxy, &self.price_cache, &self.create_order, &self.fetch_orders]
    }

    /// All there are.
    pub fn all_services(&self) -> [&Instance; 8] {
        let [a, b, c, d] = self.order_services();
        [a, b, c, d, &self.exchange_sim, &self.price_updater, &self.health_check, &self.rates]
    }

    /// Starts the others too; prices come from the simulated exchanges when this returns.
    pub async fn start_other_services(&self) {
        for service in [&self.exchange_sim, &self.price_updater, &self.health_check, &self.rates] {
            service.start().await;
            service.wait_until_ready().await;
        }
    }

    /// Starts what an order needs, and waits until each can do its work but for the price.
    pub async fn start_order_services(&self) {
        for service in self.order_services() {
            service.start().await;
        }
        for service in [&self.db_proxy, &self.price_cache, &self.fetch_orders] {
            service.wait_until_ready().await;
        }
    }

    /// Writes [`PRICES`] to the cache, observed now.
    pub async fn put_default_prices(&self) -> PriceRecord {
        self.put_prices(&PRICES, TTL, Duration::ZERO).await
    }

    /// Writes prices to the cache that were observed `age` ago and run out `ttl` after that.
    pub async fn put_prices(&self, prices: &[(&str, &str)], ttl: Duration, age: Duration) -> PriceRecord {
        self.try_put_prices(prices, ttl, age).await.unwrap_or_else(|error| panic!("the price is not kept: {error}"))
    }

    /// As [`Platform::put_prices`], where the cache may be away.
    pub async fn try_put_prices(
        &self,
        prices: &[(&str, &str)],
        ttl: Duration,
        age: Duration,
    ) -> Result<PriceRecord, common::clients::CallError> {
        let now = Timestamp::now();
        let as_of = Timestamp::from_micros(now.micros() - i64::try_from(age.as_micros()).unwrap()).unwrap();
        let sources = vec!["alpha".to_owned(), "beta".to_owned()];
        let prices = prices.iter().map(|(currency, price)| {
            let price = Price { price: price.parse().unwrap(), sources: sources.clone() };
            (currency.parse().unwrap(), price)
        });
        let record = NewPriceRecord { state: PriceState::Fresh, as_of, simulated: false, prices: prices.collect() };
        self.try_put_record(&record, ttl).await
    }

    /// Hands a record to the cache, which may be away.
    pub async fn try_put_record(
        &self,
        record: &NewPriceRecord,
        ttl: Duration,
    ) -> Result<PriceRecord, common::clients::CallError> {
        let base = self.price_cache.url("/").parse().unwrap();
        let token = Secret::new(self.token.clone());
        PriceCacheClient(ServiceClient::new(http_client(), PriceCacheClient::SERVICE, base, token))
            .put_price_record(record, ttl)
            .await
    }

    /// What our own services show each other.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Makes it a request of one of our own services.
    pub fn internal(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        request.bearer_auth(&self.token)
    }

    /// Sends an order to the versioned endpoint.
    pub async fn place(&self, order: impl Into<String>) -> Response {
        self.client.post(self.create_order.url("/api/v1/orders"), order).await
    }

    /// The same with a key.
    pub async fn place_with_key(&self, key: &str, order: impl Into<String>) -> Response {
        let request = self.client.json(self.create_order.url("/api/v1/orders"), order);
        send(request.header("idempotency-key", key)).await
    }

    /// Follows `_links.next` from `path` of fetch-orders to the end; the orders in the order they were seen.
    pub async fn all_pages(&self, path: &str) -> Vec<Value> {
        let (mut orders, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let page = self.client.get(self.fetch_orders.url(&path)).await.json(200);
            orders.extend(page["data"].as_array().unwrap().iter().cloned());
            next = page["_links"]["next"].as_str().map(str::to_owned);
        }
        orders
    }

    /// What all orders come to.
    pub async fn summary(&self) -> Value {
        self.client.get(self.fetch_orders.url("/api/v1/orders/summary")).await.json(200)
    }
}

/// The body of an order.
pub fn order(currency: &str, amount: &str) -> String {
    json!({ "currency": currency, "amount": amount }).to_string()
}

/// Warnings of services that run here go where the runner shows them when the test fails; `TEST_LOG=debug` shows more.
fn show_logs() {
    let filter = std::env::var("TEST_LOG").unwrap_or_else(|_| "warn".to_owned());
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
}

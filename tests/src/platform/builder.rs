//! Configures and starts a [`Platform`].

use std::{collections::BTreeMap, path::PathBuf};

use common::{
    config::{Caller, Secret, ServerKey},
    service::Service,
};
use tempfile::TempDir;
use tracing_subscriber::filter::LevelFilter;
use uuid::Uuid;

use super::{Instance, OPERATOR_TOKEN, Platform, Variables};
use crate::{
    client::Client,
    environment::required_variable,
    servers::{Database, Port},
    stack::Stack,
};

/// The secrets that each service receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tokens {
    /// The internal token, from which the service derives its own tokens.
    Internal,
    /// Only its own tokens and its own key.
    Own,
}

/// Where the services run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placement {
    TestProcess,
    Processes,
    ProcessesWithClocks,
}

/// The names of the services of a platform.
pub const SERVICES: [&str; 10] = [
    db_proxy::App::NAME,
    price_cache_proxy::App::NAME,
    create_order::App::NAME,
    fetch_orders::App::NAME,
    exchange_sim::App::NAME,
    price_updater::App::NAME,
    health_check::App::NAME,
    rates::App::NAME,
    users::App::NAME,
    wallets::App::NAME,
];

/// Reserves a port for each service, by name.
pub fn reserve_ports() -> BTreeMap<&'static str, Port> {
    SERVICES.map(|name| (name, Port::reserve())).into()
}

/// Collects settings before the services start.
pub struct PlatformBuilder {
    stack: Stack,
    external_database: Option<String>,
    placement: Placement,
    programs: Option<PathBuf>,
    db_proxy_launcher: Vec<String>,
    tokens: Tokens,
    put_prices: bool,
    wait_until_ready: bool,
    variables: Variables,
    ports: BTreeMap<&'static str, Port>,
}

impl PlatformBuilder {
    pub(super) fn new(stack: Stack) -> Self {
        show_logs();
        Self {
            stack,
            external_database: None,
            placement: Placement::TestProcess,
            programs: None,
            db_proxy_launcher: Vec::new(),
            tokens: Tokens::Internal,
            put_prices: true,
            wait_until_ready: true,
            variables: Variables::new(),
            ports: reserve_ports(),
        }
    }

    /// Sets an environment variable for every service.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.insert(name.to_owned(), value.into());
        self
    }

    /// Uses a database that the caller creates and deletes.
    #[must_use]
    pub fn database(mut self, url: impl Into<String>) -> Self {
        self.external_database = Some(url.into());
        self
    }

    /// Runs each service as the real binary in its own process.
    #[must_use]
    pub fn in_processes(mut self) -> Self {
        self.placement = Placement::Processes;
        self
    }

    /// Runs each service in its own process, with the binary of another release in this folder.
    #[must_use]
    pub fn programs_of(mut self, folder: PathBuf) -> Self {
        self.programs = Some(folder);
        self.in_processes()
    }

    /// Runs each service in its own process, and starts db-proxy through a program; see [`Instance::set_launcher`].
    #[must_use]
    pub fn launch_db_proxy_through(mut self, launcher: Vec<String>) -> Self {
        self.db_proxy_launcher = launcher;
        self.in_processes()
    }

    /// Runs each service as the real binary in its own process, with a clock that [`Instance::set_clock_offset`] sets.
    #[must_use]
    pub fn in_processes_with_own_clocks(mut self) -> Self {
        self.placement = Placement::ProcessesWithClocks;
        self
    }

    /// Gives each service its own tokens and its own key instead of the internal token.
    #[must_use]
    pub fn with_own_tokens(mut self) -> Self {
        self.tokens = Tokens::Own;
        self
    }

    /// Starts with an empty price cache.
    #[must_use]
    pub fn without_prices(mut self) -> Self {
        self.put_prices = false;
        self
    }

    /// Returns from [`PlatformBuilder::start`] before the services are ready, for tests that provide a dependency
    /// later.
    #[must_use]
    pub fn without_readiness_check(mut self) -> Self {
        self.wait_until_ready = false;
        self
    }

    /// The address where a service is going to listen, for a proxy that has to exist before the service.
    pub fn address_of(&self, service: &str) -> String {
        self.ports[service].address()
    }

    /// Calls [`Platform::start_order_services`], and puts the default prices into the cache.
    /// [`PlatformBuilder::without_readiness_check`] and [`PlatformBuilder::without_prices`] change this.
    pub async fn start(mut self) -> Platform {
        let database = match self.external_database.take() {
            Some(url) => Database::External { url },
            None => Database::create(self.stack).await,
        };
        let token = Uuid::new_v4().to_string();
        let variables = self.service_variables(&token, &database.url());
        let folder = TempDir::new().unwrap();
        let process_folder = (self.placement != Placement::TestProcess).then(|| folder.path().to_owned());
        let own_clocks = self.placement == Placement::ProcessesWithClocks;
        let own_tokens = (self.tokens == Tokens::Own).then(|| Secret::new(token.clone()));
        let mut factory = InstanceFactory { ports: self.ports, variables, process_folder, own_clocks, own_tokens };
        let mut platform = Platform {
            client: Client::new(&token),
            db_proxy: factory.create::<db_proxy::App>(),
            price_cache: factory.create::<price_cache_proxy::App>(),
            create_order: factory.create::<create_order::App>(),
            fetch_orders: factory.create::<fetch_orders::App>(),
            exchange_sim: factory.create::<exchange_sim::App>(),
            price_updater: factory.create::<price_updater::App>(),
            health_check: factory.create::<health_check::App>(),
            rates: factory.create::<rates::App>(),
            users: factory.create::<users::App>(),
            wallets: factory.create::<wallets::App>(),
            token,
            database,
            _folder: folder,
        };
        if !self.db_proxy_launcher.is_empty() {
            platform.db_proxy.set_launcher(self.db_proxy_launcher);
        }
        for service in platform.all_services() {
            service.use_programs_of(self.programs.clone());
        }
        if self.wait_until_ready {
            platform.start_order_services().await;
        } else {
            for service in platform.order_services() {
                service.start().await;
            }
        }
        if self.put_prices {
            platform.put_default_prices().await;
        }
        platform
    }

    /// The environment of every service: addresses and tokens, then the settings of the test, which take precedence.
    fn service_variables(&self, token: &str, database_url: &str) -> Variables {
        let url_of = |service: &str, path: &str| format!("http://{}{path}", self.address_of(service));
        let mut variables: Variables = [
            ("INTERNAL_TOKEN", token.to_owned()),
            ("OPERATOR_TOKEN", OPERATOR_TOKEN.to_owned()),
            ("DATABASE_URL", database_url.to_owned()),
            ("DB_PROXY_URL", url_of(db_proxy::App::NAME, "")),
            ("PRICE_CACHE_URL", url_of(price_cache_proxy::App::NAME, "")),
            ("ORDERS_URL", url_of(fetch_orders::App::NAME, "")),
            ("FETCH_ORDERS_URL", url_of(fetch_orders::App::NAME, "")),
            ("RATES_URL", url_of(rates::App::NAME, "")),
            ("HEALTH_CHECK_URL", url_of(health_check::App::NAME, "")),
            // Only two sources, so that a test can attribute an effect to the fault of one source.
            ("PRICE_SOURCES", "coinbase,kraken".to_owned()),
            ("RATE_LIMIT_PER_MINUTE", "0".to_owned()),
            ("FETCH_RATE_LIMIT_PER_MINUTE", "0".to_owned()),
            ("RATES_RATE_LIMIT_PER_MINUTE", "0".to_owned()),
            ("USERS_RATE_LIMIT_PER_MINUTE", "0".to_owned()),
            ("WALLETS_RATE_LIMIT_PER_MINUTE", "0".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        for (source, variable) in price_updater::url_variables() {
            variables.insert(variable.to_owned(), url_of(exchange_sim::App::NAME, &format!("/{source}")));
        }
        if self.stack == Stack::Servers {
            // A test that sets its own Redis may run without the shared server.
            if !self.variables.contains_key("REDIS_URL") {
                variables.insert("REDIS_URL".to_owned(), required_variable("TEST_REDIS_URL"));
            }
            variables.insert("REDIS_KEY_PREFIX".to_owned(), format!("test-{}:", Uuid::new_v4().simple()));
        }
        variables.extend(self.variables.clone());
        variables
    }
}

struct InstanceFactory {
    ports: BTreeMap<&'static str, Port>,
    variables: Variables,
    process_folder: Option<PathBuf>,
    /// The internal token, from which the tokens of each service are derived. `None` if every service receives the
    /// internal token.
    own_tokens: Option<Secret>,
    own_clocks: bool,
}

impl InstanceFactory {
    fn create<S: Service + 'static>(&mut self) -> Instance {
        let port = self.ports.remove(S::NAME).expect("each service has a reserved port");
        let mut variables = self.variables.clone();
        if let Some(internal_token) = &self.own_tokens {
            variables.remove("INTERNAL_TOKEN");
            variables.extend(own_tokens(internal_token, S::CALLER));
        }
        let instance = Instance::new::<S>(port, variables, self.process_folder.clone());
        if self.own_clocks { instance.with_own_clock() } else { instance }
    }
}

/// The key and the tokens of a service, as the compose file sets them.
fn own_tokens(internal_token: &Secret, service: Caller) -> Variables {
    let servers: &[(&str, &str)] = match service {
        Caller::CREATE_ORDER | Caller::RATES | Caller::PRICE_UPDATER => &[
            ("DB_PROXY_TOKEN", "db-proxy"),
            ("PRICE_CACHE_TOKEN", "price-cache-proxy"),
            ("HEALTH_CHECK_TOKEN", "health-check"),
        ],
        Caller::FETCH_ORDERS | Caller::USERS | Caller::WALLETS => {
            &[("DB_PROXY_TOKEN", "db-proxy"), ("HEALTH_CHECK_TOKEN", "health-check")]
        }
        Caller::EXCHANGE_SIM => &[],
        _ => &[("HEALTH_CHECK_TOKEN", "health-check")],
    };
    let token = |server| ServerKey::derive(internal_token, server).token(service).expose().to_owned();
    let mut variables: Variables =
        servers.iter().map(|(variable, server)| ((*variable).to_owned(), token(server))).collect();
    let accepts_no_callers =
        [Caller::CREATE_ORDER, Caller::FETCH_ORDERS, Caller::RATES, Caller::USERS, Caller::WALLETS];
    if !accepts_no_callers.contains(&service) {
        let key = ServerKey::derive(internal_token, service.as_str());
        variables.insert("SERVER_KEY".to_owned(), key.as_secret().expose().to_owned());
    }
    variables
}

/// Shows the warnings of services that run in the test process when the test fails. `TEST_LOG=debug` shows more.
fn show_logs() {
    let level = std::env::var("TEST_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(LevelFilter::WARN);
    let _ = tracing_subscriber::fmt().with_max_level(level).with_test_writer().try_init();
}

//! The services that the client calls, and their addresses.

use std::{net::SocketAddr, time::Duration};

use common::{
    config::{Bind, Env, connect_address},
    service::Service,
};
use url::Url;

use crate::cli::Addresses;

/// The maximum time from a request to its response.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The setting of the public address.
const SERVER: &str = "BUYDESK_URL";

/// Who uses a service. Determines the credentials that the client sends to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Everybody, without credentials.
    Everybody,
    /// Users, operators, and clients without credentials. An API key takes precedence over the operator token.
    Customers,
    /// Operators, and users who read their own data. The operator token takes precedence over an API key.
    UserManagers,
    /// Operators. Only the operator token is sent. Without the token, a health-check that listens beyond loopback shows
    /// only the health without details.
    Operators,
}

/// A service and its address.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub service: &'static str,
    /// The option and the setting of the address as a text for hints, such as `--server or BUYDESK_URL`.
    pub settings: &'static str,
    pub audience: Audience,
    /// Ends with a slash, so that paths are appended to it.
    base: Url,
}

impl Endpoint {
    fn new(service: &'static str, settings: &'static str, audience: Audience, mut base: Url) -> Self {
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        Self { service, settings, audience, base }
    }

    /// The address, without a slash at its end.
    pub fn address(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> Result<Url, url::ParseError> {
        self.base.join(path)
    }
}

/// The services that the client calls. create-order forwards reads of orders and prices, so fetch-orders and rates need
/// no address of their own.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// create-order: the public address.
    pub server: Endpoint,
    /// create-order, for the limit over all orders, which operators set.
    pub limit: Endpoint,
    /// Reads of orders.
    pub orders: Endpoint,
    /// Reads of courses and conversions.
    pub rates: Endpoint,
    pub users: Endpoint,
    pub wallets: Endpoint,
    /// The service `wallets`, for the check of the journal by operators.
    pub journal: Endpoint,
    pub health_check: Endpoint,
    /// Whether the public address and the address of health-check are the default addresses.
    pub are_default: bool,
}

impl Endpoints {
    /// An address of the command line takes precedence over a setting. `--server` or `BUYDESK_URL` replaces
    /// `CREATE_ORDER_URL`, `ORDERS_URL` and `RATES_URL`. Without their own addresses, `users`, `wallets` and
    /// health-check are expected on the host of the public address, each at its own port.
    pub fn new(env: &mut Env, addresses: Addresses) -> Self {
        let Addresses { server, health_check } = addresses;
        let has_server_option = server.is_some();
        let one_address = server.or_else(|| env.optional_url(SERVER, &example::<create_order::App>()));
        let mut single_service = |variable, example: String| {
            if one_address.is_some() { None } else { env.optional_url(variable, &example) }
        };
        let create_order = single_service("CREATE_ORDER_URL", example::<create_order::App>());
        let orders = single_service("ORDERS_URL", example::<fetch_orders::App>());
        let rates = single_service("RATES_URL", example::<rates::App>());
        let public = one_address.or(create_order);

        let mut other_port = |variable, example: String, default: fn(&mut Env) -> Url| {
            // The setting may name another platform than `--server`, so it is ignored.
            let setting = if has_server_option { None } else { env.optional_url(variable, &example) };
            let default = default(env);
            let on_server_host = public.as_ref().and_then(|public| with_port(public, default.port()));
            setting.or(on_server_host).unwrap_or(default)
        };
        let users = other_port("USERS_URL", example::<users::App>(), default_address::<users::App>);
        let wallets_address = other_port("WALLETS_URL", example::<wallets::App>(), default_address::<wallets::App>);
        let set_or_on_server_host =
            other_port("HEALTH_CHECK_URL", example::<health_check::App>(), default_address::<health_check::App>);
        let health_check = health_check.unwrap_or(set_or_on_server_host);

        let default_public = default_address::<create_order::App>(env);
        let public = public.unwrap_or_else(|| default_public.clone());
        let are_default = public == default_public && health_check == default_address::<health_check::App>(env);
        // With --server, the settings of the addresses are ignored.
        let hint = |alone, with_server_option| if has_server_option { with_server_option } else { alone };
        let server_hint = hint("--server or BUYDESK_URL", "--server");
        let server = Endpoint::new(create_order::App::NAME, server_hint, Audience::Customers, public);
        let set_or_public = |service, variable, audience, url: Option<Url>| match url {
            Some(url) => Endpoint::new(service, variable, audience, url),
            None => Endpoint { audience, ..server.clone() },
        };
        let wallets_hint = hint("--server or WALLETS_URL", "WALLETS_URL (without --server)");
        let users_hint = hint("--server or USERS_URL", "USERS_URL (without --server)");
        let wallets = Endpoint::new(wallets::App::NAME, wallets_hint, Audience::Customers, wallets_address);
        Self {
            orders: set_or_public(fetch_orders::App::NAME, "ORDERS_URL", Audience::Customers, orders),
            rates: set_or_public(rates::App::NAME, "RATES_URL", Audience::Everybody, rates),
            users: Endpoint::new(users::App::NAME, users_hint, Audience::UserManagers, users),
            journal: Endpoint { audience: Audience::Operators, ..wallets.clone() },
            wallets,
            health_check: Endpoint::new(
                health_check::App::NAME,
                hint("--health-check or HEALTH_CHECK_URL", "--health-check"),
                Audience::Operators,
                health_check,
            ),
            limit: Endpoint { audience: Audience::Operators, ..server.clone() },
            server,
            are_default,
        }
    }
}

/// The standard address of the service on this machine, for messages.
fn example<S: Service>() -> String {
    format!("http://127.0.0.1:{}", S::PORT)
}

/// The address of the service on this machine, from the settings of its host and port.
fn default_address<S: Service>(env: &mut Env) -> Url {
    let bind = Bind::from_env(env, S::NAME, S::PORT);
    let address = connect_address(SocketAddr::new(bind.host, bind.port));
    Url::parse(&format!("http://{address}")).expect("an address with a port is a URL")
}

/// The address of another port on the host of `url`, without a path.
fn with_port(url: &Url, port: Option<u16>) -> Option<Url> {
    let mut url = url.clone();
    url.set_port(port).ok()?;
    url.set_path("/");
    Some(url)
}

#[cfg(test)]
mod tests;

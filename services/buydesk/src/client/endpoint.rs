//! The services that the client calls, and their addresses.

use std::{net::SocketAddr, time::Duration};

use common::{
    config::{Bind, Env, connect_address},
    service::Service,
};
use url::Url;

use crate::cli::Addresses;

/// How long a service may take to answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The setting of the public address.
const SERVER: &str = "BUYDESK_URL";

/// Whose credentials a service needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    Everybody,
    /// Users, and operators.
    Customers,
    /// Operators, and users for what is their own.
    UserManagers,
    /// Operators. Without credentials, health-check beyond loopback shows no host names.
    Operators,
}

/// A service, and its address.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub service: &'static str,
    /// The settings of its address, for hints.
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

/// The services that the client calls. create-order hands on reads of orders and prices, so one public address suffices.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// create-order: the public address.
    pub server: Endpoint,
    /// Reads of orders.
    pub orders: Endpoint,
    /// Reads of courses and conversions.
    pub rates: Endpoint,
    pub users: Endpoint,
    pub health_check: Endpoint,
    /// Whether the public address and that of health-check are the default ones.
    pub are_default: bool,
}

impl Endpoints {
    /// The addresses of the command line come first, then those of the settings. `CREATE_ORDER_URL`, `ORDERS_URL` and `RATES_URL`
    /// apply only without `BUYDESK_URL`, which names one address for everything public.
    pub fn new(env: &mut Env, addresses: Addresses) -> Self {
        let Addresses { server, health_check } = addresses;
        let has_server_option = server.is_some();
        let one_address = server.or_else(|| env.optional_url(SERVER));
        let mut single_service = |variable| if one_address.is_some() { None } else { env.optional_url(variable) };
        let (create_order, orders, rates) =
            (single_service("CREATE_ORDER_URL"), single_service("ORDERS_URL"), single_service("RATES_URL"));
        let public = one_address.or(create_order);

        let mut other_port = |variable, own: fn(&mut Env) -> Url| {
            // An address on the command line says where the platform is, so a setting for another platform does not count.
            let setting = if has_server_option { None } else { env.optional_url(variable) };
            let own = own(env);
            let beside_server = public.as_ref().and_then(|public| beside(public, own.port()));
            setting.or(beside_server).unwrap_or(own)
        };
        let users = other_port("USERS_URL", default_address::<users::App>);
        let beside_or_set = other_port("HEALTH_CHECK_URL", default_address::<health_check::App>);
        let health_check = health_check.unwrap_or(beside_or_set);

        let default_public = default_address::<create_order::App>(env);
        let public = public.unwrap_or_else(|| default_public.clone());
        let are_default = public == default_public && health_check == default_address::<health_check::App>(env);
        let server = Endpoint::new(create_order::App::NAME, "--server or BUYDESK_URL", Audience::Customers, public);
        let own = |service, variable, audience, url: Option<Url>| match url {
            Some(url) => Endpoint::new(service, variable, audience, url),
            None => Endpoint { audience, ..server.clone() },
        };
        Self {
            orders: own(fetch_orders::App::NAME, "ORDERS_URL", Audience::Customers, orders),
            rates: own(rates::App::NAME, "RATES_URL", Audience::Everybody, rates),
            users: Endpoint::new(users::App::NAME, "--server or USERS_URL", Audience::UserManagers, users),
            health_check: Endpoint::new(
                health_check::App::NAME,
                "--health-check or HEALTH_CHECK_URL",
                Audience::Operators,
                health_check,
            ),
            server,
            are_default,
        }
    }
}

/// The port of the service on the bound host.
fn default_address<S: Service>(env: &mut Env) -> Url {
    let bind = Bind::from_env(env, S::NAME, S::PORT);
    let address = connect_address(SocketAddr::new(bind.host, bind.port));
    Url::parse(&format!("http://{address}")).expect("an address with a port is a URL")
}

/// Another port of the host of `url`.
fn beside(url: &Url, port: Option<u16>) -> Option<Url> {
    let mut url = url.clone();
    url.set_port(port).ok()?;
    url.set_path("/");
    Some(url)
}

#[cfg(test)]
mod tests;

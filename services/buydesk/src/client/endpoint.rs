//! The services that the client calls.

use std::{net::SocketAddr, time::Duration};

use common::{
    config::{Bind, Env, connect_address},
    service::Service,
};
use url::Url;

/// How long a service may take to answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// A service, and its address.
pub struct Endpoint {
    pub service: &'static str,
    /// The setting of its address.
    pub variable: &'static str,
    base: Url,
}

impl Endpoint {
    /// The address is the URL setting if it is set, and otherwise the port of the service on the bound host.
    pub fn from_env<S: Service>(env: &mut Env, variable: &'static str) -> Self {
        let bind = Bind::from_env(env, S::NAME, S::PORT);
        let default = format!("http://{}", connect_address(SocketAddr::new(bind.host, bind.port)));
        Self { service: S::NAME, variable, base: env.url(variable, &default) }
    }

    /// The address without a path.
    pub fn origin(&self) -> String {
        self.base.origin().ascii_serialization()
    }

    /// The address of a path.
    pub fn url(&self, path: &str) -> Result<Url, url::ParseError> {
        self.base.join(path)
    }
}

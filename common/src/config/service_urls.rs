//! The addresses of the instances of a service.

use std::str::FromStr;

use url::Url;

use super::{Env, bind::read_port, default_url, parse_http_url, shared::parse_distinct};

/// The addresses of the instances of a service, each once. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceUrls(Vec<Url>);

impl ServiceUrls {
    pub fn as_slice(&self) -> &[Url] {
        &self.0
    }
}

/// The address of the only instance, or of a load balancer in front of several instances.
impl From<Url> for ServiceUrls {
    fn from(url: Url) -> Self {
        Self(vec![url])
    }
}

/// Addresses separated by commas.
impl FromStr for ServiceUrls {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        parse_distinct(text, parse_service_url).map(Self).ok_or(())
    }
}

impl Env {
    /// The address of another service: an `http` or `https` URL without a path, because the paths of requests would
    /// replace the path. By default, the host is this machine, and the port is the one that the settings assign to the
    /// service, or else `default_port`. The settings come first, because another installation possibly uses
    /// `default_port`.
    pub fn service_url(&mut self, name: &str, service: &str, default_port: u16) -> Url {
        let allowed = format!(
            "an http or https address without user name, path, query and fragment, such as http://127.0.0.1:{default_port}"
        );
        let url = self.addresses_with(name, &allowed, parse_service_url);
        url.unwrap_or_else(|| self.default_service_url(service, default_port))
    }

    /// Like [`Env::service_url`], but with an address for each instance of the service.
    pub fn service_urls(&mut self, name: &str, service: &str, default_port: u16) -> ServiceUrls {
        let allowed = format!(
            "http or https addresses without user name, path, query and fragment, separated by commas, such as \
             http://127.0.0.1:{default_port}"
        );
        let urls = self.addresses_with(name, &allowed, |text| text.parse::<ServiceUrls>().ok());
        urls.unwrap_or_else(|| self.default_service_url(service, default_port).into())
    }

    fn default_service_url(&mut self, service: &str, default_port: u16) -> Url {
        let port = Some(read_port(self, service, default_port)).filter(|port| *port != 0);
        default_url(&format!("http://127.0.0.1:{}", port.unwrap_or(default_port)))
    }
}

fn parse_service_url(text: &str) -> Option<Url> {
    parse_http_url(text).filter(|url| url.path() == "/")
}

//! Settings: environment variables and a `.env` file, read once, checked before anything is bound.

pub mod shared;

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use subtle::ConstantTimeEq;
use url::Url;

/// One setting that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    name: String,
    value: Option<String>,
    allowed: String,
}

/// Every setting that is wrong, so that a person mends them in one go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(Vec<Fault>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings are not right:")?;
        for Fault { name, value, allowed } in &self.0 {
            match value {
                Some(value) => write!(f, "\n  {name}={value:?} is not allowed; {allowed}")?,
                None => write!(f, "\n  {name} is not set; {allowed}")?,
            }
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// The variables that settings are read from. Faults are gathered, and [`Env::finish`] tells them all.
#[derive(Debug, Clone, Default)]
pub struct Env {
    vars: HashMap<String, String>,
    asked: BTreeSet<String>,
    faults: Vec<Fault>,
}

impl Env {
    /// The process's own variables; what they do not set is taken from the file `.env` of this folder, if there is one.
    pub fn from_process() -> anyhow::Result<Self> {
        let mut vars = HashMap::new();
        if Path::new(".env").is_file() {
            for pair in dotenvy::from_path_iter(".env")? {
                let (name, value) = pair?;
                vars.insert(name, value);
            }
        }
        vars.extend(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))));
        Ok(Self { vars, ..Self::default() })
    }

    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let vars = pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self { vars, ..Self::default() }
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.vars.insert(name.to_owned(), value.into());
    }

    /// Sets what is not set yet.
    pub fn set_default(&mut self, name: &str, value: impl Into<String>) {
        if self.text(name).is_none() {
            self.set(name, value);
        }
    }

    /// The value of a variable; an empty one counts as not set.
    pub fn text(&mut self, name: &str) -> Option<&str> {
        self.asked.insert(name.to_owned());
        self.vars.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    /// The names of all that was asked for, whether it was set or not: what there is to set.
    pub fn variable_names(&self) -> impl Iterator<Item = &str> {
        self.asked.iter().map(String::as_str)
    }

    /// A setting with a default. `allowed` completes the sentence "X is not allowed; …".
    pub fn parse<T: FromStr>(&mut self, name: &str, default: T, allowed: &str) -> T {
        self.parse_with(name, allowed, |text| text.parse().ok()).unwrap_or(default)
    }

    /// A setting that may be absent, read by `read`; a fault is noted where it returns nothing.
    pub fn parse_with<T>(&mut self, name: &str, allowed: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?.to_owned();
        let value = read(&text);
        if value.is_none() {
            self.add_error(name, Some(text), allowed);
        }
        value
    }

    /// Notes a fault, such as of two settings that do not go together.
    pub fn add_error(&mut self, name: &str, value: Option<String>, allowed: &str) {
        let fault = Fault { name: name.to_owned(), value, allowed: allowed.to_owned() };
        // A setting that several services read is told once.
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Whole seconds within `range`.
    pub fn seconds(&mut self, name: &str, default: u64, range: std::ops::RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.whole_number(name, default, range))
    }

    /// A whole number within `range`.
    pub fn whole_number(&mut self, name: &str, default: u64, range: std::ops::RangeInclusive<u64>) -> u64 {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.parse_with(name, &allowed, |text| text.parse().ok().filter(|n| range.contains(n))).unwrap_or(default)
    }

    /// The address of another service: `http` or `https`, no path needed.
    pub fn url(&mut self, name: &str, default: &str) -> Url {
        let read =
            |text: &str| Url::parse(text).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
        self.parse_with(name, "an address such as http://127.0.0.1:8010", read)
            .unwrap_or_else(|| Url::parse(default).expect("a default address is right"))
    }

    /// A secret that is required and has no default.
    pub fn secret(&mut self, name: &str) -> Secret {
        const ALLOWED: &str = "set it to a long random text, the same for every service";
        match self.text(name).map(str::to_owned) {
            Some(text) if text.len() >= Secret::MIN_LEN => Secret::new(text),
            Some(_) => {
                self.add_error(name, Some("***".to_owned()), "at least 16 characters");
                Secret::new(String::new())
            }
            None => {
                self.add_error(name, None, ALLOWED);
                Secret::new(String::new())
            }
        }
    }

    /// Ends the reading: every fault that was noted, or nothing.
    pub fn finish(&mut self) -> Result<(), ConfigError> {
        if self.faults.is_empty() { Ok(()) } else { Err(ConfigError(std::mem::take(&mut self.faults))) }
    }
}

/// A text that does not print itself and is compared in constant time.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    const MIN_LEN: usize = 16;

    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// A new one, 122 random bits from the system's source of randomness.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string().into())
    }

    /// For the header that carries it, and nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn matches(&self, text: &str) -> bool {
        // An empty secret matches nothing, least of all an empty text.
        !self.0.is_empty() && bool::from(self.0.as_bytes().ct_eq(text.as_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// An address with the password left out, for logs and error messages.
pub fn redact_password(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else { return "(an address that cannot be read)".to_owned() };
    if url.password().is_some() {
        // Fails only for addresses that have no host, and those have no password.
        let _ = url.set_password(Some("***"));
    }
    url.to_string()
}

/// Where a service listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind {
    pub host: IpAddr,
    pub port: u16,
}

impl Bind {
    /// Reads `BIND_HOST` and the service's own port variable, such as `CREATE_ORDER_PORT` for `create-order`.
    pub fn from_env(env: &mut Env, service: &str, default_port: u16) -> Self {
        let host = env.parse("BIND_HOST", IpAddr::from([127, 0, 0, 1]), "an IP address, such as 127.0.0.1 or 0.0.0.0");
        let port = env.parse(&port_variable(service), default_port, "a port from 0 to 65535; 0 takes any free one");
        Self { host, port }
    }
}

/// An address that this machine can call: one that is bound on all interfaces is called on loopback.
pub fn connect_address(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

/// The variable that sets a service's port.
pub fn port_variable(service: &str) -> String {
    let mut name = String::with_capacity(service.len() + 5);
    for c in service.chars() {
        name.push(if c == '-' { '_' } else { c.to_ascii_uppercase() });
    }
    let _ = name.write_str("_PORT");
    name
}

#[cfg(test)]
mod tests;

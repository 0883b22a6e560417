//! The address that a service listens on, and the addresses at which it is reached.

use std::{
    fmt::Write as _,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::Env;

/// The address that a service listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind {
    pub host: IpAddr,
    pub port: u16,
}

impl Bind {
    /// Reads `BIND_HOST` and the port variable of the service, such as `CREATE_ORDER_PORT` for `create-order`.
    pub fn from_env(env: &mut Env, service: &str, default_port: u16) -> Self {
        let host = env.parse("BIND_HOST", IpAddr::from([127, 0, 0, 1]), "an IP address, such as 127.0.0.1 or 0.0.0.0");
        Self { host, port: read_port(env, service, default_port) }
    }
}

pub(super) fn read_port(env: &mut Env, service: &str, default_port: u16) -> u16 {
    env.parse(&port_variable(service), default_port, "a port from 0 to 65535; 0 selects a free port")
}

/// Whether the address is a loopback address. An IPv4 loopback address that is mapped to IPv6 counts too.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// The address at which this machine reaches a listener. A listener on all interfaces is reached on loopback.
pub fn connect_address(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    }
}

/// The variable that sets the port of a service.
pub fn port_variable(service: &str) -> String {
    let mut name = String::with_capacity(service.len() + 5);
    for c in service.chars() {
        name.push(if c == '-' { '_' } else { c.to_ascii_uppercase() });
    }
    let _ = name.write_str("_PORT");
    name
}

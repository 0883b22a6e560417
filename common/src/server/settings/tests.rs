use super::*;

fn max_connections(requested: usize, descriptors: u64, services: u64) -> usize {
    ServerConfig { max_connections: requested, ..ServerConfig::default() }
        .within_descriptors(descriptors, services)
        .max_connections
}

#[test]
fn connections_fit_into_the_file_descriptors() {
    assert_eq!(max_connections(2048, 1_000_000, 9), 2048);
    assert_eq!(max_connections(2048, 1024, 8), 32);
    assert_eq!(max_connections(2048, required_descriptors(9), 9) as u64, MIN_CONNECTIONS);
    assert_eq!(max_connections(5, 1024, 1), 5);
}

fn read(name: &'static str, value: &str) -> Result<ServerConfig, String> {
    let mut env = Env::from_pairs([(name, value)]);
    let config = ServerConfig::from_env(&mut env);
    env.finish().map(|()| config).map_err(|error| error.to_string())
}

#[test]
fn shutdown_delay_is_bounded_and_zero_by_default() {
    assert_eq!(ServerConfig::from_env(&mut Env::default()).shutdown_delay, Duration::ZERO);
    assert_eq!(read("SHUTDOWN_DELAY_SECS", "300").unwrap().shutdown_delay, Duration::from_mins(5));
    for invalid in ["-1", "301", "5s", "1.5"] {
        assert!(read("SHUTDOWN_DELAY_SECS", invalid).unwrap_err().contains("SHUTDOWN_DELAY_SECS"), "{invalid}");
    }
}

#[test]
fn origins_are_read_in_the_form_that_browsers_send() {
    let origins =
        read("CORS_ORIGINS", "https://Shop.example/, http://127.0.0.1:3000,https://shop.example:443").unwrap();
    let values: Vec<_> = origins.cors_origins.0.iter().map(|origin| origin.to_str().unwrap()).collect();
    assert_eq!(values, ["https://shop.example", "http://127.0.0.1:3000"]);
    for invalid in
        ["*", "shop.example", "https://shop.example/path", "https://shop.example?x", "ftp://shop.example", "null"]
    {
        assert!(read("CORS_ORIGINS", invalid).unwrap_err().contains("CORS_ORIGINS"), "{invalid}");
    }
}

#[test]
fn host_names_are_normalised_and_ports_are_refused() {
    let hosts = read("ALLOWED_HOSTS", "Shop.Example, 192.0.2.1,::1").map(|config| config.allowed_hosts.0);
    assert_eq!(hosts.unwrap(), ["shop.example", "192.0.2.1", "::1"]);
    for invalid in ["shop.example:80", "https://shop.example", "*", "a b"] {
        assert!(read("ALLOWED_HOSTS", invalid).unwrap_err().contains("ALLOWED_HOSTS"), "{invalid}");
    }
}

#[test]
fn loopback_names_are_always_allowed_and_public_domains_only_if_configured() {
    let configured = AllowedHosts(vec!["shop.example".to_owned()]);
    for name in [
        "localhost",
        "LocalHost.",
        "shop.localhost",
        "127.0.0.1",
        "127.9.9.9",
        "[::1]",
        "shop.example",
        "SHOP.example.",
    ] {
        assert!(configured.contain(name, true), "{name}");
        assert!(configured.contain(name, false), "{name}");
    }
    for name in ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io", ""] {
        assert!(!configured.contain(name, true), "{name}");
    }
    for (name, allowed_beyond_loopback) in
        [("192.0.2.1", true), ("[2001:db8::1]", true), ("db-proxy", true), ("evil.example", false)]
    {
        assert!(!configured.contain(name, true), "{name}");
        assert_eq!(configured.contain(name, false), allowed_beyond_loopback, "{name}");
    }
}

use common::config::parse_http_url;

use super::*;

/// The public address, and the addresses for reads of orders, for reads of courses and conversions, and of health-check.
fn addresses(server: Option<&str>, health_check: Option<&str>, settings: &[(&str, &str)]) -> [String; 4] {
    let mut env = Env::from_pairs(settings.iter().copied());
    let parse = |text: Option<&str>| text.map(|text| parse_http_url(text).unwrap());
    let endpoints = Endpoints::new(&mut env, Addresses { server: parse(server), health_check: parse(health_check) });
    env.finish().unwrap();
    let Endpoints { server, orders, rates, health_check, .. } = endpoints;
    [server, orders, rates, health_check].map(|endpoint| endpoint.address().to_owned())
}

#[test]
fn one_address_is_used_for_all_public_services_and_for_the_host_of_health_check() {
    let local = "http://127.0.0.1:8001";
    assert_eq!(addresses(None, None, &[]), [local, local, local, "http://127.0.0.1:8050"]);
    let shop = "http://shop:9001";
    let expected = [shop, shop, shop, "http://shop:8050"];
    assert_eq!(addresses(Some(shop), None, &[]), expected);
    assert_eq!(addresses(None, None, &[("BUYDESK_URL", shop)]), expected);
    assert_eq!(addresses(None, None, &[("CREATE_ORDER_URL", shop)]), expected);
    let port = "http://127.0.0.1:9001";
    let ports = [("CREATE_ORDER_PORT", "9001"), ("HEALTH_CHECK_PORT", "9050")];
    assert_eq!(addresses(None, None, &ports), [port, port, port, "http://127.0.0.1:9050"]);
}

#[test]
fn public_address_replaces_addresses_of_single_services() {
    let single = [("ORDERS_URL", "http://orders:1"), ("RATES_URL", "http://rates:2")];
    assert_eq!(addresses(None, None, &single)[..3], ["http://127.0.0.1:8001", "http://orders:1", "http://rates:2"]);
    let with_one = [single[0], single[1], ("CREATE_ORDER_URL", "http://old:3"), ("BUYDESK_URL", "http://shop")];
    assert_eq!(addresses(None, None, &with_one)[..3], ["http://shop"; 3]);
    assert_eq!(addresses(Some("http://other"), None, &with_one)[..3], ["http://other"; 3]);
}

#[test]
fn health_check_is_on_the_host_of_the_public_address_unless_its_address_is_set() {
    let setting = [("HEALTH_CHECK_URL", "http://health:5"), ("BUYDESK_URL", "http://shop:9001")];
    assert_eq!(addresses(None, None, &setting)[3], "http://health:5");
    // The setting HEALTH_CHECK_URL is ignored, because --server may be the address of another platform.
    assert_eq!(addresses(Some("https://other/buydesk"), None, &setting)[3], "https://other:8050");
    assert_eq!(addresses(Some("http://other"), Some("http://page:6"), &setting)[3], "http://page:6");
}

#[test]
fn hints_name_only_the_options_and_settings_that_have_an_effect() {
    let hints = |server: Option<&str>| {
        let server = server.map(|text| parse_http_url(text).unwrap());
        let endpoints = Endpoints::new(&mut Env::from_pairs([("", ""); 0]), Addresses { server, health_check: None });
        let Endpoints { server, users, wallets, health_check, .. } = endpoints;
        [server, users, wallets, health_check].map(|endpoint| endpoint.settings)
    };
    let alone = [
        "--server or BUYDESK_URL",
        "--server or USERS_URL",
        "--server or WALLETS_URL",
        "--health-check or HEALTH_CHECK_URL",
    ];
    assert_eq!(hints(None), alone);
    let with_option = ["--server", "USERS_URL (without --server)", "WALLETS_URL (without --server)", "--health-check"];
    assert_eq!(hints(Some("http://shop")), with_option);
}

#[test]
fn paths_are_appended_to_an_address_with_a_path() {
    let endpoint = |text| Endpoint::new("create-order", "", Audience::Customers, parse_http_url(text).unwrap());
    for address in ["https://shop/buydesk", "https://shop/buydesk/"] {
        let url = endpoint(address).url("api/v1/orders?limit=1").unwrap();
        assert_eq!(url.as_str(), "https://shop/buydesk/api/v1/orders?limit=1");
    }
}

/// A service with its own port on the host of the public address.
#[derive(Clone, Copy)]
struct OtherService {
    of: fn(Endpoints) -> Endpoint,
    port: &'static str,
    port_variable: &'static str,
    url_variable: &'static str,
}

#[test]
fn users_and_wallets_are_on_the_host_of_the_public_address_unless_their_addresses_are_set() {
    let users = OtherService {
        of: |endpoints| endpoints.users,
        port: "8060",
        port_variable: "USERS_PORT",
        url_variable: "USERS_URL",
    };
    let wallets = OtherService {
        of: |endpoints| endpoints.wallets,
        port: "8030",
        port_variable: "WALLETS_PORT",
        url_variable: "WALLETS_URL",
    };
    let journal = OtherService { of: |endpoints| endpoints.journal, ..wallets };
    for OtherService { of, port, port_variable, url_variable } in [users, wallets, journal] {
        let address = |server: Option<&str>, settings: &[(&str, &str)]| {
            let mut env = Env::from_pairs(settings.iter().copied());
            let server = server.map(|text| parse_http_url(text).unwrap());
            let endpoints = Endpoints::new(&mut env, Addresses { server, health_check: None });
            env.finish().unwrap();
            of(endpoints).address().to_owned()
        };
        assert_eq!(address(None, &[]), format!("http://127.0.0.1:{port}"));
        assert_eq!(address(None, &[(port_variable, "9060")]), "http://127.0.0.1:9060");
        assert_eq!(address(None, &[("BUYDESK_URL", "http://shop:9001")]), format!("http://shop:{port}"));
        let setting = [(url_variable, "http://other:5"), ("BUYDESK_URL", "http://shop:9001")];
        assert_eq!(address(None, &setting), "http://other:5");
        assert_eq!(address(Some("https://other/buydesk"), &setting), format!("https://other:{port}"));
    }
}

#[test]
fn default_addresses_are_recognised() {
    let are_default = |settings: &[(&str, &str)]| {
        let mut env = Env::from_pairs(settings.iter().copied());
        Endpoints::new(&mut env, Addresses::default()).are_default
    };
    assert!(are_default(&[]));
    assert!(are_default(&[("BUYDESK_URL", "http://127.0.0.1:8001/")]));
    // Another platform on the same host possibly has its own health-check.
    assert!(!are_default(&[("BUYDESK_URL", "http://127.0.0.1:9001")]));
    assert!(!are_default(&[("HEALTH_CHECK_URL", "http://health:5")]));
}

use super::*;

#[test]
fn every_invalid_setting_is_reported_with_name_and_value() {
    let mut env = Env::from_pairs([("BTC_LIMIT", "lots"), ("PRICE_TTL_SECS", "0"), ("DB_PROXY_URL", "db")]);
    env.parse("BTC_LIMIT", crate::money::Sats::ZERO, "an amount of bitcoin, such as 100");
    env.seconds("PRICE_TTL_SECS", 60, 1..=3600);
    env.url("DB_PROXY_URL", "http://127.0.0.1:8010");
    shared::internal_token(&mut env, "DB_PROXY_TOKEN");
    let message = env.finish().unwrap_err().to_string();
    for part in [
        "BTC_LIMIT=\"lots\"",
        "such as 100",
        "PRICE_TTL_SECS=\"0\"",
        "from 1 to 3600",
        "DB_PROXY_URL=\"db\"",
        "INTERNAL_TOKEN is not set",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
}

#[test]
fn invalid_setting_is_named_with_its_value_and_what_it_must_be() {
    let mut env = Env::from_pairs([("PRICE_TTL_SECS", "0"), ("LIMIT", "5"), ("DATABASE_URL", "x")]);
    env.seconds("PRICE_TTL_SECS", 60, 1..=3600);
    env.add_error("LIMIT", "5", "at most 4");
    env.add_fault("DATABASE_URL", Some("x".to_owned()), "the host is missing");
    env.secret("TOKEN", "set it to a long random text");
    let message = env.finish().unwrap_err().to_string();
    let lines = [
        "some settings are invalid:",
        "  PRICE_TTL_SECS=\"0\" is not allowed; it must be a whole number from 1 to 3600",
        "  LIMIT=\"5\" is not allowed; it must be at most 4",
        "  DATABASE_URL=\"x\" is not allowed; the host is missing",
        "  TOKEN is not set; set it to a long random text",
    ];
    assert_eq!(message.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn defaults_apply_to_unset_and_blank_variables() {
    let mut env = Env::from_pairs([("BTC_LIMIT", "  ")]);
    let limit = env.parse("BTC_LIMIT", "100".parse::<crate::money::Sats>().unwrap(), "");
    assert_eq!(limit.to_string(), "100.00000000");
    assert_eq!(Bind::from_env(&mut env, "create-order", 8001).port, 8001);
    assert_eq!(env.variable_names().collect::<Vec<_>>(), ["BIND_HOST", "BTC_LIMIT", "CREATE_ORDER_PORT"]);
    assert!(env.finish().is_ok());
}

#[test]
fn secret_is_not_printed_and_matches_only_itself() {
    let secret = Secret::new("correct horse battery");
    assert_eq!(format!("{secret:?}"), "***");
    assert!(secret.matches("correct horse battery"));
    assert!(!secret.matches("correct horse"));
    assert!(!Secret::new("").matches(""));
    let mut env = Env::from_pairs([("INTERNAL_TOKEN", "short")]);
    shared::internal_token(&mut env, "DB_PROXY_TOKEN");
    assert!(!env.finish().unwrap_err().to_string().contains("short"));
}

#[test]
fn port_variable_is_derived_from_the_service_name() {
    assert_eq!(port_variable("price-cache-proxy"), "PRICE_CACHE_PROXY_PORT");
}

#[test]
fn password_is_redacted() {
    assert_eq!(redact_password("postgres://u:p@h/db"), "postgres://u:***@h/db");
    assert_eq!(redact_password("postgres://h/db?user=u&password=p"), "postgres://h/db?***");
    // The password of this address is 12#secret.
    assert_eq!(redact_password("postgres://u:12#secret@h/db"), "postgres://u:12#***");
    for (address, shown) in
        [("foo", "foo"), ("http://u:p@h", "http://u:***@h/"), ("http://u:p@", "(an invalid address)")]
    {
        assert_eq!(shown_address(address), shown);
    }
}

#[test]
fn each_invalid_setting_is_named_once() {
    let mut env = Env::from_pairs([("PRICE_TTL_SECS", "a minute")]);
    // Two services read the setting, and a third one compares its default with another setting.
    shared::price_ttl(&mut env);
    shared::price_ttl(&mut env);
    env.add_error("PRICE_TTL_SECS", "60", "more than PRICE_REFRESH_SECS");
    shared::db_proxy_token(&mut env, Caller::RATES);
    shared::price_cache_token(&mut env, Caller::RATES);
    shared::db_proxy_token(&mut env, Caller::CREATE_ORDER);
    let message = env.finish().unwrap_err().to_string();
    assert_eq!(message.lines().count(), 3, "{message}");
    assert!(message.contains("PRICE_TTL_SECS=\"a minute\""), "{message}");
    assert!(message.ends_with(", or set DB_PROXY_TOKEN and PRICE_CACHE_TOKEN"), "{message}");
}

#[test]
fn service_address_must_have_only_scheme_host_and_port() {
    let error = |url: &str| {
        let mut env = Env::from_pairs([("DB_PROXY_URL", url)]);
        env.service_url("DB_PROXY_URL", "db-proxy", 8010);
        env.finish().err().map(|error| error.to_string())
    };
    for valid in ["http://127.0.0.1:8010", "https://db-proxy/", "http://[::1]:8010", "HTTP://db-proxy:8010"] {
        assert_eq!(error(valid), None, "{valid}");
    }
    for invalid in [
        "http://db-proxy:8010/api",
        "http://db-proxy?x=secret",
        "http://db-proxy#x",
        "http://user:secret@db-proxy",
        "http://user@db-proxy",
        "http://db-proxy:0",
        "http://db-proxy:99999",
        "http:db-proxy:8010",
        "http:/db-proxy:8010",
        "http://",
        "http://db proxy",
        "ftp://db-proxy",
        "db-proxy:8010",
    ] {
        let error = error(invalid).unwrap_or_else(|| panic!("{invalid} is accepted"));
        assert!(error.contains("DB_PROXY_URL") && !error.contains("secret"), "{error}");
    }
}

#[test]
fn addresses_of_instances_are_separated_by_commas() {
    let urls = |text: &str| {
        let mut env = Env::from_pairs([("DB_PROXY_URL", text)]);
        let urls = env.service_urls("DB_PROXY_URL", "db-proxy", 8010);
        env.finish().map_err(|error| error.to_string())?;
        Ok::<_, String>(urls.as_slice().iter().map(Url::to_string).collect::<Vec<_>>())
    };
    assert_eq!(urls("http://a:1").unwrap(), ["http://a:1/"]);
    assert_eq!(urls("http://a:1, http://b:1,http://a:1/").unwrap(), ["http://a:1/", "http://b:1/"]);
    for invalid in [",", "http://a:1,b:1", "http://a:1;http://b:1", "http://a:1,http://user:secret@b:1"] {
        let error = urls(invalid).unwrap_err();
        assert!(error.contains("DB_PROXY_URL") && error.contains("separated by commas"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}

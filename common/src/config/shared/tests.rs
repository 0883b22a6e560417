use super::*;

#[test]
fn repeated_currencies_and_empty_elements_are_ignored() {
    let parse = |text: &str| {
        let mut env = Env::from_pairs([("CURRENCIES", text)]);
        let currencies = currencies(&mut env);
        env.finish().map(|()| currencies).map_err(|error| error.to_string())
    };
    assert_eq!(parse("usd, EUR,USD,").unwrap(), [Currency::USD, Currency::EUR]);
    assert_eq!(parse("").unwrap(), [Currency::EUR, Currency::GBP, Currency::USD]);
    for invalid in ["EURO", ",", "EUR;USD"] {
        assert!(parse(invalid).unwrap_err().contains("CURRENCIES"), "{invalid}");
    }
}

#[test]
fn courses_are_refreshed_at_least_as_often_as_prices() {
    let interval = |pairs: &[(&'static str, &'static str)]| {
        let mut env = Env::from_pairs(pairs.iter().copied());
        let interval = course_refresh_interval(&mut env).as_secs();
        env.finish().map(|()| interval).map_err(|error| error.to_string())
    };
    assert_eq!(interval(&[]), Ok(5));
    assert_eq!(interval(&[("PRICE_REFRESH_SECS", "3")]), Ok(3));
    assert!(interval(&[("PRICE_REFRESH_SECS", "3"), ("COURSE_REFRESH_SECS", "4")]).is_err());
}

#[test]
fn anonymous_access_is_on_unless_it_is_turned_off() {
    let parse = |text: &str| {
        let mut env = Env::from_pairs([("ANONYMOUS", text)]);
        let is_on = anonymous_is_on(&mut env);
        env.finish().map(|()| is_on).map_err(|error| error.to_string())
    };
    assert_eq!((parse(""), parse("on"), parse("off")), (Ok(true), Ok(true), Ok(false)));
    for invalid in ["no", "Off", "true", "0"] {
        let error = parse(invalid).unwrap_err();
        assert!(error.contains(&format!("ANONYMOUS={invalid:?}")) && error.contains("on or off"), "{error}");
    }
}

#[test]
fn operator_token_must_be_set_and_long_and_is_not_shown() {
    let error = |pairs: &[(&'static str, &'static str)]| {
        let mut env = Env::from_pairs(pairs.iter().copied());
        required_operator_token(&mut env);
        env.finish().map_err(|error| error.to_string())
    };
    assert_eq!(error(&[("OPERATOR_TOKEN", "0123456789abcdef")]), Ok(()));
    assert!(error(&[]).unwrap_err().contains("OPERATOR_TOKEN is not set"));
    let short = error(&[("OPERATOR_TOKEN", "0123456789abcde")]).unwrap_err();
    assert!(short.contains("at least 16 characters") && !short.contains("0123"), "{short}");
    assert!(error(&[("OPERATOR_TOKEN", "ключключключ")]).unwrap_err().contains("at least 16 characters"));
}

#[test]
fn default_address_of_a_service_has_the_port_in_its_port_setting() {
    let address = |pairs: &[(&'static str, &'static str)]| {
        let mut env = Env::from_pairs(pairs.iter().copied());
        let address = price_cache_urls(&mut env).as_slice()[0].to_string();
        env.finish().map(|()| address).map_err(|error| error.to_string())
    };
    let port = |port| ("PRICE_CACHE_PROXY_PORT", port);
    assert_eq!(address(&[]).unwrap(), "http://127.0.0.1:8002/");
    assert_eq!(address(&[port("9002")]).unwrap(), "http://127.0.0.1:9002/");
    // `PRICE_CACHE_URL` takes precedence. Port 0 selects a free port that other processes do not know.
    assert_eq!(address(&[port("9002"), ("PRICE_CACHE_URL", "http://cache:8002")]).unwrap(), "http://cache:8002/");
    assert_eq!(address(&[port("0")]).unwrap(), "http://127.0.0.1:8002/");
    assert!(address(&[port("many")]).unwrap_err().contains("PRICE_CACHE_PROXY_PORT"));
}

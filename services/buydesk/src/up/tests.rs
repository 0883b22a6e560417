use super::*;

#[test]
fn price_note_states_how_long_the_last_price_is_used() {
    let note = |settings: &[(&str, &str)]| {
        let pairs = [("INTERNAL_TOKEN", "0123456789abcdef")].into_iter().chain(settings.iter().copied());
        price_note(&mut Env::from_pairs(pairs), false)
    };
    for (settings, age) in [
        (&[][..], "60 min"),
        (&[("PRICE_PROLONG_SECS", "600")], "10 min"),
        (&[("PRICE_MAX_AGE_SECS", "300")], "5 min"),
        (&[("PRICE_MAX_AGE_SECS", "3600"), ("PRICE_PROLONG_SECS", "120")], "2 min"),
        // A fresh price is used for its whole lifetime.
        (&[("PRICE_MAX_AGE_SECS", "10")], "60 s"),
    ] {
        let note = note(settings);
        assert!(note.contains(&format!("until it is {age} old. Then orders are refused.")), "{note}");
    }
}

#[test]
fn error_names_two_services_with_the_same_port_and_their_settings() {
    let check = |settings: &[(&str, &str)], demo: bool| {
        let secrets = [("INTERNAL_TOKEN", "0123456789abcdef"), ("OPERATOR_TOKEN", "0123456789abcdef")];
        let mut env = Env::from_pairs(secrets.into_iter().chain(settings.iter().copied()));
        check_settings(&mut env, demo).map_err(|error| error.to_string())
    };
    for settings in [&[("RATES_PORT", "8020")][..], &[("RATES_PORT", "9000"), ("FETCH_ORDERS_PORT", "9000")]] {
        let error = check(settings, true).unwrap_err();
        let port = settings[0].1;
        let expected = format!(
            "RATES_PORT=\"{port}\" is not allowed; fetch-orders has the port {port} too (FETCH_ORDERS_PORT); set FETCH_ORDERS_PORT \
             or RATES_PORT to another port"
        );
        assert!(error.ends_with(&expected), "{error}");
    }
    assert_eq!(check(&[("RATES_PORT", "0"), ("FETCH_ORDERS_PORT", "0")], true), Ok(()));
    // exchange-sim runs only with --demo.
    assert!(check(&[("RATES_PORT", "8090")], true).unwrap_err().contains("EXCHANGE_SIM_PORT"));
    assert_eq!(check(&[("RATES_PORT", "8090")], false), Ok(()));
}

#[test]
fn addresses_of_price_sources_without_effect_are_named() {
    let warning = |settings: &[(&str, &str)]| replaced_source_addresses(&mut Env::from_pairs(settings.iter().copied()));
    assert_eq!(warning(&[("PRICE_SOURCES", "kraken")]), None);
    let effect = "no effect, because the prices of --demo come from the simulated exchanges of this process";
    assert_eq!(warning(&[("KRAKEN_URL", "http://127.0.0.1:1")]), Some(format!("KRAKEN_URL has {effect}")));
    let several = warning(&[("KRAKEN_WS_URL", "off"), ("BINANCE_URL", "http://127.0.0.1:1")]).unwrap();
    assert_eq!(several, format!("BINANCE_URL, KRAKEN_WS_URL have {effect}"));
}

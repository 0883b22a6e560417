use super::*;

fn caps_of(pairs: &[(&'static str, &'static str)]) -> Result<[i64; 3], String> {
    let mut env = Env::from_pairs(pairs.iter().copied().chain([("INTERNAL_TOKEN", "0123456789abcdef")]));
    let OrderSettings { limit, quote_caps, .. } = Config::from_env(&mut env).orders;
    let quote_caps = quote_caps.get();
    let caps = [quote_caps.of_quote(limit), quote_caps.of_client(limit), quote_caps.of_all_quotes(limit)];
    env.finish().map(|()| caps.map(Sats::get)).map_err(|error| error.to_string())
}

#[test]
fn caps_of_quotes_are_shares_of_the_limit_by_default() {
    const BITCOIN: i64 = 100_000_000;
    assert_eq!(caps_of(&[]), Ok([10 * BITCOIN, 10 * BITCOIN, 50 * BITCOIN]));
    assert_eq!(caps_of(&[("BTC_LIMIT", "2")]), Ok([BITCOIN / 5, BITCOIN / 5, BITCOIN]));
    // The default caps have a minimum, so that quotes are possible with a low limit.
    assert_eq!(caps_of(&[("BTC_LIMIT", "0.001")]), Ok([BITCOIN / 100; 3]));
    let set = [("QUOTE_MAX_BTC", "1"), ("QUOTE_MAX_BTC_PER_CLIENT", "2"), ("QUOTE_MAX_BTC_TOTAL", "0")];
    assert_eq!(caps_of(&set), Ok([BITCOIN, 2 * BITCOIN, 0]));
    for name in ["QUOTE_MAX_BTC", "QUOTE_MAX_BTC_PER_CLIENT", "QUOTE_MAX_BTC_TOTAL"] {
        assert!(caps_of(&[(name, "-1")]).unwrap_err().contains(name));
    }
}

#[test]
fn simulated_orders_are_refused_in_the_default_file_of_real_orders() {
    let fault = |pairs: &[(&'static str, &'static str)]| {
        let mut env = Env::from_pairs(pairs.iter().copied());
        database_url(&mut env);
        env.finish().err().map(|error| error.to_string())
    };
    let real = ("DATABASE_URL", DEFAULT_DATABASE);
    let error = fault(&[real, ("SIMULATED", "true")]).unwrap();
    assert!(error.contains("DATABASE_URL=") && error.contains("SIMULATED=true declares simulated orders"), "{error}");
    assert_eq!(fault(&[real, ("SIMULATED", "false")]), None);
    assert_eq!(fault(&[real]), None);
    assert_eq!(fault(&[("DATABASE_URL", DEFAULT_SIMULATED_DATABASE), ("SIMULATED", "true")]), None);
    assert_eq!(fault(&[("SIMULATED", "true")]), None);
}

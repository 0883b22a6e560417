use super::*;

fn read(pairs: &[(&str, &str)]) -> Result<Config, String> {
    let mut env = Env::from_pairs(pairs.iter().copied().chain([("INTERNAL_TOKEN", "0123456789abcdef")]));
    let config = Config::from_env(&mut env);
    env.finish().map(|()| config).map_err(|error| error.to_string())
}

#[test]
fn defaults_match_the_documentation() {
    let config = read(&[]).unwrap();
    let Config { poll_interval, publish_interval, record_ttl, max_prolonged_age, source_timeout, frozen_after, .. } =
        config;
    let seconds = [poll_interval, publish_interval, record_ttl, max_prolonged_age, source_timeout, frozen_after]
        .map(|d| d.as_secs());
    assert_eq!(seconds, [5, 15, 60, 3600, 5, 60]);
    assert_eq!([1, 2, 3, 7].map(|exchanges| PricingSettings::of(&config).min_sources(exchanges)), [1, 1, 2, 2]);
    assert_eq!(config.currencies, [Currency::EUR, Currency::GBP, Currency::USD]);
    assert_eq!(config.sources.len(), SOURCES.len());
    assert!(!config.simulated);
}

#[test]
fn duplicates_in_lists_are_dropped() {
    let config = read(&[("PRICE_SOURCES", "kraken, kraken"), ("CURRENCIES", "usd,EUR,USD,")]).unwrap();
    assert_eq!(config.sources.iter().map(|(source, _)| source.name).collect::<Vec<_>>(), ["kraken"]);
    assert_eq!(config.inactive_sources.len(), SOURCES.len() - 1);
    assert_eq!(config.currencies, [Currency::USD, Currency::EUR]);
}

#[test]
fn invalid_settings_are_named_in_the_error() {
    for (pairs, named) in [
        (&[("PRICE_REFRESH_SECS", "60")][..], "more than PRICE_REFRESH_SECS, which is 60,"),
        (&[("PRICE_TTL_SECS", "600"), ("PRICE_PROLONG_SECS", "300")], "at least PRICE_TTL_SECS, which is 600"),
        (&[("PRICE_REFRESH_SECS", "3"), ("SOURCE_TIMEOUT_SECS", "4")], "SOURCE_TIMEOUT_SECS"),
        (&[("PRICE_REFRESH_SECS", "3"), ("COURSE_REFRESH_SECS", "4")], "COURSE_REFRESH_SECS"),
        (&[("PRICE_SOURCES", "kraken"), ("MIN_SOURCES", "2")], "MIN_SOURCES"),
        (&[("MIN_SOURCES", "0")], "MIN_SOURCES"),
        (&[("PRICE_SOURCES", "kraken,coingecko,ecb,cbr"), ("MIN_SOURCES", "3")], "MIN_SOURCES"),
        (&[("PRICE_SOURCES", "ecb,cbr")], "PRICE_SOURCES"),
        (&[("PRICE_SOURCES", "kraken,mtgox,binanc")], "unknown: \"mtgox\", \"binanc\" (did you mean binance?)"),
        (&[("CURRENCIES", "EURO")], "CURRENCIES"),
        (&[("KRAKEN_URL", "kraken")], "KRAKEN_URL"),
    ] {
        let message = read(pairs).unwrap_err();
        assert!(message.contains(named), "{named} is not in: {message}");
    }
    let short = read(&[("PRICE_REFRESH_SECS", "3"), ("MIN_SOURCES", "1")]).unwrap();
    assert_eq!([short.source_timeout, short.poll_interval].map(|d| d.as_secs()), [3, 3]);
    assert_eq!(PricingSettings::of(&short).min_sources(7), 1);
}

#[test]
fn currencies_without_an_active_source_are_listed() {
    let unpriced = |pairs: &[(&str, &str)]| {
        let unpriced = read(pairs).unwrap().unpriced_currencies();
        unpriced.iter().map(Currency::to_string).collect::<Vec<_>>()
    };
    assert_eq!(unpriced(&[]), [""; 0]);
    assert_eq!(unpriced(&[("CURRENCIES", "EUR,XYZ,SEK,RUB,XXX")]), ["XYZ", "XXX"]);
    // Kraken trades no pair in roubles. Indices and banks report rates of the rouble, but none of them is active here.
    let kraken = ("PRICE_SOURCES", "kraken");
    assert_eq!(unpriced(&[kraken, ("CURRENCIES", "EUR,RUB")]), ["RUB"]);
}

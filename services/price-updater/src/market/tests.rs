use super::*;

fn voice(source: &'static str, told: &str, value: &str) -> Voice {
    Voice {
        source,
        kind: CourseKind::Trade,
        told: told.parse().unwrap(),
        value: value.parse().unwrap(),
        book: None,
        observed_at: now(),
        simulated: false,
        unfit: None,
    }
}

fn fixing(told: &str, value: &str) -> Voice {
    Voice { kind: CourseKind::Fixing, ..voice("ecb", told, value) }
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn currencies(codes: &[&str]) -> Vec<Currency> {
    codes.iter().map(|code| code.parse().unwrap()).collect()
}

fn market(voices: &[Voice], ours: &[&str], traded: &[&str]) -> Market {
    let wanted = Wanted {
        currencies: currencies(ours),
        rules: Rules { min_sources: 1, max_spread_percent: 5 },
        traded: traded.iter().map(|direction| direction.parse().unwrap()).collect(),
    };
    Market::of(voices, &wanted, &Past::default(), now())
}

fn price(market: &Market, direction: &str) -> Option<(String, Method)> {
    let agreed = market.prices.get(&direction.parse().unwrap())?;
    Some((agreed.price?.to_string(), agreed.method))
}

#[test]
fn everything_that_can_be_priced_is() {
    let voices = [
        voice("a", "BTC-USD", "91000"),
        voice("b", "BTC-EUR", "84000"),
        voice("a", "ETH-USD", "3000"),
        voice("b", "USDT-USD", "1"),
        voice("c", "BTC-USDT", "91002"),
        fixing("EUR-USD", "1.08"),
        fixing("USD-RUB", "90"),
        fixing("EUR-SEK", "11.88"),
    ];
    let market = market(&voices, &["EUR", "GBP", "USD"], &["BTC-USD", "BTC-EUR"]);
    let told = |direction| price(&market, direction);
    let is = |price: &str, method| Some((price.to_owned(), method));
    assert_eq!(told("BTC-USD"), is("91001.00", Method::Median));
    assert_eq!(told("BTC-EUR"), is("84000.00", Method::Median));
    assert_eq!(told("BTC-RUB"), is("8190090.00", Method::Cross));
    assert_eq!(told("ETH-SEK"), is("33000.00", Method::Cross));
    assert_eq!(told("USDT-RUB"), is("90.00", Method::Cross));
    assert_eq!(told("BTC-GBP"), None);
    // Orders could be paid in pounds, so it is shown that there is no price; ether in pounds nobody asked for.
    assert!(market.prices.contains_key(&"BTC-GBP".parse().unwrap()));
    assert!(!market.prices.contains_key(&"ETH-GBP".parse().unwrap()));
    let record = market.record(&currencies(&["EUR", "GBP", "USD"])).unwrap();
    assert_eq!(record.prices.keys().copied().collect::<Vec<_>>(), currencies(&["EUR", "USD"]));
    assert_eq!(record.prices[&Currency::USD].sources, ["a", "c"]);
    assert_eq!((record.as_of, record.simulated), (now(), false));
}

#[test]
fn what_exchanges_trade_is_never_computed_for_orders() {
    let apart = [
        voice("a", "BTC-USD", "91000"),
        voice("a", "BTC-EUR", "84000"),
        voice("b", "BTC-EUR", "42000"),
        fixing("EUR-USD", "1.08"),
        fixing("USD-EUR", "0.92"),
        fixing("USD-RUB", "90"),
    ];
    let orders = market(&apart, &["EUR", "RUB"], &["BTC-EUR", "BTC-USD"]);
    assert_eq!(price(&orders, "BTC-EUR"), None);
    let record = orders.record(&currencies(&["EUR", "RUB"])).unwrap();
    // Nobody trades roubles, so they are, of the votes in dollars.
    assert_eq!(record.prices.keys().copied().collect::<Vec<_>>(), currencies(&["RUB"]));
    assert_eq!(record.prices.values().next().unwrap().sources, ["a"]);
}

#[test]
fn real_and_simulated_prices_are_never_mixed() {
    let made_up = |voice: Voice| Voice { simulated: true, ..voice };
    let simulated = [made_up(voice("sim", "BTC-EUR", "84100"))];
    let record = market(&simulated, &["EUR"], &[]).record(&currencies(&["EUR"])).unwrap();
    assert!(record.simulated);
    // Not even direction by direction.
    let both = [simulated[0], voice("real", "BTC-USD", "91000")];
    let mixed = market(&both, &["EUR", "USD"], &[]);
    assert_eq!(price(&mixed, "BTC-EUR"), None);
    let why = mixed.prices[&"BTC-EUR".parse().unwrap()].votes[0].rejected;
    assert_eq!(why, Some(Rejection::Simulated));
    assert!(!mixed.record(&currencies(&["EUR", "USD"])).unwrap().simulated);
    // A real one that does not count is no reason to pass over the others.
    let stale = Voice { unfit: Some(Rejection::Stale), ..both[1] };
    assert!(price(&market(&[both[0], stale], &["EUR"], &[]), "BTC-EUR").is_some());
}

#[test]
fn of_two_that_contradict_each_other_the_past_decides_while_it_means_something() {
    let agreed = market(&[voice("a", "BTC-EUR", "84000")], &["EUR"], &[]);
    let mut past = Past::default();
    past.note(&agreed);
    let wanted = Wanted {
        currencies: currencies(&["EUR"]),
        rules: Rules { min_sources: 1, max_spread_percent: 5 },
        traded: BTreeSet::new(),
    };
    let apart = [voice("a", "BTC-EUR", "84010"), voice("b", "BTC-EUR", "33600")];
    let second = std::time::Duration::from_secs(1);
    let decide = |voices: &[Voice], since| price(&Market::of(voices, &wanted, &past, since), "BTC-EUR");
    assert_eq!(decide(&apart, now().minus(second)).unwrap().0, "84010.00");
    assert_eq!(decide(&apart, now()), None, "it is too long ago");
    let simulated = apart.map(|voice| Voice { simulated: true, ..voice });
    assert_eq!(decide(&simulated, now().minus(second)), None, "a real price says nothing about made-up ones");
}

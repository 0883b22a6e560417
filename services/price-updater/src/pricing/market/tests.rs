use super::*;

const MAX_LAG: Duration = Duration::from_secs(35);

fn vote(source: &'static str, pair: &str, value: &str) -> Vote {
    Vote {
        source,
        kind: CourseKind::Trade,
        pair: pair.parse().unwrap(),
        value: value.parse().unwrap(),
        bid_ask: None,
        observed_at: now(),
        simulated: false,
        ineligible: None,
        freeze_suspected: false,
        official_day: None,
    }
}

fn fixing(pair: &str, value: &str) -> Vote {
    Vote { kind: CourseKind::Fixing, ..vote("ecb", pair, value) }
}

/// The price of an index, observed `seconds` ago.
fn index(pair: &str, value: &str, seconds: u64) -> Vote {
    let observed_at = now().minus(Duration::from_secs(seconds));
    Vote { kind: CourseKind::Index, observed_at, ..vote("index", pair, value) }
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn currencies(codes: &[&str]) -> Vec<Currency> {
    codes.iter().map(|code| code.parse().unwrap()).collect()
}

fn config(order_currencies: &[&str], traded: &[&str]) -> PricingConfig {
    PricingConfig {
        currencies: currencies(order_currencies),
        rules: AgreementRules { min_sources: 1, max_spread_percent: 5 },
        traded: traded.iter().map(|pair| pair.parse().unwrap()).collect(),
    }
}

/// The prices that orders can use.
fn order_prices(market: &MarketPrices, codes: &[&str]) -> BTreeMap<Currency, GoodPrice> {
    let outcomes = market.outcomes(&currencies(codes), MAX_LAG).into_iter();
    let agreed = outcomes.filter_map(|(currency, outcome)| match outcome {
        PriceOutcome::Agreed(price) => Some((currency, price)),
        PriceOutcome::Missing(_) | PriceOutcome::Withheld(_) => None,
    });
    agreed.collect()
}

fn market(votes: &[Vote], order_currencies: &[&str], traded: &[&str]) -> MarketPrices {
    MarketPrices::compute(votes, &config(order_currencies, traded), &PriceHistory::default(), now())
}

fn price(market: &MarketPrices, pair: &str) -> Option<(String, Method)> {
    let agreed = market.prices.get(&pair.parse().unwrap())?;
    Some((agreed.price?.to_string(), agreed.method))
}

#[allow(clippy::unnecessary_wraps, reason = "it is compared with an Option")]
fn priced(price: &str, method: Method) -> Option<(String, Method)> {
    Some((price.to_owned(), method))
}

#[test]
fn every_pair_with_a_vote_or_an_official_rate_is_priced() {
    let votes = [
        vote("a", "BTC-USD", "91000"),
        vote("b", "BTC-EUR", "84000"),
        vote("a", "ETH-USD", "3000"),
        vote("b", "USDT-USD", "1"),
        vote("c", "BTC-USDT", "91002"),
        fixing("EUR-USD", "1.08"),
        fixing("USD-RUB", "90"),
        fixing("EUR-SEK", "11.88"),
    ];
    let market = market(&votes, &["EUR", "GBP", "USD"], &["BTC-USD", "BTC-EUR"]);
    let price = |pair| price(&market, pair);
    assert_eq!(price("BTC-USD"), priced("91001.00", Method::Median));
    assert_eq!(price("BTC-EUR"), priced("84000.00", Method::Median));
    assert_eq!(price("BTC-RUB"), priced("8190090.00", Method::Cross));
    assert_eq!(price("ETH-SEK"), priced("33000.00", Method::Cross));
    assert_eq!(price("USDT-RUB"), priced("90.00", Method::Cross));
    assert_eq!(price("BTC-GBP"), None);
    // Orders can be paid in pounds, so bitcoin in pounds is listed without a price. Ether in pounds is not listed.
    assert!(market.prices.contains_key(&"BTC-GBP".parse().unwrap()));
    assert!(!market.prices.contains_key(&"ETH-GBP".parse().unwrap()));
    let prices = order_prices(&market, &["EUR", "GBP", "USD"]);
    assert_eq!(prices.keys().copied().collect::<Vec<_>>(), currencies(&["EUR", "USD"]));
    let dollars = &prices[&Currency::USD];
    assert_eq!(dollars.sources, ["a", "c"]);
    assert_eq!((dollars.as_of, dollars.simulated), (now(), false));
}

#[test]
fn traded_pair_is_never_converted_for_orders() {
    let contradicting = [
        vote("a", "BTC-USD", "91000"),
        vote("a", "BTC-EUR", "84000"),
        vote("b", "BTC-EUR", "42000"),
        fixing("EUR-USD", "1.08"),
        fixing("USD-EUR", "0.92"),
        fixing("USD-RUB", "90"),
    ];
    let market = market(&contradicting, &["EUR", "RUB"], &["BTC-EUR", "BTC-USD"]);
    assert_eq!(price(&market, "BTC-EUR"), None);
    let prices = order_prices(&market, &["EUR", "RUB"]);
    // No exchange trades BTC-RUB. Its price is converted from the votes in dollars.
    assert_eq!(prices.keys().copied().collect::<Vec<_>>(), currencies(&["RUB"]));
    assert_eq!(prices.values().next().unwrap().sources, ["a"]);
}

#[test]
fn real_and_simulated_prices_are_never_mixed() {
    let simulated = Vote { simulated: true, ..vote("sim", "BTC-EUR", "84100") };
    assert!(order_prices(&market(&[simulated], &["EUR"], &[]), &["EUR"])[&Currency::EUR].simulated);
    // Votes in different pairs are not mixed either.
    let both = [simulated, vote("real", "BTC-USD", "91000")];
    let mixed = market(&both, &["EUR", "USD"], &[]);
    assert_eq!(price(&mixed, "BTC-EUR"), None);
    let rejected = mixed.prices[&"BTC-EUR".parse().unwrap()].votes[0].rejected;
    assert_eq!(rejected, Some(Rejection::Simulated));
    assert!(order_prices(&mixed, &["EUR", "USD"]).values().all(|price| !price.simulated));
    // An ineligible real vote does not exclude simulated votes.
    let stale = Vote { ineligible: Some(Rejection::Stale), ..both[1] };
    assert!(price(&market(&[both[0], stale], &["EUR"], &[]), "BTC-EUR").is_some());
}

#[test]
fn last_price_decides_between_two_contradicting_sources_while_it_is_recent() {
    let agreed = market(&[vote("a", "BTC-EUR", "84000")], &["EUR"], &[]);
    let mut history = PriceHistory::default();
    history.record(&agreed);
    let config = config(&["EUR"], &[]);
    let contradicting = [vote("a", "BTC-EUR", "84010"), vote("b", "BTC-EUR", "33600")];
    let second = Duration::from_secs(1);
    let decide = |votes: &[Vote], since| price(&MarketPrices::compute(votes, &config, &history, since), "BTC-EUR");
    assert_eq!(decide(&contradicting, now().minus(second)).unwrap().0, "84010.00");
    assert_eq!(decide(&contradicting, now()), None, "the last price is too old");
    let simulated = contradicting.map(|vote| Vote { simulated: true, ..vote });
    assert_eq!(decide(&simulated, now().minus(second)), None, "a real price is not a reference for simulated votes");
}

#[test]
fn new_leader_continues_with_agreed_prices_and_not_with_converted_prices() {
    let decided = |legs: Vec<CurrencyPair>| {
        let published =
            GoodPrice { price: "84000".parse().unwrap(), sources: Vec::new(), legs, as_of: now(), simulated: false };
        let mut history = PriceHistory::default();
        history.resume_from([(Currency::EUR, &published)]);
        let contradicting = [vote("a", "BTC-EUR", "84010"), vote("b", "BTC-EUR", "33600")];
        let since = now().minus(Duration::from_secs(1));
        let market = MarketPrices::compute(&contradicting, &config(&["EUR"], &[]), &history, since);
        price(&market, "BTC-EUR").map(|(price, _)| price)
    };
    assert_eq!(decided(Vec::new()).unwrap(), "84010.00");
    assert_eq!(decided(vec!["BTC-USD".parse().unwrap(), "USD-EUR".parse().unwrap()]), None);
}

#[test]
fn price_converted_from_exchanges_replaces_the_price_of_an_index() {
    let dollars = vote("a", "BTC-USD", "91000");
    let roubles = [fixing("USD-RUB", "90"), index("BTC-RUB", "8200000", 0)];
    let pair: CurrencyPair = "BTC-RUB".parse().unwrap();
    let in_roubles = |votes: &[Vote], traded: &[&str]| price(&market(votes, &["RUB"], traded), "BTC-RUB");
    let both = [dollars, roubles[0], roubles[1]];
    assert_eq!(in_roubles(&both, &["BTC-USD"]), priced("8190000.00", Method::Cross));
    let votes = market(&both, &["RUB"], &[]).prices[&pair].votes.clone();
    assert_eq!((votes.len(), votes[0].used, votes[0].rejected), (1, false, Some(Rejection::OtherKind)));
    // The index is used if no exchange reports dollars, or if exchanges trade the pair.
    assert_eq!(in_roubles(&roubles, &[]), priced("8200000.00", Method::Median));
    let dollars_by_index = [index("BTC-USD", "91000", 0), roubles[0], roubles[1]];
    assert_eq!(in_roubles(&dollars_by_index, &[]), priced("8200000.00", Method::Median));
    assert_eq!(in_roubles(&both, &["BTC-RUB"]), priced("8200000.00", Method::Median));
    let simulated_rate = [dollars, Vote { simulated: true, ..roubles[0] }, roubles[1]];
    let in_roubles = in_roubles(&simulated_rate, &[]);
    assert_eq!(in_roubles, priced("8200000.00", Method::Median), "a simulated price never replaces a real one");
}

#[test]
fn price_that_is_much_older_than_the_newest_price_is_not_used() {
    let priced = |votes: &[Vote]| {
        let codes = ["CHF", "EUR"];
        let prices = order_prices(&market(votes, &codes, &[]), &codes);
        let ages = prices.iter().map(|(currency, price)| format!("{currency} {}", now().since(price.as_of).as_secs()));
        ages.collect::<Vec<_>>().join(", ")
    };
    let euros = vote("a", "BTC-EUR", "84000");
    assert_eq!(priced(&[euros, index("BTC-CHF", "79000", 35)]), "CHF 35, EUR 0");
    assert_eq!(priced(&[euros, index("BTC-CHF", "79000", 36)]), "EUR 0");
    // A single price cannot lag behind a newer price.
    assert_eq!(priced(&[index("BTC-CHF", "79000", 50)]), "CHF 50");
}

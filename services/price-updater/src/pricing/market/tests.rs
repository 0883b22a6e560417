use super::*;

const BEHIND: Duration = Duration::from_secs(35);

fn vote(source: &'static str, told: &str, value: &str) -> Vote {
    Vote {
        source,
        kind: CourseKind::Trade,
        told: told.parse().unwrap(),
        value: value.parse().unwrap(),
        book: None,
        observed_at: now(),
        simulated: false,
        ineligible: None,
    }
}

fn fixing(told: &str, value: &str) -> Vote {
    Vote { kind: CourseKind::Fixing, ..vote("ecb", told, value) }
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn currencies(codes: &[&str]) -> Vec<Currency> {
    codes.iter().map(|code| code.parse().unwrap()).collect()
}

fn market(votes: &[Vote], ours: &[&str], traded: &[&str]) -> MarketPrices {
    let wanted = PricingConfig {
        currencies: currencies(ours),
        rules: AgreementRules { min_sources: 1, max_spread_percent: 5 },
        traded: traded.iter().map(|direction| direction.parse().unwrap()).collect(),
    };
    MarketPrices::compute(votes, &wanted, &PriceHistory::default(), now())
}

fn price(market: &MarketPrices, direction: &str) -> Option<(String, Method)> {
    let agreed = market.prices.get(&direction.parse().unwrap())?;
    Some((agreed.price?.to_string(), agreed.method))
}

#[test]
fn everything_that_can_be_priced_is() {
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
    let record = market.record(&currencies(&["EUR", "GBP", "USD"]), BEHIND).unwrap();
    assert_eq!(record.prices.keys().copied().collect::<Vec<_>>(), currencies(&["EUR", "USD"]));
    assert_eq!(record.prices[&Currency::USD].sources, ["a", "c"]);
    assert_eq!((record.as_of, record.simulated), (now(), false));
}

#[test]
fn what_exchanges_trade_is_never_computed_for_orders() {
    let apart = [
        vote("a", "BTC-USD", "91000"),
        vote("a", "BTC-EUR", "84000"),
        vote("b", "BTC-EUR", "42000"),
        fixing("EUR-USD", "1.08"),
        fixing("USD-EUR", "0.92"),
        fixing("USD-RUB", "90"),
    ];
    let orders = market(&apart, &["EUR", "RUB"], &["BTC-EUR", "BTC-USD"]);
    assert_eq!(price(&orders, "BTC-EUR"), None);
    let record = orders.record(&currencies(&["EUR", "RUB"]), BEHIND).unwrap();
    // Nobody trades roubles, so they are, of the votes in dollars.
    assert_eq!(record.prices.keys().copied().collect::<Vec<_>>(), currencies(&["RUB"]));
    assert_eq!(record.prices.values().next().unwrap().sources, ["a"]);
}

#[test]
fn real_and_simulated_prices_are_never_mixed() {
    let made_up = |vote: Vote| Vote { simulated: true, ..vote };
    let simulated = [made_up(vote("sim", "BTC-EUR", "84100"))];
    let record = market(&simulated, &["EUR"], &[]).record(&currencies(&["EUR"]), BEHIND).unwrap();
    assert!(record.simulated);
    // Not even direction by direction.
    let both = [simulated[0], vote("real", "BTC-USD", "91000")];
    let mixed = market(&both, &["EUR", "USD"], &[]);
    assert_eq!(price(&mixed, "BTC-EUR"), None);
    let why = mixed.prices[&"BTC-EUR".parse().unwrap()].votes[0].rejected;
    assert_eq!(why, Some(Rejection::Simulated));
    assert!(!mixed.record(&currencies(&["EUR", "USD"]), BEHIND).unwrap().simulated);
    // A real one that does not count is no reason to pass over the others.
    let stale = Vote { ineligible: Some(Rejection::Stale), ..both[1] };
    assert!(price(&market(&[both[0], stale], &["EUR"], &[]), "BTC-EUR").is_some());
}

#[test]
fn of_two_that_contradict_each_other_the_past_decides_while_it_means_something() {
    let agreed = market(&[vote("a", "BTC-EUR", "84000")], &["EUR"], &[]);
    let mut past = PriceHistory::default();
    past.note(&agreed);
    let wanted = PricingConfig {
        currencies: currencies(&["EUR"]),
        rules: AgreementRules { min_sources: 1, max_spread_percent: 5 },
        traded: BTreeSet::new(),
    };
    let apart = [vote("a", "BTC-EUR", "84010"), vote("b", "BTC-EUR", "33600")];
    let second = Duration::from_secs(1);
    let decide = |votes: &[Vote], since| price(&MarketPrices::compute(votes, &wanted, &past, since), "BTC-EUR");
    assert_eq!(decide(&apart, now().minus(second)).unwrap().0, "84010.00");
    assert_eq!(decide(&apart, now()), None, "it is too long ago");
    let simulated = apart.map(|vote| Vote { simulated: true, ..vote });
    assert_eq!(decide(&simulated, now().minus(second)), None, "a real price says nothing about made-up ones");
}

/// An index that was asked some seconds ago.
fn index(told: &str, value: &str, seconds: u64) -> Vote {
    let observed_at = now().minus(Duration::from_secs(seconds));
    Vote { kind: CourseKind::Index, observed_at, ..vote("index", told, value) }
}

#[test]
fn what_an_index_tells_is_rather_computed_of_what_exchanges_trade() {
    let dollars = vote("a", "BTC-USD", "91000");
    let roubles = [fixing("USD-RUB", "90"), index("BTC-RUB", "8200000", 0)];
    let at: CurrencyPair = "BTC-RUB".parse().unwrap();
    let told = |votes: &[Vote], traded: &[&str]| price(&market(votes, &["RUB"], traded), "BTC-RUB");
    let is = |price: &str, method| Some((price.to_owned(), method));
    // However young the index is: it would go to and fro each minute.
    let both = [dollars, roubles[0], roubles[1]];
    assert_eq!(told(&both, &["BTC-USD"]), is("8190000.00", Method::Cross));
    let votes = market(&both, &["RUB"], &[]).prices[&at].votes.clone();
    assert_eq!((votes.len(), votes[0].used, votes[0].rejected), (1, false, Some(Rejection::Unlike)));
    // Where exchanges have no say in it, and where they trade it.
    assert_eq!(told(&roubles, &[]), is("8200000.00", Method::Median));
    let by_index = [index("BTC-USD", "91000", 0), roubles[0], roubles[1]];
    assert_eq!(told(&by_index, &[]), is("8200000.00", Method::Median));
    assert_eq!(told(&both, &["BTC-RUB"]), is("8200000.00", Method::Median));
    let made_up = [dollars, Vote { simulated: true, ..roubles[0] }, roubles[1]];
    assert_eq!(told(&made_up, &[]), is("8200000.00", Method::Median), "a real price is not given up for a made-up one");
}

#[test]
fn a_price_that_is_far_behind_is_left_out_of_the_record_and_ages_no_other() {
    let record = |votes: &[Vote]| {
        let ours = ["CHF", "EUR"];
        let record = market(votes, &ours, &[]).record(&currencies(&ours), BEHIND).unwrap();
        let codes: Vec<_> = record.prices.keys().map(ToString::to_string).collect();
        (codes.join(" "), now().since(record.as_of).as_secs())
    };
    let euros = vote("a", "BTC-EUR", "84000");
    assert_eq!(record(&[euros, index("BTC-CHF", "79000", 35)]), ("CHF EUR".to_owned(), 35));
    assert_eq!(record(&[euros, index("BTC-CHF", "79000", 36)]), ("EUR".to_owned(), 0));
    // Where there is no other, it is as good as there is.
    assert_eq!(record(&[index("BTC-CHF", "79000", 50)]), ("CHF".to_owned(), 50));
}

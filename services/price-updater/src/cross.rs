//! Prices in currencies that no exchange trades: what it costs in dollars, by the official rate of the dollar. Pure.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    api::courses::{AgreedPrice, CourseKind, Method},
    money::{Asset, Direction, Rate},
};

use crate::{
    agree::{Voice, unpriced},
    exact::{scaled, within},
};

/// How far apart, in thousandths, the official rates of two sources may be. They are of one day or of two that follow each
/// other; where they are farther apart, one of them is wrong, and nobody says which.
const SPREAD: i128 = 20;

/// The official rates, by direction.
pub(crate) struct Fixings(BTreeMap<Direction, Fixing>);

#[derive(Clone, Copy)]
struct Fixing {
    rate: Rate,
    simulated: bool,
}

/// The official rate of a dollar: `times / by`, and the directions that it is taken from.
struct Dollar {
    times: Fixing,
    by: Option<Fixing>,
    legs: Vec<Direction>,
}

impl Fixings {
    /// The official rates that are told. The source that was configured first says what counts, and the others that it is so.
    pub(crate) fn of(voices: &[Voice]) -> Self {
        let mut told: BTreeMap<Direction, Vec<&Voice>> = BTreeMap::new();
        for voice in voices.iter().filter(|voice| voice.kind == CourseKind::Fixing && voice.unfit.is_none()) {
            told.entry(voice.told).or_default().push(voice);
        }
        let agreed = told.into_iter().filter_map(|(direction, voices)| {
            let first = voices.first()?;
            let agree = voices.iter().all(|voice| within(SPREAD, first.value, voice.value));
            agree.then_some((direction, Fixing { rate: first.value, simulated: first.simulated }))
        });
        Self(agreed.collect())
    }

    /// The currencies that a dollar has an official rate in.
    pub(crate) fn currencies(&self) -> BTreeSet<Asset> {
        let ends = self.0.keys().flat_map(|direction| [direction.base, direction.quote]);
        ends.filter(|&currency| self.dollar(currency).is_some()).collect()
    }

    /// As it is told where it is told, else through euros (as the European Central Bank has it) or roubles (as the Bank of
    /// Russia has it).
    fn dollar(&self, currency: Asset) -> Option<Dollar> {
        let get = |base: Asset, quote: Asset| {
            let direction = Direction::new(base, quote);
            self.0.get(&direction).map(|fixing| (direction, *fixing))
        };
        let through = |(first, times): (Direction, Fixing), (second, by): (Direction, Fixing)| Dollar {
            times,
            by: Some(by),
            legs: vec![first, second],
        };
        if currency == Asset::USD {
            return None;
        }
        if let Some((direction, times)) = get(Asset::USD, currency) {
            return Some(Dollar { times, by: None, legs: vec![direction] });
        }
        let euro = || Some(through(get(Asset::EUR, currency)?, get(Asset::EUR, Asset::USD)?));
        let rouble = || Some(through(get(Asset::USD, Asset::RUB)?, get(currency, Asset::RUB)?));
        euro().or_else(rouble)
    }

    /// The price in `currency`, of one in dollars.
    ///
    /// It is as old as the one in dollars: an official rate holds until the next one.
    pub(crate) fn cross(&self, in_dollars: &AgreedPrice, currency: Asset) -> Option<AgreedPrice> {
        let Dollar { times, by, legs } = self.dollar(currency)?;
        let one = Rate::from_hundred_millionths(100_000_000).ok()?;
        let simulated = in_dollars.simulated || times.simulated || by.is_some_and(|by| by.simulated);
        let by = by.map_or(one, |by| by.rate);
        let convert = |rate: Rate| scaled(rate, times.rate, by);
        Some(AgreedPrice {
            method: Method::Cross,
            price: Some(convert(in_dollars.price?)?),
            bid: in_dollars.bid.and_then(convert),
            ask: in_dollars.ask.and_then(convert),
            as_of: in_dollars.as_of,
            simulated,
            legs: std::iter::once(in_dollars.direction).chain(legs).collect(),
            ..unpriced(Direction::new(in_dollars.direction.base, currency), Vec::new())
        })
    }
}

#[cfg(test)]
mod tests {
    use common::time::Timestamp;

    use super::*;

    fn fixing(source: &'static str, told: &str, value: &str) -> Voice {
        Voice {
            source,
            kind: CourseKind::Fixing,
            told: told.parse().unwrap(),
            value: value.parse().unwrap(),
            book: None,
            observed_at: Timestamp::from_micros(0).unwrap(),
            simulated: false,
            unfit: None,
        }
    }

    fn dollars(price: &str) -> AgreedPrice {
        let now = Timestamp::from_micros(1).unwrap();
        let price = Some(price.parse().unwrap());
        AgreedPrice { price, bid: price, as_of: Some(now), ..unpriced("BTC-USD".parse().unwrap(), Vec::new()) }
    }

    fn cross(fixings: &[Voice], currency: &str) -> Option<(String, Vec<String>)> {
        let cross = Fixings::of(fixings).cross(&dollars("91000"), currency.parse().unwrap())?;
        assert_eq!((cross.method, cross.as_of, cross.bid), (Method::Cross, dollars("1").as_of, cross.price));
        let legs = cross.legs.iter().map(ToString::to_string).collect();
        Some((cross.price?.to_string(), legs))
    }

    #[test]
    fn a_dollar_is_converted_as_it_is_told_or_through_euros_or_roubles() {
        let fixings = [
            fixing("ecb", "EUR-USD", "1.0833"),
            fixing("ecb", "EUR-CHF", "0.94"),
            fixing("ecb", "EUR-KZT", "520"),
            fixing("cbr", "USD-RUB", "90.5"),
            fixing("cbr", "KZT-RUB", "0.18"),
            fixing("cbr", "AMD-RUB", "0.23"),
        ];
        let (price, legs) = cross(&fixings, "RUB").unwrap();
        assert_eq!((price.as_str(), legs.join(" ").as_str()), ("8235500.00", "BTC-USD USD-RUB"));
        let (price, legs) = cross(&fixings, "CHF").unwrap();
        assert_eq!((price.as_str(), legs.join(" ").as_str()), ("78962.42961322", "BTC-USD EUR-CHF EUR-USD"));
        assert_eq!(cross(&fixings, "KZT").unwrap().1[1], "EUR-KZT");
        let (price, legs) = cross(&fixings, "AMD").unwrap();
        assert_eq!((price.as_str(), legs.join(" ").as_str()), ("35806521.73913043", "BTC-USD USD-RUB AMD-RUB"));
        for unknown in ["USD", "EUR", "SEK"] {
            assert_eq!(cross(&fixings, unknown), None, "{unknown}");
        }
        let known = Fixings::of(&fixings).currencies();
        assert_eq!(known, ["RUB", "CHF", "KZT", "AMD"].map(|code| code.parse().unwrap()).into());
    }

    #[test]
    fn official_rates_that_contradict_each_other_are_not_used() {
        let agree = [fixing("ecb", "USD-SEK", "10"), fixing("frankfurter", "USD-SEK", "10.1")];
        assert_eq!(cross(&agree, "SEK").unwrap().0, "910000.00");
        let contradict = [fixing("ecb", "USD-SEK", "10"), fixing("frankfurter", "USD-SEK", "10.3")];
        assert_eq!(cross(&contradict, "SEK"), None);
    }

    #[test]
    fn a_part_that_is_simulated_makes_the_price_so() {
        let made_up = Voice { simulated: true, ..fixing("ecb", "USD-SEK", "10") };
        assert!(Fixings::of(&[made_up]).cross(&dollars("1"), "SEK".parse().unwrap()).unwrap().simulated);
    }
}

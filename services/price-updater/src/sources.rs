//! Where prices come from: one file a source, which knows what it asks, what it accepts, and how errors look there.
//!
//! Every price is the price of the **last trade**. A best bid, a mean over a day, an index or a daily fixing is another
//! thing, and the median of unlike things means nothing: a source that has no last trade does not belong here.
//!
//! A further source is a file with a [`BuiltIn`] and a line in [`BUILT_IN`]. One that is told prices over a websocket
//! keeps the last one with its time, and answers [`SourceError::Stale`] when that is too old.

mod coinbase;
mod error;
mod kraken;
mod web;

use std::collections::BTreeMap;

use async_trait::async_trait;
use common::money::{Currency, DecimalText, Rate};
use tokio::time::Instant;
use url::Url;

pub(crate) use error::SourceError;

/// What a source said. A currency that is in neither map was not answered.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) prices: BTreeMap<Currency, Rate>,
    /// What went wrong with single currencies.
    pub(crate) faults: BTreeMap<Currency, SourceError>,
    /// Whether any part of it came from a simulated exchange.
    pub(crate) simulated: bool,
}

impl Answer {
    fn put(&mut self, currency: Currency, result: Result<Rate, SourceError>) {
        match result {
            Ok(price) => drop(self.prices.insert(currency, price)),
            Err(error) => drop(self.faults.insert(currency, error)),
        }
    }
}

/// An exchange, or whatever else tells the price of the last trade.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// Its name in settings, records and metrics.
    fn name(&self) -> &'static str;

    /// The price of one bitcoin in each of `currencies`, as of now. Ends at `deadline`. An error is one that concerns all
    /// currencies.
    async fn ask(&self, currencies: &[Currency], deadline: Instant) -> Result<Answer, SourceError>;
}

/// A source that the service brings along.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BuiltIn {
    pub(crate) name: &'static str,
    /// The variable that sets where it is.
    pub(crate) url_variable: &'static str,
    pub(crate) default_url: &'static str,
    build: Build,
}

#[derive(Debug, PartialEq, Eq)]
enum Build {
    Coinbase,
    Kraken,
}

pub(crate) const BUILT_IN: &[BuiltIn] = &[coinbase::BUILT_IN, kraken::BUILT_IN];

impl BuiltIn {
    pub(crate) fn build(&self, http: reqwest::Client, base: Url) -> Box<dyn Source> {
        let web = web::Web::new(http, base);
        match self.build {
            Build::Coinbase => Box::new(coinbase::Coinbase(web)),
            Build::Kraken => Box::new(kraken::Kraken(web)),
        }
    }
}

/// The price of the last trade, where it and the book around it make sense: nothing is zero or negative, and nobody bids
/// more than another one asks.
fn plausible(last: &DecimalText, bid: Option<&DecimalText>, ask: Option<&DecimalText>) -> Result<Rate, SourceError> {
    let read = |name: &'static str, text: &DecimalText| {
        text.as_str().parse::<Rate>().map_err(|error| SourceError::Implausible(format!("the {name} price {error}")))
    };
    let bid = bid.map(|text| read("bid", text)).transpose()?;
    let ask = ask.map(|text| read("ask", text)).transpose()?;
    if let (Some(bid), Some(ask)) = (bid, ask)
        && bid > ask
    {
        return Err(SourceError::Implausible(format!("the book is crossed: bid {bid}, ask {ask}")));
    }
    read("last", last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_book_that_makes_no_sense_takes_the_price_with_it() {
        let check = |last: &str, bid: Option<&str>, ask: Option<&str>| {
            let (bid, ask) = (bid.map(DecimalText::from), ask.map(DecimalText::from));
            plausible(&last.into(), bid.as_ref(), ask.as_ref())
        };
        assert_eq!(check("61234.50000", Some("61234.4"), Some("61234.6")), Ok("61234.5".parse().unwrap()));
        assert_eq!(check("61234.5", Some("61234.5"), Some("61234.5")), Ok("61234.5".parse().unwrap()));
        assert!(check("61234.5", None, None).is_ok());
        for (last, bid, ask) in [
            ("0", "1", "2"),
            ("-1", "1", "2"),
            ("1", "0", "2"),
            ("1", "1", "0.00"),
            ("1", "2", "1"),
            ("61,234.5", "1", "2"),
            ("", "1", "2"),
            ("1e99", "1", "2"),
        ] {
            let result = check(last, Some(bid), Some(ask));
            assert!(matches!(result, Err(SourceError::Implausible(_))), "{last} {bid} {ask}: {result:?}");
        }
    }

    #[test]
    fn names_of_sources_are_distinct() {
        for (index, source) in BUILT_IN.iter().enumerate() {
            assert!(BUILT_IN[..index].iter().all(|other| other.name != source.name), "{}", source.name);
        }
    }
}

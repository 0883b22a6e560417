//! Where prices come from: one file a source, which knows what it asks, what it accepts, and how errors look there.
//!
//! A source says what kind of number it tells ([`CourseKind`]), and only like is compared with like: a last trade with
//! its book, an index that somebody computed, and an official rate of the day are three different things.
//!
//! A further source is a file with a [`BuiltIn`] and a line in [`BUILT_IN`]. All it asks goes through [`web::Web`], so
//! that it cannot ask more often than it may.

mod batches;
mod binance;
mod bitfinex;
mod bitstamp;
mod blockchain_info;
mod budget;
mod cbr;
mod coinbase;
mod coingecko;
mod daily;
mod delisted;
mod ecb;
mod error;
mod frankfurter;
mod gate;
mod gemini;
mod kraken;
mod okx;
mod transport;
mod web;
mod xml;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{Asset, CurrencyPair},
    time::Timestamp,
};
use tokio::time::Instant;
use url::Url;

pub(crate) use budget::Limits;
pub(crate) use error::SourceError;
pub(crate) use gate::Gate;
pub(crate) use transport::Network;
pub use transport::{InProcess, RawPage, Transport, TransportError};
use web::Web;
pub(crate) use web::retry_after;

use crate::ticker::Ticker;

/// From one ask to the next of an exchange's order book, at least. How often they are asked beyond that is a setting.
const EXCHANGE_PERIOD: Duration = Duration::from_secs(1);

/// What a source is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask<'a> {
    /// Those that the source cannot tell are passed over.
    pub(crate) wanted: &'a [CurrencyPair],
    /// What an answer's tickers are stamped with: it is taken before anything is sent.
    pub(crate) now: Timestamp,
    /// When an answer is no longer waited for.
    pub(crate) deadline: Instant,
}

/// What a source said. A direction that is in neither map was not asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) tickers: BTreeMap<CurrencyPair, Ticker>,
    /// What went wrong with single directions.
    pub(crate) faults: BTreeMap<CurrencyPair, SourceError>,
    /// Whether any part of it came from a simulated exchange.
    pub(crate) simulated: bool,
}

impl Answer {
    fn put(&mut self, direction: CurrencyPair, result: Result<Ticker, SourceError>) {
        match result {
            Ok(quote) => drop(self.tickers.insert(direction, quote)),
            Err(error) => drop(self.faults.insert(direction, error)),
        }
    }
}

/// An exchange, an index, or a bank that publishes rates.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// Its name in settings, records and metrics.
    fn name(&self) -> &'static str;

    /// What its numbers mean.
    fn kind(&self) -> CourseKind;

    /// The directions it can tell, of those that the product wants.
    fn directions(&self) -> &[CurrencyPair];

    /// From the start of one ask to the start of the next that it permits, or that brings anything new.
    fn period(&self) -> Duration;

    /// How many more requests it permits now.
    fn budget_left(&self) -> u32;

    /// What holds back its requests, where it has any to hold back.
    fn gate(&self) -> Option<&Gate> {
        None
    }

    /// What it says now of those of the wanted directions that it can tell. An error is one that concerns them all.
    async fn ask(&self, ask: Ask<'_>) -> Result<Answer, SourceError>;
}

/// A source that the service brings along.
pub(crate) struct BuiltIn {
    pub(crate) name: &'static str,
    /// What its numbers mean.
    pub(crate) kind: CourseKind,
    /// The variable that sets where it is.
    pub(crate) url_variable: &'static str,
    pub(crate) default_url: &'static str,
    /// From the start of one ask to the start of the next.
    period: Duration,
    limits: Limits,
    build: fn(Web) -> Box<dyn Source>,
}

/// Every source, in the order in which they are shown and, of official rates, believed.
pub(crate) const BUILT_IN: &[BuiltIn] = &[
    binance::BUILT_IN,
    coinbase::BUILT_IN,
    kraken::BUILT_IN,
    bitstamp::BUILT_IN,
    bitfinex::BUILT_IN,
    gemini::BUILT_IN,
    okx::BUILT_IN,
    coingecko::BUILT_IN,
    blockchain_info::BUILT_IN,
    ecb::BUILT_IN,
    frankfurter::BUILT_IN,
    cbr::BUILT_IN,
];

/// The name of every source and the variable that sets where it is, for those that run sources of their own.
pub fn url_variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    BUILT_IN.iter().map(|source| (source.name, source.url_variable))
}

impl BuiltIn {
    pub(crate) fn build(&self, transport: Arc<dyn Transport>, base: Url) -> Box<dyn Source> {
        (self.build)(Web::new(transport, base, self.limits))
    }
}

impl PartialEq for BuiltIn {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for BuiltIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a source says of itself, as its [`BuiltIn`] has it: for a type with the fields `web` and `directions`.
macro_rules! as_built_in {
    () => {
        fn name(&self) -> &'static str {
            BUILT_IN.name
        }

        fn kind(&self) -> ::common::api::courses::CourseKind {
            BUILT_IN.kind
        }

        fn directions(&self) -> &[CurrencyPair] {
            &self.directions
        }

        fn period(&self) -> ::std::time::Duration {
            BUILT_IN.period
        }

        fn budget_left(&self) -> u32 {
            self.web.budget_left()
        }

        fn gate(&self) -> Option<&crate::sources::Gate> {
            Some(self.web.gate())
        }
    };
}
use as_built_in;

/// What was read of each direction that an answer was to tell.
type Tickers = Vec<(CurrencyPair, Result<Ticker, SourceError>)>;

impl From<web::Told<Tickers>> for Answer {
    fn from(told: web::Told<Tickers>) -> Self {
        let mut answer = Self { simulated: told.simulated, ..Self::default() };
        for (direction, quote) in told.told {
            answer.put(direction, quote);
        }
        answer
    }
}

const fn direction(base: &str, quote: &str) -> CurrencyPair {
    CurrencyPair::new(Asset::of(base), Asset::of(quote))
}

fn directions<T>(all: &[(CurrencyPair, T)]) -> Vec<CurrencyPair> {
    all.iter().map(|(direction, _)| *direction).collect()
}

/// Those of `all` that are wanted, with what a source calls them.
fn wanted<T: Copy>(ask: &Ask<'_>, all: &[(CurrencyPair, T)]) -> Vec<(CurrencyPair, T)> {
    all.iter().filter(|(direction, _)| ask.wanted.contains(direction)).copied().collect()
}

#[cfg(test)]
mod testing {
    //! What the tests of several sources need.

    use poem::{Response, endpoint::make_sync};

    use super::*;

    /// A source that is asked for `path?query` and answers with a status and a body.
    pub(super) fn played(
        built_in: &BuiltIn,
        answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static,
    ) -> Box<dyn Source> {
        let endpoint = make_sync(move |request| {
            let (status, body) = answer(&request.uri().to_string());
            Response::builder().status(status.try_into().unwrap()).body(body)
        });
        built_in.build(Arc::new(InProcess::new(endpoint)), "http://exchange".parse().unwrap())
    }

    /// What the source says of all it can tell.
    pub(super) async fn ask_all(source: &dyn Source, now: Timestamp) -> Result<Answer, SourceError> {
        source.ask(Ask { wanted: source.directions(), now, deadline: Instant::now() + EXCHANGE_PERIOD }).await
    }

    pub(super) fn now() -> Timestamp {
        "2026-01-03T12:00:00Z".parse().unwrap()
    }

    /// The course of one direction.
    pub(super) fn course(tickers: &Tickers, direction: &str) -> Result<String, SourceError> {
        let of = |(told, _): &&(CurrencyPair, _)| told.to_string() == direction;
        let quote = tickers.iter().find(of).unwrap_or_else(|| panic!("{direction} is not told"));
        quote.1.as_ref().map(|ticker| ticker.course().to_string()).map_err(Clone::clone)
    }
}

#[cfg(test)]
mod tests;

//! Where prices come from: one file a source, which knows what it asks, what it accepts, and how errors look there.
//!
//! A source says what kind of number it tells ([`CourseKind`]), and only like is compared with like: a last trade with
//! its book, an index that somebody computed, and an official rate of the day are three different things.
//!
//! A further source is a file with a [`SourceDefinition`] and a line in [`SOURCES`]. All it asks goes through [`http_client::SourceHttpClient`], so
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
mod gemini;
mod http_client;
mod kraken;
mod okx;
mod rate_limiter;
mod ticker;
mod transport;
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

pub(crate) use budget::RateLimits;
pub(crate) use error::SourceError;
use http_client::SourceHttpClient;
pub(crate) use http_client::retry_after;
pub(crate) use rate_limiter::RateLimiter;
pub(crate) use ticker::{MAX_FIXING_AGE, Ticker};
pub(crate) use transport::Network;
pub use transport::{InProcess, RawResponse, Transport, TransportError};

/// From one ask to the next of an exchange's order book, at least. How often they are asked beyond that is a setting.
const EXCHANGE_PERIOD: Duration = Duration::from_secs(1);

/// What a source is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PollRequest<'a> {
    /// Those that the source cannot tell are passed over.
    pub(crate) pairs: &'a [CurrencyPair],
    /// What an answer's tickers are stamped with: it is taken before anything is sent.
    pub(crate) now: Timestamp,
    /// When an answer is no longer waited for.
    pub(crate) deadline: Instant,
}

/// What a source said. A pair that is in neither map was not asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PollReply {
    pub(crate) tickers: BTreeMap<CurrencyPair, Ticker>,
    /// What went wrong with single pairs.
    pub(crate) errors: BTreeMap<CurrencyPair, SourceError>,
    /// Whether any part of it came from a simulated exchange.
    pub(crate) simulated: bool,
}

impl PollReply {
    fn put(&mut self, pair: CurrencyPair, result: Result<Ticker, SourceError>) {
        match result {
            Ok(quote) => drop(self.tickers.insert(pair, quote)),
            Err(error) => drop(self.errors.insert(pair, error)),
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

    /// The pairs it can tell, of those that the product wants.
    fn pairs(&self) -> &[CurrencyPair];

    /// From the start of one ask to the start of the next that it permits, or that brings anything new.
    fn poll_interval(&self) -> Duration;

    /// How many more requests it permits now.
    fn budget_left(&self) -> u32;

    /// What holds back its requests, where it has any to hold back.
    fn rate_limiter(&self) -> Option<&RateLimiter> {
        None
    }

    /// What it says now of those of the wanted pairs that it can tell. An error is one that concerns them all.
    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError>;
}

/// A source that the service brings along.
pub(crate) struct SourceDefinition {
    pub(crate) name: &'static str,
    /// What its numbers mean.
    pub(crate) kind: CourseKind,
    /// The variable that sets where it is.
    pub(crate) url_variable: &'static str,
    pub(crate) default_url: &'static str,
    /// From the start of one ask to the start of the next.
    period: Duration,
    limits: RateLimits,
    build: fn(SourceHttpClient) -> Box<dyn Source>,
}

/// Every source, in the order in which they are shown and, of official rates, believed.
pub(crate) const SOURCES: &[SourceDefinition] = &[
    binance::DEFINITION,
    coinbase::DEFINITION,
    kraken::DEFINITION,
    bitstamp::DEFINITION,
    bitfinex::DEFINITION,
    gemini::DEFINITION,
    okx::DEFINITION,
    coingecko::DEFINITION,
    blockchain_info::DEFINITION,
    ecb::DEFINITION,
    frankfurter::DEFINITION,
    cbr::DEFINITION,
];

/// The name of every source and the variable that sets where it is, for those that run sources of their own.
pub fn url_variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    SOURCES.iter().map(|source| (source.name, source.url_variable))
}

impl SourceDefinition {
    pub(crate) fn build(&self, transport: Arc<dyn Transport>, base: Url) -> Box<dyn Source> {
        (self.build)(SourceHttpClient::new(transport, base, self.limits))
    }
}

impl PartialEq for SourceDefinition {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl fmt::Debug for SourceDefinition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// What a source says of itself, as its [`SourceDefinition`] has it: for a type with the fields `web` and `pairs`.
macro_rules! delegate_to_definition {
    () => {
        fn name(&self) -> &'static str {
            DEFINITION.name
        }

        fn kind(&self) -> ::common::api::courses::CourseKind {
            DEFINITION.kind
        }

        fn pairs(&self) -> &[CurrencyPair] {
            &self.pairs
        }

        fn poll_interval(&self) -> ::std::time::Duration {
            DEFINITION.period
        }

        fn budget_left(&self) -> u32 {
            self.client.budget_left()
        }

        fn rate_limiter(&self) -> Option<&crate::sources::RateLimiter> {
            Some(self.client.rate_limiter())
        }
    };
}
use delegate_to_definition;

/// What was read of each pair that an answer was to tell.
type Tickers = Vec<(CurrencyPair, Result<Ticker, SourceError>)>;

impl From<http_client::Fetched<Tickers>> for PollReply {
    fn from(fetched: http_client::Fetched<Tickers>) -> Self {
        let mut answer = Self { simulated: fetched.simulated, ..Self::default() };
        for (pair, quote) in fetched.value {
            answer.put(pair, quote);
        }
        answer
    }
}

const fn pair(base: &str, quote: &str) -> CurrencyPair {
    CurrencyPair::new(Asset::from_code(base), Asset::from_code(quote))
}

fn pairs<T>(all: &[(CurrencyPair, T)]) -> Vec<CurrencyPair> {
    all.iter().map(|(pair, _)| *pair).collect()
}

/// Those of `all` that are wanted, with what a source calls them.
fn requested<T: Copy>(request: &PollRequest<'_>, all: &[(CurrencyPair, T)]) -> Vec<(CurrencyPair, T)> {
    all.iter().filter(|(pair, _)| request.pairs.contains(pair)).copied().collect()
}

#[cfg(test)]
mod testing {
    //! What the tests of several sources need.

    use poem::{Response, endpoint::make_sync};

    use super::*;

    /// A source that is asked for `path?query` and answers with a status and a body.
    pub(super) fn scripted(
        built_in: &SourceDefinition,
        answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static,
    ) -> Box<dyn Source> {
        let endpoint = make_sync(move |request| {
            let (status, body) = answer(&request.uri().to_string());
            Response::builder().status(status.try_into().unwrap()).body(body)
        });
        built_in.build(Arc::new(InProcess::new(endpoint)), "http://exchange".parse().unwrap())
    }

    /// What the source says of all it can tell.
    pub(super) async fn poll_all(source: &dyn Source, now: Timestamp) -> Result<PollReply, SourceError> {
        source.poll(PollRequest { pairs: source.pairs(), now, deadline: Instant::now() + EXCHANGE_PERIOD }).await
    }

    pub(super) fn now() -> Timestamp {
        "2026-01-03T12:00:00Z".parse().unwrap()
    }

    /// The course of one pair.
    pub(super) fn course(tickers: &Tickers, pair: &str) -> Result<String, SourceError> {
        let of = |(told, _): &&(CurrencyPair, _)| told.to_string() == pair;
        let quote = tickers.iter().find(of).unwrap_or_else(|| panic!("{pair} is not told"));
        quote.1.as_ref().map(|quote| quote.course().to_string()).map_err(Clone::clone)
    }
}

#[cfg(test)]
mod tests;

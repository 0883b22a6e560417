//! Price sources that are polled over HTTP. Each source has a file with its endpoint, its pairs and its error format.
//!
//! A source has a [`CourseKind`]. An exchange reports its last trade, or its best bid and best ask, or all three prices.
//! An index is computed from several markets. A bank publishes an official rate of the day. The votes for an agreed price
//! are all of one kind.
//!
//! To add a source, write a file with a [`SourceDefinition`] and list the definition in [`SOURCES`]. An adapter sends
//! its requests through [`http_client::SourceHttpClient`], which enforces the rate limits of the source.

mod batching;
mod binance;
mod bitfinex;
mod bitstamp;
mod blockchain_info;
mod cbr;
mod coinbase;
mod coingecko;
mod daily_rates;
mod definition;
mod delisted_pairs;
mod ecb;
mod error;
mod frankfurter;
mod gemini;
mod http_client;
mod kraken;
mod named_rows;
mod okx;
mod rate_limiter;
mod ticker;
mod transport;
mod xml;

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use common::{
    api::courses::CourseKind,
    money::{Asset, CurrencyPair},
    time::Timestamp,
};
use tokio::time::Instant;

pub(crate) use definition::SourceDefinition;
pub(crate) use error::SourceError;
pub(crate) use http_client::retry_after;
pub(crate) use rate_limiter::{RateLimiter, RateLimits};
pub(crate) use ticker::{BidAsk, MAX_FIXING_AGE, Ticker, TradedPrices};
pub use transport::{InProcess, RawResponse, Transport, TransportError};
pub(crate) use transport::{Network, innermost_cause};

/// Minimum time between two polls of an exchange whose rate limit permits one poll a second. The poll interval of the
/// service can be longer.
const EXCHANGE_POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Minimum time between two polls of an index. By default the record that orders use is written every 15 s, and a price
/// is valid for 60 s. With 45 s between polls, a new price arrives one write before the old price expires. The rate
/// limits of the indices, three requests in two minutes, permit these polls.
const INDEX_POLL_INTERVAL: Duration = Duration::from_secs(45);

/// One poll of a source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PollRequest<'a> {
    /// Pairs that the source does not have are ignored.
    pub(crate) pairs: &'a [CurrencyPair],
    /// The time when the poll starts. It is the time of observation of each polled ticker, unless the adapter reads an
    /// earlier time from the response.
    pub(crate) now: Timestamp,
    /// When unfinished requests are abandoned.
    pub(crate) deadline: Instant,
}

/// The result of a poll. A pair in neither map was not requested, or the source does not have it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PollReply {
    pub(crate) tickers: BTreeMap<CurrencyPair, Ticker>,
    /// Errors of single pairs.
    pub(crate) errors: BTreeMap<CurrencyPair, SourceError>,
    /// Whether exchange-sim sent any part of the reply.
    pub(crate) simulated: bool,
}

impl PollReply {
    fn insert(&mut self, pair: CurrencyPair, result: Result<Ticker, SourceError>) {
        match result {
            Ok(ticker) => drop(self.tickers.insert(pair, ticker)),
            Err(error) => drop(self.errors.insert(pair, error)),
        }
    }
}

/// An exchange, an index, or a bank that publishes official rates.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// The name of the source in settings, records and metrics.
    fn name(&self) -> &'static str;

    /// The kind of the prices that the source reports.
    fn kind(&self) -> CourseKind;

    /// The pairs that the source has a price for.
    fn pairs(&self) -> &[CurrencyPair];

    /// Minimum time from the start of one poll to the start of the next.
    fn poll_interval(&self) -> Duration;

    /// How many requests to the source are permitted now.
    fn budget_left(&self) -> u32;

    /// The rate limiter of the source, if it has one.
    fn rate_limiter(&self) -> Option<&RateLimiter> {
        None
    }

    /// Returns the current prices of the requested pairs. An error applies to all of them.
    async fn poll(&self, request: PollRequest<'_>) -> Result<PollReply, SourceError>;
}

/// Every source, in the default order. The API lists courses in the order of the active sources. The official rate of a
/// currency comes from the first active bank that agrees with the majority of the banks.
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

/// The name of every source and the environment variable with its base URL. Used to run against simulated sources.
pub fn url_variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    SOURCES.iter().map(|source| (source.name, source.url_variable))
}

/// The parsed ticker or the error of each pair of a response.
type TickerResults = Vec<(CurrencyPair, Result<Ticker, SourceError>)>;

impl From<http_client::Fetched<TickerResults>> for PollReply {
    fn from(fetched: http_client::Fetched<TickerResults>) -> Self {
        let mut reply = Self { simulated: fetched.simulated, ..Self::default() };
        for (pair, result) in fetched.value {
            reply.insert(pair, result);
        }
        reply
    }
}

const fn pair(base: &str, quote: &str) -> CurrencyPair {
    CurrencyPair::new(Asset::from_code(base), Asset::from_code(quote))
}

/// The pairs of `table`. The table maps each pair to the name that the source uses for the pair.
fn pairs_of<T>(table: &[(CurrencyPair, T)]) -> Vec<CurrencyPair> {
    table.iter().map(|(pair, _)| *pair).collect()
}

/// The rows of `table` whose pair is requested.
fn requested_rows<T: Copy>(request: &PollRequest<'_>, table: &[(CurrencyPair, T)]) -> Vec<(CurrencyPair, T)> {
    table.iter().filter(|(pair, _)| request.pairs.contains(pair)).copied().collect()
}

#[cfg(test)]
mod tests;

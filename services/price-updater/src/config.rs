//! The settings of price-updater.

mod pricing_settings;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use common::{
    api::courses::CourseKind,
    config::{AcceptedCallers, Caller, CallerToken, Env, ServiceUrls, shared, shown_address},
    money::Currency,
    spelling::shown_names,
    time::Clock,
};
use reqwest::Proxy;
use url::Url;

use crate::{
    pricing::BandConfig,
    sources::{SOURCES, SourceDefinition, Transport},
    streams::{Connector, read_stream_urls},
};

pub(crate) use self::pricing_settings::{LIVE_SETTINGS, PricingSettings};

#[derive(Debug, Clone)]
pub struct Config {
    pub accepted_callers: AcceptedCallers,
    pub db_proxy_token: CallerToken,
    pub price_cache_token: CallerToken,
    pub price_cache_urls: ServiceUrls,
    pub db_proxy_urls: ServiceUrls,
    /// The machine's clock. Tests replace it.
    pub clock: Clock,
    /// The currencies of the price record.
    pub currencies: Vec<Currency>,
    /// The sources that are active at startup, in the order of `PRICE_SOURCES`, and their base URLs.
    pub(crate) sources: Vec<LocatedSource>,
    /// The sources that can be activated later, and their base URLs.
    pub(crate) inactive_sources: Vec<LocatedSource>,
    /// Replaces the network for HTTP requests to sources. `None` uses the network.
    pub transport: Option<Arc<dyn Transport>>,
    /// The WebSocket base URLs of the sources that have one. Other sources are only polled. A stream is connected while
    /// its source is polled.
    pub(crate) streams: BTreeMap<&'static str, Url>,
    /// Replaces the network for WebSocket connections to exchanges. `None` uses the network.
    pub connector: Option<Arc<dyn Connector>>,
    /// The proxy for HTTPS requests to sources. `None` connects directly.
    pub(crate) https_proxy: Option<Proxy>,
    /// Whether every price is marked as simulated, regardless of its source.
    pub simulated: bool,
    /// Time from the start of one poll to the start of the next.
    pub poll_interval: Duration,
    /// Time from one publication of the price record to the next.
    pub publish_interval: Duration,
    /// How long a fresh price is valid, counted from its observation.
    pub record_ttl: Duration,
    /// Maximum time from the observation of a price to its expiry, while no newer price can be published.
    pub max_prolonged_age: Duration,
    /// Time limit for all requests of one poll of a source.
    pub source_timeout: Duration,
    /// The prices of a source must stay the same for at least this time, while the market moves, before the source counts as
    /// frozen.
    pub frozen_after: Duration,
    /// How many sources must agree on a price. `None` selects the default, which depends on the number of exchanges.
    pub min_sources: Option<usize>,
    /// Maximum distance of an agreeing vote from the center, in percent of the center. The center is the median, or the
    /// last agreed price if no majority is near the median.
    pub max_spread_percent: i128,
    /// Which changes of a price are implausible, and how long such a change must last before the new price is used.
    pub(crate) band: BandConfig,
    /// Whether orders stop while the agreed price is withheld as implausible. If not, the last good price is prolonged.
    pub stop_while_withheld: bool,
}

/// Settings that do not change while an [`Updater`](crate::Updater) runs. [`PricingSettings`] has the settings that can
/// change.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FixedSettings {
    pub(crate) clock: Clock,
    pub(crate) simulated: bool,
    pub(crate) poll_interval: Duration,
    pub(crate) publish_interval: Duration,
    pub(crate) record_ttl: Duration,
    pub(crate) max_prolonged_age: Duration,
}

impl FixedSettings {
    pub(crate) fn of(config: &Config) -> Self {
        let &Config { clock, simulated, poll_interval, publish_interval, record_ttl, max_prolonged_age, .. } = config;
        Self { clock, simulated, poll_interval, publish_interval, record_ttl, max_prolonged_age }
    }
}

/// A source and its base URL.
type LocatedSource = (&'static SourceDefinition, Url);

const DEFAULT_SOURCE_TIMEOUT_SECS: u64 = 5;

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `INTERNAL_TOKEN` | none; required unless the following three are set | the following three are derived from it |
    /// | `SERVER_KEY` | derived | the key from which the tokens of callers are derived |
    /// | `DB_PROXY_TOKEN`, `PRICE_CACHE_TOKEN` | derived | tokens for requests to db-proxy and to price-cache-proxy |
    /// | `PRICE_CACHE_URL` | `http://127.0.0.1:8002` | URLs of price-cache-proxy |
    /// | `DB_PROXY_URL` | `http://127.0.0.1:8010` | URLs of db-proxy |
    /// | `CURRENCIES` | `EUR,GBP,USD` | currencies of the price record |
    /// | `PRICE_SOURCES` | all sources | names of the active sources; an earlier bank is preferred to a later one |
    /// | `BINANCE_URL`, `KRAKEN_URL`, … | the source's own | base URL of a source; its path is a prefix of every request path |
    /// | `KRAKEN_WS_URL`, … | the exchange's own, or `off` if `KRAKEN_URL` is set to another URL | WebSocket base URL, or `off` |
    /// | `HTTPS_PROXY` | none | a proxy for HTTPS requests to sources; it disables price streams to `wss` URLs |
    /// | `SIMULATED` | `false` | marks every price as simulated; prices from exchange-sim are always marked |
    /// | `COURSE_REFRESH_SECS` | 5, or `PRICE_REFRESH_SECS` if that is less | poll interval |
    /// | `PRICE_REFRESH_SECS` | 15 | publish interval |
    /// | `PRICE_TTL_SECS` | 60 | how long a fresh price is valid after its observation; more than `PRICE_REFRESH_SECS` |
    /// | `PRICE_PROLONG_SECS` | 3600 | longest validity of a price while no newer price can be published; at least `PRICE_TTL_SECS` |
    /// | `SOURCE_TIMEOUT_SECS` | 5, or `PRICE_REFRESH_SECS` if that is less | time limit for all requests of one poll of a source |
    /// | `FROZEN_AFTER_SECS` | 60 | how long the prices of a source may stay the same while the market moves |
    /// | `MIN_SOURCES` | 2, or 1 if fewer than 3 exchanges are active | how many sources must agree on a price |
    /// | `PRICE_MAX_SPREAD_PERCENT` | 5 | largest distance of a vote from the median, in percent of the median |
    /// | `PRICE_BAND_PERCENT` | 10 | largest plausible change of a price in percent; values for single currencies can follow, as in `10,RUB=20` |
    /// | `PRICE_BAND_INTERVALS` | 4 | how many publish intervals a larger change must last before it is used, if independent sources confirm it |
    /// | `PRICE_BAND_ACTION` | `prolong` | what happens to orders until then: `prolong` the last good price, or `stop` |
    pub fn from_env(env: &mut Env) -> Self {
        let accepted_callers = shared::accepted_callers(env, Caller::PRICE_UPDATER.as_str());
        let db_proxy_token = shared::db_proxy_token(env, Caller::PRICE_UPDATER);
        let price_cache_token = shared::price_cache_token(env, Caller::PRICE_UPDATER);
        let price_cache_urls = shared::price_cache_urls(env);
        let db_proxy_urls = shared::db_proxy_urls(env);
        let currencies = shared::currencies(env);
        let SelectedSources { active: sources, inactive: inactive_sources } = read_sources(env);
        let https_proxy = read_proxy(env);
        let all_sources: Vec<_> = sources.iter().chain(&inactive_sources).cloned().collect();
        let mut streams = read_stream_urls(env, &all_sources);
        // Streams do not use the proxy, and a network that requires a proxy usually permits no direct connections.
        streams.retain(|_, url| https_proxy.is_none() || url.scheme() != "wss");
        let simulated = shared::simulated(env).unwrap_or(false);

        let publish_interval = shared::price_refresh_interval(env);
        let record_ttl = shared::price_ttl(env);
        let max_prolonged_age = env.seconds("PRICE_PROLONG_SECS", 3600, 1..=3600);
        if record_ttl <= publish_interval {
            let allowed = format!(
                "more than PRICE_REFRESH_SECS, which is {}, so that a price does not expire before the next one is published",
                publish_interval.as_secs()
            );
            env.add_error("PRICE_TTL_SECS", record_ttl.as_secs().to_string(), &allowed);
        }
        if max_prolonged_age < record_ttl {
            let allowed = format!("at least PRICE_TTL_SECS, which is {}", record_ttl.as_secs());
            env.add_error("PRICE_PROLONG_SECS", max_prolonged_age.as_secs().to_string(), &allowed);
        }
        let longest = publish_interval.as_secs();
        let source_timeout = env.seconds("SOURCE_TIMEOUT_SECS", DEFAULT_SOURCE_TIMEOUT_SECS.min(longest), 1..=longest);

        let poll_interval = shared::course_refresh_interval(env);
        let frozen_after = env.seconds("FROZEN_AFTER_SECS", 60, 1..=3600);

        let voters = sources.iter().filter(|(source, _)| source.kind != CourseKind::Fixing).count();
        if voters == 0 {
            let names = sources.iter().map(|(source, _)| source.name).collect::<Vec<_>>().join(",");
            env.add_error(
                "PRICE_SOURCES",
                names,
                "at least one exchange or index: official rates do not vote on prices",
            );
        }
        let max = voters.max(1);
        let allowed = format!("a whole number from 1 to {max}, the number of exchanges and indices in PRICE_SOURCES");
        let min_sources =
            env.parse_with("MIN_SOURCES", &allowed, |text| text.parse().ok().filter(|count| (1..=max).contains(count)));
        let max_spread_percent = env.whole_number("PRICE_MAX_SPREAD_PERCENT", 5, 1..=50).into();
        let band = read_band(env, &currencies);
        let stop_while_withheld = read_band_action(env);
        Self {
            accepted_callers,
            db_proxy_token,
            price_cache_token,
            price_cache_urls,
            db_proxy_urls,
            clock: Clock::default(),
            currencies,
            sources,
            inactive_sources,
            transport: None,
            streams,
            https_proxy,
            connector: None,
            simulated,
            poll_interval,
            publish_interval,
            record_ttl,
            max_prolonged_age,
            source_timeout,
            frozen_after,
            min_sources,
            max_spread_percent,
            band,
            stop_while_withheld,
        }
    }

    /// The currencies of `CURRENCIES` in which no source of `PRICE_SOURCES` reports a rate. Orders in these currencies
    /// are refused, unless another source is activated later.
    pub(crate) fn unpriced_currencies(&self) -> Vec<Currency> {
        let is_priced =
            |currency: &Currency| self.sources.iter().any(|(source, _)| source.has_asset((*currency).into()));
        self.currencies.iter().copied().filter(|currency| !is_priced(currency)).collect()
    }

    /// Logs a warning for each of the [`unpriced_currencies`](Self::unpriced_currencies).
    pub(crate) fn warn_of_unpriced_currencies(&self) {
        for currency in self.unpriced_currencies() {
            tracing::warn!(
                %currency,
                "no active price source reports a rate in this currency, so orders in it are refused; correct CURRENCIES, \
                 or add a source to PRICE_SOURCES"
            );
        }
    }
}

const DEFAULT_BAND_PERCENT: i128 = 10;

/// Reads the settings of the plausible band. `PRICE_BAND_PERCENT` has a default percentage, followed by the percentages of
/// single currencies.
fn read_band(env: &mut Env, currencies: &[Currency]) -> BandConfig {
    let allowed =
        "a whole number from 1 to 100, and optionally numbers for single currencies of CURRENCIES, such as 10,RUB=20";
    let percent = |text: &str| text.trim().parse().ok().filter(|percent| (1..=100).contains(percent));
    let parse = |text: &str| {
        let mut parts = text.split(',');
        let default = percent(parts.next()?)?;
        let by_currency = parts.map(|part| {
            let (currency, value) = part.split_once('=')?;
            let currency = currency.trim().parse().ok().filter(|currency| currencies.contains(currency))?;
            Some((currency, percent(value)?))
        });
        Some((default, by_currency.collect::<Option<BTreeMap<Currency, i128>>>()?))
    };
    let (percent, percent_by_currency) =
        env.parse_with("PRICE_BAND_PERCENT", allowed, parse).unwrap_or((DEFAULT_BAND_PERCENT, BTreeMap::new()));
    let intervals = env.whole_number("PRICE_BAND_INTERVALS", 4, 2..=240);
    BandConfig { percent, percent_by_currency, intervals }
}

/// Reads `PRICE_BAND_ACTION`. Returns whether orders stop while the agreed price is withheld as implausible.
fn read_band_action(env: &mut Env) -> bool {
    let parse = |text: &str| match text {
        "prolong" => Some(false),
        "stop" => Some(true),
        _ => None,
    };
    env.parse_with("PRICE_BAND_ACTION", "prolong or stop", parse).unwrap_or(false)
}

fn read_proxy(env: &mut Env) -> Option<Proxy> {
    const VARIABLE: &str = "HTTPS_PROXY";
    let text = env.text(VARIABLE)?.to_owned();
    let url = Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let proxy = url.and_then(|url| Proxy::https(url).ok());
    if proxy.is_none() {
        env.add_error(VARIABLE, shown_address(&text), "the address of a proxy, such as http://USER:PASSWORD@HOST:3128");
    }
    proxy
}

struct SelectedSources {
    active: Vec<LocatedSource>,
    inactive: Vec<LocatedSource>,
}

fn read_sources(env: &mut Env) -> SelectedSources {
    const VARIABLE: &str = "PRICE_SOURCES";
    let names: Vec<_> = SOURCES.iter().map(|source| source.name).collect();
    let listed = env.text(VARIABLE).unwrap_or_default().split(',').map(str::trim);
    let unknown: Vec<_> = listed.filter(|name| !name.is_empty() && !names.contains(name)).collect();
    let unknown =
        if unknown.is_empty() { String::new() } else { format!("; unknown: {}", shown_names(&unknown, &names)) };
    let allowed = format!("one or more of {}, separated by commas{unknown}", names.join(","));
    let parse = |text: &str| shared::parse_distinct(text, |name| SOURCES.iter().find(|source| source.name == name));
    let active = env.parse_with(VARIABLE, &allowed, parse).unwrap_or_else(|| SOURCES.iter().collect());
    let inactive = SOURCES.iter().filter(|source| !active.contains(source)).collect::<Vec<_>>();
    let mut locate = |sources: Vec<&'static SourceDefinition>| {
        sources.into_iter().map(|source| (source, env.url(source.url_variable, source.default_url))).collect()
    };
    SelectedSources { active: locate(active), inactive: locate(inactive) }
}

#[cfg(test)]
mod tests;

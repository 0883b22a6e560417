//! The settings of price-updater.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use common::{
    api::courses::CourseKind,
    config::{Env, Secret, shared},
    money::Currency,
    time::Clock,
};
use url::Url;

use crate::{
    sources::{SOURCES, SourceDefinition, Transport},
    streams::{Connector, read_stream_urls},
};

/// The settings of price-updater.
#[derive(Debug, Clone)]
pub struct Config {
    pub internal_token: Secret,
    /// Where price-cache-proxy is.
    pub cache: Url,
    /// Where db-proxy is, which writes courses down.
    pub db_proxy: Url,
    /// What time it is; in a test, the one that the test makes.
    pub clock: Clock,
    pub currencies: Vec<Currency>,
    /// Which sources are asked, in their order, and where each is.
    pub(crate) sources: Vec<(&'static SourceDefinition, Url)>,
    /// Those that are not asked until they are switched on.
    pub(crate) spare: Vec<(&'static SourceDefinition, Url)>,
    /// How they are asked: over the network where this is absent.
    pub transport: Option<Arc<dyn Transport>>,
    /// Where the websockets of sources are, by their names: others are polled only.
    pub(crate) streams: BTreeMap<&'static str, Url>,
    /// How websockets are reached: over the network where this is absent.
    pub connector: Option<Arc<dyn Connector>>,
    /// Whether the sources are simulated ones, whatever they say themselves.
    pub simulated: bool,
    /// From the start of one poll_interval, in which sources are asked, to the start of the next.
    pub poll_interval: Duration,
    /// From the start of one round, in which the record is written, to the start of the next.
    pub publish_interval: Duration,
    /// How long after it was observed a record may be used.
    pub ttl: Duration,
    /// How long after it was observed a record may be used while rounds fail.
    pub prolong: Duration,
    /// How long a source may take.
    pub source_timeout: Duration,
    /// How long the numbers of a source may stand still while others move.
    pub frozen_after: Duration,
    /// How many sources have to agree on a price, where that is set.
    pub min_sources: Option<usize>,
    /// How far from the middle a source may be and still count as agreeing, in percent of it.
    pub max_spread_percent: i128,
}

const DEFAULT_SOURCE_TIMEOUT_SECS: u64 = 5;

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `INTERNAL_TOKEN` | none, required | what internal callers send |
    /// | `PRICE_CACHE_URL` | `http://127.0.0.1:8002` | where price-cache-proxy is |
    /// | `DB_PROXY_URL` | `http://127.0.0.1:8010` | where db-proxy is |
    /// | `CURRENCIES` | `EUR,GBP,USD` | what is priced |
    /// | `PRICE_SOURCES` | every built-in one | names of the sources that are asked, in their order |
    /// | `BINANCE_URL`, `KRAKEN_URL`, … | the sources' own | where a source is; a path in it is kept |
    /// | `KRAKEN_WS_URL` and so on | the exchange's own, or `off` where `KRAKEN_URL` is not its own | its websocket, or `off` |
    /// | `SIMULATED` | `false` | marks every price as simulated; an answer of exchange-sim says so itself too |
    /// | `COURSE_REFRESH_SECS` | 5, or the refresh if less | from poll_interval to poll_interval: how often sources are asked that permit it |
    /// | `PRICE_REFRESH_SECS` | 15 | from round to round: how often the record is written |
    /// | `PRICE_TTL_SECS` | 60 | how long a record may be used; more than `PRICE_REFRESH_SECS` |
    /// | `PRICE_PROLONG_SECS` | 3600 | the same while rounds fail; at least `PRICE_TTL_SECS` |
    /// | `SOURCE_TIMEOUT_SECS` | 5, or the refresh if less | how long a source may take |
    /// | `FROZEN_AFTER_SECS` | 60 | how long the numbers of a source may stand still while others move |
    /// | `MIN_SOURCES` | 2, or 1 where fewer than 3 exchanges are asked | how many sources have to agree on a price |
    /// | `PRICE_MAX_SPREAD_PERCENT` | 5 | how far from the median a source may be and still count as agreeing |
    pub fn read(env: &mut Env) -> Self {
        let internal_token = shared::internal_token(env);
        let cache = shared::price_cache_url(env);
        let db_proxy = shared::db_proxy_url(env);
        let currencies = shared::currencies(env);
        let (sources, spare) = read_sources(env);
        let streams = read_stream_urls(env, &sources);
        let simulated = env.parse("SIMULATED", false, "true or false");

        let publish_interval = shared::price_refresh_interval(env);
        let ttl = shared::price_ttl(env);
        let prolong = env.seconds("PRICE_PROLONG_SECS", 3600, 1..=3600);
        if ttl <= publish_interval {
            let allowed = "it must be more than PRICE_REFRESH_SECS, or there is no price before each refresh";
            env.add_error("PRICE_TTL_SECS", Some(ttl.as_secs().to_string()), allowed);
        }
        if prolong < ttl {
            env.add_error("PRICE_PROLONG_SECS", Some(prolong.as_secs().to_string()), "at least PRICE_TTL_SECS");
        }
        let longest = publish_interval.as_secs();
        let source_timeout = env.seconds("SOURCE_TIMEOUT_SECS", DEFAULT_SOURCE_TIMEOUT_SECS.min(longest), 1..=longest);

        let poll_interval = shared::course_refresh_interval(env);
        let frozen_after = env.seconds("FROZEN_AFTER_SECS", 60, 1..=3600);

        let voting = sources.iter().filter(|(source, _)| source.kind != CourseKind::Fixing).count();
        if voting == 0 {
            let names = sources.iter().map(|(source, _)| source.name).collect::<Vec<_>>().join(",");
            env.add_error(
                "PRICE_SOURCES",
                Some(names),
                "an exchange or an index among them: official rates alone price nothing",
            );
        }
        let most = voting.max(1);
        let allowed =
            format!("a whole number from 1 to {most}, as many as vote of PRICE_SOURCES: official rates do not");
        let min_sources = env
            .parse_with("MIN_SOURCES", &allowed, |text| text.parse().ok().filter(|wanted| (1..=most).contains(wanted)));
        let max_spread_percent = env.whole_number("PRICE_MAX_SPREAD_PERCENT", 5, 1..=50).into();
        Self {
            internal_token,
            cache,
            db_proxy,
            clock: Clock::default(),
            currencies,
            sources,
            spare,
            transport: None,
            streams,
            connector: None,
            simulated,
            poll_interval,
            publish_interval,
            ttl,
            prolong,
            source_timeout,
            frozen_after,
            min_sources,
            max_spread_percent,
        }
    }

    /// How many sources have to agree on a price where `exchanges` are asked: of one or two, one has to do.
    pub(crate) fn min_sources(&self, exchanges: usize) -> usize {
        self.min_sources.unwrap_or(if exchanges < 3 { 1 } else { 2 })
    }
}

type Located = Vec<(&'static SourceDefinition, Url)>;

/// Those that are asked, and the others.
fn read_sources(env: &mut Env) -> (Located, Located) {
    let names = SOURCES.iter().map(|source| source.name).collect::<Vec<_>>().join(",");
    let allowed = format!("one or more of {names}, with commas between");
    let read = |text: &str| shared::parse_distinct(text, |name| SOURCES.iter().find(|source| source.name == name));
    let chosen = env.parse_with("PRICE_SOURCES", &allowed, read).unwrap_or_else(|| SOURCES.iter().collect());
    let others = SOURCES.iter().filter(|source| !chosen.contains(source)).collect::<Vec<_>>();
    let mut locate = |sources: Vec<&'static SourceDefinition>| {
        sources.into_iter().map(|source| (source, env.url(source.url_variable, source.default_url))).collect()
    };
    (locate(chosen), locate(others))
}

#[cfg(test)]
mod tests;

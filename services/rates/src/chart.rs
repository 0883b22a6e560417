//! Charts of the last hours: the median course, and the band between the lowest and the highest course near the median.
//! A course is the last price of one pair at one exchange.

mod axes;
mod draw;
mod series;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use common::{
    api::{
        courses::{Candle, CourseFilter, CourseKind, MAX_HISTORY_PAGE, Resolution},
        parameters::AsSent,
        prices::PriceState,
    },
    clients::{CallError, db_proxy::DbProxyClient},
    money::CurrencyPair,
    time::Timestamp,
};
use tokio::{sync::Semaphore, time::timeout};

use self::{
    draw::Chart,
    series::{Period, Series},
};
use crate::{
    current_price::{CurrentPrice, CurrentPrices, PriceError},
    error::Error,
    limits::{CHART_QUEUE_TIMEOUT, MAX_CACHED_CHARTS, MAX_CHART_PAGES, MAX_CONCURRENT_CHARTS},
    snapshot::MarketSnapshotView,
};

/// Longest period with a resolution of one minute, in hours. Longer periods have a resolution of one hour.
const MAX_MINUTE_RESOLUTION_HOURS: u32 = 24;

/// Draws at most [`MAX_CONCURRENT_CHARTS`] charts at the same time, and caches up to [`MAX_CACHED_CHARTS`] charts.
/// Clones share the cache.
#[derive(Clone)]
pub(crate) struct ChartRenderer {
    db_proxy: DbProxyClient,
    permits: Arc<Semaphore>,
    cache: Arc<Mutex<HashMap<ChartKey, RenderedChart>>>,
    /// How long a chart is valid, unless its current price expires earlier.
    refresh_interval: Duration,
    price_ttl: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ChartKey {
    pair: CurrencyPair,
    hours: u32,
    /// The state of the current price. If the state changes, the chart is drawn again immediately.
    state: Option<PriceState>,
}

/// A chart as SVG, and how long it may be shown.
#[derive(Debug, Clone)]
pub(crate) struct RenderedChart {
    pub(crate) svg: Bytes,
    pub(crate) valid_until: Timestamp,
}

impl ChartRenderer {
    pub(crate) fn new(db_proxy: DbProxyClient, refresh_interval: Duration, price_ttl: Duration) -> Self {
        let permits = Arc::new(Semaphore::new(MAX_CONCURRENT_CHARTS));
        Self { db_proxy, permits, cache: Arc::default(), refresh_interval, price_ttl }
    }

    /// Returns the chart of the `hours` before `now` as SVG, from the cache or newly drawn. Without a market snapshot
    /// (`view`), the chart shows only the history.
    pub(crate) async fn render(
        &self,
        view: Option<&MarketSnapshotView>,
        sent: &AsSent<CurrencyPair>,
        hours: u32,
        now: Timestamp,
    ) -> Result<RenderedChart, Error> {
        let pair = sent.value;
        let price = view.and_then(|view| CurrentPrices { view, now, ttl: self.price_ttl }.price(pair).ok());
        let key = ChartKey { pair, hours, state: price.as_ref().map(|price| price.state) };
        if let Some(chart) = self.cached(key, now) {
            return Ok(chart);
        }
        let _permit = timeout(CHART_QUEUE_TIMEOUT, self.permits.acquire()).await.map_err(|_| Error::ChartsBusy)?;
        // Another request has possibly drawn the chart in the meantime.
        if let Some(chart) = self.cached(key, now) {
            return Ok(chart);
        }
        let candles = self.load_candles(key, now).await?;
        if let Some(view) = view.filter(|view| candles.is_empty() && !view.snapshot.contains(pair)) {
            // As in `/api/v1/price`, an unknown asset is an invalid value. If both assets are known, the error is
            // `not_found`, or `price_unavailable` if no source reports one of them at the moment.
            view.catalogue.check_pair("direction", sent).map_err(|error| Error::InvalidFields(vec![error]))?;
            return Err(PriceError::of_unreported(pair, view).into());
        }
        let period = Period { end: now, hours, candle_width: candle_width(hours), carries_to_end: price.is_some() };
        let series = Series::from_candles(&comparable_candles(candles, view, pair), period);
        let svg = Bytes::from(build_chart(view, key, now, price, series).to_svg().map_err(Error::Drawing)?);
        let chart = RenderedChart { svg, valid_until: valid_until(now, self.refresh_interval, price) };
        let mut cache = self.lock_cache();
        if cache.len() >= MAX_CACHED_CHARTS {
            cache.retain(|_, chart| now < chart.valid_until);
        }
        if cache.len() < MAX_CACHED_CHARTS {
            cache.insert(key, chart.clone());
        }
        Ok(chart)
    }

    fn cached(&self, key: ChartKey, now: Timestamp) -> Option<RenderedChart> {
        self.lock_cache().get(&key).filter(|chart| now < chart.valid_until).cloned()
    }

    fn lock_cache(&self) -> MutexGuard<'_, HashMap<ChartKey, RenderedChart>> {
        // Each change is a single operation on the map, so the map is consistent even after a panic.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn load_candles(&self, key: ChartKey, now: Timestamp) -> Result<Vec<Candle>, CallError> {
        let from = now.minus(Duration::from_hours(key.hours.into()));
        let filter = CourseFilter { direction: Some(key.pair), from: Some(from), ..CourseFilter::default() };
        let (mut candles, mut cursor) = (Vec::new(), None);
        for _ in 0..MAX_CHART_PAGES {
            let page = self.db_proxy.course_history(&filter, resolution(key.hours), cursor, MAX_HISTORY_PAGE).await?;
            candles.extend(page.candles);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(candles)
    }
}

/// When a chart that is drawn at `now` becomes invalid: at the latest when its current price expires.
fn valid_until(now: Timestamp, refresh_interval: Duration, price: Option<CurrentPrice<'_>>) -> Timestamp {
    let refreshed_at = now.plus(refresh_interval);
    price.map_or(refreshed_at, |price| price.expires_at.min(refreshed_at))
}

fn build_chart(
    view: Option<&MarketSnapshotView>,
    key: ChartKey,
    now: Timestamp,
    price: Option<CurrentPrice<'_>>,
    series: Series,
) -> Chart {
    let ChartKey { pair, hours, .. } = key;
    let mut courses = view.into_iter().flat_map(|view| view.snapshot.courses_of(pair)).peekable();
    // Without a snapshot it is unknown which pairs are reported.
    let reported = view.is_none() || courses.peek().is_some();
    Chart {
        pair,
        hours,
        now,
        reported,
        simulated: series.simulated
            || courses.any(|course| course.simulated)
            || price.is_some_and(|price| price.agreed.simulated),
        current_price: price.map(|price| price.rate),
        prolonged_age: price.filter(|price| price.state == PriceState::Prolonged).map(|price| now.since(price.as_of)),
        series,
    }
}

fn resolution(hours: u32) -> Resolution {
    if hours <= MAX_MINUTE_RESOLUTION_HOURS { Resolution::Minute } else { Resolution::Hour }
}

fn candle_width(hours: u32) -> Duration {
    resolution(hours).width().unwrap_or(Duration::from_mins(1))
}

/// If an exchange trades the pair, excludes the candles of sources that report an index or a fixing, because only
/// courses of one kind are comparable.
fn comparable_candles(candles: Vec<Candle>, view: Option<&MarketSnapshotView>, pair: CurrencyPair) -> Vec<Candle> {
    let courses: Vec<_> = view.into_iter().flat_map(|view| view.snapshot.courses_of(pair)).collect();
    let not_traded: Vec<_> = courses.iter().filter(|course| course.kind != CourseKind::Trade).collect();
    if not_traded.len() == courses.len() {
        return candles;
    }
    let is_traded = |candle: &Candle| !not_traded.iter().any(|course| course.exchanger == candle.exchanger);
    candles.into_iter().filter(is_traded).collect()
}

#[cfg(test)]
mod tests;

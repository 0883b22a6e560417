//! A picture of the last hours: the median of the exchanges, and the band from the lowest to the highest.

mod axes;
mod draw;
mod fold;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use common::{
    api::courses::{Candle, CourseFilter, CourseKind, MAX_HISTORY_PAGE, Resolution},
    clients::{CallError, db_proxy::DbProxyClient},
    money::CurrencyPair,
    time::Timestamp,
};
use tokio::{sync::Semaphore, time::timeout};

use self::{
    draw::Chart,
    fold::{Series, fold},
};
use crate::{
    current_price::current_price,
    error::Error,
    limits::{CHART_QUEUE_TIMEOUT, MAX_CACHED_CHARTS, MAX_CHART_PAGES, MAX_CONCURRENT_CHARTS},
    snapshot::MarketSnapshotView,
};

/// Up to how many hours minutes are shown; hours beyond.
const MAX_MINUTE_HOURS: u32 = 24;

/// Draws charts, few at once, and keeps them for a slot: each costs several questions to db-proxy.
#[derive(Clone)]
pub(crate) struct ChartRenderer {
    db_proxy: DbProxyClient,
    drawing: Arc<Semaphore>,
    drawn: Arc<Mutex<HashMap<(CurrencyPair, u32), Drawn>>>,
    /// How long a chart is the newest.
    refresh_interval: Duration,
    ttl: Duration,
}

#[derive(Debug, Clone)]
struct Drawn {
    at: Timestamp,
    svg: Bytes,
}

impl ChartRenderer {
    pub(crate) fn new(db_proxy: DbProxyClient, refresh_interval: Duration, ttl: Duration) -> Self {
        Self {
            db_proxy,
            drawing: Arc::new(Semaphore::new(MAX_CONCURRENT_CHARTS)),
            drawn: Arc::default(),
            refresh_interval,
            ttl,
        }
    }

    /// The chart of the `hours` before `now`, as SVG.
    pub(crate) async fn draw(
        &self,
        view: Option<&MarketSnapshotView>,
        direction: CurrencyPair,
        hours: u32,
        now: Timestamp,
    ) -> Result<Bytes, Error> {
        let key = (direction, hours);
        if let Some(svg) = self.kept(key, now) {
            return Ok(svg);
        }
        let _place = timeout(CHART_QUEUE_TIMEOUT, self.drawing.acquire()).await.map_err(|_| Error::ChartsBusy)?;
        // Somebody else may have drawn it meanwhile.
        if let Some(svg) = self.kept(key, now) {
            return Ok(svg);
        }
        let candles = self.candles(direction, hours, now).await?;
        if candles.is_empty() && view.is_some_and(|view| is_unknown(view, direction)) {
            return Err(Error::UnknownPair(direction));
        }
        let series = fold(&live(candles, view, direction), now, hours, width(hours));
        let svg = Bytes::from(self.picture(view, direction, hours, now, series).svg().map_err(Error::Drawing)?);
        let mut drawn = self.drawn();
        if drawn.len() >= MAX_CACHED_CHARTS {
            drawn.retain(|_, chart| now.since(chart.at) < self.refresh_interval);
        }
        if drawn.len() < MAX_CACHED_CHARTS {
            drawn.insert(key, Drawn { at: now, svg: svg.clone() });
        }
        Ok(svg)
    }

    fn picture(
        &self,
        view: Option<&MarketSnapshotView>,
        direction: CurrencyPair,
        hours: u32,
        now: Timestamp,
        series: Series,
    ) -> Chart {
        let agreed = view.and_then(|view| current_price(view, direction, now, self.ttl).ok());
        let mut told = view.into_iter().flat_map(|view| view.courses_of(direction)).peekable();
        // Where nothing is known, nothing is said of it.
        let any = view.is_none() || told.peek().is_some();
        Chart {
            direction,
            hours,
            now,
            told: any,
            simulated: series.simulated
                || told.any(|course| course.simulated)
                || agreed.is_some_and(|price| price.agreed.simulated),
            agreed: agreed.map(|price| price.rate),
            series,
        }
    }

    fn kept(&self, key: (CurrencyPair, u32), now: Timestamp) -> Option<Bytes> {
        self.drawn()
            .get(&key)
            .filter(|chart| now.since(chart.at) < self.refresh_interval)
            .map(|chart| chart.svg.clone())
    }

    /// A map is whole even after a panic.
    fn drawn(&self) -> MutexGuard<'_, HashMap<(CurrencyPair, u32), Drawn>> {
        self.drawn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn candles(&self, direction: CurrencyPair, hours: u32, now: Timestamp) -> Result<Vec<Candle>, CallError> {
        let from = now.minus(Duration::from_hours(hours.into()));
        let filter = CourseFilter { direction: Some(direction), from: Some(from), ..CourseFilter::default() };
        let (mut candles, mut cursor) = (Vec::new(), None);
        for _ in 0..MAX_CHART_PAGES {
            let page = self.db_proxy.course_history(&filter, resolution(hours), cursor, MAX_HISTORY_PAGE).await?;
            candles.extend(page.candles);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        Ok(candles)
    }
}

fn resolution(hours: u32) -> Resolution {
    if hours <= MAX_MINUTE_HOURS { Resolution::Minute } else { Resolution::Hour }
}

/// How wide a candle is.
fn width(hours: u32) -> Duration {
    resolution(hours).width().unwrap_or(Duration::from_mins(1))
}

fn is_unknown(view: &MarketSnapshotView, direction: CurrencyPair) -> bool {
    view.price(direction).is_none() && view.courses_of(direction).next().is_none()
}

/// Only like is compared with like: where exchanges tell of trades, what others compute or fix is left out.
fn live(candles: Vec<Candle>, view: Option<&MarketSnapshotView>, direction: CurrencyPair) -> Vec<Candle> {
    let told: Vec<_> = view.into_iter().flat_map(|view| view.courses_of(direction)).collect();
    let other: Vec<_> = told.iter().filter(|course| course.kind != CourseKind::Trade).collect();
    if other.len() == told.len() {
        return candles;
    }
    candles.into_iter().filter(|candle| !other.iter().any(|course| course.exchanger == candle.exchanger)).collect()
}

#[cfg(test)]
mod tests;

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
    clients::{CallError, db_proxy::DbProxy},
    money::CurrencyPair,
    time::Timestamp,
};
use tokio::{sync::Semaphore, time::timeout};

use self::{
    draw::Picture,
    fold::{Series, fold},
};
use crate::{
    error::Error,
    held::Held,
    limits::{CHART_PATIENCE, MAX_CHART_PAGES, MAX_DRAWING, MAX_DRAWN},
    price::current,
};

/// Up to how many hours minutes are shown; hours beyond.
const FINE_HOURS: u32 = 24;

/// Draws charts, few at once, and keeps them for a slot: each costs several questions to db-proxy.
#[derive(Clone)]
pub(crate) struct Charts {
    db_proxy: DbProxy,
    drawing: Arc<Semaphore>,
    drawn: Arc<Mutex<HashMap<(CurrencyPair, u32), Drawn>>>,
    /// How long a chart is the newest.
    slot: Duration,
    ttl: Duration,
}

#[derive(Debug, Clone)]
struct Drawn {
    at: Timestamp,
    svg: Bytes,
}

impl Charts {
    pub(crate) fn new(db_proxy: DbProxy, slot: Duration, ttl: Duration) -> Self {
        Self { db_proxy, drawing: Arc::new(Semaphore::new(MAX_DRAWING)), drawn: Arc::default(), slot, ttl }
    }

    /// The chart of the `hours` before `now`, as SVG.
    pub(crate) async fn draw(
        &self,
        held: Option<&Held>,
        direction: CurrencyPair,
        hours: u32,
        now: Timestamp,
    ) -> Result<Bytes, Error> {
        let key = (direction, hours);
        if let Some(svg) = self.kept(key, now) {
            return Ok(svg);
        }
        let _place = timeout(CHART_PATIENCE, self.drawing.acquire()).await.map_err(|_| Error::ChartsFull)?;
        // Somebody else may have drawn it meanwhile.
        if let Some(svg) = self.kept(key, now) {
            return Ok(svg);
        }
        let candles = self.candles(direction, hours, now).await?;
        if candles.is_empty() && held.is_some_and(|held| is_unknown(held, direction)) {
            return Err(Error::NoChart(direction));
        }
        let series = fold(&live(candles, held, direction), now, hours, width(hours));
        let svg = Bytes::from(self.picture(held, direction, hours, now, series).svg().map_err(Error::Drawing)?);
        let mut drawn = self.drawn();
        if drawn.len() >= MAX_DRAWN {
            drawn.retain(|_, chart| now.since(chart.at) < self.slot);
        }
        if drawn.len() < MAX_DRAWN {
            drawn.insert(key, Drawn { at: now, svg: svg.clone() });
        }
        Ok(svg)
    }

    fn picture(
        &self,
        held: Option<&Held>,
        direction: CurrencyPair,
        hours: u32,
        now: Timestamp,
        series: Series,
    ) -> Picture {
        let agreed = held.and_then(|held| current(held, direction, now, self.ttl).ok());
        let mut told = held.into_iter().flat_map(|held| held.told(direction)).peekable();
        // Where nothing is known, nothing is said of it.
        let any = held.is_none() || told.peek().is_some();
        Picture {
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
        self.drawn().get(&key).filter(|chart| now.since(chart.at) < self.slot).map(|chart| chart.svg.clone())
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
    if hours <= FINE_HOURS { Resolution::Minute } else { Resolution::Hour }
}

/// How wide a candle is.
fn width(hours: u32) -> Duration {
    resolution(hours).width().unwrap_or(Duration::from_mins(1))
}

fn is_unknown(held: &Held, direction: CurrencyPair) -> bool {
    held.price(direction).is_none() && held.told(direction).next().is_none()
}

/// Only like is compared with like: where exchanges tell of trades, what others compute or fix is left out.
fn live(candles: Vec<Candle>, held: Option<&Held>, direction: CurrencyPair) -> Vec<Candle> {
    let told: Vec<_> = held.into_iter().flat_map(|held| held.told(direction)).collect();
    let other: Vec<_> = told.iter().filter(|course| course.kind != CourseKind::Trade).collect();
    if other.len() == told.len() {
        return candles;
    }
    candles.into_iter().filter(|candle| !other.iter().any(|course| course.exchanger == candle.exchanger)).collect()
}

#[cfg(test)]
mod tests;

//! What rates serves.

mod conditional_json;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use common::{
    api::{
        Problem,
        courses::{AgreedPrice, CourseFilter, DEFAULT_HISTORY_PAGE, HistoryCursor, Resolution},
        rates::{Conversion, ExchangerCourses, LinkedHistoryPage},
    },
    clients::db_proxy::DbProxyClient,
    money::{Asset, CurrencyPair},
    server::Json,
    time::Timestamp,
};
use poem::Body;
use poem_openapi::{
    ApiResponse, OpenApi,
    param::{Header, Query},
    payload::Binary,
};

use crate::{
    chart::ChartRenderer,
    conversion::{self, ConversionRequest},
    current_price::current_price,
    error::Error,
    history,
    limits::MAX_CHART_HOURS,
    routes::conditional_json::ConditionalJson,
    snapshot::FilterParams,
    snapshot::SnapshotStore,
    stream::CourseStreams,
};

pub(crate) struct Api {
    pub(crate) store: Arc<SnapshotStore>,
    pub(crate) streams: CourseStreams,
    pub(crate) db_proxy: DbProxyClient,
    pub(crate) charts: ChartRenderer,
    /// How long after it was true a price is shown as current.
    pub(crate) ttl: Duration,
    /// From one board to the next.
    pub(crate) refresh_interval: Duration,
}

#[derive(ApiResponse)]
enum StreamResponse {
    /// Server-sent events. The first, `courses`, tells everything; each further one, `changes`, what differs. The data of both
    /// is a `Changes`, and the id is the time of the board in microseconds since 1970. Every 15 s without news a comment is
    /// sent.
    #[oai(status = 200, content_type = "text/event-stream")]
    Events(Binary<Body>, #[oai(header = "Cache-Control")] String),
}

#[derive(ApiResponse)]
enum ChartResponse {
    /// The picture.
    #[oai(status = 200, content_type = "image/svg+xml")]
    Svg(Binary<Bytes>, #[oai(header = "Cache-Control")] String),
}

impl Api {
    /// What is asked for is tried again with the next board.
    fn problem(&self, error: impl Into<Error>) -> Problem {
        let problem = Problem::from(error.into());
        if problem.code == common::api::Code::PriceUnavailable {
            problem.retry_after(self.refresh_interval)
        } else {
            problem
        }
    }
}

#[OpenApi]
impl Api {
    /// The current course of every exchange, by exchange. Several names are sent with commas between them.
    #[oai(path = "/api/v1/courses", method = "get", operation_id = "list_courses")]
    async fn courses(
        &self,
        /// Exchanges, such as `binance,kraken`.
        exchangers: Query<Option<String>>,
        /// What is priced, such as `BTC,ETH`.
        coins_from: Query<Option<String>>,
        /// What it is priced in, such as `USD,EUR`.
        coins_to: Query<Option<String>>,
        /// The `ETag` of an answer that the client has.
        #[oai(name = "If-None-Match")]
        if_none_match: Header<Option<String>>,
    ) -> Result<ConditionalJson<Vec<ExchangerCourses>>, Problem> {
        let view = self.store.newest().map_err(|error| self.problem(error))?;
        let params = FilterParams { exchangers: exchangers.0, coins_from: coins_from.0, coins_to: coins_to.0 };
        let filter = params.check(&view.catalogue).map_err(Error::Fields)?;
        Ok(ConditionalJson::new(view.courses(filter), if_none_match.0.as_deref(), self.refresh_interval))
    }

    /// Courses of the past: each as it was (`raw`), or folded into candles of a minute, an hour or a day.
    ///
    /// Oldest first within each exchange and direction. Follow `_links.next` until there is none.
    #[oai(path = "/api/v1/courses/history", method = "get", operation_id = "course_history")]
    #[expect(clippy::too_many_arguments, reason = "each is a query parameter")]
    async fn history(
        &self,
        direction: Query<Option<CurrencyPair>>,
        exchanger: Query<Option<String>>,
        /// Courses that were true at this time or later; candles from the one on that this time is in.
        from: Query<Option<Timestamp>>,
        /// Courses and candles that began before this time.
        to: Query<Option<Timestamp>>,
        #[oai(default = "raw")] resolution: Query<Resolution>,
        #[oai(default = "page_size", validator(minimum(value = "1"), maximum(value = "1000")))] limit: Query<u32>,
        cursor: Query<Option<HistoryCursor>>,
    ) -> Result<Json<LinkedHistoryPage>, Problem> {
        let filter = CourseFilter { exchanger: exchanger.0, direction: direction.0, from: from.0, to: to.0 };
        let page = history::page(&self.db_proxy, &filter, resolution.0, cursor.0, limit.0).await;
        Ok(Json(page.map_err(Error::from)?))
    }

    /// Courses and prices as they change, as server-sent events.
    ///
    /// A reader who is slow is told the newest and not all that was in between. Prices pass by the coins alone.
    #[oai(path = "/api/v1/courses/stream", method = "get", operation_id = "stream_courses")]
    async fn stream(
        &self,
        /// Exchanges, such as `binance,kraken`.
        exchangers: Query<Option<String>>,
        /// What is priced, such as `BTC,ETH`.
        coins_from: Query<Option<String>>,
        /// What it is priced in, such as `USD,EUR`.
        coins_to: Query<Option<String>>,
    ) -> Result<StreamResponse, Problem> {
        let view = self.store.newest().map_err(|error| self.problem(error))?;
        let params = FilterParams { exchangers: exchangers.0, coins_from: coins_from.0, coins_to: coins_to.0 };
        let filter = params.check(&view.catalogue).map_err(Error::Fields)?;
        let events = self.streams.read(&self.store, filter)?;
        Ok(StreamResponse::Events(Binary(Body::from_bytes_stream(events)), "no-store".to_owned()))
    }

    /// The agreed price of a direction with all that led to it: what each exchange told, and why it was used or not.
    ///
    /// A price that is refused, or that was true too long ago, is a 503, never an old number.
    #[oai(path = "/api/v1/price", method = "get", operation_id = "get_price")]
    async fn price(
        &self,
        direction: Query<CurrencyPair>,
        /// The `ETag` of an answer that the client has.
        #[oai(name = "If-None-Match")]
        if_none_match: Header<Option<String>>,
    ) -> Result<ConditionalJson<AgreedPrice>, Problem> {
        let view = self.store.newest().map_err(|error| self.problem(error))?;
        let now = self.store.clock.now();
        let price = current_price(&view, direction.0, now, self.ttl).map_err(|error| self.problem(error))?;
        let answer = view.derivation(price.agreed.direction);
        let answer = answer.ok_or_else(|| self.problem(Error::NoCourses))?;
        let max_age = self.refresh_interval.min(price.until.since(now));
        Ok(ConditionalJson::new(answer, if_none_match.0.as_deref(), max_age))
    }

    /// The last hours as a picture: the median of the exchanges, and the band from the lowest to the highest.
    ///
    /// Minute by minute up to a day, and hour by hour beyond. What is simulated is marked in the picture.
    #[oai(path = "/api/v1/price/chart.svg", method = "get", operation_id = "price_chart")]
    async fn chart(
        &self,
        direction: Query<CurrencyPair>,
        #[oai(default = "six", validator(minimum(value = "1"), maximum(value = "168")))] hours: Query<u32>,
    ) -> Result<ChartResponse, Problem> {
        debug_assert!(hours.0 <= MAX_CHART_HOURS);
        let view = self.store.newest().ok();
        let now = self.store.clock.now();
        let svg = self.charts.draw(view.as_deref(), direction.0, hours.0, now).await?;
        Ok(ChartResponse::Svg(Binary(svg), format!("public, max-age={}", self.refresh_interval.as_secs())))
    }

    /// How much of one coin or currency an amount of another is, at the agreed prices of now.
    ///
    /// By the price of the one in the other, else by its inverse, else by way of a third. Exact until the end, where it is
    /// rounded once: half to even, at the decimals of `to`. An offer it is not; a quote of create-order is.
    #[oai(path = "/api/v1/convert", method = "get", operation_id = "convert")]
    async fn convert(
        &self,
        from: Query<Asset>,
        to: Query<Asset>,
        /// Above 0, at most 8 decimals.
        amount: Query<String>,
    ) -> Result<Json<Conversion>, Problem> {
        let view = self.store.newest().map_err(|error| self.problem(error))?;
        let request = ConversionRequest::check(&view, from.0, to.0, &amount.0).map_err(|error| self.problem(error))?;
        let converted = conversion::convert(&view, &request, self.store.clock.now(), self.ttl);
        converted.map(Json).map_err(|error| self.problem(error))
    }
}

fn raw() -> Resolution {
    Resolution::Raw
}

fn page_size() -> u32 {
    DEFAULT_HISTORY_PAGE
}

fn six() -> u32 {
    6
}

//! The HTTP endpoints of rates. A course is the last price of one pair at one exchange. The API calls the pair
//! `direction` and the exchange `exchanger`.

mod conditional_json;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use common::{
    api::{
        Code, Problem,
        courses::{AgreedPrice, DEFAULT_HISTORY_PAGE, HistoryCursor, Resolution},
        parameters::AsSent,
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

use self::conditional_json::ConditionalJson;
use crate::{
    chart::ChartRenderer,
    conversion::{ConversionParams, convert},
    current_price::CurrentPrices,
    error::Error,
    history::{self, HistoryParams},
    limits::MAX_CHART_HOURS,
    snapshot::{Catalogue, FilterParams, MarketSnapshotView, NoSnapshotError, SnapshotStore},
    stream::CourseStreams,
};

pub(crate) struct Api {
    pub(crate) snapshots: Arc<SnapshotStore>,
    pub(crate) streams: CourseStreams,
    pub(crate) db_proxy: DbProxyClient,
    pub(crate) charts: ChartRenderer,
    pub(crate) price_ttl: Duration,
    pub(crate) refresh_interval: Duration,
}

#[derive(ApiResponse)]
enum StreamResponse {
    /// Server-sent events. The first event, `courses`, contains everything that matches the filters. Each later event
    /// is `changes`, which contains only the differences, or `courses` again if the reader was too slow. The data of
    /// both events is a JSON object with `as_of`, `simulated`, `courses`, `gone` and `prices`. The id of an event is
    /// the time of its market snapshot, in microseconds since 1970. A comment is sent after every 15 s without an
    /// event.
    #[oai(status = 200, content_type = "text/event-stream")]
    Events(Binary<Body>, #[oai(header = "Cache-Control")] String),
}

#[derive(ApiResponse)]
enum ChartResponse {
    /// The chart.
    #[oai(status = 200, content_type = "image/svg+xml")]
    Svg(Binary<Bytes>, #[oai(header = "Cache-Control")] String),
}

impl Api {
    /// Converts an error. The next snapshot can contain a missing price, so the client may retry after the refresh
    /// interval.
    fn problem(&self, error: impl Into<Error>) -> Problem {
        let problem = Problem::from(error.into());
        if problem.code == Code::PriceUnavailable { problem.retry_after(self.refresh_interval) } else { problem }
    }

    fn newest_snapshot(&self) -> Result<Arc<MarketSnapshotView>, Problem> {
        self.snapshots.newest().map_err(|error| self.problem(error))
    }

    fn current_prices<'a>(&self, view: &'a MarketSnapshotView) -> CurrentPrices<'a> {
        CurrentPrices { view, now: self.snapshots.clock.now(), ttl: self.price_ttl }
    }
}

#[OpenApi]
impl Api {
    /// Lists the current course of every pair, grouped by exchange. Filters are comma-separated lists.
    #[oai(path = "/api/v1/courses", method = "get", operation_id = "list_courses")]
    async fn courses(
        &self,
        /// Exchanges, such as `binance,kraken`.
        exchangers: Query<Option<String>>,
        /// Base assets of the pairs, such as `BTC,ETH`.
        coins_from: Query<Option<String>>,
        /// Quote assets of the pairs, such as `USD,EUR`.
        coins_to: Query<Option<String>>,
        /// The `ETag` of a response that the client has cached.
        #[oai(name = "If-None-Match")]
        if_none_match: Header<Option<String>>,
    ) -> Result<ConditionalJson<Vec<ExchangerCourses>>, Problem> {
        let view = self.newest_snapshot()?;
        let params = FilterParams { exchangers: exchangers.0, coins_from: coins_from.0, coins_to: coins_to.0 };
        let filter = params.parse(&view.catalogue).map_err(Error::InvalidFields)?;
        Ok(ConditionalJson::new(view.courses_json(filter), if_none_match.0.as_deref(), self.refresh_interval))
    }

    /// Lists the courses of a period, unaggregated (`raw`) or as candles of a minute, an hour or a day.
    ///
    /// The courses of each exchange and pair are listed oldest first. Follow `_links.next` until it is absent.
    #[oai(path = "/api/v1/courses/history", method = "get", operation_id = "course_history")]
    #[expect(clippy::too_many_arguments, reason = "each argument is a query parameter")]
    async fn history(
        &self,
        direction: Query<Option<AsSent<CurrencyPair>>>,
        /// Exchanges, such as `binance,kraken`.
        exchangers: Query<Option<String>>,
        /// The old name of `exchangers`.
        #[oai(deprecated)]
        exchanger: Query<Option<String>>,
        /// Includes courses that were valid at this time or later, and candles that contain this time or start later.
        from: Query<Option<Timestamp>>,
        /// Includes courses and candles that began before this time.
        to: Query<Option<Timestamp>>,
        #[oai(default = "default_resolution")] resolution: Query<Resolution>,
        #[oai(default = "default_page_size", validator(minimum(value = "1"), maximum(value = "1000")))] limit: Query<
            u32,
        >,
        cursor: Query<Option<HistoryCursor>>,
    ) -> Result<Json<LinkedHistoryPage>, Problem> {
        let params = HistoryParams {
            exchangers: exchangers.0,
            old_exchangers: exchanger.0,
            direction: direction.0,
            from: from.0,
            to: to.0,
        };
        let (view, empty) = (self.snapshots.newest().ok(), Catalogue::default());
        let catalogue = view.as_ref().map_or(&empty, |view| &view.catalogue);
        let filter = params.validate(&self.db_proxy, catalogue).await?;
        let page = history::load_page(&self.db_proxy, &filter, resolution.0, cursor.0, limit.0).await;
        Ok(Json(page.map_err(Error::from)?))
    }

    /// Streams courses and prices as server-sent events.
    ///
    /// A slow reader receives the newest values and skips the values in between. Prices are filtered by the coins only.
    #[oai(path = "/api/v1/courses/stream", method = "get", operation_id = "stream_courses")]
    async fn stream(
        &self,
        /// Exchanges, such as `binance,kraken`.
        exchangers: Query<Option<String>>,
        /// Base assets of the pairs, such as `BTC,ETH`.
        coins_from: Query<Option<String>>,
        /// Quote assets of the pairs, such as `USD,EUR`.
        coins_to: Query<Option<String>>,
    ) -> Result<StreamResponse, Problem> {
        let view = self.newest_snapshot()?;
        let params = FilterParams { exchangers: exchangers.0, coins_from: coins_from.0, coins_to: coins_to.0 };
        let filter = params.parse(&view.catalogue).map_err(Error::InvalidFields)?;
        let events = self.streams.open(&self.snapshots, filter)?;
        Ok(StreamResponse::Events(Binary(Body::from_bytes_stream(events)), "no-store".to_owned()))
    }

    /// Returns the agreed price of a pair with the votes considered, and the reason for each rejected vote.
    ///
    /// While the exchanges agree on no newer price, the response is the last good price until it expires. Its `state` is `fresh`
    /// for the normal lifetime of a price and then `prolonged`, with its age. create-order may be configured to refuse a prolonged
    /// price earlier (`PRICE_MAX_AGE_SECS`). After the price has expired, the response is a 503. An expired price is never
    /// returned. The price of a pair that orders do not use is not prolonged: while no price is agreed, the response is a 503.
    #[oai(path = "/api/v1/price", method = "get", operation_id = "get_price")]
    async fn price(
        &self,
        direction: Query<AsSent<CurrencyPair>>,
        /// The `ETag` of a response that the client has cached.
        #[oai(name = "If-None-Match")]
        if_none_match: Header<Option<String>>,
    ) -> Result<ConditionalJson<AgreedPrice>, Problem> {
        let view = self.newest_snapshot()?;
        view.catalogue.check_pair("direction", &direction.0).map_err(|error| Error::InvalidFields(vec![error]))?;
        let prices = self.current_prices(&view);
        let price = prices.price(direction.0.value).map_err(|error| self.problem(error))?;
        let json = view.price_json(price.agreed.direction).ok_or_else(|| self.problem(NoSnapshotError))?;
        let max_age = self.refresh_interval.min(price.expires_at.since(prices.now));
        Ok(ConditionalJson::new(json, if_none_match.0.as_deref(), max_age))
    }

    /// Draws the price of the last hours: the median price of the exchanges, and the band of the prices near it.
    ///
    /// The resolution is a minute for up to 24 hours, and an hour for longer periods. Simulated data and a prolonged price are
    /// marked.
    #[oai(path = "/api/v1/price/chart.svg", method = "get", operation_id = "price_chart")]
    async fn chart(
        &self,
        direction: Query<AsSent<CurrencyPair>>,
        #[oai(default = "default_chart_hours", validator(minimum(value = "1"), maximum(value = "168")))] hours: Query<
            u32,
        >,
    ) -> Result<ChartResponse, Problem> {
        debug_assert!(hours.0 <= MAX_CHART_HOURS);
        let view = self.snapshots.newest().ok();
        let now = self.snapshots.clock.now();
        let chart = self.charts.render(view.as_deref(), &direction.0, hours.0, now).await?;
        let max_age = chart.valid_until.since(now).as_secs();
        Ok(ChartResponse::Svg(Binary(chart.svg), format!("public, max-age={max_age}")))
    }

    /// Converts an amount of one coin or currency into another at the current agreed prices.
    ///
    /// If the pair or its inverse has an agreed price, the conversion uses the newest agreed price, as `/api/v1/price` does.
    /// Orders use the price that was published last, which may be some seconds older. Without an agreed price, the conversion
    /// uses the official rate of the two currencies, or two prices through a third asset: USD, EUR, USDT, BTC, GBP or ETH. One
    /// of these two prices may be an official rate.
    ///
    /// Of these paths, the path with the smallest known error (`known_error_percent`) is chosen. The known error is how far the
    /// votes, bid and ask of exchanges, or the rates of banks, are apart. An unknown error counts as 5 % for a price and as 2 %
    /// for an official rate. Of paths with equal errors, the path with the fewest prices is chosen, and then the path through
    /// the most traded asset. A path with a prolonged price is chosen only if there is no other path.
    ///
    /// `steps` lists each price with its sources. A price that is itself computed from several prices, such as BTC-RUB from
    /// BTC-USD and USD-RUB, lists their pairs in `legs`, and the `path` is then `cross`.
    ///
    /// The conversion is exact, and only the result is rounded: half to even, to the decimals of `to`. The result is not an
    /// offer. For a binding price, request a quote from create-order.
    #[oai(path = "/api/v1/convert", method = "get", operation_id = "convert")]
    async fn convert(
        &self,
        from: Query<AsSent<Asset>>,
        to: Query<AsSent<Asset>>,
        /// Greater than 0 and less than 1000000000000, with at most 8 decimals.
        amount: Query<String>,
    ) -> Result<Json<Conversion>, Problem> {
        let view = self.newest_snapshot()?;
        let params = ConversionParams { from: from.0, to: to.0, amount: amount.0 };
        let request = params.validate(&view).map_err(|error| self.problem(error))?;
        convert(&self.current_prices(&view), &request).map(Json).map_err(|error| self.problem(error))
    }
}

fn default_resolution() -> Resolution {
    Resolution::Raw
}

fn default_page_size() -> u32 {
    DEFAULT_HISTORY_PAGE
}

fn default_chart_hours() -> u32 {
    6
}

//! Reads of prices. The service `rates` answers them and checks their query parameters.
//!
//! A course is the last price of one pair at one exchange. The API calls the pair `direction` and the exchange
//! `exchanger`.

use common::{
    api::{
        Problem,
        courses::AgreedPrice,
        rates::{Conversion, ExchangerCourses, LinkedHistoryPage},
    },
    server::Json,
};
use poem::Request;
use poem_openapi::{OpenApi, param::Header};

use super::{
    Forwarder,
    parameters::ForwardedQuery,
    responses::{Chart, ConditionalJson, Events, Forwarded},
};

pub struct ForwardedPrices(pub Forwarder);

#[OpenApi]
impl ForwardedPrices {
    /// Lists the current course of every pair, grouped by exchange. Filters are comma-separated lists. Answered by rates.
    #[oai(path = "/api/v1/courses", method = "get", operation_id = "list_courses")]
    async fn list_courses(
        &self,
        request: &Request,
        /// Exchanges, such as `binance,kraken`.
        #[oai(name = "exchangers")]
        _exchangers: ForwardedQuery<Option<String>>,
        /// Base assets of the pairs, such as `BTC,ETH`.
        #[oai(name = "coins_from")]
        _coins_from: ForwardedQuery<Option<String>>,
        /// Quote assets of the pairs, such as `USD,EUR`.
        #[oai(name = "coins_to")]
        _coins_to: ForwardedQuery<Option<String>>,
        /// The `ETag` of a response that the client has cached.
        #[oai(name = "If-None-Match")]
        _if_none_match: Header<Option<String>>,
    ) -> Result<Forwarded<ConditionalJson<Vec<ExchangerCourses>>>, Problem> {
        self.0.forward(request).await
    }

    /// Lists the courses of a period, unaggregated (`raw`) or as candles of a minute, an hour or a day. Answered by rates.
    #[oai(path = "/api/v1/courses/history", method = "get", operation_id = "course_history")]
    #[expect(clippy::too_many_arguments, reason = "poem-openapi registers one query parameter per argument")]
    async fn course_history(
        &self,
        request: &Request,
        /// A pair, such as `BTC-USD`.
        #[oai(name = "direction")]
        _direction: ForwardedQuery<Option<String>>,
        /// Exchanges, such as `binance,kraken`.
        #[oai(name = "exchangers")]
        _exchangers: ForwardedQuery<Option<String>>,
        /// The old name of `exchangers`.
        #[oai(name = "exchanger", deprecated)]
        _exchanger: ForwardedQuery<Option<String>>,
        /// Includes courses that were valid at this time or later.
        #[oai(name = "from")]
        _from: ForwardedQuery<Option<String>>,
        /// Includes courses that began before this time.
        #[oai(name = "to")]
        _to: ForwardedQuery<Option<String>>,
        /// `raw`, `1m`, `1h` or `1d`.
        #[oai(name = "resolution")]
        _resolution: ForwardedQuery<Option<String>>,
        /// Maximum number of rows on the page: 1 to 1000.
        #[oai(name = "limit")]
        _limit: ForwardedQuery<Option<String>>,
        /// The `next_cursor` of the previous page.
        #[oai(name = "cursor")]
        _cursor: ForwardedQuery<Option<String>>,
    ) -> Result<Forwarded<Json<LinkedHistoryPage>>, Problem> {
        self.0.forward(request).await
    }

    /// Streams courses and prices as server-sent events. Answered by rates.
    #[oai(path = "/api/v1/courses/stream", method = "get", operation_id = "stream_courses")]
    async fn stream_courses(
        &self,
        request: &Request,
        /// Exchanges, such as `binance,kraken`.
        #[oai(name = "exchangers")]
        _exchangers: ForwardedQuery<Option<String>>,
        /// Base assets of the pairs, such as `BTC,ETH`.
        #[oai(name = "coins_from")]
        _coins_from: ForwardedQuery<Option<String>>,
        /// Quote assets of the pairs, such as `USD,EUR`.
        #[oai(name = "coins_to")]
        _coins_to: ForwardedQuery<Option<String>>,
    ) -> Result<Forwarded<Events>, Problem> {
        self.0.forward(request).await
    }

    /// Returns the agreed price of a pair with the votes considered, and the reason for each rejected vote. Answered by rates.
    #[oai(path = "/api/v1/price", method = "get", operation_id = "get_price")]
    async fn get_price(
        &self,
        request: &Request,
        /// A pair, such as `BTC-EUR`.
        #[oai(name = "direction")]
        _direction: ForwardedQuery<String>,
        /// The `ETag` of a response that the client has cached.
        #[oai(name = "If-None-Match")]
        _if_none_match: Header<Option<String>>,
    ) -> Result<Forwarded<ConditionalJson<AgreedPrice>>, Problem> {
        self.0.forward(request).await
    }

    /// Draws the price of the last hours. Answered by rates.
    #[oai(path = "/api/v1/price/chart.svg", method = "get", operation_id = "price_chart")]
    async fn price_chart(
        &self,
        request: &Request,
        /// A pair, such as `BTC-EUR`.
        #[oai(name = "direction")]
        _direction: ForwardedQuery<String>,
        /// The number of hours: 1 to 168.
        #[oai(name = "hours")]
        _hours: ForwardedQuery<Option<String>>,
    ) -> Result<Forwarded<Chart>, Problem> {
        self.0.forward(request).await
    }

    /// Converts an amount of one coin or currency into another at the current agreed prices. Answered by rates.
    #[oai(path = "/api/v1/convert", method = "get", operation_id = "convert")]
    async fn convert(
        &self,
        request: &Request,
        /// The asset to convert from, such as `BTC`.
        #[oai(name = "from")]
        _from: ForwardedQuery<String>,
        /// The asset to convert to, such as `EUR`.
        #[oai(name = "to")]
        _to: ForwardedQuery<String>,
        /// Greater than 0, with at most 8 decimals.
        #[oai(name = "amount")]
        _amount: ForwardedQuery<String>,
    ) -> Result<Forwarded<Json<Conversion>>, Problem> {
        self.0.forward(request).await
    }
}

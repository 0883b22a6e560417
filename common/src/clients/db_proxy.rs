//! The client of db-proxy.

mod order_reader;
mod users;
mod wallets;

use std::{fmt::Display, time::Duration};

use poem::http::Method;
use serde::{Deserialize, de::DeserializeOwned};

pub use self::{
    order_reader::{OrderReader, OrdersJson},
    users::DirectoryError,
    wallets::{LOOKUP_LIMITS, MOVE_DEADLINE, MOVE_LIMITS, VERIFICATION_DEADLINE},
};
use super::{CallError, CallOutcome, Retry, ServiceClient};
use crate::{
    api::{
        Code, Problem,
        courses::{
            CourseFilter, CourseHistoryPage, CoursesWritten, CurrentCourses, HistoryCursor, INTERNAL_EXCHANGERS,
            NewCourses, Resolution, StoredCourse,
        },
        limit::{OrderLimit, SetLimitCommand},
        orders::{MAX_ORDERS_PER_REQUEST, OrderSummary, Outcomes, OwnerFilter, PlaceOrderCommand, PlaceOrderCommands},
        quotes::{CreateQuoteCommand, QuoteOutcome},
    },
    concurrency::batching::BatchLimits,
    config::{CallerToken, ServiceUrls},
    ids::QuoteId,
};

/// Deadline of a call that writes orders or a quote, including retries. db-proxy spends less time on a request, so its
/// response arrives before this deadline.
const ORDER_WRITE_DEADLINE: Duration = Duration::from_secs(12);
/// Limits of the batches of new orders and of the batches of order ids.
pub const BATCH_LIMITS: BatchLimits =
    BatchLimits { max_queued: 4096, max_batch_size: MAX_ORDERS_PER_REQUEST, max_in_flight: 4 };
const READ_DEADLINE: Duration = Duration::from_secs(10);
/// Deadline for storing courses. Newer courses follow within seconds.
const COURSES_DEADLINE: Duration = Duration::from_secs(5);

/// The client of db-proxy. [`OrderReader`] reads orders.
#[derive(Debug, Clone)]
pub struct DbProxyClient(pub ServiceClient);

impl DbProxyClient {
    pub const SERVICE: &'static str = "db-proxy";

    /// Calls one of the instances at `urls`.
    pub fn new(http: reqwest::Client, urls: impl Into<ServiceUrls>, token: impl Into<CallerToken>) -> Self {
        Self(ServiceClient::new(http, Self::SERVICE, urls, token))
    }

    /// The error of a response that does not conform to the API of db-proxy.
    pub fn invalid_response(reason: impl Display) -> CallError {
        CallError::InvalidResponse(Self::SERVICE, reason.to_string())
    }

    pub fn parse_response<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, CallError> {
        serde_json::from_slice(json).map_err(Self::invalid_response)
    }

    /// The error of a request that a db-proxy of an older release cannot answer. Such a db-proxy is about to be replaced.
    pub fn being_upgraded() -> CallError {
        let detail = "The service db-proxy is being upgraded. Try again in a moment.";
        CallError::Problem(Self::SERVICE, Box::new(Problem::new(Code::UpstreamUnavailable, detail)))
    }

    /// Places a batch of orders. Retries are safe, because every order has an idempotency key.
    pub async fn place_orders(&self, orders: &PlaceOrderCommands) -> CallOutcome<Outcomes> {
        let path = place_path(orders);
        let outcome = self.0.call(Method::POST, path, Some(orders), Retry::Safe, ORDER_WRITE_DEADLINE).await;
        self.parse_outcome(outcome)
    }

    fn parse_outcome<T: DeserializeOwned>(&self, CallOutcome { result, unanswered }: CallOutcome) -> CallOutcome<T> {
        let outcome = CallOutcome { result: result.map_err(unavailable_if_older), unanswered };
        outcome.and_then(|bytes| self.0.parse_response(&bytes))
    }

    /// Creates a quote. A request that may have been received is not repeated, because a second quote would reserve bitcoin
    /// again.
    pub async fn create_quote(&self, quote: &CreateQuoteCommand) -> Result<QuoteOutcome, CallError> {
        let path = if quote.needs_v2_endpoint() { "/v2/quotes" } else { "/quotes" };
        let outcome =
            self.0.call_json(Method::POST, path, Some(quote), Retry::OnlyIfNotSent, ORDER_WRITE_DEADLINE).await;
        outcome.map_err(unavailable_if_older)
    }

    /// The quote with this id and its state. If the id is unknown, or `owner` does not select the quote, the outcome is a
    /// refusal.
    pub async fn find_quote(&self, id: QuoteId, owner: OwnerFilter) -> Result<QuoteOutcome, CallError> {
        let path = format!("/quotes/{id}?owner={owner}");
        let outcome = self.0.call_json(Method::GET, &path, None::<&()>, Retry::Safe, READ_DEADLINE).await;
        outcome.map_err(unavailable_if_older)
    }

    /// Releases the reservation of a quote. Retries are safe, because a repetition has no effect.
    pub async fn release_quote(&self, id: QuoteId, owner: OwnerFilter) -> Result<QuoteOutcome, CallError> {
        let path = format!("/quotes/{id}?owner={owner}");
        let outcome = self.0.call_json(Method::DELETE, &path, None::<&()>, Retry::Safe, ORDER_WRITE_DEADLINE).await;
        outcome.map_err(unavailable_if_older)
    }

    pub async fn order_limit(&self) -> Result<OrderLimit, CallError> {
        let outcome = self.0.call_json(Method::GET, "/limit", None::<&()>, Retry::Safe, READ_DEADLINE).await;
        outcome.map_err(unavailable_if_older)
    }

    /// Sets the limit over all orders. A retry after a lost response replaces a limit that another operator has set
    /// after the first attempt.
    pub async fn set_order_limit(&self, command: &SetLimitCommand) -> Result<OrderLimit, CallError> {
        let outcome = self.0.call_json(Method::PUT, "/limit", Some(command), Retry::Safe, ORDER_WRITE_DEADLINE).await;
        outcome.map_err(unavailable_if_older)
    }

    /// The totals over the orders of everybody.
    pub async fn order_summary(&self) -> Result<OrderSummary, CallError> {
        self.0.call_json(Method::GET, "/summary", None::<&()>, Retry::Safe, READ_DEADLINE).await
    }

    /// Stores the courses that changed. Accepts at most [`MAX_COURSES`](crate::api::courses::MAX_COURSES).
    ///
    /// Retries are safe, but `changed` does not count the courses that an earlier attempt has stored.
    pub async fn write_courses(&self, courses: &NewCourses) -> Result<CoursesWritten, CallError> {
        self.0.call_json(Method::POST, "/courses", Some(courses), Retry::Safe, COURSES_DEADLINE).await
    }

    /// The current course of each exchange and pair, ordered by pair and exchange.
    pub async fn current_courses(&self) -> Result<Vec<StoredCourse>, CallError> {
        let response = self.0.call_json(Method::GET, "/courses", None::<&()>, Retry::Safe, READ_DEADLINE).await;
        response.map(|CurrentCourses { courses }| courses)
    }

    /// A page of the course history that matches `filter`, oldest first for each exchange and pair. The page begins after the row of
    /// `cursor`.
    pub async fn course_history(
        &self,
        filter: &CourseFilter,
        resolution: Resolution,
        cursor: Option<HistoryCursor>,
        limit: u32,
    ) -> Result<CourseHistoryPage, CallError> {
        let path = format!("/courses/history?{}", filter.to_query(INTERNAL_EXCHANGERS, resolution, cursor, limit));
        self.0.call_json(Method::GET, &path, None::<&()>, Retry::Safe, READ_DEADLINE).await
    }
}

/// The path that a batch of orders is sent to.
///
/// An older db-proxy would ignore the fields that it does not support. Orders with such fields are sent to a path that
/// an older db-proxy does not have.
fn place_path(PlaceOrderCommands { orders }: &PlaceOrderCommands) -> &'static str {
    if orders.iter().any(PlaceOrderCommand::needs_v3_endpoint) {
        "/v3/orders"
    } else if orders.iter().any(PlaceOrderCommand::needs_v2_endpoint) {
        "/v2/orders"
    } else {
        "/orders"
    }
}

/// Converts the 404 of an older db-proxy without the endpoint to a 503.
fn unavailable_if_older(error: CallError) -> CallError {
    match error {
        CallError::Problem(_, problem) if problem.code == Code::NotFound => DbProxyClient::being_upgraded(),
        error => error,
    }
}

#[cfg(test)]
mod tests;

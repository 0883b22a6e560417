//! The client of db-proxy.

use std::time::Duration;

use bytes::Bytes;
use poem::http::Method;

use super::{CallError, Retry, ServiceClient};
use crate::{
    api::{
        courses::{
            ActualCourses, CourseFilter, CourseHistoryPage, CoursesWritten, HistoryCursor, NewCourses, PastCourse,
            Resolution,
        },
        orders::{Cursor, MAX_GROUP, OrderFilter, OrderIds, OrderPage, OrderSummary, Outcomes, PlaceOrderCommands},
        quotes::{CreateQuoteCommand, QuoteOutcome},
    },
    concurrency::batching::BatchLimits,
};

/// How long a group of orders may take, retries included. Longer than db-proxy itself holds an order whose outcome is not
/// known, so that its answer arrives.
const PLACE_DEADLINE: Duration = Duration::from_secs(12);
/// How orders to place, and ids to look up, travel to db-proxy, which has a queue of its own behind this one.
pub const BATCH_LIMITS: BatchLimits = BatchLimits { max_queued: 4096, max_batch_size: MAX_GROUP, max_in_flight: 4 };
const READ_DEADLINE: Duration = Duration::from_secs(10);
/// How long courses may take to be written down. Newer ones follow in a moment.
const COURSES_DEADLINE: Duration = Duration::from_secs(5);

/// Places and reads orders, and keeps courses.
#[derive(Debug, Clone)]
pub struct DbProxyClient(pub ServiceClient);

impl DbProxyClient {
    pub const SERVICE: &'static str = "db-proxy";

    /// Places a group. Safe to send again, for every order in it has a key.
    ///
    /// Beside the outcomes: whether an earlier try was not answered and may still be under way.
    pub async fn place_orders(&self, orders: &PlaceOrderCommands) -> (Result<Outcomes, CallError>, bool) {
        let called = self.0.call(Method::POST, "/orders", Some(orders), Retry::Safe, PLACE_DEADLINE).await;
        (called.result.and_then(|bytes| self.0.parse_response(&bytes)), called.unanswered)
    }

    /// Holds a price. Not sent again once it may have arrived: a second one would hold its share twice.
    pub async fn create_quote(&self, quote: &CreateQuoteCommand) -> Result<QuoteOutcome, CallError> {
        self.0.call_json(Method::POST, "/quotes", Some(quote), Retry::OnlyIfNotSent, PLACE_DEADLINE).await
    }

    /// Orders newest first, leaving out the first `start`: the JSON of an [`OffsetPage`](crate::api::orders::OffsetPage), as
    /// it came.
    pub async fn list_orders_by_offset_json(&self, start: u64, page_size: u32) -> Result<Bytes, CallError> {
        let path = format!("/get?start={start}&page_size={page_size}");
        self.0.call_bytes(Method::GET, &path, None::<&()>, Retry::Safe, READ_DEADLINE).await
    }

    /// Orders that pass `filter`, newest first, from `cursor` on.
    pub async fn list_orders(
        &self,
        filter: &OrderFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<OrderPage, CallError> {
        self.0.parse_response(&self.list_orders_json(filter, cursor, limit).await?)
    }

    /// The JSON of such a page.
    pub async fn list_orders_json(
        &self,
        filter: &OrderFilter,
        cursor: Option<Cursor>,
        limit: u32,
    ) -> Result<Bytes, CallError> {
        let path = format!("/orders?{}", filter.to_query(cursor, limit));
        self.0.call_bytes(Method::GET, &path, None::<&()>, Retry::Safe, READ_DEADLINE).await
    }

    /// The orders that have one of these ids: the JSON of [`FoundOrders`](crate::api::orders::FoundOrders), as it came.
    pub async fn find_orders_json(&self, ids: &OrderIds) -> Result<Bytes, CallError> {
        self.0.call_bytes(Method::POST, "/orders/lookup", Some(ids), Retry::Safe, READ_DEADLINE).await
    }

    /// What all orders come to.
    pub async fn order_summary(&self) -> Result<OrderSummary, CallError> {
        self.0.call_json(Method::GET, "/summary", None::<&()>, Retry::Safe, READ_DEADLINE).await
    }

    /// Writes courses down where they changed; at most [`crate::api::courses::MAX_COURSES`] of them. Safe to send again: what
    /// was written down is no change the second time, so `changed` may then be too small.
    pub async fn write_courses(&self, courses: &NewCourses) -> Result<CoursesWritten, CallError> {
        self.0.call_json(Method::POST, "/courses", Some(courses), Retry::Safe, COURSES_DEADLINE).await
    }

    /// The course of each exchange and direction as it is now, by direction and exchanger.
    pub async fn current_courses(&self) -> Result<Vec<PastCourse>, CallError> {
        let actual = self.0.call_json(Method::GET, "/courses", None::<&()>, Retry::Safe, READ_DEADLINE).await;
        actual.map(|ActualCourses { courses }| courses)
    }

    /// The part of the past that passes `filter`, oldest first within each exchange and direction, from `cursor` on.
    pub async fn course_history(
        &self,
        filter: &CourseFilter,
        resolution: Resolution,
        cursor: Option<HistoryCursor>,
        limit: u32,
    ) -> Result<CourseHistoryPage, CallError> {
        let path = format!("/courses/history?{}", filter.to_query(resolution, cursor, limit));
        self.0.call_json(Method::GET, &path, None::<&()>, Retry::Safe, READ_DEADLINE).await
    }
}

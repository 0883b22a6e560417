//! The endpoints.

use std::time::Duration;

use common::{
    api::{
        Problem,
        prices::{NewPriceRecord, PriceRecord},
    },
    http::{InternalCaller, Json},
    time::Timestamp,
};
use poem_openapi::{ApiResponse, OpenApi, param::Query};

use crate::records::Records;

const DEFAULT_TTL_SECS: u64 = 60;

fn default_ttl() -> u64 {
    DEFAULT_TTL_SECS
}

pub(crate) struct Routes {
    records: Records,
}

#[derive(ApiResponse)]
enum CurrentAnswer {
    /// The current prices.
    #[oai(status = 200)]
    Record(Json<PriceRecord>),
    /// There is no record, or it ran out.
    #[oai(status = 204)]
    None,
}

#[derive(ApiResponse)]
enum AddAnswer {
    /// The record that is kept now: the one that was sent, or a newer one.
    #[oai(status = 201)]
    Kept(Json<PriceRecord>),
}

impl Routes {
    pub(crate) fn new(records: Records) -> Self {
        Self { records }
    }
}

#[OpenApi]
impl Routes {
    /// The current price of bitcoin in each currency.
    #[oai(path = "/record", method = "get", operation_id = "current_record")]
    async fn current(&self) -> Result<CurrentAnswer, Problem> {
        let record = self.records.current(Timestamp::now()).await?;
        Ok(record.map_or(CurrentAnswer::None, |record| CurrentAnswer::Record(Json(record))))
    }

    /// Replaces the record, unless it is newer than the one that is sent.
    ///
    /// `ttl` is in seconds and counts from `as_of`, when the prices were observed, not from now: a record does not get
    /// younger by being sent again.
    #[oai(path = "/add", method = "post", operation_id = "add_record")]
    async fn add(
        &self,
        _caller: InternalCaller,
        /// How long after `as_of` the record may be used, in seconds.
        #[oai(default = "default_ttl", validator(minimum(value = "1"), maximum(value = "3600")))]
        ttl: Query<u64>,
        record: Json<NewPriceRecord>,
    ) -> Result<AddAnswer, Problem> {
        let record = self.records.add(record.0, Duration::from_secs(ttl.0), Timestamp::now()).await?;
        Ok(AddAnswer::Kept(Json(record)))
    }
}

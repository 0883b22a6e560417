//! The endpoints.

use std::time::Duration;

use common::{
    api::{
        FieldError, Problem,
        courses::{MarketSnapshot, SnapshotStored},
        events::Topic,
        leases::{Lease, LeaseRequest},
        prices::{NewPriceRecord, PriceRecord},
    },
    config::shared::DEFAULT_PRICE_TTL_SECS,
    server::{InternalCaller, Json, PreserializedJson},
    time::Timestamp,
};
use poem_openapi::{ApiResponse, OpenApi, param::Query};

use crate::{
    documents::DocumentService,
    events::{EventStream, Events},
    leases::LeaseService,
};

fn default_ttl() -> u64 {
    DEFAULT_PRICE_TTL_SECS
}

fn default_topics() -> String {
    "record,board".to_owned()
}

pub(crate) struct Routes {
    pub(crate) documents: DocumentService,
    pub(crate) events: Events,
    pub(crate) leases: LeaseService,
}

#[derive(ApiResponse)]
enum RecordResponse {
    /// The current prices.
    #[oai(status = 200)]
    Record(PreserializedJson<PriceRecord>),
    /// There is no record, or it ran out.
    #[oai(status = 204)]
    None,
}

#[derive(ApiResponse)]
enum AddRecordResponse {
    /// The record that is kept now: the one that was sent, or a newer one.
    #[oai(status = 201)]
    Stored(PreserializedJson<PriceRecord>),
}

#[derive(ApiResponse)]
enum SnapshotResponse {
    /// The newest board.
    #[oai(status = 200)]
    Board(PreserializedJson<MarketSnapshot>),
    /// There is no board, or it ran out.
    #[oai(status = 204)]
    None,
}

#[derive(ApiResponse)]
enum EventsResponse {
    /// What there is, and then each change.
    #[oai(status = 200)]
    Stream(EventStream),
}

#[derive(ApiResponse)]
enum SnapshotStoredResponse {
    /// Which board is kept now: the one that was sent, or a newer one.
    #[oai(status = 201)]
    Stored(Json<SnapshotStored>),
}

#[OpenApi]
impl Routes {
    /// The current price of bitcoin in each currency.
    #[oai(path = "/record", method = "get", operation_id = "current_record")]
    async fn current(&self) -> Result<RecordResponse, Problem> {
        let record = self.documents.current::<PriceRecord>(Timestamp::now()).await?;
        Ok(record.map_or(RecordResponse::None, |record| {
            RecordResponse::Record(PreserializedJson::new(record.json().clone()))
        }))
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
    ) -> Result<AddRecordResponse, Problem> {
        let record = self.documents.add_record(record.0, Duration::from_secs(ttl.0), Timestamp::now()).await?;
        Ok(AddRecordResponse::Stored(PreserializedJson::new(record.json().clone())))
    }

    /// The newest course of each exchange and direction, and the prices that are agreed from them.
    #[oai(path = "/board", method = "get", operation_id = "current_board")]
    async fn snapshot(&self, _caller: InternalCaller) -> Result<SnapshotResponse, Problem> {
        let board = self.documents.current::<MarketSnapshot>(Timestamp::now()).await?;
        Ok(board.map_or(SnapshotResponse::None, |board| {
            SnapshotResponse::Board(PreserializedJson::new(board.json().clone()))
        }))
    }

    /// Replaces the board, unless it is newer than the one that is sent. It runs out an hour after its `as_of`.
    #[oai(path = "/board", method = "post", operation_id = "put_board")]
    async fn put_board(
        &self,
        _caller: InternalCaller,
        board: Json<MarketSnapshot>,
    ) -> Result<SnapshotStoredResponse, Problem> {
        let kept = self.documents.add_snapshot(board.0, Timestamp::now()).await?;
        Ok(SnapshotStoredResponse::Stored(Json(SnapshotStored { as_of: kept.value().as_of })))
    }

    /// Server-sent events: the current documents at once, and then each change, until the connection ends.
    ///
    /// An event is named after its topic and carries the whole document. Where nothing changes a comment comes every second.
    /// A reader that is too slow gets the newest document of each topic and not those between.
    #[oai(path = "/events", method = "get", operation_id = "events")]
    async fn events(
        &self,
        _caller: InternalCaller,
        /// `record`, `board`, or both with a comma between them.
        #[oai(default = "default_topics")]
        topics: Query<String>,
    ) -> Result<EventsResponse, Problem> {
        let topics =
            Topic::list(&topics.0).map_err(|error| Problem::validation(vec![FieldError::new("topics", error)]))?;
        Ok(EventsResponse::Stream(self.events.open(&topics)?))
    }

    /// Takes a lease, or renews it.
    ///
    /// Whoever asks first holds it for `ttl_secs`, and keeps it by asking again before that. The answer tells who holds it,
    /// which may be somebody else.
    #[oai(path = "/lease", method = "post", operation_id = "ask_lease")]
    async fn lease(&self, _caller: InternalCaller, ask: Json<LeaseRequest>) -> Result<Json<Lease>, Problem> {
        Ok(Json(self.leases.ask(ask.0).await?))
    }
}

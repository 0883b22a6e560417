//! The HTTP endpoints of price-cache-proxy.

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
    server::{Json, PreserializedJson, PriceReader, PriceWriter, UncheckedBody},
    time::Clock,
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

/// Whether an error is about a time of a record or of one of its prices.
fn names_time(error: &FieldError) -> bool {
    matches!(error.field.rsplit('.').next(), Some("as_of" | "expires_at"))
}

pub(crate) struct Routes {
    pub(crate) documents: DocumentService,
    pub(crate) events: Events,
    pub(crate) leases: LeaseService,
    pub(crate) clock: Clock,
}

#[derive(ApiResponse)]
enum RecordResponse {
    /// The current price record.
    #[oai(status = 200)]
    Record(PreserializedJson<PriceRecord>),
    /// There is no record, or it has expired.
    #[oai(status = 204)]
    None,
}

#[derive(ApiResponse)]
enum PutRecordResponse {
    /// The record that is stored now: the received record, or a newer record.
    #[oai(status = 201)]
    Stored(PreserializedJson<PriceRecord>),
}

#[derive(ApiResponse)]
enum SnapshotResponse {
    /// The newest market snapshot.
    #[oai(status = 200)]
    Snapshot(PreserializedJson<MarketSnapshot>),
    /// There is no market snapshot, or it has expired.
    #[oai(status = 204)]
    None,
}

#[derive(ApiResponse)]
enum EventsResponse {
    /// The current documents, and then each change.
    #[oai(status = 200)]
    Stream(EventStream),
}

#[derive(ApiResponse)]
enum PutSnapshotResponse {
    /// The time of the market snapshot that is stored now: the received snapshot, or a newer snapshot.
    #[oai(status = 201)]
    Stored(Json<SnapshotStored>),
}

#[OpenApi]
impl Routes {
    /// Returns the current price of one bitcoin in each currency.
    #[oai(path = "/record", method = "get", operation_id = "current_record")]
    async fn record(&self) -> Result<RecordResponse, Problem> {
        let record = self.documents.current::<PriceRecord>(self.clock.now()).await?;
        Ok(match record {
            Some(record) => RecordResponse::Record(PreserializedJson::new(record.json().clone())),
            None => RecordResponse::None,
        })
    }

    /// Replaces the price record, unless the stored record is newer and has not expired.
    ///
    /// A price without `expires_at` expires `ttl` seconds after its `as_of`, the time at which it was observed. A price without
    /// `as_of` was observed at the `as_of` of the record. Sending a record again does not extend its validity.
    #[oai(path = "/add", method = "post", operation_id = "add_record")]
    async fn put_record(
        &self,
        _caller: PriceWriter,
        /// Lifetime of a price without `expires_at`, in seconds from its `as_of`.
        #[oai(default = "default_ttl", validator(minimum(value = "1"), maximum(value = "3600")))]
        ttl: Query<u64>,
        record: UncheckedBody<NewPriceRecord>,
    ) -> Result<PutRecordResponse, Problem> {
        let (ttl, now) = (Duration::from_secs(ttl.0), self.clock.now());
        let record = record.or_problem_with(|record, known| {
            // An invalid or missing time was replaced by a placeholder. Further checks would compare the placeholder
            // with other times.
            if known.iter().any(names_time) {
                return Vec::new();
            }
            record.clone().into_record(ttl, now).err().unwrap_or_default()
        })?;
        let record = self.documents.put_record(record, ttl, now).await?;
        Ok(PutRecordResponse::Stored(PreserializedJson::new(record.json().clone())))
    }

    /// Returns the market snapshot: the newest course of each exchange and pair, and the prices agreed from the courses. A
    /// course is the price of a pair that one exchange reports.
    #[oai(path = "/board", method = "get", operation_id = "get_market_snapshot")]
    async fn snapshot(&self, _caller: PriceReader) -> Result<SnapshotResponse, Problem> {
        let snapshot = self.documents.current::<MarketSnapshot>(self.clock.now()).await?;
        Ok(match snapshot {
            Some(snapshot) => SnapshotResponse::Snapshot(PreserializedJson::new(snapshot.json().clone())),
            None => SnapshotResponse::None,
        })
    }

    /// Replaces the market snapshot, unless the stored snapshot is newer and has not expired. A snapshot expires one hour after
    /// its `as_of`.
    #[oai(path = "/board", method = "post", operation_id = "write_market_snapshot")]
    async fn put_snapshot(
        &self,
        _caller: PriceWriter,
        snapshot: UncheckedBody<MarketSnapshot>,
    ) -> Result<PutSnapshotResponse, Problem> {
        let now = self.clock.now();
        let snapshot = snapshot.or_problem(|snapshot| snapshot.validate(now).err().unwrap_or_default())?;
        let stored = self.documents.put_snapshot(snapshot, now).await?;
        Ok(PutSnapshotResponse::Stored(Json(SnapshotStored { as_of: stored.value().as_of })))
    }

    /// Streams server-sent events until the client disconnects: the current documents at once, and then each change.
    ///
    /// An event is named after its topic, and its data is the whole document. Between changes a comment is sent every second.
    /// A slow reader receives the newest document of each topic and skips the documents in between.
    #[oai(path = "/events", method = "get", operation_id = "events")]
    async fn events(
        &self,
        _caller: PriceReader,
        /// `record`, `board`, or both, separated by a comma.
        #[oai(default = "default_topics")]
        topics: Query<String>,
    ) -> Result<EventsResponse, Problem> {
        let topics = Topic::parse_list(&topics.0)
            .map_err(|error| Problem::validation(vec![FieldError::new("topics", error)]))?;
        Ok(EventsResponse::Stream(self.events.open(&topics)?))
    }

    /// Acquires or renews a lease.
    ///
    /// A free lease is granted to the requested holder for `ttl_secs`. If the requested holder already has the lease, the lease
    /// is renewed. The response names the current holder, which may be another holder.
    #[oai(path = "/lease", method = "post", operation_id = "acquire_lease")]
    async fn lease(&self, _caller: PriceWriter, request: UncheckedBody<LeaseRequest>) -> Result<Json<Lease>, Problem> {
        let request = request.or_problem(|request| request.validate().err().unwrap_or_default())?;
        Ok(Json(self.leases.acquire(request).await?))
    }
}

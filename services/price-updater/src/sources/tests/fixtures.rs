//! Sources with scripted responses.

use std::sync::Arc;

use poem::{Response, endpoint::make_sync};

use crate::sources::{
    CurrencyPair, EXCHANGE_POLL_INTERVAL, InProcess, Instant, PollReply, PollRequest, RawResponse, Source,
    SourceDefinition, SourceError, TickerResults, Timestamp, http_client::HttpResponse,
};

/// A source whose requests are all answered by `respond`. `respond` receives the path and the query of a request, and
/// returns the status and the body of the response.
pub(in crate::sources) fn scripted_source(
    definition: &'static SourceDefinition,
    respond: impl Fn(&str) -> (u16, String) + Send + Sync + 'static,
) -> Box<dyn Source> {
    let endpoint = make_sync(move |request| {
        let (status, body) = respond(&request.uri().to_string());
        Response::builder().status(status.try_into().unwrap()).body(body)
    });
    definition.build(Arc::new(InProcess::new(endpoint)), "http://exchange".parse().unwrap())
}

/// A response without headers.
pub(in crate::sources) fn response(status: u16, body: &str) -> HttpResponse {
    RawResponse { status, body: body.to_owned().into(), ..RawResponse::default() }.into()
}

/// Polls every pair of the source.
pub(in crate::sources) async fn poll_all(source: &dyn Source, now: Timestamp) -> Result<PollReply, SourceError> {
    let deadline = Instant::now() + EXCHANGE_POLL_INTERVAL;
    source.poll(PollRequest { pairs: source.pairs(), now, deadline }).await
}

pub(in crate::sources) fn now() -> Timestamp {
    "2026-01-03T12:00:00Z".parse().unwrap()
}

/// The price that the API shows for one pair, or the error of the pair.
pub(in crate::sources) fn price(results: &TickerResults, pair: &str) -> Result<String, SourceError> {
    let is_of_pair = |(other, _): &&(CurrencyPair, _)| other.to_string() == pair;
    let (_, result) = results.iter().find(is_of_pair).unwrap_or_else(|| panic!("{pair} has no result"));
    result.as_ref().map(|ticker| ticker.course().to_string()).map_err(Clone::clone)
}

//! Compression of responses with gzip.

use async_compression::{Level, tokio::bufread::GzipEncoder};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::body::Body as _;
use poem::{
    Body, Response,
    http::{HeaderMap, HeaderValue, header},
};
use tokio_util::io::StreamReader;

use super::limits::MIN_COMPRESSED_BODY;

/// Whether the client accepts responses that are compressed with gzip (RFC 9110, section 12.5.3).
pub(super) fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut any_coding = false;
    for coding in values.flat_map(|value| value.split(',')) {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        let weight =
            parameters.trim().strip_prefix(['q', 'Q']).and_then(|weight| weight.strip_prefix('=')).unwrap_or("1");
        // The only weights that mean "not acceptable" are 0, 0.0, 0.00 and 0.000.
        let acceptable = weight.is_empty() || !weight.trim_matches(['0', '.']).is_empty();
        match name.trim() {
            name if name.eq_ignore_ascii_case("gzip") => return acceptable,
            "*" => any_coding = acceptable,
            _ => {}
        }
    }
    any_coding
}

/// The value of the header `Vary`.
const ACCEPT_ENCODING: &str = "accept-encoding";

/// Compresses the body if it is large enough and of a suitable type. `accepted` is the result of [`accepts_gzip`].
///
/// The body is compressed as a stream. Events are not compressed, because each event must arrive immediately.
pub(super) fn compress(response: &mut Response, accepted: bool) {
    let body = BoxBody::<Bytes, std::io::Error>::from(response.take_body());
    let is_large = body.size_hint().exact().is_none_or(|size| size >= MIN_COMPRESSED_BODY);
    if !is_large || !is_compressible(response.headers()) {
        response.set_body(Body::from(body));
        return;
    }
    // A cache must not send a compressed response to a client that does not accept it.
    let headers = response.headers_mut();
    // A forwarded response may already have the header.
    let has_vary = headers.get_all(header::VARY).iter().any(|value| value.as_bytes() == ACCEPT_ENCODING.as_bytes());
    if !has_vary {
        headers.append(header::VARY, HeaderValue::from_static(ACCEPT_ENCODING));
    }
    if !accepted {
        response.set_body(Body::from(body));
        return;
    }
    let source = StreamReader::new(Body::from(body).into_bytes_stream());
    response.set_body(Body::from_async_read(GzipEncoder::with_quality(source, Level::Fastest)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    if let Some(tag) = headers.get(header::ETAG).and_then(weak_tag) {
        headers.insert(header::ETAG, tag);
    }
}

/// Whether the response contains text, and has neither a `Content-Encoding` nor a `Content-Length`.
fn is_compressible(headers: &HeaderMap) -> bool {
    if headers.contains_key(header::CONTENT_ENCODING) || headers.contains_key(header::CONTENT_LENGTH) {
        return false;
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim_end();
    match essence.split_once('/') {
        Some(("text", kind)) => kind != "event-stream",
        Some(("application", kind)) => {
            matches!(kind, "json" | "jsonl" | "xml" | "openmetrics-text") || kind.ends_with("+json")
        }
        Some(("image", kind)) => kind == "svg+xml",
        _ => false,
    }
}

/// The weak `ETag` of the compressed response. A strong tag would claim that the compressed and the original response
/// have the same bytes.
fn weak_tag(tag: &HeaderValue) -> Option<HeaderValue> {
    let tag = tag.to_str().ok().filter(|tag| !tag.starts_with("W/"))?;
    HeaderValue::from_str(&format!("W/{tag}")).ok()
}

#[cfg(test)]
mod tests;

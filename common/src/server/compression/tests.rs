use async_compression::tokio::bufread::GzipDecoder;
use futures_util::stream;
use poem::http::StatusCode;
use tokio::io::{AsyncReadExt, BufReader};

use super::*;

fn accepts(values: &[&'static str]) -> bool {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
    }
    accepts_gzip(&headers)
}

fn response(content_type: &str, body: impl Into<Body>) -> Response {
    Response::builder().content_type(content_type).header(header::ETAG, "\"tag\"").body(body)
}

fn text(length: u64) -> String {
    "x".repeat(usize::try_from(length).unwrap())
}

fn header_of<'a>(response: &'a Response, name: &header::HeaderName) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[test]
fn gzip_is_accepted_only_with_a_weight_above_zero() {
    for accepted in [&["gzip"][..], &["br, GZIP;q=0.5"], &["deflate", "gzip"], &["*"], &["gzip, *;q=0"], &["gzip; q=1"]]
    {
        assert!(accepts(accepted), "{accepted:?}");
    }
    for refused in [
        &[][..],
        &[""],
        &["br"],
        &["gzip;q=0"],
        &["gzip;q=0.000"],
        &["gzip; Q=0"],
        &["*, gzip;q=0"],
        &["*;q=0"],
        &["identity"],
    ] {
        assert!(!accepts(refused), "{refused:?}");
    }
}

#[tokio::test]
async fn large_text_is_compressed_with_a_weak_tag() {
    let original = text(MIN_COMPRESSED_BODY);
    for content_type in ["application/json", "text/html; charset=utf-8", "application/problem+json", "image/svg+xml"] {
        let mut response = response(content_type, original.clone());
        compress(&mut response, true);
        assert_eq!(header_of(&response, &header::CONTENT_ENCODING), Some("gzip"), "{content_type}");
        assert_eq!(header_of(&response, &header::VARY), Some("accept-encoding"));
        assert_eq!(header_of(&response, &header::ETAG), Some("W/\"tag\""));
        let body = response.take_body().into_vec().await.unwrap();
        assert!(body.len() < original.len() / 10, "{}", body.len());
        let mut unpacked = String::new();
        GzipDecoder::new(BufReader::new(body.as_slice())).read_to_string(&mut unpacked).await.unwrap();
        assert!(unpacked == original);
    }
}

#[tokio::test]
async fn response_is_not_compressed_if_small_unsuitable_or_not_accepted() {
    let large = || text(MIN_COMPRESSED_BODY);
    let mut with_length = response("application/json", large());
    with_length.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(MIN_COMPRESSED_BODY));
    for (mut response, accepted) in [
        (response("application/json", text(MIN_COMPRESSED_BODY - 1)), true),
        (response("application/json", large()), false),
        (response("image/png", large()), true),
        (response("text/event-stream", large()), true),
        (Response::builder().status(StatusCode::NO_CONTENT).finish(), true),
        // Its `Content-Length` is the length of the uncompressed body.
        (with_length, true),
    ] {
        compress(&mut response, accepted);
        assert_eq!(header_of(&response, &header::CONTENT_ENCODING), None);
        assert!(response.take_body().into_vec().await.unwrap().iter().all(|byte| *byte == b'x'));
    }
}

#[tokio::test]
async fn forwarded_response_has_one_vary_header() {
    let mut forwarded = response("text/csv", text(MIN_COMPRESSED_BODY));
    forwarded.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    compress(&mut forwarded, false);
    assert_eq!(forwarded.headers().get_all(header::VARY).iter().count(), 1);
}

#[tokio::test]
async fn error_of_a_compressed_stream_reaches_the_client() {
    let chunks = [Ok(Bytes::from_static(b"first,")), Err(std::io::Error::other("lost"))];
    let mut response = response("text/csv", Body::from_bytes_stream(stream::iter(chunks)));
    compress(&mut response, true);
    assert_eq!(header_of(&response, &header::CONTENT_ENCODING), Some("gzip"));
    assert!(response.take_body().into_vec().await.is_err());
}

use super::*;

#[tokio::test]
async fn request_with_a_matching_etag_is_answered_without_a_body() {
    for (if_none_match, status) in [
        (None, 200),
        (Some("\"1f\""), 304),
        (Some("\"2\", W/\"1f\""), 304),
        (Some("*"), 304),
        (Some("1f"), 200),
        (Some("\"1f2\""), 200),
    ] {
        let json = TaggedJson { body: "[]".into(), etag: HeaderValue::from_static("\"1f\"") };
        let response = ConditionalJson::<Vec<String>>::new(json, if_none_match, Duration::from_secs(5)).into_response();
        assert_eq!(response.status(), status, "{if_none_match:?}");
        assert_eq!(response.headers()["etag"], "\"1f\"");
        assert_eq!(response.headers()["cache-control"], "public, max-age=5");
        assert_eq!(response.content_type().is_some(), status == 200);
        let body = response.into_body().into_vec().await.unwrap();
        assert_eq!(body.is_empty(), status == 304);
    }
}

#[test]
fn max_age_is_rounded_down() {
    for (millis, value) in [(999, "no-cache"), (1999, "public, max-age=1"), (5999, "public, max-age=5")] {
        assert_eq!(cache_control(Duration::from_millis(millis)), value);
    }
}

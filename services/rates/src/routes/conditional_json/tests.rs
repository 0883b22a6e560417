use super::*;

fn answer() -> TaggedJson {
    TaggedJson { body: "[]".into(), etag: HeaderValue::from_static("\"1f\"") }
}

#[tokio::test]
async fn who_has_it_is_told_so_with_nothing_more() {
    for (sent, status) in [
        (None, 200),
        (Some("\"1f\""), 304),
        (Some("\"2\", W/\"1f\""), 304),
        (Some("*"), 304),
        (Some("1f"), 200),
        (Some("\"1f2\""), 200),
    ] {
        let response = ConditionalJson::<Vec<String>>::new(answer(), sent, Duration::from_secs(5)).into_response();
        assert_eq!(response.status(), status, "{sent:?}");
        assert_eq!(response.headers()["etag"], "\"1f\"");
        assert_eq!(response.headers()["cache-control"], "public, max-age=5");
        assert_eq!(response.content_type().is_some(), status == 200);
        let body = response.into_body().into_vec().await.unwrap();
        assert_eq!(body.is_empty(), status == 304);
    }
}

#[test]
fn nobody_keeps_an_answer_for_longer_than_it_is_good() {
    for (millis, value) in [(999, "no-cache"), (1999, "public, max-age=1"), (5999, "public, max-age=5")] {
        assert_eq!(cache_control(Duration::from_millis(millis)), value);
    }
}

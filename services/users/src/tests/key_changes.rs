//! Changes of the name and the rate limit of a key.

use super::*;

impl Fixture {
    /// Creates a key of Bob with a limit, and returns its path and the key without its secret.
    async fn create_key(&self) -> (String, Value) {
        let keys = format!("/api/v1/users/{}/keys", self.bob);
        let body = json!({ "name": "shop", "scopes": ["read"], "rate_limit_per_minute": 600, "expires_at": "2100-01-02T03:04:05Z" });
        let mut key = self.post(&keys, body).await.body;
        key.as_object_mut().unwrap().remove("key");
        (format!("{keys}/{}", key["id"].as_str().unwrap()), key)
    }

    async fn patch(&self, path: &str, body: Value) -> TestResponse {
        self.send(Method::PATCH, path, Some(OPERATOR_TOKEN), Some(body)).await
    }
}

#[tokio::test]
async fn change_of_a_key_keeps_absent_fields_and_removes_the_limit_for_null() {
    let fixture = Fixture::new();
    let (path, mut key) = fixture.create_key().await;
    for (patch, name, limit) in [
        (json!({}), "shop", Some(600)),
        (json!({ "name": "till" }), "till", Some(600)),
        (json!({ "name": null }), "till", Some(600)),
        (json!({ "rate_limit_per_minute": 1 }), "till", Some(1)),
        (json!({ "rate_limit_per_minute": null }), "till", None),
        (json!({ "rate_limit_per_minute": MAX_KEY_RATE, "name": "kiosk" }), "kiosk", Some(MAX_KEY_RATE)),
    ] {
        let changed = fixture.patch(&path, patch.clone()).await;
        let fields = key.as_object_mut().unwrap();
        fields.insert("name".to_owned(), name.into());
        fields.remove("rate_limit_per_minute");
        fields.extend(limit.map(|limit| ("rate_limit_per_minute".to_owned(), limit.into())));
        assert_eq!((changed.status, &changed.body), (200, &key), "{patch}");
    }
}

#[tokio::test]
async fn change_of_a_key_reports_every_invalid_field() {
    let fixture = Fixture::new();
    let (path, key) = fixture.create_key().await;
    for (patch, fields) in [
        (json!({ "name": "", "rate_limit_per_minute": 0 }), &["name", "rate_limit_per_minute"][..]),
        (json!({ "rate_limit_per_minute": MAX_KEY_RATE + 1 }), &["rate_limit_per_minute"]),
        (json!({ "rate_limit_per_minute": "default", "name": "a\nb" }), &["rate_limit_per_minute", "name"]),
        (json!({ "rate_limit_per_minute": -1 }), &["rate_limit_per_minute"]),
        (json!({ "rate_limit_per_minute": 1.5 }), &["rate_limit_per_minute"]),
        (json!({ "scopes": ["orders"], "expires_at": null, "rate_limit": 5 }), &["scopes", "expires_at", "rate_limit"]),
    ] {
        let refused = fixture.patch(&path, patch.clone()).await;
        let mut actual = refused.invalid_fields();
        actual.sort_unstable();
        let mut expected = fields.to_vec();
        expected.sort_unstable();
        assert_eq!((refused.status, actual), (422, expected), "{patch}: {}", refused.body);
    }
    assert_eq!(fixture.patch(&path, json!({})).await.body, key, "a refused change was stored");
    // Every error about the limit states the range.
    for limit in [json!(0), json!(-1), json!(1.5), json!("600"), json!(MAX_KEY_RATE + 1)] {
        let refused = fixture.patch(&path, json!({ "rate_limit_per_minute": limit })).await.body;
        let range = "must be a whole number from 1 to 1000000, or null for the limit of the service";
        assert_eq!(refused["errors"][0]["message"], format!("{range}, but is {limit}"));
    }
}

#[tokio::test]
async fn new_key_with_a_wrong_type_is_refused_with_every_invalid_field() {
    let fixture = Fixture::new();
    let path = format!("/api/v1/users/{}/keys", fixture.bob);
    let errors = async |key: serde_json::Value| -> Vec<String> {
        let refused = fixture.post(&path, key).await.body;
        let errors = refused["errors"].as_array().unwrap().iter();
        errors.map(|error| format!("{} {}", error["field"], error["message"]).replace('"', "")).collect()
    };
    // A field with a wrong type is not reported as missing.
    assert_eq!(errors(json!({ "name": "till", "scopes": [1] })).await, ["scopes[0] must be a string, but is 1"]);
    assert_eq!(errors(json!({ "name": "till", "scopes": "read" })).await, ["scopes must be a list, but is \\read\\"]);
    assert_eq!(
        errors(json!({ "scopes": [1, "raed"], "expires_at": 5, "nmae": "till" })).await,
        [
            "expires_at must be a string, but is 5",
            "nmae is unknown; did you mean name?",
            "scopes[0] must be a string, but is 1",
            "scopes[1] must be one of orders, wallets, read, but is \\raed\\ (did you mean read?)",
        ]
    );
}

#[tokio::test]
async fn revoked_key_and_key_of_another_user_are_not_changed() {
    let fixture = Fixture::new();
    let (path, _) = fixture.create_key().await;
    let path_of_ada = path.replace(&fixture.bob.to_string(), &fixture.ada.to_string());
    let refused = fixture.patch(&path_of_ada, json!({ "name": "till" })).await;
    assert_eq!((refused.status, refused.code()), (404, "not_found"));
    fixture.send(Method::DELETE, &path, Some(OPERATOR_TOKEN), None).await;
    let refused = fixture.patch(&path, json!({ "name": "till" })).await;
    assert_eq!((refused.status, refused.code()), (409, "key_revoked"));
    assert_eq!(fixture.get(&format!("/api/v1/users/{}/keys", fixture.bob)).await.body["data"][0]["name"], "shop");
}

#[tokio::test]
async fn failed_change_of_a_key_states_whether_its_outcome_is_unknown() {
    let fixture = Fixture::new();
    let (path, _) = fixture.create_key().await;
    for (fault, code) in
        [(Fault::InvalidResponse, "outcome_unknown"), (Fault::DatabaseUnavailable, "database_unavailable")]
    {
        fixture.directory.fail_next(1, fault);
        let failed = fixture.patch(&path, json!({ "name": "till" })).await;
        assert_eq!((failed.status, failed.code()), (503, code));
        let states_unknown_outcome =
            failed.body["detail"].as_str().unwrap().contains("not known whether the key was changed");
        assert_eq!(states_unknown_outcome, code == "outcome_unknown", "{}", failed.body);
    }
}

//! Tests of the endpoints of the service `users` with a user directory in memory.

pub mod fake_directory;
mod key_changes;

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use common::{
    access::{AnonymousAccess, AuthenticatedUser, Authenticator, InvalidKey, KeyError},
    api::{
        health::Component,
        keys::{KeySecret, MAX_KEY_RATE, Scope},
    },
    config::Secret,
    ids::{KeyId, UserId},
    metrics::Metrics,
    server::{AccessConfig, AccessControl, OpsEndpoints, RateLimit, service_endpoint},
    service::Service,
    time::Clock,
};
use poem::{Endpoint, Request, Response, endpoint::BoxEndpoint, http::Method};
use serde_json::{Value, json};
use uuid::Uuid;

use self::fake_directory::{FakeDirectory, Fault};
use crate::{App, routes::Api, user_finder::UserFinder, user_service::UserService};

const OPERATOR_TOKEN: &str = "the token of operators";

/// Accepts one API key.
struct SingleKeyAuthenticator {
    key: KeySecret,
    user: Arc<AuthenticatedUser>,
}

#[async_trait]
impl Authenticator for SingleKeyAuthenticator {
    async fn authenticate(&self, key: &KeySecret, _: IpAddr) -> Result<Arc<AuthenticatedUser>, KeyError> {
        if *key == self.key { Ok(self.user.clone()) } else { Err(InvalidKey::Unknown.into()) }
    }
}

/// The service `users` with the users Ada and Bob. Ada has an API key with the scope `read`.
struct Fixture {
    directory: Arc<FakeDirectory>,
    endpoint: BoxEndpoint<'static>,
    ada: UserId,
    bob: UserId,
    key: KeySecret,
}

/// The status, two headers and the body of a response.
struct TestResponse {
    status: u16,
    location: Option<String>,
    cache_control: Option<String>,
    body: Value,
}

impl TestResponse {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or_default()
    }

    fn invalid_fields(&self) -> Vec<&str> {
        let errors = self.body["errors"].as_array().into_iter().flatten();
        errors.map(|error| error["field"].as_str().unwrap()).collect()
    }
}

impl Fixture {
    fn new() -> Self {
        let directory = Arc::new(FakeDirectory::default());
        let [ada, bob] = [("ada@example.org", "Ada"), ("bob@example.org", "Bob")]
            .map(|(email, name)| directory.add_user(email, name).id);
        let key = KeySecret::generate();
        let user = AuthenticatedUser {
            user_id: ada,
            key_id: KeyId(Uuid::now_v7()),
            scopes: [Scope::Read].into_iter().collect(),
            rate_limit_per_minute: None,
        };
        let keys = Arc::new(SingleKeyAuthenticator { key: key.clone(), user: Arc::new(user) });
        let config = AccessConfig { operator_token: Secret::new(OPERATOR_TOKEN), anonymous: AnonymousAccess::On };
        let ops = OpsEndpoints {
            service: App::NAME,
            description: crate::documentation::description(),
            metrics: Metrics::new(App::NAME),
            ready: Arc::new(|| Box::pin(async { Vec::<Component>::new() })),
            accepted_callers: None,
            access: Some(AccessControl { config, keys }),
            rate_limit: RateLimit::default(),
            value_check: None,
        };
        let (finder, finder_task) = UserFinder::new(directory.clone());
        tokio::spawn(finder_task);
        let users = UserService { directory: directory.clone(), finder };
        let endpoint = service_endpoint(Api { users, clock: Clock::System }, ops);
        Self { directory, endpoint, ada, bob, key }
    }

    async fn send(&self, method: Method, path: &str, token: Option<&str>, body: Option<Value>) -> TestResponse {
        let mut request = Request::builder().method(method).uri_str(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = match body {
            Some(body) => request.content_type("application/json").body(body.to_string()),
            None => request.finish(),
        };
        read_response(self.endpoint.get_response(request).await).await
    }

    async fn get(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, Some(OPERATOR_TOKEN), None).await
    }

    async fn post(&self, path: &str, body: Value) -> TestResponse {
        self.send(Method::POST, path, Some(OPERATOR_TOKEN), Some(body)).await
    }

    async fn get_as_ada(&self, path: &str) -> TestResponse {
        self.send(Method::GET, path, Some(self.key.expose()), None).await
    }
}

async fn read_response(response: Response) -> TestResponse {
    let header = |name| response.header(name).map(str::to_owned);
    let (status, location, cache_control) = (response.status().as_u16(), header("location"), header("cache-control"));
    let body = response.into_body().into_vec().await.unwrap();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    TestResponse { status, location, cache_control, body }
}

fn unknown_id() -> Uuid {
    Uuid::now_v7()
}

#[tokio::test]
async fn created_user_is_found_at_its_location() {
    let fixture = Fixture::new();
    let created = fixture.post("/api/v1/users", json!({ "email": "Grace@example.org", "name": "Grace" })).await;
    assert_eq!((created.status, &created.body["email"]), (201, &"Grace@example.org".into()));
    let location = created.location.unwrap();
    assert_eq!(location, format!("/api/v1/users/{}", created.body["id"].as_str().unwrap()));
    assert_eq!(fixture.get(&location).await.body, created.body);
    let short = fixture.get(&format!("/user?id={}", created.body["id"].as_str().unwrap())).await;
    assert_eq!((short.status, short.body), (200, created.body.clone()));
    let found = fixture.get("/api/v1/users?email=grace%40EXAMPLE.org").await;
    assert_eq!((found.status, found.body), (200, json!({ "data": [created.body], "_links": {} })));
    let none = fixture.get("/api/v1/users?email=nobody%40example.org").await;
    assert_eq!((none.status, none.body), (200, json!({ "data": [], "_links": {} })));
    let taken = fixture.post("/api/v1/users", json!({ "email": "GRACE@example.org", "name": "G" })).await;
    assert_eq!((taken.status, taken.code(), taken.invalid_fields()), (409, "email_taken", vec!["email"]));
    let detail = taken.body["detail"].as_str().unwrap();
    assert!(detail.starts_with("Another user has the e-mail address \"GRACE@example.org\"."), "{detail}");
}

#[tokio::test]
async fn link_to_the_next_page_keeps_the_filters() {
    let fixture = Fixture::new();
    let page = fixture.get("/api/v1/users?limit=1&state=active").await;
    assert_eq!((page.status, &page.body["data"][0]["name"]), (200, &"Bob".into()));
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let next = page.body["_links"]["next"].as_str().unwrap();
    assert_eq!(next, format!("/api/v1/users?limit=1&cursor={cursor}&state=active"));
    let last = fixture.get(next).await.body;
    assert_eq!((&last["data"][0]["name"], &last["_links"]), (&"Ada".into(), &json!({})));
    assert_eq!(last.get("next_cursor"), None);
}

#[tokio::test]
async fn user_sees_only_itself_and_receives_not_found_for_others() {
    let fixture = Fixture::new();
    let own = format!("/api/v1/users/{}", fixture.ada);
    assert_eq!(fixture.get_as_ada(&own).await.body["name"], "Ada");
    assert_eq!(fixture.get_as_ada("/user").await.body["name"], "Ada");
    assert_eq!(fixture.get_as_ada(&format!("/user?id={}", fixture.ada)).await.status, 200);
    assert_eq!(fixture.get_as_ada(&format!("{own}/keys")).await.body, json!({ "data": [] }));

    let calls = fixture.directory.calls();
    let unknown = unknown_id().to_string();
    for path in ["/api/v1/users/ID", "/user?id=ID", "/api/v1/users/ID/keys"] {
        let mut answers = Vec::new();
        for id in [&fixture.bob.to_string(), &unknown] {
            let mut answer = fixture.get_as_ada(&path.replace("ID", id)).await;
            assert_eq!((answer.status, answer.code()), (404, "not_found"), "{path}");
            answer.body["detail"] = answer.body["detail"].as_str().unwrap().replace(id, "ID").into();
            answer.body["request_id"].take();
            answers.push(answer.body);
        }
        assert_eq!(answers[0], answers[1], "{path}");
    }
    // No look-up was sent, so the response time does not disclose whether the other user exists.
    assert_eq!(fixture.directory.calls(), calls);

    // With each filter, the list contains at most the user itself, and one look-up is sent.
    let itself = json!({ "data": [fixture.get(&own).await.body], "_links": {} });
    let empty_page = json!({ "data": [], "_links": {} });
    for (query, page) in [
        ("", &itself),
        ("?limit=1", &itself),
        ("?email=ADA%40example.org", &itself),
        ("?email=ada%40example.org&state=active", &itself),
        ("?email=bob%40example.org", &empty_page),
        ("?email=free%40example.org", &empty_page),
        ("?state=deactivated", &empty_page),
        ("?cursor=u00000000000000000000000000000000", &empty_page),
    ] {
        let calls = fixture.directory.calls();
        let listed = fixture.get_as_ada(&format!("/api/v1/users{query}")).await;
        assert_eq!((listed.status, &listed.body), (200, page), "{query}");
        assert_eq!(fixture.directory.calls(), calls + 1, "{query}");
    }

    for (method, path) in [
        (Method::POST, "/api/v1/users".to_owned()),
        (Method::PATCH, own.clone()),
        (Method::POST, format!("{own}/deactivate")),
        (Method::POST, format!("{own}/activate")),
        (Method::POST, format!("{own}/keys")),
        (Method::PATCH, format!("{own}/keys/{}", unknown_id())),
        (Method::DELETE, format!("{own}/keys/{}", unknown_id())),
    ] {
        let with_key = fixture.send(method.clone(), &path, Some(fixture.key.expose()), None).await;
        assert_eq!((with_key.status, with_key.code()), (403, "forbidden"), "{method} {path}");
        let anonymous = fixture.send(method.clone(), &path, None, None).await;
        assert_eq!((anonymous.status, anonymous.code()), (401, "unauthorized"), "{method} {path}");
    }
    for path in [&own, "/api/v1/users"] {
        assert_eq!(fixture.send(Method::GET, path, None, None).await.status, 401);
    }
    assert_eq!(fixture.get("/user").await.invalid_fields(), ["id"], "an operator has no user id");
}

#[tokio::test]
async fn key_is_shown_once_and_stored_as_its_hash() {
    let fixture = Fixture::new();
    let keys = format!("/api/v1/users/{}/keys", fixture.bob);
    let body = json!({ "name": "shop", "scopes": ["read", "orders"], "rate_limit_per_minute": MAX_KEY_RATE });
    let created = fixture.post(&keys, body).await;
    assert_eq!((created.status, created.cache_control.as_deref()), (201, Some("no-store")));
    let secret: KeySecret = created.body["key"].as_str().unwrap().parse().unwrap();
    assert_eq!(created.body["prefix"], secret.prefix().to_string());
    assert_eq!(created.body["scopes"], json!(["orders", "read"]));
    assert_eq!(fixture.directory.stored_hash(&secret.prefix()), Some(secret.hash()));

    let mut details = created.body.clone();
    details.as_object_mut().unwrap().remove("key");
    assert_eq!(fixture.get(&keys).await.body, json!({ "data": [details] }));

    let key = format!("{keys}/{}", created.body["id"].as_str().unwrap());
    for _ in 0..2 {
        let revoked = fixture.send(Method::DELETE, &key, Some(OPERATOR_TOKEN), None).await;
        assert_eq!((revoked.status, revoked.body), (204, Value::Null));
    }
    assert!(fixture.get(&keys).await.body["data"][0]["revoked_at"].is_string());
    let other_user = key.replace(&fixture.bob.to_string(), &fixture.ada.to_string());
    assert_eq!(fixture.send(Method::DELETE, &other_user, Some(OPERATOR_TOKEN), None).await.status, 404);
}

#[tokio::test]
async fn key_is_generated_again_if_its_prefix_is_taken() {
    let fixture = Fixture::new();
    let keys = format!("/api/v1/users/{}/keys", fixture.ada);
    let body = json!({ "name": "shop", "scopes": ["read"] });
    fixture.directory.fail_next(3, Fault::PrefixTaken);
    let created = fixture.post(&keys, body.clone()).await;
    let secret: KeySecret = created.body["key"].as_str().unwrap().parse().unwrap();
    assert_eq!(fixture.directory.stored_hash(&secret.prefix()), Some(secret.hash()));
    fixture.directory.fail_next(4, Fault::PrefixTaken);
    assert_eq!(fixture.post(&keys, body).await.status, 500);
}

#[tokio::test]
async fn error_of_failed_call_states_how_to_proceed() {
    let fixture = Fixture::new();
    let keys = format!("/api/v1/users/{}/keys", fixture.ada);
    let (new_user, new_key) =
        (json!({ "email": "eve@example.org", "name": "Eve" }), json!({ "name": "shop", "scopes": ["read"] }));
    fixture.directory.fail_next(1, Fault::InvalidResponse);
    let unknown = fixture.post("/api/v1/users", new_user.clone()).await;
    assert_eq!((unknown.status, unknown.code()), (503, "outcome_unknown"));
    assert!(unknown.body["detail"].as_str().unwrap().contains("email_taken"));
    fixture.directory.fail_next(1, Fault::InvalidResponse);
    let unknown = fixture.post(&keys, new_key.clone()).await;
    assert_eq!((unknown.status, unknown.code()), (503, "outcome_unknown"));
    assert!(unknown.body["detail"].as_str().unwrap().contains("revoke it"));
    for (method, path) in [(Method::PATCH, ""), (Method::POST, "/deactivate"), (Method::POST, "/activate")] {
        fixture.directory.fail_next(1, Fault::InvalidResponse);
        let path = format!("/api/v1/users/{}{path}", fixture.ada);
        let body = (method == Method::PATCH).then(|| json!({ "name": "Lovelace" }));
        let unknown = fixture.send(method, &path, Some(OPERATOR_TOKEN), body).await;
        assert_eq!((unknown.status, unknown.code()), (503, "outcome_unknown"), "{path}");
        assert!(unknown.body["detail"].as_str().unwrap().contains("Read the user"), "{path}");
    }
    // db-proxy refused the request, so nothing was stored.
    let changed_name = json!({ "name": "Lovelace" });
    let ada = format!("/api/v1/users/{}", fixture.ada);
    for (method, path, body, denial) in [
        (Method::POST, "/api/v1/users", new_user, " No user was created."),
        (Method::POST, &keys, new_key, " No key was created."),
        (Method::PATCH, &ada, changed_name, " The user was not changed."),
    ] {
        fixture.directory.fail_next(1, Fault::DatabaseUnavailable);
        let refused = fixture.send(method, path, Some(OPERATOR_TOKEN), Some(body)).await;
        assert_eq!((refused.status, refused.code()), (503, "database_unavailable"));
        assert!(refused.body["detail"].as_str().unwrap().ends_with(denial), "{}", refused.body);
    }
    for path in [format!("/api/v1/users/{}", fixture.ada), "/api/v1/users".to_owned(), keys] {
        fixture.directory.fail_next(1, Fault::DatabaseUnavailable);
        assert_eq!(fixture.get(&path).await.code(), "database_unavailable", "{path}");
    }
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let fixture = Fixture::new();
    let keys = format!("/api/v1/users/{}/keys", fixture.ada);
    for (path, body, fields) in [
        ("/api/v1/users", json!({}), &["email", "name"][..]),
        ("/api/v1/users", json!({ "email": "ada", "name": "" }), &["email", "name"]),
        ("/api/v1/users", json!({ "email": 1, "name": "a\nb" }), &["email", "name"]),
        ("/api/v1/users", json!({ "e_mail": "eve@example.org", "name": " " }), &["e_mail", "name"]),
        (&keys, json!({}), &["name", "scopes"]),
        (&keys, json!({ "name": "shop", "scopes": [] }), &["scopes"]),
        (
            &keys,
            json!({ "name": "", "scopes": ["admin"], "rate_limit_per_minute": 0, "expires_at": "2020-01-01T00:00:00Z" }),
            &["name", "scopes[0]", "rate_limit_per_minute", "expires_at"],
        ),
        (
            &keys,
            json!({ "name": "a\u{2066}b", "scopes": ["read"], "rate_limit_per_minute": "5" }),
            &["rate_limit_per_minute", "name"],
        ),
        (&keys, json!({ "name": "shop", "scopes": ["read"], "expires_at": "tomorrow" }), &["expires_at"]),
    ] {
        let refused = fixture.post(path, body.clone()).await;
        assert_eq!(
            (refused.status, refused.invalid_fields()),
            (422, fields.to_vec()),
            "{path} {body}: {}",
            refused.body
        );
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("email=ada", "email"),
        ("state=gone", "state"),
        ("cursor=u1", "cursor"),
        ("name=A", "name"),
    ] {
        let refused = fixture.get(&format!("/api/v1/users?{query}")).await;
        assert_eq!((refused.status, refused.invalid_fields()), (422, vec![field]), "{query}");
    }
    let path = format!("/api/v1/users/{}", fixture.ada);
    let refused =
        fixture.send(Method::PATCH, &path, Some(OPERATOR_TOKEN), Some(json!({ "email": "", "state": "active" }))).await;
    assert_eq!((refused.status, refused.invalid_fields()), (422, vec!["state", "email"]));
    let unchanged = fixture.send(Method::PATCH, &path, Some(OPERATOR_TOKEN), Some(json!({}))).await;
    assert_eq!((unchanged.status, &unchanged.body["name"]), (200, &"Ada".into()));
}

#[tokio::test]
async fn requests_about_unknown_users_and_keys_receive_not_found() {
    let fixture = Fixture::new();
    let path = format!("/api/v1/users/{}", unknown_id());
    let key = json!({ "name": "shop", "scopes": ["read"] });
    for (method, path, body) in [
        (Method::GET, path.clone(), None),
        (Method::GET, format!("{path}/keys"), None),
        (Method::PATCH, path.clone(), Some(json!({ "name": "Eve" }))),
        (Method::POST, format!("{path}/deactivate"), None),
        (Method::POST, format!("{path}/activate"), None),
        (Method::POST, format!("{path}/keys"), Some(key)),
        (Method::PATCH, format!("{path}/keys/{}", unknown_id()), Some(json!({ "name": "till" }))),
        (Method::DELETE, format!("{path}/keys/{}", unknown_id()), None),
    ] {
        let refused = fixture.send(method.clone(), &path, Some(OPERATOR_TOKEN), body).await;
        assert_eq!((refused.status, refused.code()), (404, "not_found"), "{method} {path}");
    }
}

#[tokio::test]
async fn state_changes_are_idempotent() {
    let fixture = Fixture::new();
    let path = format!("/api/v1/users/{}", fixture.bob);
    for (action, state) in [("deactivate", "deactivated"), ("activate", "active")] {
        for _ in 0..2 {
            let changed = fixture.send(Method::POST, &format!("{path}/{action}"), Some(OPERATOR_TOKEN), None).await;
            assert_eq!((changed.status, &changed.body["state"]), (200, &state.into()));
        }
        assert_eq!(fixture.get(&path).await.body["state"], state);
    }
}

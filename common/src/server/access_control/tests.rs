use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use async_trait::async_trait;
use poem::{
    error::{MethodNotAllowedError, NotFoundError},
    http::{HeaderValue, StatusCode},
};
use poem_openapi::{OpenApi, OperationId, param::Header, payload::PlainText};

use super::*;
use crate::{
    access::{AuthenticatedUser, InvalidKey, KeyError},
    api::{Subcode, keys::Scope},
    ids::{KeyId, UserId},
};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const OPERATOR_TOKEN: &str = "the token of operators";

/// Some operations of create-order.
struct Api;

#[OpenApi]
impl Api {
    #[oai(path = "/orders", method = "get", operation_id = "list_orders")]
    async fn list_orders(&self) -> PlainText<&'static str> {
        PlainText("")
    }

    #[oai(path = "/orders", method = "post", operation_id = "create_order")]
    async fn create_order(
        &self,
        #[oai(name = "Idempotency-Key")] _key: Header<Option<String>>,
    ) -> PlainText<&'static str> {
        PlainText("")
    }

    #[oai(path = "/orders/:id", method = "get", operation_id = "get_order")]
    async fn get_order(&self) -> PlainText<&'static str> {
        PlainText("")
    }

    #[oai(path = "/quotes", method = "post", operation_id = "create_quote")]
    async fn create_quote(&self) -> PlainText<&'static str> {
        PlainText("")
    }

    #[oai(path = "/price", method = "get", operation_id = "get_price")]
    async fn get_price(&self) -> PlainText<&'static str> {
        PlainText("")
    }
}

/// Accepts one key, and counts the keys that it checks.
struct OneKey {
    key: KeySecret,
    user: Arc<AuthenticatedUser>,
    checks: AtomicUsize,
    is_unavailable: AtomicBool,
}

#[async_trait]
impl Authenticator for OneKey {
    async fn authenticate(&self, key: &KeySecret, _: IpAddr) -> Result<Arc<AuthenticatedUser>, KeyError> {
        self.checks.fetch_add(1, Ordering::Relaxed);
        if self.is_unavailable.load(Ordering::Relaxed) {
            return Err(KeyError::Unavailable);
        }
        if *key == self.key { Ok(self.user.clone()) } else { Err(InvalidKey::Unknown.into()) }
    }
}

struct TestSetup {
    check: AccessCheck,
    keys: Arc<OneKey>,
}

impl TestSetup {
    fn new(anonymous: AnonymousAccess, scopes: &[Scope]) -> Self {
        let user = Arc::new(AuthenticatedUser {
            user_id: UserId(uuid::Uuid::new_v4()),
            key_id: KeyId(uuid::Uuid::new_v4()),
            scopes: scopes.iter().copied().collect(),
            rate_limit_per_minute: None,
        });
        let (checks, is_unavailable) = (AtomicUsize::new(0), AtomicBool::new(false));
        let keys = Arc::new(OneKey { key: KeySecret::generate(), user, checks, is_unavailable });
        let config = AccessConfig { operator_token: Secret::new(OPERATOR_TOKEN), anonymous };
        let control = AccessControl { config, keys: keys.clone() };
        Self { check: AccessCheck::new(control, "create-order", Api::meta()), keys }
    }

    fn authorization(&self) -> String {
        format!("Bearer {}", self.keys.key.expose())
    }

    /// The principal of a request, or the status of its refusal.
    async fn admit(&self, request: &'static str, authorization: &[&str]) -> Result<Principal, StatusCode> {
        let (method, path) = request.split_once(' ').unwrap();
        let mut request = Request::builder().method(method.parse().unwrap()).uri_str(path).finish();
        for value in authorization {
            request.headers_mut().append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        let Admission { principal, decision } = self.check.admit(&request, CLIENT).await;
        decision.map(|()| principal).map_err(|error| error.status())
    }
}

#[tokio::test]
async fn request_acts_as_the_principal_of_its_credentials() {
    let setup = TestSetup::new(AnonymousAccess::On, &Scope::ALL);
    let user = Ok(Principal::User(setup.keys.user.clone()));
    for request in ["GET /orders", "POST /orders", "GET /orders/7", "HEAD /orders"] {
        assert_eq!(setup.admit(request, &[]).await, Ok(Principal::Anonymous), "{request}");
        assert_eq!(setup.admit(request, &[&setup.authorization()]).await, user, "{request}");
        assert_eq!(
            setup.admit(request, &[&format!("bearer {OPERATOR_TOKEN}")]).await,
            Ok(Principal::Operator),
            "{request}"
        );
    }
}

#[tokio::test]
async fn invalid_credentials_are_refused_even_if_anonymous_access_is_on() {
    let setup = TestSetup::new(AnonymousAccess::On, &Scope::ALL);
    let unknown = format!("Bearer {}", KeySecret::generate().expose());
    let mistyped = setup.authorization().replace("bdk_", "bdk_x");
    let valid = setup.authorization();
    for invalid in [
        &[unknown.as_str()][..],
        &[&mistyped],
        &["Bearer the token of operator"],
        &["Bearer the token of operatorsx"],
        &["Bearer "],
        &["Bearer"],
        &[""],
        &[&valid["Bearer ".len()..]],
        &["Basic bWU6c2VjcmV0"],
        &[&valid, &valid],
    ] {
        assert_eq!(setup.admit("GET /orders", invalid).await, Err(StatusCode::UNAUTHORIZED), "{invalid:?}");
        // A public operation ignores credentials.
        assert_eq!(setup.admit("GET /price", invalid).await, Ok(Principal::Anonymous), "{invalid:?}");
    }
    // Only a key with a valid checksum is looked up.
    assert_eq!(setup.keys.checks.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn public_operation_ignores_the_key_and_does_not_look_it_up() {
    let setup = TestSetup::new(AnonymousAccess::Off, &[]);
    for path in ["GET /price", "GET /docs", "GET /openapi.json", "GET /errors", "GET /"] {
        assert_eq!(setup.admit(path, &[&setup.authorization()]).await, Ok(Principal::Anonymous), "{path}");
        assert_eq!(setup.admit(path, &[]).await, Ok(Principal::Anonymous), "{path}");
    }
    assert_eq!(setup.keys.checks.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn key_without_the_scope_of_the_operation_is_forbidden() {
    let setup = TestSetup::new(AnonymousAccess::On, &[Scope::Read]);
    assert!(setup.admit("GET /orders", &[&setup.authorization()]).await.is_ok());
    assert_eq!(setup.admit("POST /orders", &[&setup.authorization()]).await, Err(StatusCode::FORBIDDEN));
}

#[tokio::test]
async fn anonymous_access_can_be_turned_off() {
    let setup = TestSetup::new(AnonymousAccess::Off, &Scope::ALL);
    for request in ["GET /orders", "POST /orders", "GET /orders/7", "GET //orders/", "POST /orders/"] {
        assert_eq!(setup.admit(request, &[]).await, Err(StatusCode::UNAUTHORIZED), "{request}");
        assert!(setup.admit(request, &[&setup.authorization()]).await.is_ok(), "{request}");
    }
}

/// An earlier request with the same idempotency key possibly placed the order.
#[tokio::test]
async fn order_whose_api_key_cannot_be_checked_has_an_unknown_outcome() {
    let setup = TestSetup::new(AnonymousAccess::On, &Scope::ALL);
    setup.keys.is_unavailable.store(true, Ordering::Relaxed);
    let problem_of = async |request: &'static str, idempotency_keys: &[&str]| {
        let (method, path) = request.split_once(' ').unwrap();
        let mut request = Request::builder().method(method.parse().unwrap()).uri_str(path).finish();
        request.headers_mut().append(AUTHORIZATION, HeaderValue::from_str(&setup.authorization()).unwrap());
        for key in idempotency_keys {
            request.headers_mut().append("idempotency-key", HeaderValue::from_str(key).unwrap());
        }
        let error = setup.check.admit(&request, CLIENT).await.decision.unwrap_err();
        error.downcast_ref::<Problem>().unwrap().clone()
    };
    for request in ["POST /orders", "POST //orders/"] {
        let problem = problem_of(request, &["a-key"]).await;
        assert_eq!((problem.code, problem.subcode), (Code::OutcomeUnknown, Some(Subcode::NoEffect)), "{problem}");
        assert_eq!(problem.idempotency_key.as_deref(), Some("a-key"));
        assert!(problem.retry_after.is_some());
    }
    // Without a valid idempotency key, no earlier request can have placed the order. Other operations place no order.
    let too_long = "k".repeat(129);
    for (request, idempotency_keys) in [
        ("POST /orders", &[][..]),
        ("POST /orders", &[""]),
        ("POST /orders", &["a key"]),
        ("POST /orders", &[&too_long]),
        ("POST /orders", &["a-key", "a-key"]),
        ("POST /quotes", &["a-key"]),
        ("GET /orders", &["a-key"]),
    ] {
        let problem = problem_of(request, idempotency_keys).await;
        assert_eq!(problem.code, Code::UpstreamUnavailable, "{request} {idempotency_keys:?}");
        assert_eq!((problem.subcode, problem.idempotency_key), (None, None));
    }
}

#[tokio::test]
async fn request_without_an_operation_receives_the_error_of_the_router() {
    let setup = TestSetup::new(AnonymousAccess::Off, &Scope::ALL);
    let error = async |method: &str, path: &'static str| {
        let request = Request::builder().method(method.parse().unwrap()).uri_str(path).finish();
        setup.check.admit(&request, CLIENT).await.decision.unwrap_err()
    };
    assert!(error("GET", "/elsewhere").await.is::<NotFoundError>());
    assert!(error("GET", "/%6frders").await.is::<NotFoundError>());
    for method in ["DELETE", "OPTIONS"] {
        assert!(error(method, "/orders").await.is::<MethodNotAllowedError>(), "{method}");
    }
    // The error contains the id of the refused operation, for metrics.
    assert_eq!(error("GET", "/orders").await.data::<OperationId>().map(|id| id.0), Some("list_orders"));
}

#[test]
#[should_panic(expected = "has no rule")]
fn service_with_an_operation_without_a_rule_does_not_start() {
    let setup = TestSetup::new(AnonymousAccess::On, &[]);
    AccessCheck::new(setup.check.control, "rates", Api::meta());
}

//! Tests of the endpoints of the service `wallets` with a db-proxy in memory.

mod batches;
mod creation;
mod fake_backend;
mod faults;
mod listing;
mod movements;

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use common::{
    access::{AnonymousAccess, AuthenticatedUser, Authenticator, InvalidKey, KeyError},
    api::{
        health::Component,
        keys::{KeySecret, Scope},
    },
    config::Secret,
    ids::{KeyId, UserId, WalletId},
    metrics::Metrics,
    money::Currency,
    server::{AccessConfig, AccessControl, ExportSlots, OpsEndpoints, RateLimit, TrustedProxies, service_endpoint},
    service::Service,
    time::{Clock, DatabaseTime},
};
use poem::{Endpoint, Request, endpoint::BoxEndpoint, http::Method};
use serde_json::{Value, json};
use uuid::Uuid;

use self::fake_backend::FakeBackend;
use crate::{
    App, dispatcher::MovementDispatcher, metrics::MovementMetrics, routes::Api, wallet_finder::WalletFinder,
    wallet_service::WalletService,
};

const OPERATOR_TOKEN: &str = "the token of operators";
const WALLETS_PATH: &str = "/api/v1/wallets";
const TRANSFERS_PATH: &str = "/api/v1/transfers";

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

/// The service `wallets`, and the user Ada, whose API key has the scopes `read` and `wallets`.
struct Fixture {
    backend: Arc<FakeBackend>,
    endpoint: BoxEndpoint<'static>,
    metrics: Metrics,
    ada: UserId,
    key: KeySecret,
}

/// The status, the headers and the body of a response.
struct TestResponse {
    status: u16,
    location: Option<String>,
    /// The header `Idempotency-Key`.
    key: Option<String>,
    /// The header `Idempotency-Replayed`.
    replayed: Option<String>,
    text: String,
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

/// A request and its credentials.
struct TestRequest<'a> {
    method: Method,
    path: &'a str,
    token: Option<&'a str>,
    idempotency_key: Option<&'a str>,
    body: Option<String>,
}

impl Fixture {
    fn new() -> Self {
        let backend = Arc::new(FakeBackend::new());
        let (ada, key) = (UserId(Uuid::now_v7()), KeySecret::generate());
        let user = AuthenticatedUser {
            user_id: ada,
            key_id: KeyId(Uuid::now_v7()),
            scopes: [Scope::Read, Scope::Wallets].into_iter().collect(),
            rate_limit_per_minute: None,
        };
        let keys = Arc::new(SingleKeyAuthenticator { key: key.clone(), user: Arc::new(user) });
        let config = AccessConfig { operator_token: Secret::new(OPERATOR_TOKEN), anonymous: AnonymousAccess::On };
        let metrics = Metrics::new(App::NAME);
        let ops = OpsEndpoints {
            service: App::NAME,
            description: crate::documentation::description(),
            metrics: metrics.clone(),
            ready: Arc::new(|| Box::pin(async { Vec::<Component>::new() })),
            accepted_callers: None,
            access: Some(AccessControl { config, keys }),
            rate_limit: RateLimit::default(),
            value_check: None,
        };
        let (finder, finder_task) = WalletFinder::new(backend.clone());
        tokio::spawn(finder_task);
        let (dispatcher, dispatcher_task) = MovementDispatcher::new(
            backend.clone(),
            DatabaseTime::new(Clock::System),
            MovementMetrics::register(&metrics),
        );
        tokio::spawn(dispatcher_task);
        let currencies = vec![Currency::EUR, Currency::USD, Currency::RUB, Currency::BTC];
        let wallets = WalletService { backend: backend.clone(), finder, dispatcher, currencies: currencies.into() };
        let api = Api { wallets, export_slots: ExportSlots::new(8), trusted_proxies: TrustedProxies::default() };
        let endpoint = service_endpoint(api, ops);
        Self { backend, endpoint, metrics, ada, key }
    }

    async fn send(&self, sent: TestRequest<'_>) -> TestResponse {
        let mut request = Request::builder().method(sent.method).uri_str(sent.path);
        if let Some(token) = sent.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(key) = sent.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        let request = match sent.body {
            Some(body) => request.content_type("application/json").body(body),
            None => request.finish(),
        };
        let response = self.endpoint.get_response(request).await;
        let header = |name| response.header(name).map(str::to_owned);
        let (status, location) = (response.status().as_u16(), header("location"));
        let (key, replayed) = (header("idempotency-key"), header("idempotency-replayed"));
        let text = String::from_utf8(response.into_body().into_vec().await.unwrap()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        TestResponse { status, location, key, replayed, text, body }
    }

    async fn get_as(&self, token: Option<&str>, path: &str) -> TestResponse {
        self.send(TestRequest { method: Method::GET, path, token, idempotency_key: None, body: None }).await
    }

    async fn get(&self, path: &str) -> TestResponse {
        self.get_as(None, path).await
    }

    async fn post_as(&self, token: Option<&str>, path: &str, body: Value) -> TestResponse {
        let body = Some(body.to_string());
        self.send(TestRequest { method: Method::POST, path, token, idempotency_key: None, body }).await
    }

    async fn post(&self, path: &str, body: Value) -> TestResponse {
        self.post_as(None, path, body).await
    }

    async fn post_with_key(&self, path: &str, key: &str, body: Value) -> TestResponse {
        let body = Some(body.to_string());
        self.send(TestRequest { method: Method::POST, path, token: None, idempotency_key: Some(key), body }).await
    }

    /// A wallet without an owner, and the path for its deposits and withdrawals.
    fn wallet(&self, currency: Currency) -> (WalletId, String) {
        let id = self.backend.add_wallet(currency, None);
        (id, operation_path(id))
    }
}

fn wallet_path(id: impl std::fmt::Display) -> String {
    format!("{WALLETS_PATH}/{id}")
}

fn operation_path(id: impl std::fmt::Display) -> String {
    format!("{WALLETS_PATH}/{id}/operation")
}

fn deposit(amount: &str) -> Value {
    json!({ "operation_type": "DEPOSIT", "amount": amount })
}

fn withdrawal(amount: &str) -> Value {
    json!({ "operation_type": "WITHDRAW", "amount": amount })
}

//! Tests that a response about an order or a quote is true, for combinations of idempotency key, faults and form of the
//! request.
//!
//! A response states that no order was placed only if this order does not exist and cannot be placed later. If the
//! client sent an idempotency key, db-proxy must have looked up the key, unless the fields can never have been valid.
//!
//! A response states that the outcome is unknown only if db-proxy did not decide about the order.

mod api_keys;
mod fake_db_proxy;
mod fake_prices;
mod faults;
mod no_effect;
mod request_forms;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use common::{
    api::{Code, health::Component},
    clients::db_proxy::BATCH_LIMITS,
    config::Env,
    ids::IdempotencyKey,
    metrics::Metrics,
    money::Currency,
    server::{OpsEndpoints, RateLimit, TrustedProxies, service_endpoint},
    time::{Clock, DatabaseTime},
};
use futures_util::FutureExt;
use poem::{
    Endpoint, Request,
    endpoint::BoxEndpoint,
    http::{Method, header::AUTHORIZATION},
};
use serde_json::{Value, json};

use self::{
    api_keys::{API_KEY, unchecked_keys},
    fake_db_proxy::{FakeDbProxy, OTHER_AMOUNT, QUOTE_ID, market_command},
    fake_prices::{LocalFault, prices_with},
    faults::{KeyState, RemoteFault},
    request_forms::Form,
};
use crate::{App, amount_bounds::AmountBounds, dispatcher::OrderDispatcher, order_service::OrderService, routes::Api};
use common::service::Service;

#[derive(Debug, Clone, Copy)]
struct Case {
    key: KeyState,
    local: LocalFault,
    remote: RemoteFault,
    form: Form,
}

/// A response, and the state of the order when the response is sent.
struct Observed {
    status: u16,
    body: Value,
    /// Whether db-proxy stores an order with the key and the fields of the request.
    is_stored: bool,
    /// Whether db-proxy returned a final decision about the order.
    is_decided: bool,
    /// Whether db-proxy possibly received a request that got no decision.
    is_indeterminate: bool,
    /// The key that db-proxy received. `None` if the order did not reach db-proxy.
    sent_key: Option<IdempotencyKey>,
}

impl Observed {
    fn code(&self) -> &str {
        self.body["code"].as_str().unwrap_or("none")
    }

    /// Whether the response states that no order was placed.
    fn states_that_no_order_was_placed(&self) -> bool {
        let detail = self.body["detail"].as_str().unwrap_or_default();
        matches!(self.status, 409 | 422)
            || (self.status == 503 && self.code() != "outcome_unknown")
            || detail.contains("was placed.") && detail.contains("No order")
            || detail.contains("not placed")
    }
}

/// The state of the dispatcher when the order arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum DispatcherState {
    Running,
    QueueFull,
    Stopped,
}

/// A create-order and its db-proxy.
struct CreateOrder {
    db_proxy: Arc<FakeDbProxy>,
    endpoint: BoxEndpoint<'static>,
}

impl CreateOrder {
    fn new(local: LocalFault, dispatcher_state: DispatcherState) -> Self {
        let db_proxy = Arc::new(FakeDbProxy::new());
        let (dispatcher, task) = OrderDispatcher::new(db_proxy.clone(), DatabaseTime::new(Clock::System));
        match dispatcher_state {
            DispatcherState::Running => drop(tokio::spawn(task)),
            DispatcherState::Stopped => drop(task),
            DispatcherState::QueueFull => {
                for _ in 0..BATCH_LIMITS.max_queued {
                    assert!(dispatcher.dispatch(market_command()).now_or_never().is_none());
                }
                // Keeps the task without running it, so that the queue stays full.
                tokio::spawn(async move {
                    std::future::pending::<()>().await;
                    drop(task);
                });
            }
        }
        let currencies = match local {
            LocalFault::CurrencyRemoved => vec![Currency::USD],
            _ => vec![Currency::EUR, Currency::USD],
        };
        let prices = prices_with(local);
        let mut env = Env::from_pairs(match local {
            LocalFault::OutOfBounds => vec![("ORDER_MIN_AMOUNT", "EUR:69.01")],
            _ => Vec::new(),
        });
        let amount_bounds = AmountBounds::from_env(&mut env, &currencies);
        env.finish().unwrap();
        let backend = db_proxy.clone();
        let order_service = OrderService {
            currencies: currencies.into(),
            amount_bounds: Arc::new(amount_bounds).into(),
            prices,
            dispatcher,
            backend,
            hold_secs: 30.into(),
        };
        let ops = OpsEndpoints {
            service: App::NAME,
            description: crate::documentation::description(),
            metrics: Metrics::new(App::NAME),
            ready: Arc::new(|| Box::pin(async { Vec::<Component>::new() })),
            accepted_callers: None,
            access: Some(unchecked_keys()),
            rate_limit: RateLimit::default(),
            value_check: None,
        };
        let trusted_proxies = TrustedProxies::default();
        let api = Api {
            order_service,
            orders_url: None,
            trusted_proxies,
            publish_interval: std::time::Duration::from_secs(15),
        };
        Self { db_proxy, endpoint: service_endpoint(api, ops) }
    }

    /// Sends a request, and returns the status and the body of the response.
    async fn send(&self, mut request: Request) -> (u16, Value) {
        if self.db_proxy.fault() == RemoteFault::ApiKeyUnchecked {
            request.headers_mut().insert(AUTHORIZATION, API_KEY.clone());
        }
        let response = self.endpoint.get_response(request).await;
        let status = response.status().as_u16();
        let body = response.into_body().into_vec().await.unwrap();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        (status, body)
    }
}

/// One create-order for all cases with the same local fault and dispatcher state, because building one is slow.
#[derive(Default)]
struct CreateOrders(HashMap<(LocalFault, DispatcherState), CreateOrder>);

impl CreateOrders {
    /// A create-order in the state of the case.
    fn prepare(&mut self, case: Case) -> &CreateOrder {
        let dispatcher_state = match case.remote {
            RemoteFault::QueueFull => DispatcherState::QueueFull,
            RemoteFault::Stopping => DispatcherState::Stopped,
            _ => DispatcherState::Running,
        };
        let key = (case.local, dispatcher_state);
        let create_order = self.0.entry(key).or_insert_with(|| CreateOrder::new(case.local, dispatcher_state));
        create_order.db_proxy.reset(case.key, case.remote, case.form.takes_quote());
        create_order
    }

    async fn observe(&mut self, case: Case) -> Observed {
        let create_order = self.prepare(case);
        let (status, body) = create_order.send(case.form.request(case.key.header())).await;
        let db_proxy = &create_order.db_proxy;
        Observed {
            status,
            body,
            is_stored: db_proxy.is_stored(),
            is_decided: db_proxy.is_decided(),
            is_indeterminate: db_proxy.is_indeterminate(),
            sent_key: db_proxy.last_key(),
        }
    }
}

#[track_caller]
fn check(case: Case, observed: &Observed) {
    let Observed { status, ref body, is_stored, is_decided, is_indeterminate, ref sent_key } = *observed;
    let context = format!("{case:?}: {status} {body}");
    match status {
        201 => assert!(is_stored, "an order that is not stored was acknowledged; {context}"),
        409 | 422 | 503 => {}
        500 => assert!(case.remote.is_defect() && case.key.header().is_none(), "{context}"),
        _ => panic!("unexpected status; {context}"),
    }
    if observed.states_that_no_order_was_placed() {
        assert!(!is_stored, "the response states that a stored order was not placed; {context}");
        assert!(
            !is_indeterminate,
            "the response states that no order was placed, but the outcome is indeterminate; {context}"
        );
        let is_known = case.key.header().is_none() || is_decided;
        assert!(is_known, "the response states that no order was placed, but the key was not looked up; {context}");
    }
    if observed.code() == "outcome_unknown" {
        assert!(!is_decided, "the outcome is unknown to the client although db-proxy decided; {context}");
        assert!(
            is_indeterminate || case.key.header().is_some(),
            "the outcome is unknown to the client although no order can exist; {context}"
        );
        let returned_key = body["idempotency_key"].as_str().unwrap();
        match case.key.header() {
            Some(client_key) => assert_eq!(returned_key, client_key, "{context}"),
            None => assert_eq!(Some(returned_key), sent_key.as_ref().map(IdempotencyKey::as_str), "{context}"),
        }
    } else {
        assert!(!is_decided || is_stored == (status == 201) || case.key == KeyState::PlacedForOtherOrder, "{context}");
    }
}

#[tokio::test(start_paused = true)]
async fn order_that_possibly_exists_is_not_reported_as_not_placed() {
    let (mut create_orders, mut codes) = (CreateOrders::default(), BTreeMap::<String, usize>::new());
    for key in KeyState::ALL {
        for local in LocalFault::ALL {
            for remote in RemoteFault::all() {
                for form in Form::ALL {
                    let case = Case { key, local, remote, form };
                    let observed = create_orders.observe(case).await;
                    check(case, &observed);
                    let code = if observed.status == 201 { "placed" } else { observed.code() };
                    *codes.entry(code.to_owned()).or_default() += 1;
                }
            }
        }
    }
    let expected = [
        "database_unavailable",
        "idempotency_key_reused",
        "internal",
        "limit_exceeded",
        "outcome_unknown",
        "overloaded",
        "placed",
        "price_unavailable",
        "shutting_down",
        "upstream_unavailable",
        "validation_failed",
    ];
    assert!(codes.keys().eq(expected.iter()), "{codes:?}");
}

#[tokio::test(start_paused = true)]
async fn responses_name_the_cause_if_the_outcome_is_certain() {
    use LocalFault as Local;
    use RemoteFault as Remote;
    let cases = [
        (KeyState::Generated, Local::None, Remote::None, 201, "none"),
        (KeyState::Generated, Local::NoRecord, Remote::None, 503, "price_unavailable"),
        (KeyState::Generated, Local::CurrencyRemoved, Remote::None, 422, "validation_failed"),
        (KeyState::Generated, Local::OutOfBounds, Remote::None, 422, "validation_failed"),
        (KeyState::Generated, Local::None, Remote::Unreachable, 503, "upstream_unavailable"),
        (KeyState::Generated, Local::None, Remote::Problem(Code::DatabaseUnavailable), 503, "database_unavailable"),
        (KeyState::Generated, Local::None, Remote::QueueFull, 503, "overloaded"),
        (KeyState::Generated, Local::None, Remote::Problem(Code::Unauthorized), 503, "upstream_unavailable"),
        (KeyState::PlacedBefore, Local::None, Remote::Problem(Code::Unauthorized), 503, "outcome_unknown"),
        (KeyState::Generated, Local::None, Remote::LostResponse { placed: true }, 503, "outcome_unknown"),
        (KeyState::Unused, Local::None, Remote::None, 201, "none"),
        (KeyState::Unused, Local::NoRecord, Remote::None, 503, "price_unavailable"),
        (KeyState::Unused, Local::CurrencyRemoved, Remote::None, 422, "validation_failed"),
        (KeyState::Unused, Local::OutOfBounds, Remote::None, 422, "validation_failed"),
        (KeyState::Unused, Local::AmountTooLarge, Remote::None, 409, "limit_exceeded"),
        (KeyState::Unused, Local::None, Remote::LimitReached, 409, "limit_exceeded"),
        (KeyState::Unused, Local::None, Remote::Unreachable, 503, "outcome_unknown"),
        (KeyState::PlacedBefore, Local::None, Remote::None, 201, "none"),
        (KeyState::PlacedBefore, Local::None, Remote::LimitReached, 201, "none"),
        (KeyState::PlacedBefore, Local::CurrencyRemoved, Remote::None, 201, "none"),
        (KeyState::PlacedBefore, Local::OutOfBounds, Remote::None, 201, "none"),
        (KeyState::PlacedBefore, Local::AmountTooLarge, Remote::None, 201, "none"),
        (KeyState::PlacedBefore, Local::CacheUnavailable, Remote::None, 201, "none"),
        (KeyState::PlacedBefore, Local::CurrencyRemoved, Remote::Unreachable, 503, "outcome_unknown"),
        (KeyState::PlacedBefore, Local::None, Remote::Problem(Code::DatabaseUnavailable), 503, "outcome_unknown"),
        (KeyState::PlacedBefore, Local::None, Remote::Problem(Code::Internal), 503, "outcome_unknown"),
        (KeyState::PlacedBefore, Local::None, Remote::QueueFull, 503, "outcome_unknown"),
        (KeyState::PlacedBefore, Local::None, Remote::Stopping, 503, "outcome_unknown"),
        (KeyState::Generated, Local::None, Remote::ApiKeyUnchecked, 503, "upstream_unavailable"),
        (KeyState::Unused, Local::None, Remote::ApiKeyUnchecked, 503, "outcome_unknown"),
        (KeyState::PlacedBefore, Local::CurrencyRemoved, Remote::ApiKeyUnchecked, 503, "outcome_unknown"),
        (KeyState::PlacedForOtherOrder, Local::None, Remote::None, 422, "idempotency_key_reused"),
        (KeyState::PlacedForOtherOrder, Local::NoRecord, Remote::None, 422, "idempotency_key_reused"),
    ];
    let mut create_orders = CreateOrders::default();
    for (key, local, remote, status, code) in cases {
        let case = Case { key, local, remote, form: Form::Versioned };
        let observed = create_orders.observe(case).await;
        assert_eq!((observed.status, observed.code()), (status, code), "{case:?}: {}", observed.body);
        let states_no_order =
            observed.body["detail"].as_str().is_some_and(|detail| detail.contains("No order was placed."));
        // If the API key cannot be checked, the response states instead that the request had no effect.
        let is_refused = status == 503 && code != "outcome_unknown" && remote != Remote::ApiKeyUnchecked;
        assert_eq!(states_no_order, is_refused, "{case:?}: {}", observed.body);
    }
}

/// No order can ever have been placed with such fields, so no lookup is needed.
#[tokio::test(start_paused = true)]
async fn fields_that_are_never_valid_are_refused_without_a_lookup() {
    let case = Case {
        key: KeyState::PlacedBefore,
        local: LocalFault::None,
        remote: RemoteFault::Unreachable,
        form: Form::Versioned,
    };
    let mut create_orders = CreateOrders::default();
    let create_order = create_orders.prepare(case);
    for body in [
        json!({"currency": "EUR", "amount": "0"}),
        json!({"currency": "EURO", "amount": "69"}),
        json!({"currency": "EUR"}),
        json!({"quote": QUOTE_ID, "amount": "69"}),
        json!({"quote": "7"}),
        json!({"currency": "EUR", "amount": OTHER_AMOUNT, "quote": QUOTE_ID}),
    ] {
        let request = Request::builder()
            .method(Method::POST)
            .uri_str("/api/v1/orders")
            .header("idempotency-key", case.key.header().unwrap())
            .content_type("application/json");
        let (status, problem) = create_order.send(request.body(body.to_string())).await;
        assert_eq!((status, &problem["code"]), (422, &"validation_failed".into()), "{problem}");
        assert_eq!(create_order.db_proxy.last_key(), None, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn quote_that_possibly_exists_is_not_reported_as_not_created() {
    let mut create_orders = CreateOrders::default();
    for local in LocalFault::ALL {
        for remote in RemoteFault::all() {
            let case = Case { key: KeyState::Generated, local, remote, form: Form::Versioned };
            let create_order = create_orders.prepare(case);
            let request = Request::builder().method(Method::POST).uri_str("/api/v1/quotes");
            let request = request.content_type("application/json").body(r#"{"currency":"EUR","amount":"69"}"#);
            let (status, body) = create_order.send(request).await;
            let (db_proxy, context) = (&create_order.db_proxy, format!("{case:?}: {status} {body}"));
            match status {
                201 => assert!(db_proxy.is_quote_stored(), "{context}"),
                500 => assert!(remote.is_defect(), "{context}"),
                409 | 422 | 503 if body["code"] != "outcome_unknown" => {
                    assert!(!db_proxy.is_quote_stored() && !db_proxy.is_indeterminate(), "{context}");
                }
                503 => assert!(db_proxy.is_indeterminate(), "{context}"),
                _ => panic!("unexpected status; {context}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn response_to_the_release_of_a_quote_matches_the_state_of_its_reservation() {
    let mut create_orders = CreateOrders::default();
    for remote in RemoteFault::all() {
        let case = Case { key: KeyState::Generated, local: LocalFault::NoRecord, remote, form: Form::Versioned };
        let create_order = create_orders.prepare(case);
        create_order.db_proxy.store_quote();
        let request = Request::builder().method(Method::DELETE).uri_str(format!("/api/v1/quotes/{QUOTE_ID}"));
        let (status, body) = create_order.send(request.finish()).await;
        let (db_proxy, context) = (&create_order.db_proxy, format!("{case:?}: {status} {body}"));
        match status {
            204 => assert!(!db_proxy.is_quote_stored(), "{context}"),
            500 => assert!(remote.is_defect(), "{context}"),
            409 | 503 if body["code"] != "outcome_unknown" => {
                assert!(db_proxy.is_quote_stored() && !db_proxy.is_indeterminate(), "{context}");
            }
            503 => assert!(db_proxy.is_indeterminate(), "{context}"),
            _ => panic!("unexpected status; {context}"),
        }
    }
}

use std::{
    fmt::{self, Write},
    sync::{Arc, Mutex},
};

use poem_openapi::{OpenApi, SecurityScheme, auth::Bearer, payload::PlainText};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

use super::*;
use crate::config::Live;

struct Api;

#[derive(SecurityScheme)]
#[oai(ty = "bearer")]
struct Token(#[expect(dead_code, reason = "only its security scheme matters")] Bearer);

#[OpenApi]
impl Api {
    #[oai(path = "/orders/:id", method = "get", operation_id = "get_order")]
    async fn get_order(&self) -> PlainText<String> {
        PlainText(String::new())
    }

    #[oai(path = "/report", method = "post", operation_id = "report")]
    async fn report(&self, _token: Token) -> PlainText<String> {
        PlainText(String::new())
    }

    #[oai(path = "/readyz", method = "get", operation_id = "readyz")]
    async fn readyz(&self) -> PlainText<String> {
        PlainText(String::new())
    }
}

/// The lines at level info or worse, each as its level and its fields.
#[derive(Clone, Default)]
struct LineRecorder(Arc<Mutex<Vec<String>>>);

impl Subscriber for LineRecorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(event.metadata().level().to_string());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

/// A request that was received `secs` seconds after the start of the log, and the status of its response.
#[derive(Clone, Copy)]
struct Answered {
    operation: Option<&'static str>,
    path: &'static str,
    status: u16,
    secs: u64,
    imitated: bool,
    user: Option<UserId>,
}

const FOUND: Answered =
    Answered { operation: Some("get_order"), path: "/orders/17", status: 200, secs: 0, imitated: false, user: None };

/// The lines of a log that permits two successes per second.
fn lines_of(requests: &[Answered]) -> Vec<String> {
    lines_of_calls(requests, &Api::meta())
}

fn lines_of_calls(requests: &[Answered], for_users: &[MetaApi]) -> Vec<String> {
    let lines = LineRecorder::default();
    tracing::subscriber::with_default(lines.clone(), || {
        let log = RequestLog::with_limit(Api::meta(), for_users, Live::new(2));
        let start = Instant::now();
        for &Answered { operation, path, status, secs, imitated, user } in requests {
            log.record(&AnsweredRequest {
                method: &Method::GET,
                path,
                operation: operation.map(OperationId),
                client: [192, 0, 2, 1].into(),
                user,
                status,
                imitated,
                received_at: start + Duration::from_secs(secs),
                elapsed: Duration::from_micros(250),
            });
        }
    });
    std::mem::take(&mut lines.0.lock().unwrap())
}

#[test]
fn line_names_the_path_template_the_status_and_the_client() {
    let expected =
        "INFO message=request answered method=GET path=\"/orders/{id}\" status=200 micros=250 client=192.0.2.1";
    assert_eq!(lines_of(&[FOUND]), [expected]);
}

#[test]
fn line_names_the_user_of_a_request_with_a_key() {
    let user = Some("0190a6e2-7c1b-7c3a-9d5e-0123456789ab".parse().unwrap());
    let lines = lines_of(&[Answered { user, ..FOUND }]);
    assert!(lines[0].ends_with("client=192.0.2.1 user=0190a6e2-7c1b-7c3a-9d5e-0123456789ab"), "{lines:?}");
}

#[test]
fn lines_above_the_limit_are_omitted_and_counted_in_the_next_line() {
    let mut requests = [FOUND; 6];
    requests[5].secs = 1;
    let lines = lines_of(&requests);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[2].ends_with("left_out=3"), "{lines:?}");
}

#[test]
fn failures_have_lines_although_successes_reach_their_limit() {
    let failed = Answered { status: 404, operation: None, path: "/nowhere", ..FOUND };
    let requests: Vec<_> = [FOUND; 5].into_iter().chain([failed; 30]).collect();
    let lines = lines_of(&requests);
    let failures = lines.iter().filter(|line| line.contains("path=\"/nowhere\" status=404")).count();
    assert_eq!((lines.len(), failures), (12, 10), "{lines:?}");
}

#[test]
fn probes_have_no_line_and_calls_between_services_only_if_they_fail() {
    let probe = Answered { operation: Some("readyz"), path: "/readyz", ..FOUND };
    let call = Answered { operation: Some("report"), path: "/report", ..FOUND };
    let failed = |answered| Answered { status: 503, ..answered };
    let lines = lines_of(&[probe, failed(probe), call, failed(call)]);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("path=\"/report\" status=503"), "{lines:?}");
}

#[test]
fn operation_that_users_do_not_call_has_lines_for_failures_only() {
    let failed = Answered { status: 429, ..FOUND };
    let lines = lines_of_calls(&[FOUND, failed], &[]);
    assert!(lines.len() == 1 && lines[0].contains("status=429"), "{lines:?}");
}

#[test]
fn every_internal_error_is_logged_as_a_warning() {
    let lines = lines_of(&[Answered { status: 500, ..FOUND }; 50]);
    assert!(lines.len() == 50 && lines[49].starts_with("WARN message=request failed"), "{lines:?}");
}

#[test]
fn internal_error_of_an_imitated_server_is_not_a_warning() {
    let lines = lines_of_calls(&[Answered { status: 500, imitated: true, ..FOUND }], &[]);
    assert!(lines.len() == 1 && lines[0].starts_with("INFO message=request answered"), "{lines:?}");
}

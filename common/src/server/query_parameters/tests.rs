use futures_util::FutureExt;
use poem_openapi::{OpenApi, param::Query, payload::PlainText};

use super::*;
use crate::{money::Currency, server::Json};

struct Orders;

#[derive(poem_openapi::Enum)]
#[oai(rename_all = "lowercase")]
enum Format {
    Csv,
    Jsonl,
}

#[OpenApi]
#[expect(unused_variables, reason = "only the description of the operations is used")]
impl Orders {
    #[oai(path = "/orders", method = "get", operation_id = "list")]
    async fn list(
        &self,
        currency: Query<Option<Currency>>,
        #[oai(validator(minimum(value = "1"), maximum(value = "1000")))] limit: Query<Option<u32>>,
        from: Query<String>,
        to: Query<Option<String>>,
        #[oai(deprecated)] coin: Query<Option<String>>,
        format: Query<Option<Format>>,
    ) -> PlainText<&'static str> {
        PlainText("")
    }

    #[oai(path = "/orders", method = "post", operation_id = "create")]
    async fn create(&self, body: Json<String>) -> PlainText<&'static str> {
        PlainText("")
    }

    #[oai(path = "/orders/:id", method = "get", operation_id = "get")]
    async fn get(&self) -> PlainText<&'static str> {
        PlainText("")
    }
}

/// Refuses JPY, which the type of the parameter permits.
struct NoYen;

impl ValueCheck for NoYen {
    fn check<'a>(&'a self, parameter: ParameterValue<'a>) -> CheckedValue<'a> {
        let ParameterValue { operation, name, value } = parameter;
        let refused = (operation, name, value) == ("list", "currency", "JPY");
        Box::pin(async move { refused.then(|| FieldError::new(name, "must be one of EUR, USD")) })
    }
}

fn check(request: &str) -> Result<(), Vec<(String, String)>> {
    let (method, target) = request.split_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap();
    let mut registry = Registry::new();
    Orders::register(&mut registry);
    let value_check: Arc<dyn ValueCheck> = Arc::new(NoYen);
    let parameters = QueryParameters::new(Orders::meta(), &registry, &["/docs"], Some(value_check));
    let checked = parameters.check(&method.parse().unwrap(), path, query).now_or_never().unwrap();
    checked.map_err(|error| {
        let problem = error.downcast_ref::<Problem>().unwrap();
        problem.errors.iter().map(|error| (error.field.clone(), error.message.clone())).collect()
    })
}

#[track_caller]
fn assert_refused(request: &str, errors: &[(&str, &str)]) {
    let errors: Vec<_> = errors.iter().map(|(field, reason)| ((*field).to_owned(), (*reason).to_owned())).collect();
    assert_eq!(check(request), Err(errors), "{request}");
}

/// The handler checks the values, unless the query is refused for another reason.
#[test]
fn query_of_known_parameters_passes_even_with_an_invalid_value() {
    for request in
        ["GET /orders?currency=EUR&limit=x&from=1&coin=a", "HEAD /orders/?from=1", "GET /orders?", "GET /docs?"]
    {
        assert_eq!(check(request), Ok(()), "{request}");
    }
}

#[test]
fn value_that_is_not_utf8_is_refused() {
    let not_utf8 = "must be text in UTF-8, but is \"%ff\"";
    assert_refused("GET /orders?from=%ff", &[("from", not_utf8)]);
    assert_refused("HEAD /orders?from=%C3%A9+a&coin=%ff", &[("coin", not_utf8)]);
    assert_refused(
        "GET /orders?%66rom=%ff&limit=0",
        &[("limit", "must be a whole number from 1 to 1000, but is \"0\""), ("from", not_utf8)],
    );
    assert_refused(
        "GET /orders?currency=%ff&nmae=%fe&from=1",
        &[("nmae", "is unknown; the known names are currency, limit, from, to, format"), ("currency", not_utf8)],
    );
    let unknown = "is unknown; the known names are currency, limit, from, to, format";
    assert_refused("GET /orders?%ff=1&from=1", &[("%ff", unknown)]);
    assert_eq!(check("GET /orders?from=%C3%A9%25ff&coin="), Ok(()));
}

#[test]
fn unknown_parameter_is_refused_with_the_nearest_known_name() {
    assert_refused("GET /orders?curency=EUR&from=1", &[("curency", "is unknown; did you mean currency?")]);
    assert_refused("GET /orders?Limit=1&from=1", &[("Limit", "is unknown; did you mean limit?")]);
    let all = "is unknown; the known names are currency, limit, from, to, format";
    assert_refused("GET /orders?wallet_id=1&from=1", &[("wallet_id", all)]);
    assert_refused("GET /orders?=&from=1", &[("\"\"", all)]);
    let long = "\u{20ac}".repeat(100);
    assert_refused(&format!("GET /orders?{long}&from=1"), &[(&format!("{}…", &long[..64 * 3]), all)]);
}

#[test]
fn operation_without_parameters_refuses_every_query() {
    let none = "is unknown; the operation has no query parameters";
    for request in ["GET /docs?x=1", "HEAD /docs?x=1", "GET /orders/7?x=1&x=2"] {
        assert_refused(request, &[("x", none)]);
    }
    let body = "is unknown; the operation has no query parameters, and its fields belong in the body";
    assert_refused("POST /orders?currency=EUR", &[("currency", body)]);
}

#[test]
fn repeated_parameter_is_refused() {
    let once = "must be sent once";
    assert_refused("GET /orders?from=1&%66rom=1&from=2", &[("from", once)]);
}

#[test]
fn one_problem_names_every_invalid_parameter() {
    assert_refused(
        "GET /orders?limits=5&currency=euro&limit=0&coin=a&coin=b&format=xml",
        &[
            ("limits", "is unknown; did you mean limit?"),
            ("coin", "must be sent once"),
            ("currency", "must be a code of three letters, such as EUR, but is \"euro\""),
            ("limit", "must be a whole number from 1 to 1000, but is \"0\""),
            ("from", "is required"),
            ("format", "must be one of csv, jsonl, but is \"xml\""),
        ],
    );
}

#[test]
fn misspelt_parameter_is_not_reported_as_missing_and_its_value_is_not_checked() {
    assert_refused("GET /orders?form=1", &[("form", "is unknown; did you mean from?")]);
    assert_refused("GET /orders?fromat=xml&from=1", &[("fromat", "is unknown; did you mean format?")]);
}

#[test]
fn contradictory_values_are_named_with_the_other_errors() {
    assert_refused(
        "GET /orders?limits=5&limit=0&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z",
        &[
            ("limits", "is unknown; did you mean limit?"),
            ("limit", "must be a whole number from 1 to 1000, but is \"0\""),
            ("from", "must not be later than to (\"2026-01-01T00:00:00Z\"), but is \"2026-01-02T00:00:00Z\""),
        ],
    );
}

#[test]
fn period_that_ends_before_it_begins_is_refused_as_it_was_sent() {
    let query = |from: &str, to: &str| format!("GET /orders?from={from}&to={to}&currency=JPY");
    assert_refused(
        &query("2026-01-02T00:00:00%2B01:00", "2026-01-01T00:00:00Z"),
        &[
            ("currency", "must be one of EUR, USD"),
            ("from", "must not be later than to (\"2026-01-01T00:00:00Z\"), but is \"2026-01-02T00:00:00+01:00\""),
        ],
    );
    assert_eq!(check(&query("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z")), Ok(()));
}

#[test]
fn value_refused_by_the_service_is_named_with_the_other_errors() {
    assert_refused(
        "GET /orders?limits=5&from=1&currency=JPY",
        &[("limits", "is unknown; did you mean limit?"), ("currency", "must be one of EUR, USD")],
    );
    assert_eq!(check("GET /orders?from=1&currency=JPY"), Ok(()), "only the handler checks this value");
}

#[test]
fn number_of_named_parameters_is_limited() {
    let query: Vec<_> = (0..10_000).map(|n| format!("p{n}=1")).collect();
    assert_eq!(check(&format!("GET /orders?{}", query.join("&"))).unwrap_err().len(), MAX_FIELD_ERRORS);
}

#[test]
fn path_or_method_that_does_not_exist_is_not_checked() {
    for request in ["GET /nothing?x=1", "DELETE /orders?x=1", "GET /orders/7/8?x=1"] {
        assert_eq!(check(request), Ok(()), "{request}");
    }
}

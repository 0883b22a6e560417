//! The Postman collection in `docs/postman` is generated from the OpenAPI documents. It has a folder for each service
//! that customers or operators use, with a request for each of their operations. Streams of events are left out.
//! `tests/load/postman` sends all requests.
//!
//! A request that creates an object stores its id in a variable, which the following requests use: `POST /api/v1/users` sets
//! `user_id`, and `/api/v1/users/{id}` reads it. The scripts of the requests check the status and the content type.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Operation, all_documents, all_ports, assert_file_is_current, docs, operations};

const SCHEMA: &str = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json";
const DESCRIPTION: &str = "Every operation of Buydesk for customers and operators, generated from the OpenAPI documents. The \
    variables have the addresses of `buydesk up`. Set `operator_token` for the requests of operators, and `api_key` to act as a user. \
    Streams of events are left out, because their responses do not end.";

/// How a request authenticates.
enum Credentials {
    None,
    /// The variable `api_key`, if it is set.
    OptionalKey,
    OperatorToken,
    /// HTTP Basic authentication for browsers: any name, and the token of operators as the password.
    OperatorPassword,
}

impl Credentials {
    /// Returns `None` for operations that only services use.
    fn of(operation: &Operation<'_>) -> Option<Self> {
        let Some(alternatives) = operation.value["security"].as_array() else {
            let may_be_refused = operation.value["responses"].get("401").is_some();
            return Some(if may_be_refused { Self::OperatorPassword } else { Self::None });
        };
        let accepts = |scheme: &str| alternatives.iter().any(|alternative| alternative.get(scheme).is_some());
        if alternatives.contains(&json!({})) {
            Some(Self::OptionalKey)
        } else {
            accepts("OperatorToken").then_some(Self::OperatorToken)
        }
    }

    fn postman(&self) -> Value {
        match self {
            Self::None | Self::OptionalKey => json!({ "type": "noauth" }),
            Self::OperatorToken => json!({
                "type": "bearer",
                "bearer": [{ "key": "token", "type": "string", "value": "{{operator_token}}" }],
            }),
            Self::OperatorPassword => json!({
                "type": "basic",
                "basic": [
                    { "key": "username", "type": "string", "value": "operator" },
                    { "key": "password", "type": "string", "value": "{{operator_token}}" },
                ],
            }),
        }
    }
}

/// The position of a request in its folder: requests that create objects are first, and requests that delete objects
/// are last.
fn position(operation: &Operation<'_>) -> u8 {
    let creates = operation.value["responses"].get("201").is_some();
    match operation.method {
        "post" if creates && !operation.path.contains('{') => 0,
        "post" if creates => 1,
        "post" => 3,
        "delete" => 4,
        _ => 2,
    }
}

fn url_variable(service: &str) -> String {
    format!("{}_url", service.replace('-', "_"))
}

/// The name of the variable for the id of an object in a list, such as `user_id` for `/api/v1/users`.
fn id_variable(list_path: &str) -> String {
    let name = list_path.rsplit('/').next().unwrap();
    format!("{}_id", name.strip_suffix('s').unwrap_or(name))
}

/// The path of the list that contains the object of a parameter: everything before the parameter.
fn list_path_of<'a>(path: &'a str, parameter: &str) -> &'a str {
    path.split_once(&format!("/{{{parameter}}}")).map_or(path, |(before, _)| before)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Whether a parameter is the id of an object that an earlier request possibly created.
fn is_id(parameter: &Value) -> bool {
    let name = parameter["name"].as_str().unwrap();
    (name == "id" || name.ends_with("_id")) && (parameter["schema"]["format"] == "uuid" || parameter["in"] == "path")
}

fn url(service: &str, operation: &Operation<'_>, variables: &mut BTreeMap<String, String>) -> Value {
    let host = format!("{{{{{}}}}}", url_variable(service));
    let path = operation.path.replace('{', ":").replace('}', "");
    let (mut query, mut in_path) = (Vec::new(), Vec::new());
    for parameter in operation.parameters() {
        let name = parameter["name"].as_str().unwrap();
        let example = parameter.get("example").or_else(|| parameter["schema"].get("default")).map(text);
        let value = match &example {
            Some(example) if is_id(parameter) => {
                let variable = id_variable(list_path_of(operation.path, name));
                variables.insert(variable.clone(), example.clone());
                format!("{{{{{variable}}}}}")
            }
            example => example.clone().unwrap_or_default(),
        };
        let description = &parameter["description"];
        match parameter["in"].as_str().unwrap() {
            "path" => in_path.push(json!({ "key": name, "value": value, "description": description })),
            "query" => query.push(json!({
                "key": name, "value": value, "description": description, "disabled": example.is_none(),
            })),
            _ => {}
        }
    }
    let sent: Vec<_> = query.iter().filter(|parameter| parameter["disabled"] == false).collect();
    let sent: Vec<_> = sent.iter().map(|each| format!("{}={}", text(&each["key"]), text(&each["value"]))).collect();
    let separator = if sent.is_empty() { "" } else { "?" };
    json!({
        "raw": format!("{host}{path}{separator}{}", sent.join("&")),
        "host": [host],
        "path": path.trim_start_matches('/').split('/').collect::<Vec<_>>(),
        "query": query,
        "variable": in_path,
    })
}

fn headers(operation: &Operation<'_>) -> Vec<Value> {
    let parameters = operation.parameters().filter(|parameter| parameter["in"] == "header");
    let parameters = parameters.map(|parameter| {
        let is_key = parameter["name"] == "Idempotency-Key";
        json!({
            "key": parameter["name"],
            "value": if is_key { "{{$guid}}" } else { "" },
            "description": parameter["description"],
            "disabled": !is_key,
        })
    });
    let content_type = operation.value["requestBody"]["content"].get("application/json");
    let content_type = content_type.map(|_| json!({ "key": "Content-Type", "value": "application/json" }));
    content_type.into_iter().chain(parameters).collect()
}

fn body<'a>(operation: &Operation<'a>) -> Option<&'a Value> {
    operation.value["requestBody"]["content"].get("application/json").map(|media| &media["example"])
}

/// Whether the example of a body contains an id. The examples contain only ids of objects that do not exist.
fn contains_unknown_id(body: &Value) -> bool {
    match body {
        Value::String(text) => uuid::Uuid::try_parse(text).is_ok(),
        Value::Array(items) => items.iter().any(contains_unknown_id),
        Value::Object(fields) => fields.values().any(contains_unknown_id),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The documented responses that a script accepts: successes, redirects, and client errors if the body contains an id.
fn expected_responses<'a>(operation: &Operation<'a>) -> BTreeMap<u16, Vec<&'a String>> {
    let last = if body(operation).is_some_and(contains_unknown_id) { 499 } else { 399 };
    let responses = operation.value["responses"].as_object().unwrap().iter();
    let responses = responses.filter_map(|(status, response)| Some((status.parse().ok()?, response)));
    let responses = responses.filter(|(status, _)| *status <= last);
    let content = |response: &'a Value| response["content"].as_object().map(|media| media.keys().collect());
    responses.map(|(status, response)| (status, content(response).unwrap_or_default())).collect()
}

fn scripts(operation: &Operation<'_>, credentials: &Credentials, created: Option<&String>) -> Vec<Value> {
    let script = |listen: &str, lines: Vec<String>| json!({ "listen": listen, "script": { "type": "text/javascript", "exec": lines } });
    let responses = expected_responses(operation);
    let statuses: Vec<_> = responses.keys().collect();
    let mut lines = vec![
        format!("const expected = {};", json!(responses)),
        format!("pm.test(\"the status is one of {statuses:?}\", () => {{"),
        format!("    pm.expect(pm.response.code).to.be.oneOf({statuses:?});"),
        "});".to_owned(),
        "pm.test(\"the content type is documented\", () => {".to_owned(),
        "    const types = expected[pm.response.code] || [];".to_owned(),
        "    const type = (pm.response.headers.get(\"Content-Type\") || \"\").split(\";\")[0];".to_owned(),
        "    pm.expect(types.map((each) => each.split(\";\")[0]).concat(types.length > 0 ? [] : [\"\"])).to.include(type);".to_owned(),
        "});".to_owned(),
    ];
    if let Some(variable) = created {
        lines.push(format!(
            "if (pm.response.code === 201) pm.collectionVariables.set(\"{variable}\", pm.response.json().id);"
        ));
    }
    let mut scripts = vec![script("test", lines)];
    if matches!(credentials, Credentials::OptionalKey) {
        scripts.push(script(
            "prerequest",
            vec![
                "const key = pm.variables.get(\"api_key\");".to_owned(),
                "if (key) pm.request.headers.upsert({ key: \"Authorization\", value: `Bearer ${key}` });".to_owned(),
            ],
        ));
    }
    scripts
}

fn never_ends(operation: &Operation<'_>) -> bool {
    operation.value["responses"]["200"]["content"].get("text/event-stream").is_some()
}

struct Request<'a> {
    operation: Operation<'a>,
    credentials: Credentials,
}

impl Request<'_> {
    fn postman(&self, service: &str, variables: &BTreeMap<String, String>) -> Value {
        let operation = &self.operation;
        let variable = id_variable(operation.path);
        let created = (operation.method == "post" && variables.contains_key(&variable)).then_some(&variable);
        let mut request = json!({
            "method": operation.method.to_uppercase(),
            "auth": self.credentials.postman(),
            "header": headers(operation),
            "url": url(service, operation, &mut variables.clone()),
            "description": operation.value["description"],
        });
        if let Some(example) = body(operation) {
            request["body"] = json!({
                "mode": "raw",
                "raw": serde_json::to_string_pretty(example).unwrap(),
                "options": { "raw": { "language": "json" } },
            });
        }
        json!({
            "name": operation.value["summary"],
            "event": scripts(operation, &self.credentials, created),
            // The script checks the redirect and not its target.
            "protocolProfileBehavior": { "followRedirects": false },
            "request": request,
        })
    }
}

fn requests(document: &Value) -> Vec<Request<'_>> {
    let operations = operations(document).filter(|operation| !never_ends(operation));
    let requests = operations.filter_map(|operation| Some((Credentials::of(&operation)?, operation)));
    let mut requests: Vec<_> = requests.map(|(credentials, operation)| Request { operation, credentials }).collect();
    requests.sort_by_key(|request| position(&request.operation));
    requests
}

fn folder(name: &str, document: &Value, variables: &BTreeMap<String, String>) -> Value {
    let requests = requests(document);
    let items: Vec<_> = requests.iter().map(|request| request.postman(name, variables)).collect();
    json!({ "name": name, "description": document["info"]["description"], "item": items })
}

fn is_for_people(document: &Value) -> bool {
    let of_every_service = ["/livez", "/readyz", "/metrics"];
    requests(document).iter().any(|request| !of_every_service.contains(&request.operation.path))
}

fn collection() -> Value {
    let documents: Vec<_> = all_documents().into_iter().filter(|(_, document)| is_for_people(document)).collect();
    let mut variables = BTreeMap::new();
    for (service, document) in &documents {
        for request in requests(document) {
            url(service, &request.operation, &mut variables);
        }
    }
    let folders: Vec<_> = documents.iter().map(|(service, document)| folder(service, document, &variables)).collect();
    let ports = all_ports();
    let urls = documents.iter().map(|(name, _)| (url_variable(name), format!("http://127.0.0.1:{}", ports[name])));
    let secrets = ["operator_token", "api_key"].map(|name| (name.to_owned(), String::new()));
    let variables = urls.chain(secrets).chain(variables.clone());
    let variables: Vec<_> = variables.map(|(key, value)| json!({ "key": key, "value": value })).collect();
    json!({
        "info": { "name": "Buydesk", "description": DESCRIPTION, "schema": SCHEMA },
        "item": folders,
        "variable": variables,
    })
}

#[test]
fn postman_collection_is_current() {
    let collection = serde_json::to_string_pretty(&collection()).unwrap();
    assert_file_is_current(&docs().join("postman/buydesk.postman_collection.json"), &format!("{collection}\n"));
}

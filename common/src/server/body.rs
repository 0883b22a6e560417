//! JSON and form bodies, parsed and serialized with serde.

mod descriptions;
mod field_errors;
mod json_tree;
mod schemas;

use bytes::Bytes;
use percent_encoding::{CONTROLS, percent_encode};
use poem::{
    IntoResponse, Request, RequestBody, Response, Result,
    error::ReadBodyError,
    http::{HeaderValue, header::CONTENT_TYPE},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions,
    error::ContentTypeError,
    impl_apirequest_for_payload,
    payload::{ParsePayload, Payload},
    registry::{MetaMediaType, MetaRequest, MetaResponse, MetaResponses, MetaSchemaRef, Registry},
    types::Type,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use tokio::io::AsyncReadExt;

use self::{
    descriptions::describe_value,
    field_errors::{InvalidFields, find_invalid_fields},
    schemas::Schemas,
};
use super::{
    limits::{BODY_TIMEOUT, MAX_BODY, MAX_DRAINED},
    urlencoded::{name_of_pair, values_not_utf8},
};
use crate::{
    api::{Code, FieldError, MAX_FIELD_ERRORS, Problem},
    text::shown_value,
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A JSON body with the schema of poem-openapi and the codec of serde.
///
/// `poem_openapi::payload::Json` parses through `serde_json::Value`, which turns decimal fractions into floats. This
/// type parses the text directly, so [`crate::money::DecimalText`] receives the original digits.
#[derive(Debug, Clone)]
pub struct Json<T>(pub T);

impl<T: Type> Payload for Json<T> {
    const CONTENT_TYPE: &'static str = "application/json";

    fn check_content_type(content_type: &str) -> bool {
        let essence = essence(content_type);
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + DeserializeOwned> ParsePayload for Json<T> {
    const IS_REQUIRED: bool = T::IS_REQUIRED;

    async fn from_request(request: &Request, body: &mut RequestBody) -> Result<Self> {
        Ok(Self(parse_json(&read_body(request, body).await?)?))
    }
}

/// A content type without its parameters.
fn essence(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads the whole body within the limits of size and time.
async fn read_body(request: &Request, body: &mut RequestBody) -> Result<Bytes> {
    let too_large = || Problem::new(Code::PayloadTooLarge, format!("The body must have at most {MAX_BODY} bytes."));
    let content_length = request.header("content-length").and_then(|length| length.parse::<usize>().ok());
    let body = body.take()?;
    if content_length.is_some_and(|length| length > MAX_BODY) {
        // Some clients send the whole body before they read the response. If the body were not read, they would see
        // only a closed connection.
        let mut rest = body.into_async_read().take(MAX_DRAINED);
        let _ = tokio::time::timeout(BODY_TIMEOUT, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
        return Err(too_large().into());
    }
    match tokio::time::timeout(BODY_TIMEOUT, body.into_bytes_limit(MAX_BODY)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(ReadBodyError::PayloadTooLarge)) => Err(too_large().into()),
        Ok(Err(_)) => Err(Problem::new(Code::BadRequest, "The body is incomplete.").into()),
        Err(_) => Err(Problem::new(Code::RequestTimeout, "The body was not received in time.").into()),
    }
}

/// A body that possibly contains invalid fields. The handler also checks the valid fields, so that one response names
/// all errors.
#[derive(Debug, Clone)]
pub struct UncheckedBody<T>(Result<T, Box<InvalidBody<T>>>);

/// A body that cannot be parsed as a `T`.
#[derive(Debug, Clone)]
struct InvalidBody<T> {
    problem: Problem,
    /// The body with placeholders for the fields that the problem names. `None` if the body is not a JSON object, or
    /// possibly has more invalid fields than the problem names.
    with_placeholders: Option<T>,
    /// The required fields that are missing because their names are misspelt.
    misspelt: Vec<String>,
}

impl<T: Type + DeserializeOwned> UncheckedBody<T> {
    /// Parses a JSON document that is not the body of a request.
    pub fn parse(json: &[u8]) -> Self {
        Self(try_parse_json(json))
    }
}

impl<T> UncheckedBody<T> {
    /// Adds errors. They replace the errors that the parser found in the same fields.
    fn with_errors(self, mut errors: Vec<FieldError>) -> Self {
        if errors.is_empty() {
            return self;
        }
        errors.truncate(MAX_FIELD_ERRORS);
        let (found, with_placeholders, misspelt) = match self.0 {
            Ok(body) => (Vec::new(), Some(body), Vec::new()),
            Err(invalid) => (invalid.problem.errors, invalid.with_placeholders, invalid.misspelt),
        };
        let is_new = |found: &FieldError| errors.iter().all(|error| error.field != found.field);
        let found: Vec<_> = found.into_iter().filter(is_new).collect();
        errors.extend(found);
        errors.truncate(MAX_FIELD_ERRORS);
        Self(Err(Box::new(InvalidBody { problem: Problem::validation(errors), with_placeholders, misspelt })))
    }

    /// If the body can be parsed, returns the body and does not call `check`. If not, returns a problem. The problem of
    /// a JSON object names the fields that cannot be parsed, and the other fields for which `check` returns errors.
    ///
    /// The value that `check` receives has placeholders for the fields that cannot be parsed, and for required fields
    /// that are missing. Errors that `check` returns for these fields are ignored.
    pub fn or_problem(self, check: impl FnOnce(&T) -> Vec<FieldError>) -> Result<T, Problem> {
        self.or_problem_with(|body, _| check(body))
    }

    /// Like [`or_problem`](Self::or_problem). `check` also receives the errors that the parser found. A `check` that
    /// compares fields with each other should skip the fields that these errors name.
    pub fn or_problem_with(self, check: impl FnOnce(&T, &[FieldError]) -> Vec<FieldError>) -> Result<T, Problem> {
        let InvalidBody { problem, with_placeholders, misspelt } = match self.0 {
            Ok(body) => return Ok(body),
            Err(invalid) => *invalid,
        };
        let found = with_placeholders.map(|body| check(&body, &problem.errors)).unwrap_or_default();
        let known = &problem.errors;
        let is_new = |error: &FieldError| {
            let mut named = known.iter().map(|known| &known.field).chain(&misspelt);
            !error.is_explained_by_misspelling(known) && !named.any(|field| error.is_within(field))
        };
        let errors: Vec<_> = known.iter().cloned().chain(found.into_iter().filter(is_new)).collect();
        Err(if errors.is_empty() { problem } else { Problem::validation(errors) })
    }
}

impl<T> From<Problem> for Box<InvalidBody<T>> {
    fn from(problem: Problem) -> Self {
        Self::new(InvalidBody { problem, with_placeholders: None, misspelt: Vec::new() })
    }
}

impl<T: Type> Payload for UncheckedBody<T> {
    const CONTENT_TYPE: &'static str = Json::<T>::CONTENT_TYPE;

    fn check_content_type(content_type: &str) -> bool {
        Json::<T>::check_content_type(content_type)
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + DeserializeOwned> ParsePayload for UncheckedBody<T> {
    const IS_REQUIRED: bool = T::IS_REQUIRED;

    async fn from_request(request: &Request, body: &mut RequestBody) -> Result<Self> {
        Ok(Self(try_parse_json(&read_body(request, body).await?)))
    }
}

impl_apirequest_for_payload!(UncheckedBody<T>, T: Type + DeserializeOwned);

fn parse_json<T: Type + DeserializeOwned>(json: &[u8]) -> Result<T, Problem> {
    try_parse_json(json).map_err(|invalid| invalid.problem)
}

fn try_parse_json<T: Type + DeserializeOwned>(json: &[u8]) -> Result<T, Box<InvalidBody<T>>> {
    // serde would parse an array as the values of the fields, in the order of their declaration.
    if json.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::validation(vec![FieldError::new(BODY, "must be a JSON object, but is a list")]).into());
    }
    let error = match serde_json::from_slice(json) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    match find_invalid_fields("", json, Some(Schemas::of::<T>())) {
        Some(InvalidFields { errors, with_placeholders, misspelt }) if !errors.is_empty() => {
            Err(Box::new(InvalidBody { problem: Problem::validation(errors), with_placeholders, misspelt }))
        }
        // The JSON is not an object, or the error does not concern a single field.
        _ if error.is_data() => {
            let json = str::from_utf8(json).unwrap_or_default().trim();
            Err(Problem::validation(vec![FieldError::new(BODY, describe_value(&error, None, json))]).into())
        }
        _ => Err(not_json(json, &error).into()),
    }
}

/// Parses a value of a JSON document. `field` is the name of the value. The errors name the invalid parts of the value.
pub fn parse_field<T: DeserializeOwned>(field: &str, value: &Value) -> Result<T, Vec<FieldError>> {
    let json = value.to_string();
    serde_json::from_str(&json).map_err(|error| match find_invalid_fields::<T>(field, json.as_bytes(), None) {
        Some(InvalidFields { errors, .. }) if !errors.is_empty() => errors,
        _ => vec![FieldError::new(field, describe_value(&error, None, &json))],
    })
}

/// The name of the whole body in errors.
const BODY: &str = "body";

/// The problem of a body that is not JSON. The message of the parser is omitted, because it would not help a user.
fn not_json(json: &[u8], error: &serde_json::Error) -> Problem {
    let detail = if json.trim_ascii().is_empty() {
        "The body is empty. It must be a JSON object.".to_owned()
    } else if let Err(error) = str::from_utf8(json) {
        format!("The body is not JSON: its byte {} is not UTF-8.", error.valid_up_to() + 1)
    } else if error.is_eof() {
        "The body is not JSON: it ends too early.".to_owned()
    } else {
        format!("The body is not JSON: the error is at line {}, column {}.", error.line(), error.column())
    };
    Problem::new(Code::BadRequest, detail)
}

impl<T: Serialize + Send> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(mut json) => {
                // With the line break, a terminal shows its prompt on a new line.
                json.push(b'\n');
                Response::builder().header(CONTENT_TYPE, JSON).body(json)
            }
            Err(error) => {
                tracing::error!(%error, "a response cannot be serialized as JSON");
                Problem::internal().into_response()
            }
        }
    }
}

impl<T: Type + Serialize + Send> ApiResponse for Json<T> {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: Self::CONTENT_TYPE, schema: T::schema_ref() }];
        let response =
            MetaResponse { description: "", status: Some(200), status_range: None, content, headers: Vec::new() };
        MetaResponses { responses: vec![response] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl_apirequest_for_payload!(Json<T>, T: Type + DeserializeOwned);

/// An optional body: JSON, or a form with the same fields.
#[derive(Debug, Clone)]
pub struct OptionalBody<T>(pub Option<UncheckedBody<T>>);

const FORM: &str = "application/x-www-form-urlencoded";

impl<'a, T: Type + DeserializeOwned> ApiExtractor<'a> for OptionalBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let of = |content_type| MetaMediaType { content_type, schema: T::schema_ref() };
        Some(MetaRequest { description: None, content: vec![of(Json::<T>::CONTENT_TYPE), of(FORM)], required: false })
    }

    async fn from_request(request: &'a Request, body: &mut RequestBody, _: ExtractParamOptions<()>) -> Result<Self> {
        let body = read_body(request, body).await?;
        // An empty body counts as no body, whatever its content type, because curl sends a content type with an empty
        // POST.
        if body.is_empty() {
            return Ok(Self(None));
        }
        let Some(content_type) = request.content_type() else { return Err(unsupported_type(NO_TYPE).into()) };
        if Json::<T>::check_content_type(content_type) {
            return Ok(Self(Some(UncheckedBody(try_parse_json(&body)))));
        }
        if essence(content_type) != FORM {
            let reason = format!("The content type of the body is not supported: {}.", shown_value(content_type));
            return Err(unsupported_type(&reason).into());
        }
        // By default, curl sends JSON with the content type of a form. Parsed as a form, the JSON would be
        // misinterpreted.
        if body.trim_ascii_start().starts_with(b"{") {
            return Err(unsupported_type("The body is JSON, but has the content type of a form.").into());
        }
        Ok(Self(parse_form(&body)))
    }
}

fn unsupported_type(reason: &str) -> Problem {
    let accepted =
        format!("Send JSON with the header Content-Type: application/json, or a form with Content-Type: {FORM}.");
    Problem::new(Code::UnsupportedMediaType, format!("{reason} {accepted}"))
}

/// The problem of a JSON body whose content type is missing or wrong.
pub(super) fn not_of_json_type(error: &ContentTypeError) -> Problem {
    let reason = match error {
        ContentTypeError::NotSupported { content_type } => {
            format!("The body must be JSON, but its content type is {}.", shown_value(content_type))
        }
        ContentTypeError::ExpectContentType => NO_TYPE.to_owned(),
    };
    Problem::new(Code::UnsupportedMediaType, format!("{reason} Send the header Content-Type: application/json."))
}

const NO_TYPE: &str = "The body has no content type.";

/// Parses a form or a query string like a JSON object with the same fields. Returns `None` if all fields are empty.
///
/// The errors quote a name or a value that is not UTF-8 as it was sent.
pub fn parse_form<T: Type + DeserializeOwned>(form: &[u8]) -> Option<UncheckedBody<T>> {
    // Percent-encodes the bytes that are not ASCII, so that the form is a text.
    let form = percent_encode(form, CONTROLS).to_string();
    let field = |pair: &str| {
        let (_, value) = url::form_urlencoded::parse(pair.as_bytes()).next()?;
        // A browser also sends empty fields.
        (!value.is_empty()).then(|| format!("{}:{}", Value::from(&*name_of_pair(pair)), Value::from(&*value)))
    };
    let fields: Vec<_> = form.split('&').filter_map(field).collect();
    let json = format!("{{{}}}", fields.join(","));
    (!fields.is_empty())
        .then(|| UncheckedBody(try_parse_json(json.as_bytes())).with_errors(values_not_utf8(&form).collect()))
}

#[cfg(test)]
mod tests;

//! JSON and form bodies, parsed and serialized with serde.

use bytes::Bytes;
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

use tokio::io::AsyncReadExt;

use super::limits::{BODY_TIMEOUT, MAX_BODY, MAX_DRAINED};
use crate::api::{Code, FieldError, Problem};

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A JSON body with the schema of poem-openapi and the codec of serde.
///
/// The JSON body of poem-openapi is parsed through `serde_json::Value`, which turns numbers into floats. This type parses the
/// text directly, so [`crate::money::DecimalText`] receives the original digits, and errors name the field.
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
        // A client may send the whole body before it reads the response. Without this, it would only see a closed connection.
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

fn parse_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, Problem> {
    // serde would accept an array as an object whose fields are given in order.
    if json.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::validation(vec![FieldError::new("body", "must be a JSON object")]));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = match error.path().to_string().as_str() {
            "." => "body".to_owned(),
            path => path.to_owned(),
        };
        let error = error.into_inner();
        // serde names a duplicate field only in its message.
        let message = error.to_string();
        let duplicate = message.strip_prefix("duplicate field `").and_then(|rest| rest.split('`').next());
        (duplicate.map_or(field, str::to_owned), error)
    });
    let result =
        parsed.and_then(|value| deserializer.end().map(|()| value).map_err(|error| ("body".to_owned(), error)));
    result.map_err(|(field, error)| match error.classify() {
        serde_json::error::Category::Data => {
            Problem::validation(vec![FieldError::new(field, message_without_position(&error))])
        }
        _ => Problem::new(Code::BadRequest, format!("The body is not JSON: {error}.")),
    })
}

/// The message without line and column. They do not help a client that generates its JSON.
fn message_without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    message.rsplit_once(" at line ").map_or(message.clone(), |(message, _)| message.to_owned())
}

impl<T: Serialize + Send> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(mut json) => {
                // A terminal then shows its prompt on a line of its own.
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
pub struct OptionalBody<T>(pub Option<T>);

/// The content type of a form.
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
        // An empty body is no body, whatever its content type: curl sends one with an empty POST.
        if body.is_empty() {
            return Ok(Self(None));
        }
        let Some(content_type) = request.content_type() else { return Err(ContentTypeError::ExpectContentType.into()) };
        if Json::<T>::check_content_type(content_type) {
            return Ok(Self(Some(parse_json(&body)?)));
        }
        // curl sends JSON with the content type of a form by default. As a form it would be misinterpreted.
        if essence(content_type) == FORM && !body.trim_ascii_start().starts_with(b"{") {
            return Ok(Self(parse_form(&body)?));
        }
        Err(ContentTypeError::NotSupported { content_type: content_type.to_owned() }.into())
    }
}

/// Parses a form or a query like a JSON object with the same fields. Returns `None` if all fields are empty.
pub fn parse_form<T: DeserializeOwned>(form: &[u8]) -> Result<Option<T>, Problem> {
    let mut fields = serde_json::Map::new();
    // A browser also sends empty fields.
    for (name, value) in url::form_urlencoded::parse(form).filter(|(_, value)| !value.is_empty()) {
        if fields.contains_key(&*name) {
            return Err(Problem::validation(vec![FieldError::new(name, "must be sent once")]));
        }
        fields.insert(name.into_owned(), value.into_owned().into());
    }
    if fields.is_empty() {
        Ok(None)
    } else {
        parse_json(serde_json::Value::Object(fields).to_string().as_bytes()).map(Some)
    }
}

#[cfg(test)]
mod tests;

//! The text of an error with its causes, in words for people.

mod redis_client;

use std::{error::Error, fmt, io, sync::Arc};

use self::redis_client::{describe_parsing_error, describe_redis_error, describe_server_error};
use crate::io_errors::describe_io_error;

/// The messages of `error` and of each of its causes, separated by colons.
pub fn format_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_error_chain(&mut text, error);
    text
}

/// Writes the text of [`format_chain`] to `out`. Fails only if `out` fails.
///
/// Some libraries repeat the cause at the end of the message of an error. The repetition is omitted.
pub fn write_error_chain(out: &mut impl fmt::Write, error: &(dyn Error + 'static)) -> fmt::Result {
    let mut separator = "";
    let mut next = Some(error);
    while let Some(error) = next {
        next = error.source();
        let text = next.map_or_else(|| plain_text(error), |cause| text_before(cause, error));
        if !text.is_empty() {
            write!(out, "{separator}{text}")?;
            separator = ": ";
        }
    }
    Ok(())
}

/// The message of `error` without its causes. Errors of connections and files are described in plain words, without
/// error numbers.
pub fn plain_text(error: &(dyn Error + 'static)) -> String {
    // The source of a `RedisError` is an `Arc`.
    let shared = error.downcast_ref::<Arc<dyn Error + Send + Sync>>();
    let io_error = match shared {
        Some(shared) => shared.downcast_ref::<io::Error>(),
        None => error.downcast_ref::<io::Error>(),
    };
    if let Some(error) = io_error {
        return describe_io_error(error);
    }
    if let Some(error) = error.downcast_ref::<redis::RedisError>() {
        return describe_redis_error(error);
    }
    if let Some(error) = error.downcast_ref::<redis::ServerError>() {
        return describe_server_error(error);
    }
    if let Some(error) = error.downcast_ref::<redis::ParsingError>() {
        return describe_parsing_error(error);
    }
    match error.downcast_ref::<hyper::Error>() {
        Some(error) if error.is_incomplete_message() => {
            "the connection was closed before the response was complete".to_owned()
        }
        _ => error.to_string(),
    }
}

/// The message of `error` without the message of its cause.
fn text_before(cause: &(dyn Error + 'static), error: &(dyn Error + 'static)) -> String {
    if let Some(text) = text_of_http_client(error) {
        return text;
    }
    match error.to_string().strip_suffix(&cause.to_string()) {
        Some(own) => own.trim_end_matches([' ', ':']).to_owned(),
        None => plain_text(error),
    }
}

/// The message for an error of the HTTP client that has a cause: the URL of the request, or an empty text for an error
/// of an inner layer. `None` for errors of other libraries.
fn text_of_http_client(error: &(dyn Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<reqwest::Error>().filter(|error| error.is_request()) {
        let mut url = error.url().cloned();
        if let Some(url) = &mut url {
            url.set_query(None);
        }
        return Some(url.map(String::from).unwrap_or_default());
    }
    // The error types of the inner layers are private.
    let text = error.to_string();
    matches!(text.as_str(), "client error (Connect)" | "client error (SendRequest)" | "tcp connect error")
        .then(String::new)
}

#[cfg(test)]
mod tests;

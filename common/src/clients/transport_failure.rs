//! Why a request got no response, in words for users.

use std::{error::Error as _, io, time::Duration};

use crate::{error_chain::plain_text, io_errors::UNKNOWN_HOST};

/// Describes why a request with this timeout got no complete response, such as `the connection was refused`.
pub fn describe_transport_failure(error: &reqwest::Error, timeout: Duration) -> String {
    if error.is_timeout() {
        return format!("it sent no response within {} s", timeout.as_secs());
    }
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    let io_error = causes.clone().find_map(|cause| cause.downcast_ref::<io::Error>());
    match io_error.map(io::Error::kind) {
        Some(io::ErrorKind::UnexpectedEof) => "the connection was closed".to_owned(),
        _ if error.is_connect() && causes.clone().any(|cause| cause.to_string().starts_with("dns error")) => {
            UNKNOWN_HOST.to_owned()
        }
        _ => match io_error {
            Some(error) => plain_text(error),
            None => causes.last().map_or_else(|| error.to_string(), plain_text),
        },
    }
}

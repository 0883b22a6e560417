//! Errors of the Redis client in words for users.

use redis::{ErrorKind, ParsingError, RedisError, ServerError};

/// The description of a server that does not speak the protocol of Redis.
const NOT_REDIS: &str = "it does not respond like a Redis server";

/// The message of an error that has no cause, without the name of its kind.
pub(super) fn describe_redis_error(error: &RedisError) -> String {
    match error.kind() {
        ErrorKind::AuthenticationFailed => "it refuses the user name or the password".to_owned(),
        ErrorKind::Parse => NOT_REDIS.to_owned(),
        ErrorKind::MasterNameNotFoundBySentinel => "the Sentinels know no master of this name".to_owned(),
        kind => {
            // The `redis` crate has no kind of its own for this error.
            let text = error.to_string().replacen(&format!(" - {kind:?}"), "", 1);
            if text == "Address does not point to a sentinel node" { "it is not a Sentinel".to_owned() } else { text }
        }
    }
}

/// The message of a response that the client cannot read, or that has another type than the command expects.
pub(super) fn describe_parsing_error(error: &ParsingError) -> String {
    // The parser of the protocol begins its message with these words.
    let is_protocol_error = error.to_string().contains("Parse error at");
    if is_protocol_error { NOT_REDIS } else { "it sent a response of an unexpected type" }.to_owned()
}

/// The message of an error that the server sent, as Redis writes it, such as `OOM command not allowed`.
pub(super) fn describe_server_error(error: &ServerError) -> String {
    match error.details() {
        Some(details) => format!("{} {details}", error.code()),
        None => error.code().to_owned(),
    }
}

#[cfg(test)]
mod tests;

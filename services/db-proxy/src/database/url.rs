//! The forms of `DATABASE_URL`.

use std::{borrow::Cow, net::IpAddr, num::NonZeroU16, path::Path, str::FromStr};

use common::{
    config::redact_password,
    spelling::nearest,
    text::{describe_refused, shown_name},
};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use url::{ParseError, Url, form_urlencoded};

const ALLOWED_URLS: &str = "sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT[,HOST:PORT...]/NAME";
/// The parameter with which libpq selects a host. It has no effect here, because only the primary is used.
const SELECTION_PARAMETER: &str = "target_session_attrs=";

/// The parameters that a URL of PostgreSQL may contain. `options[NAME]` is also permitted.
const PARAMETERS: [&str; 20] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "target_session_attrs",
    "user",
    "username",
];

/// The parameters that may contain a password.
const SECRET_PARAMETERS: [&str; 2] = ["options", "password"];
/// The parameters of a URL of SQLite. They are refused, and contain no secret.
const SQLITE_PARAMETERS: [&str; 4] = ["cache", "immutable", "mode", "vfs"];

/// Checks a value of `DATABASE_URL` without connecting. The error completes "… is not allowed; ".
pub fn check_url(url: &str) -> Result<(), String> {
    let reason = match url.split_once(':') {
        Some(("postgres" | "postgresql", _)) => host_urls(url).iter().find_map(|url| postgres_error(url)),
        Some(("sqlite", path)) => sqlite_error(sqlite_path(path)).map(Cow::from),
        _ => Some("it has another form".into()),
    };
    match reason {
        Some(reason) => Err(format!("{reason}; use {ALLOWED_URLS}")),
        None => unknown_parameter(url).or_else(|| invalid_parameter(url)).map_or(Ok(()), Err),
    }
}

/// The path of the file, from the part of the URL after `sqlite:`.
pub fn sqlite_path(path: &str) -> &str {
    path.strip_prefix("//").unwrap_or(path)
}

/// Splits a URL that may name several hosts, as in libpq, into one URL for each host. A URL with two hosts has the form
/// `postgres://USER:PASSWORD@HOST1:PORT1,HOST2:PORT2/NAME`.
pub fn host_urls(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let path = without_selection(path);
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}{path}")).collect()
}

/// The options of a connection to the host of a URL with one host.
pub fn connect_options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?;
    // sqlx would look up an IPv6 address with its brackets as a name.
    let address = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::to_owned);
    Ok(match address {
        Some(address) => options.host(&address),
        None => options,
    })
}

/// The URL as logs, health and the command line show it: without passwords. A URL with several hosts becomes one URL
/// per host.
pub fn shown_url(url: &str) -> String {
    match url.split_once("://") {
        Some(("postgres" | "postgresql", _)) => {
            host_urls(url).iter().map(|url| without_secrets(url)).collect::<Vec<_>>().join(", ")
        }
        _ => without_secrets(url),
    }
}

/// The URL without passwords. A parameter is shown only if it is known and contains no secret.
fn without_secrets(url: &str) -> String {
    let redacted = redact_password(url);
    let query = Url::parse(url).ok().and_then(|url| url.query().map(str::to_owned));
    let Some(query) = query else { return redacted };
    let is_public = |parameter: &&str| {
        let name = parameter.split('=').next().unwrap_or_default();
        SQLITE_PARAMETERS.contains(&name) || PARAMETERS.contains(&name) && !SECRET_PARAMETERS.contains(&name)
    };
    let shown: Vec<_> =
        query.split('&').map(|parameter| if is_public(&parameter) { parameter } else { "***" }).collect();
    redacted.replacen("?***", &format!("?{}", shown.join("&")), 1)
}

/// The path and the query of a URL without [`SELECTION_PARAMETER`], which sqlx does not know.
fn without_selection(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
    let kept: Vec<_> = query.split('&').filter(|parameter| !parameter.starts_with(SELECTION_PARAMETER)).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// The message about a parameter that a URL of PostgreSQL may not contain. `None` if there is no such parameter.
fn unknown_parameter(url: &str) -> Option<String> {
    if url.starts_with("sqlite:") {
        return None;
    }
    let (_, query) = url.split_once('?')?;
    let mut names = form_urlencoded::parse(query.as_bytes()).map(|(name, _)| name);
    let unknown = names.find(|name| !PARAMETERS.contains(&&**name) && !name.starts_with("options["))?;
    Some(match nearest(&unknown, PARAMETERS) {
        Some(meant) => format!("the parameter {} is unknown; did you mean {meant}?", shown_name(&unknown)),
        None => format!("the parameter {} is unknown; remove it", shown_name(&unknown)),
    })
}

/// The message about a parameter with an invalid value. `None` if there is no such parameter. The value of none of these
/// parameters is a secret.
fn invalid_parameter(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?').filter(|_| !url.starts_with("sqlite:"))?;
    form_urlencoded::parse(query.as_bytes()).find_map(|(name, value)| {
        let (rule, is_valid) = match &*name {
            "sslmode" | "ssl-mode" => {
                let is_valid = PgSslMode::from_str(&value).is_ok();
                ("disable, allow, prefer, require, verify-ca or verify-full", is_valid)
            }
            "port" => ("from 1 to 65535", NonZeroU16::from_str(&value).is_ok()),
            "hostaddr" => ("an IP address", IpAddr::from_str(&value).is_ok()),
            "statement-cache-capacity" => ("a whole number", usize::from_str(&value).is_ok()),
            _ => return None,
        };
        (!is_valid).then(|| describe_refused(format_args!("the parameter {name} must be {rule}"), &value))
    })
}

const PORT_RULE: &str = "the port must be from 1 to 65535";

/// The message for a URL whose port is invalid. `None` if the port may be a part of a password with characters such as `/`.
fn port_error(url: &str) -> Option<Cow<'static, str>> {
    let (_, rest) = url.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if path.contains('@') {
        return None;
    }
    match authority.rsplit_once('@') {
        Some((_, host)) => host.rsplit_once(':').map(|(_, port)| describe_refused(PORT_RULE, port).into()),
        // The port is not shown, because it may be a password whose host is missing.
        None => Some(PORT_RULE.into()),
    }
}

fn postgres_error(text: &str) -> Option<Cow<'static, str>> {
    const UNPARSABLE: &str =
        "it cannot be parsed; write characters such as @ : / ? # % in a password as %40 %3A %2F %3F %23 %25";
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => {
            let of_port = if error == ParseError::InvalidPort { port_error(text) } else { None };
            return of_port.or(Some(UNPARSABLE.into()));
        }
    };
    let has_parameter = |name: &str| url.query_pairs().any(|(key, value)| key == name && !value.is_empty());
    let reason = if url.host_str().is_none_or(str::is_empty) && !has_parameter("host") && !has_parameter("hostaddr") {
        "the host is missing"
    } else if url.port() == Some(0) {
        return Some(describe_refused(PORT_RULE, "0").into());
    } else if url.path().trim_start_matches('/').is_empty() && !has_parameter("dbname") {
        "the name of the database is missing"
    } else if url.path().trim_start_matches('/').contains('/') {
        "the name of the database contains a slash"
    } else if url.fragment().is_some() {
        "write # as %23"
    } else if invalid_parameter(text).is_none() && connect_options(text).is_err() {
        "the user, the password or the name of the database is not text in UTF-8 after its %XX are decoded"
    } else {
        return None;
    };
    Some(reason.into())
}

fn sqlite_error(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        Some("the path of the file is missing")
    } else if path.contains(":memory:") {
        Some("orders must be in a file")
    } else if path.contains(['?', '\0']) {
        Some("options after the path are not supported")
    } else if path.ends_with('/') || Path::new(path).is_dir() {
        Some("the path is a folder")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;

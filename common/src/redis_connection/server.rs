//! Parses the address of Redis.

use std::fmt;

use redis::{ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisConnectionInfo, RedisError, RedisResult};

/// The allowed addresses of Redis, for error messages.
pub const ALLOWED_URLS: &str = "redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE], or \
                                redis+sentinel://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]/MASTER[/DATABASE]";
const SENTINEL_SCHEME: &str = "redis+sentinel://";
const SENTINEL_PORT: u16 = 26379;

/// The address of Redis.
#[derive(Debug, Clone)]
pub enum RedisServer {
    Single(ConnectionInfo),
    /// The master is the server that the Sentinels name.
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        /// The name of the master at the Sentinels.
        master: String,
        /// The user, the password and the database at the master.
        settings: RedisConnectionInfo,
    },
}

impl RedisServer {
    /// Parses one of the URLs in [`ALLOWED_URLS`]. `?sentinel_password=` is the password of the Sentinels, if they have one.
    pub fn parse(url: &str) -> RedisResult<Self> {
        match url.strip_prefix(SENTINEL_SCHEME) {
            Some(rest) => parse_sentinel(rest),
            None if url.starts_with("redis://") => Ok(Self::Single(url.into_connection_info()?)),
            None => Err(invalid("the scheme is not redis or redis+sentinel")),
        }
    }

    /// The number of the database.
    pub fn database(&self) -> i64 {
        match self {
            Self::Single(server) => server.redis_settings().db(),
            Self::Sentinel { settings, .. } => settings.db(),
        }
    }
}

/// The address for logs and messages, with `***` instead of the password.
impl fmt::Display for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, hosts, master, settings) = match self {
            Self::Single(server) => ("redis://", server.addr().to_string(), String::new(), server.redis_settings()),
            Self::Sentinel { sentinels, master, settings } => {
                let hosts: Vec<_> = sentinels.iter().map(|sentinel| sentinel.addr().to_string()).collect();
                (SENTINEL_SCHEME, hosts.join(","), format!("/{master}"), settings)
            }
        };
        f.write_str(scheme)?;
        let user = settings.username().unwrap_or_default();
        match (user, settings.password()) {
            ("", None) => {}
            (user, None) => write!(f, "{user}@")?,
            (user, Some(_)) => write!(f, "{user}:***@")?,
        }
        write!(f, "{hosts}{master}")?;
        match settings.db() {
            0 => Ok(()),
            database => write!(f, "/{database}"),
        }
    }
}

fn parse_sentinel(rest: &str) -> RedisResult<RedisServer> {
    let (rest, query) = rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
    let (authority, path) = rest.split_once('/').ok_or_else(|| invalid("the name of the master is missing"))?;
    let (user, hosts) = match authority.rsplit_once('@') {
        Some((user, hosts)) => (format!("{user}@"), hosts),
        None => (String::new(), authority),
    };
    let (master, database) = path.split_once('/').unwrap_or((path, "0"));
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'%');
    if !is_name(master) {
        return Err(invalid("the name of the master is missing or has an invalid character"));
    }
    let sentinel_user = match query.map(|query| query.split_once('=')) {
        None => String::new(),
        Some(Some(("sentinel_password", password))) => format!(":{password}@"),
        Some(_) => return Err(invalid("the only parameter is sentinel_password")),
    };
    let sentinels = hosts.split(',').map(|host| {
        let has_port = host.rsplit_once(']').map_or(host, |(_, after)| after).contains(':');
        let port = if has_port { String::new() } else { format!(":{SENTINEL_PORT}") };
        format!("redis://{sentinel_user}{host}{port}").into_connection_info()
    });
    let sentinels = sentinels.collect::<RedisResult<Vec<_>>>()?;
    // The `redis` crate decodes the user and the password. The host is not used.
    let settings = format!("redis://{user}localhost/{database}").into_connection_info()?;
    Ok(RedisServer::Sentinel { sentinels, master: master.to_owned(), settings: settings.redis_settings().clone() })
}

fn invalid(reason: &'static str) -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, reason))
}

#[cfg(test)]
mod tests;

//! A rate limit per client IP address and per API key, and the response headers that describe it.

mod allowances;
mod bucket;
mod client_states;

use std::{
    future::Future,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use poem::{
    Addr, Request, Response,
    http::{HeaderValue, Method},
};
use redis::RedisResult;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::{
    allowances::{Allowances, RedisStore, Sharing},
    bucket::{Bucket, Decision, Share},
    client_states::{ClientId, ClientStates},
};
use super::{
    common_paths::{DOCUMENTATION_PATHS, PROBE_PATHS},
    limits::MAX_RATE_LIMITED_CLIENTS,
};
use crate::{
    access::Principal,
    api::{Code, Problem},
    config::{Env, Live},
    metrics::Metrics,
    redis_connection::RedisConfig,
};

/// Which requests count against a rate limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CountedRequests {
    /// No request. There is no rate limit.
    None,
    /// Every request with a method other than GET, HEAD, OPTIONS and TRACE.
    #[default]
    Changes,
    /// All requests except OPTIONS requests and requests for the documentation and the endpoints for monitoring.
    All,
}

impl CountedRequests {
    /// Whether a request with this method and path counts.
    pub(super) fn contain(self, method: &Method, path: &str) -> bool {
        match self {
            Self::None => false,
            Self::Changes => !method.is_safe(),
            Self::All => {
                let is_exempt = DOCUMENTATION_PATHS.contains(&path) || PROBE_PATHS.contains(&path);
                *method != Method::OPTIONS && !is_exempt
            }
        }
    }
}

/// A rate limit. A client can use its whole limit without a pause. The limit refills evenly over a minute.
#[derive(Clone, Default)]
pub struct RateLimit {
    limit: Arc<Limit>,
    trusted: TrustedProxies,
    counted: CountedRequests,
    /// The limit of reads below a path.
    reads: Option<Arc<LimitedReads>>,
    /// The Redis that counts the requests of all instances of the service. `None` if each instance counts alone.
    redis: Option<RedisConfig>,
    sharing: Option<Arc<Sharing>>,
}

/// Reads for which the service calls other services. They are limited separately, so that they do not use up the limit
/// of the other requests.
struct LimitedReads {
    path_prefix: &'static str,
    limit: Limit,
}

/// Counts the requests with each API key, and the requests without an API key from each address.
struct Limit {
    /// The limit of an IP address, and of an API key without its own limit. `None` if there is no limit.
    per_minute: Live<Option<NonZeroU32>>,
    addresses: Counter,
    keys: Counter,
}

/// Counts the requests of each client. If the limit of a client changes, the new limit applies immediately, and earlier
/// requests still count.
enum Counter {
    /// At this instance.
    Local(ClientStates<Bucket>),
    /// At all instances of the service.
    Shared(Allowances),
}

/// The state of the limit of a client after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateLimitStatus {
    limit: u32,
    remaining: u32,
    /// The time until the next request is allowed. Zero if `remaining` is not zero.
    reset: Duration,
}

impl RateLimit {
    /// Reads the requests per minute from a setting, at most `maximum`. Zero turns the limit off, except for API keys
    /// with their own limit. Also reads `RATE_LIMIT_REDIS_URL`, the Redis that counts the requests of all instances.
    pub fn from_env(env: &mut Env, variable: &str, default: u64, maximum: u32, trusted: TrustedProxies) -> Self {
        let per_minute = env.whole_number(variable, default, 0..=maximum.into());
        let redis = RedisConfig::from_env(env, "RATE_LIMIT_REDIS_URL", "to count requests at each instance");
        Self { redis, ..Self::per_minute(u32::try_from(per_minute).unwrap_or(maximum), trusted) }
    }

    /// Limits the requests per minute. Zero turns the limit off, except for API keys with their own limit.
    pub fn per_minute(per_minute: u32, trusted: TrustedProxies) -> Self {
        Self { limit: Arc::new(Limit::alone(NonZeroU32::new(per_minute))), trusted, ..Self::default() }
    }

    /// Also limits reads of paths that begin with `path_prefix`, to `per_minute` requests per minute. Zero means no
    /// limit.
    #[must_use]
    pub fn with_reads(self, path_prefix: &'static str, per_minute: u32) -> Self {
        let limit = Limit::alone(NonZeroU32::new(per_minute));
        Self { reads: Some(Arc::new(LimitedReads { path_prefix, limit })), ..self }
    }

    /// Applies the requests per minute of `new` to all clones of this limit. Requests that were counted before still
    /// count.
    pub fn apply(&self, new: &Self) {
        self.limit.per_minute.set(new.limit.per_minute.get());
        if let (Some(reads), Some(new)) = (&self.reads, &new.reads) {
            reads.limit.per_minute.set(new.limit.per_minute.get());
        }
    }

    /// The rate limit of `service`. If a Redis is configured, all instances of the service count together while
    /// [`keep_shared`](Self::keep_shared) runs. Fails if the settings are invalid.
    pub fn of_service(self, service: &'static str, metrics: &Metrics) -> RedisResult<Self> {
        let Some(redis) = &self.redis else { return Ok(self) };
        let sharing = Sharing::new(RedisStore::new(redis, service)?, metrics);
        Ok(self.shared(sharing))
    }

    fn shared(self, sharing: Arc<Sharing>) -> Self {
        let limit = Arc::new(Limit::shared(self.limit.per_minute.clone(), &sharing, "requests"));
        let reads = self.reads.as_ref().map(|reads| {
            let limit = Limit::shared(reads.limit.per_minute.clone(), &sharing, "reads");
            Arc::new(LimitedReads { path_prefix: reads.path_prefix, limit })
        });
        Self { limit, reads, sharing: Some(sharing), ..self }
    }

    /// Keeps this instance registered in the Redis of the limits until `stop` is cancelled.
    pub fn keep_shared(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
        let sharing = self.sharing.clone();
        async move {
            match sharing {
                Some(sharing) => sharing.keep_registered(stop).await,
                None => stop.cancelled().await,
            }
        }
    }

    #[must_use]
    pub(super) fn counting(self, counted: CountedRequests) -> Self {
        Self { counted, ..self }
    }

    pub(super) fn client_address(&self, request: &Request) -> IpAddr {
        self.trusted.client_address(request)
    }

    /// Counts a request against the limit of its API key. A request without an API key counts against the limit of the
    /// address `client`. Returns the state of the limit, and whether the request is allowed. Returns `None` if the
    /// request is not limited.
    pub(super) async fn check_request(
        &self,
        request: &Request,
        client: IpAddr,
        principal: &Principal,
    ) -> Option<(RateLimitStatus, Result<(), Problem>)> {
        self.limit_of(request)?.count(client, principal).await
    }

    /// The limit that the request counts against.
    fn limit_of(&self, request: &Request) -> Option<&Limit> {
        let (method, path) = (request.method(), request.uri().path());
        let is_read = *method == Method::GET || *method == Method::HEAD;
        if let Some(reads) = self.reads.as_ref().filter(|reads| is_read && path.starts_with(reads.path_prefix)) {
            return reads.limit.per_minute.get().is_some().then_some(&reads.limit);
        }
        self.counted.contain(method, path).then_some(&*self.limit)
    }
}

impl Default for Limit {
    /// Limits only API keys with their own limit.
    fn default() -> Self {
        Self::alone(None)
    }
}

impl Limit {
    fn alone(per_minute: Option<NonZeroU32>) -> Self {
        let counter = || Counter::Local(ClientStates::new(MAX_RATE_LIMITED_CLIENTS));
        Self { per_minute: Live::new(per_minute), addresses: counter(), keys: counter() }
    }

    fn shared(per_minute: Live<Option<NonZeroU32>>, sharing: &Arc<Sharing>, name: &'static str) -> Self {
        let counter = || Counter::Shared(Allowances::new(sharing.clone(), name, MAX_RATE_LIMITED_CLIENTS));
        Self { per_minute, addresses: counter(), keys: counter() }
    }

    async fn count(&self, client: IpAddr, principal: &Principal) -> Option<(RateLimitStatus, Result<(), Problem>)> {
        match principal {
            Principal::Operator => None,
            Principal::User(user) => {
                let of_key = user.rate_limit_per_minute.and_then(NonZeroU32::new);
                let per_minute = of_key.or_else(|| self.per_minute.get())?;
                let decision = self.keys.count(ClientId::Key(user.key_id), per_minute).await;
                Some(to_status(per_minute, decision, "with one API key"))
            }
            Principal::Anonymous => {
                let per_minute = self.per_minute.get()?;
                let decision = self.addresses.count(ClientId::Address(client), per_minute).await;
                Some(to_status(per_minute, decision, "from one address"))
            }
        }
    }
}

impl Counter {
    async fn count(&self, client: ClientId, per_minute: NonZeroU32) -> Decision {
        match self {
            Self::Local(clients) => {
                let now = Instant::now();
                clients.update(client, |bucket| bucket.take(Share::whole(per_minute), now))
            }
            Self::Shared(allowances) => allowances.count(client, per_minute).await,
        }
    }
}

/// `counted` names the requests that are counted together, for the text of an error.
fn to_status(per_minute: NonZeroU32, decision: Decision, counted: &str) -> (RateLimitStatus, Result<(), Problem>) {
    let (limit, Decision { allowed, remaining, reset }) = (per_minute.get(), decision);
    let result = if allowed {
        Ok(())
    } else {
        let detail = format!("At most {limit} requests per minute are allowed {counted}.");
        Err(Problem::new(Code::TooManyRequests, detail).retry_after(reset))
    };
    (RateLimitStatus { limit, remaining, reset }, result)
}

impl RateLimitStatus {
    /// Adds the headers `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds until
    /// the next request is allowed).
    pub(super) fn add_headers(self, response: &mut Response) {
        // Rounded up, like `Retry-After`.
        let seconds = u32::try_from(self.reset.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX);
        let headers = response.headers_mut();
        headers.insert("ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("ratelimit-remaining", HeaderValue::from(self.remaining));
        headers.insert("ratelimit-reset", HeaderValue::from(seconds));
    }
}

/// The address that the request came from: the address of the client, or of the nearest proxy.
pub fn peer_address(request: &Request) -> IpAddr {
    match &request.remote_addr().0 {
        Addr::SocketAddr(address) => address.ip(),
        _ => IpAddr::from([127, 0, 0, 1]),
    }
}

/// The proxies whose `X-Forwarded-For` header is trusted.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[IpAddr]>);

impl TrustedProxies {
    /// Reads `TRUSTED_PROXIES`. By default no proxy is trusted.
    pub fn from_env(env: &mut Env) -> Self {
        env.parse("TRUSTED_PROXIES", Self::default(), "IP addresses separated by commas")
    }

    /// The address of the client that sent the request, perhaps through trusted proxies. An IPv6 network /64 counts as
    /// one address.
    pub fn client_address(&self, request: &Request) -> IpAddr {
        let peer = peer_address(request);
        // The header is read only if a trusted proxy sent the request.
        let forwarded_for = if self.0.contains(&peer.to_canonical()) { forwarded_for(request) } else { String::new() };
        client_address(peer, &forwarded_for, &self.0)
    }
}

impl FromStr for TrustedProxies {
    type Err = std::net::AddrParseError;

    /// Parses comma-separated addresses.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',')
            .map(|address| address.trim().parse().map(|ip: IpAddr| ip.to_canonical()))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// All `X-Forwarded-For` lines, joined. Some proxies add a line instead of extending the last line.
fn forwarded_for(request: &Request) -> String {
    let lines = request.headers().get_all("x-forwarded-for").iter();
    lines.map(|line| line.to_str().unwrap_or_default()).collect::<Vec<_>>().join(",")
}

/// The address of the client: the nearest address in the chain of proxies that is not a trusted proxy. If all known
/// addresses are trusted proxies, the farthest address.
///
/// An IPv6 address is reduced to its /64 network, because one subscriber usually has a whole /64.
fn client_address(peer: IpAddr, forwarded_for: &str, trusted: &[IpAddr]) -> IpAddr {
    let mut client = peer.to_canonical();
    let mut hops = forwarded_for.rsplit(',');
    while trusted.contains(&client) {
        match hops.next().and_then(parse_hop) {
            Some(hop) => client = hop.to_canonical(),
            None => break,
        }
    }
    match client {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The address of an entry of `X-Forwarded-For`. Some proxies add the port: `192.0.2.1:4711`, `[2001:db8::1]:4711`.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    let without_brackets = || hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let with_port = hop.parse::<SocketAddr>().map(|address| address.ip());
    with_port.or_else(|_| without_brackets().parse()).ok()
}

#[cfg(test)]
mod tests;

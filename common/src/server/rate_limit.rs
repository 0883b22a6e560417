//! A rate limit for each client, by address, with the headers that tell a client where it stands.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    num::NonZeroU32,
    str::FromStr,
    sync::Arc,
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};
use poem::{
    Addr, Request, Response,
    http::{HeaderValue, Method},
};

use super::limits::MAX_RATE_LIMITED_CLIENTS;
use crate::{
    api::{Code, Problem},
    config::Env,
};

type Limiter = RateLimiter<IpAddr, DefaultKeyedStateStore<IpAddr>, DefaultClock, StateInformationMiddleware>;

/// A client may send its whole minute's worth at once; after that they come back one by one over the minute.
#[derive(Clone, Default)]
pub struct RateLimit {
    limiter: Option<(u32, Arc<Limiter>)>,
    trusted: TrustedProxies,
    reads: bool,
}

/// Where a client stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RateLimitStatus {
    limit: u32,
    remaining: u32,
    /// Until all is back.
    reset: Duration,
}

impl RateLimit {
    /// Zero turns the limit off.
    pub fn per_minute(per_minute: u32, trusted: TrustedProxies) -> Self {
        let limiter = NonZeroU32::new(per_minute)
            .map(|quota| (per_minute, Arc::new(RateLimiter::dashmap(Quota::per_minute(quota)).with_middleware())));
        Self { limiter, trusted, reads: false }
    }

    /// Counts requests that only read too, save for those of whoever watches the service.
    #[must_use]
    pub fn counting_reads(self) -> Self {
        Self { reads: true, ..self }
    }

    fn counts(&self, request: &Request) -> bool {
        let watches = matches!(request.uri().path(), "/livez" | "/readyz" | "/metrics");
        request.method() == Method::POST || (self.reads && !watches)
    }

    /// Counts a request that would change something, or each where reads count. Nothing where no limit is set; else where the client stands, and a
    /// 429 where it had no more left.
    pub(super) fn check(&self, request: &Request) -> Option<(RateLimitStatus, Result<(), Problem>)> {
        let (per_minute, limiter) = self.limiter.as_ref().filter(|_| self.counts(request))?;
        let peer = match &request.remote_addr().0 {
            Addr::SocketAddr(address) => address.ip(),
            _ => IpAddr::from([127, 0, 0, 1]),
        };
        let client = client_of(peer, &forwarded_for(request), &self.trusted.0);
        Some(check(*per_minute, limiter, client))
    }
}

fn check(per_minute: u32, limiter: &Limiter, client: IpAddr) -> (RateLimitStatus, Result<(), Problem>) {
    // With more clients than are kept apart, those that come now share one allowance until the others have had time to rest.
    let client = if limiter.len() < MAX_RATE_LIMITED_CLIENTS {
        client
    } else {
        limiter.retain_recent();
        if limiter.len() < MAX_RATE_LIMITED_CLIENTS { client } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) }
    };
    match limiter.check_key(&client) {
        Ok(state) => {
            let remaining = state.remaining_burst_capacity();
            let reset = Duration::from_secs(60) / per_minute * (per_minute - remaining);
            (RateLimitStatus { limit: per_minute, remaining, reset }, Ok(()))
        }
        Err(denied) => {
            let wait = denied.wait_time_from(DefaultClock::default().now());
            let detail = format!("At most {per_minute} requests a minute from one address.");
            let problem = Problem::new(Code::TooManyRequests, detail).retry_after(wait);
            (RateLimitStatus { limit: per_minute, remaining: 0, reset: Duration::from_secs(60) }, Err(problem))
        }
    }
}

impl RateLimitStatus {
    /// Adds `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds until all is back).
    pub(super) fn write(self, response: &mut Response) {
        let seconds = u32::try_from(self.reset.as_millis().div_ceil(1000)).unwrap_or(u32::MAX);
        let headers = response.headers_mut();
        headers.insert("ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("ratelimit-remaining", HeaderValue::from(self.remaining));
        headers.insert("ratelimit-reset", HeaderValue::from(seconds));
    }
}

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<[IpAddr]>);

impl TrustedProxies {
    /// Reads `TRUSTED_PROXIES`. By default no proxy is trusted.
    pub fn from_env(env: &mut Env) -> Self {
        env.parse("TRUSTED_PROXIES", Self::default(), "IP addresses separated by commas")
    }
}

impl FromStr for TrustedProxies {
    type Err = std::net::AddrParseError;

    /// Reads addresses with commas between them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',')
            .map(|address| address.trim().parse().map(|ip: IpAddr| ip.to_canonical()))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

/// All lines of the header as one, in their order: a proxy may add a line of its own instead of adding to the last.
fn forwarded_for(request: &Request) -> String {
    let lines = request.headers().get_all("x-forwarded-for").iter();
    lines.map(|line| line.to_str().unwrap_or_default()).collect::<Vec<_>>().join(",")
}

/// The address of the client: the chain of proxies is walked from the nearest one back, as far as each is trusted. Of an
/// IPv6 address only the network counts, for one household has a whole /64 to itself.
fn client_of(peer: IpAddr, forwarded_for: &str, trusted: &[IpAddr]) -> IpAddr {
    let mut client = peer.to_canonical();
    let mut hops = forwarded_for.rsplit(',');
    while trusted.contains(&client) {
        match hops.next().and_then(|hop| hop.trim().parse::<IpAddr>().ok()) {
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

#[cfg(test)]
mod tests;

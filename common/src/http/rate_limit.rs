//! A rate limit for each client, by address, with the headers that tell a client where it stands.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::Arc,
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};
use poem::{Addr, FromRequest, Request, RequestBody, Response, Result, http::HeaderValue};

use super::limits::MAX_RATE_LIMITED_CLIENTS;
use crate::api::{Code, Problem};

type Limiter = RateLimiter<IpAddr, DefaultKeyedStateStore<IpAddr>, DefaultClock, StateInformationMiddleware>;

/// A client may send its whole minute's worth at once; after that they come back one by one over the minute.
#[derive(Clone)]
pub struct RateLimit(Option<Arc<Inner>>);

struct Inner {
    per_minute: u32,
    limiter: Limiter,
}

/// Where a client stands after a request that was let through.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    limit: u32,
    remaining: u32,
    reset: Duration,
}

impl RateLimit {
    /// Zero turns the limit off.
    pub fn per_minute(per_minute: u32) -> Self {
        Self(NonZeroU32::new(per_minute).map(|quota| {
            let limiter = RateLimiter::dashmap(Quota::per_minute(quota)).with_middleware();
            Arc::new(Inner { per_minute, limiter })
        }))
    }

    /// Counts a request of `client`; a 429 where it has no more left, nothing where no limit is set.
    pub fn check(&self, client: IpAddr) -> Result<Option<Allowance>, Problem> {
        let Some(inner) = &self.0 else { return Ok(None) };
        if inner.limiter.len() > MAX_RATE_LIMITED_CLIENTS {
            inner.limiter.retain_recent();
        }
        match inner.limiter.check_key(&client) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let reset = Duration::from_secs(60) / inner.per_minute * (inner.per_minute - remaining);
                Ok(Some(Allowance { limit: inner.per_minute, remaining, reset }))
            }
            Err(denied) => {
                let wait = denied.wait_time_from(DefaultClock::default().now());
                let detail = format!("At most {} orders a minute from one address.", inner.per_minute);
                Err(Problem::new(Code::TooManyRequests, detail).retry_after(wait))
            }
        }
    }
}

impl Allowance {
    /// Adds `RateLimit-Limit`, `RateLimit-Remaining` and `RateLimit-Reset` (seconds until all is back).
    pub fn write(self, response: &mut Response) {
        let headers = response.headers_mut();
        headers.insert("ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("ratelimit-remaining", HeaderValue::from(self.remaining));
        headers.insert("ratelimit-reset", HeaderValue::from(self.reset.as_millis().div_ceil(1000) as u64));
    }
}

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(pub Arc<[IpAddr]>);

/// The address of the client, and the network of it for IPv6: one household has a whole /64 to itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl<'a> FromRequest<'a> for ClientAddress {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> Result<Self> {
        let peer = match &request.remote_addr().0 {
            Addr::SocketAddr(address) => address.ip(),
            _ => IpAddr::from([127, 0, 0, 1]),
        };
        let trusted = request.data::<TrustedProxies>().map_or(&[][..], |proxies| &proxies.0);
        Ok(Self(client_of(peer, request.header("x-forwarded-for"), trusted)))
    }
}

/// Walks the chain of proxies from the nearest one back, as far as each is trusted.
fn client_of(peer: IpAddr, forwarded_for: Option<&str>, trusted: &[IpAddr]) -> IpAddr {
    let mut client = peer.to_canonical();
    let mut hops = forwarded_for.unwrap_or_default().rsplit(',');
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
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn each_client_has_its_own_allowance() {
        let limit = RateLimit::per_minute(2);
        assert_eq!(limit.check(ip("192.0.2.1")).unwrap().unwrap().remaining, 1);
        assert_eq!(limit.check(ip("192.0.2.1")).unwrap().unwrap().remaining, 0);
        let refused = limit.check(ip("192.0.2.1")).unwrap_err();
        assert_eq!(refused.code, Code::TooManyRequests);
        assert!(refused.retry_after.unwrap() <= Duration::from_secs(30));
        assert!(limit.check(ip("192.0.2.2")).is_ok());
    }

    #[test]
    fn zero_is_no_limit() {
        let limit = RateLimit::per_minute(0);
        assert!((0..1000).all(|_| limit.check(ip("192.0.2.1")).unwrap().is_none()));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxy = [ip("10.0.0.1"), ip("10.0.0.2")];
        assert_eq!(client_of(ip("192.0.2.9"), Some("1.2.3.4"), &proxy), ip("192.0.2.9"));
        assert_eq!(client_of(ip("10.0.0.1"), Some("1.2.3.4"), &proxy), ip("1.2.3.4"));
        assert_eq!(client_of(ip("10.0.0.1"), Some("6.6.6.6, 1.2.3.4, 10.0.0.2"), &proxy), ip("1.2.3.4"));
        assert_eq!(client_of(ip("10.0.0.1"), Some("nonsense"), &proxy), ip("10.0.0.1"));
        assert_eq!(client_of(ip("10.0.0.1"), None, &proxy), ip("10.0.0.1"));
    }

    #[test]
    fn a_household_is_one_client() {
        assert_eq!(client_of(ip("2001:db8:1:2:3:4:5:6"), None, &[]), ip("2001:db8:1:2::"));
        assert_eq!(client_of(ip("::ffff:192.0.2.1"), None, &[]), ip("192.0.2.1"));
    }
}

//! Rate limits that several instances of a service share through Redis. An instance draws an *allowance* of one or more
//! requests from Redis, and accepts this many requests without another draw.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use common::api::keys::{KeySecret, Scope};
use reqwest::RequestBuilder;
use tests::{
    Client, Platform, Response, Stack,
    client::send,
    platform::{Instance, ORDERS_PATH, order},
    servers::PrivateServer,
    wait_until,
};
use tokio::task::JoinHandle;

const INSTANCES: usize = 4;
const CLIENTS: usize = 8;
/// A limit that the load of these tests uses up within seconds. With four instances, each allowance is three requests.
const PER_MINUTE: u32 = 600;
/// A limit with allowances of one request.
const SMALL_PER_MINUTE: u32 = 180;
const TIMEOUT: Duration = Duration::from_secs(30);

async fn start_platform(redis_url: &str, limit: u32) -> Platform {
    let builder = Platform::builder(Stack::Embedded).set("RATE_LIMIT_PER_MINUTE", limit.to_string());
    builder.set("RATE_LIMIT_REDIS_URL", redis_url).start().await
}

/// Starts four more instances of create-order.
async fn start_instances(platform: &Platform) -> [Instance; INSTANCES] {
    let instances = std::array::from_fn(|_| platform.create_order.another(&[]));
    for instance in &instances {
        instance.start().await;
    }
    instances
}

async fn wait_until_shared(instances: &[Instance], count: usize) {
    for instance in instances {
        wait_for_metric(instance, "rate_limit_sharing", 1).await;
        wait_for_metric(instance, "rate_limit_instances", count).await;
    }
}

async fn wait_for_metric(instance: &Instance, name: &str, value: usize) {
    wait_until(&format!("{name} is {value}"), TIMEOUT, async || {
        (metric(instance, name).await == Some(value)).then_some(())
    })
    .await;
}

/// The sum of the values of a metric. `None` if the instance does not export the metric.
async fn metric(instance: &Instance, name: &str) -> Option<usize> {
    let metrics = Client::new("").get(instance.url("/metrics")).await.text();
    let lines = metrics.lines().filter(|line| line.starts_with(&format!("buydesk_{name}{{")));
    let values = lines.map(|line| line.rsplit(' ').next()?.parse::<usize>().ok());
    values.reduce(|sum, value| Some(sum? + value?)).flatten()
}

/// An invalid order. The rate limit counts the request before the service refuses it with 422.
fn counted_request(client: &Client, instance: &Instance, key: Option<&KeySecret>) -> RequestBuilder {
    let request = client.json(instance.url(ORDERS_PATH), order("EUR", "-1"));
    match key {
        Some(key) => request.bearer_auth(key.expose()),
        None => request,
    }
}

/// Whether the rate limit accepted the request.
#[track_caller]
fn was_accepted(response: &Response) -> bool {
    if response.status != 422 {
        response.problem(429, "too_many_requests");
    }
    response.status == 422
}

/// Clients that send requests to all instances as fast as they can.
struct Load {
    progress: Arc<Progress>,
    clients: Vec<JoinHandle<()>>,
}

struct Progress {
    start: Instant,
    stopped: AtomicBool,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    accepted: usize,
    refused: usize,
    slowest: Duration,
}

impl Load {
    fn start(instances: &Arc<[Instance; INSTANCES]>, key: Option<&KeySecret>) -> Self {
        let (start, stopped, counts) = (Instant::now(), AtomicBool::new(false), Mutex::default());
        let progress = Arc::new(Progress { start, stopped, counts });
        let clients = (0..CLIENTS).map(|number| {
            let (instances, key, progress) = (instances.clone(), key.cloned(), progress.clone());
            tokio::spawn(async move {
                let client = Client::new("");
                for instance in instances.iter().cycle().skip(number) {
                    if progress.stopped.load(Ordering::Relaxed) {
                        return;
                    }
                    let sent = Instant::now();
                    let accepted = was_accepted(&send(counted_request(&client, instance, key.as_ref())).await);
                    let mut counts = progress.counts.lock().unwrap();
                    counts.accepted += usize::from(accepted);
                    counts.refused += usize::from(!accepted);
                    counts.slowest = counts.slowest.max(sent.elapsed());
                }
            })
        });
        Self { clients: clients.collect(), progress }
    }

    fn counts(&self) -> Counts {
        *self.progress.counts.lock().unwrap()
    }

    /// Waits at least for this time, and until 100 more requests have been refused.
    async fn wait_until_limited(&self, at_least: Duration) {
        let (start, before) = (Instant::now(), self.counts().refused);
        wait_until("the limit is used up", TIMEOUT, async || {
            (self.counts().refused >= before + 100 && start.elapsed() >= at_least).then_some(())
        })
        .await;
    }

    /// Stops the clients. Asserts that the number of accepted requests differs by at most `percent` from the number
    /// that the limit permits between the start and the stop.
    #[expect(clippy::float_arithmetic, reason = "a measurement")]
    async fn assert_accepted(self, per_minute: u32, percent: f64) {
        self.progress.stopped.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.unwrap();
        }
        let (counts, seconds) = (*self.progress.counts.lock().unwrap(), self.progress.start.elapsed().as_secs_f64());
        let expected = f64::from(per_minute) * (1.0 + seconds / 60.0);
        let accepted = f64::from(u32::try_from(counts.accepted).unwrap());
        let difference = (accepted - expected) / expected * 100.0;
        eprintln!("{counts:?} in {seconds:.1} s: {difference:.1} % from the expected {expected:.0}");
        assert!(difference.abs() <= percent, "{counts:?} in {seconds} s; {expected} accepted requests are expected");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_instances_together_apply_the_limit_of_an_api_key() {
    let redis = PrivateServer::redis().await;
    let platform = start_platform(&redis.url(), 1).await;
    platform.create_order.stop().await;
    let instances = Arc::new(start_instances(&platform).await);
    wait_until_shared(&*instances, INSTANCES).await;
    let user = platform.create_user("ada@example.org").await;
    let key = platform.issue_limited_key(user.id, &[Scope::Orders], SMALL_PER_MINUTE).await.key;
    let load = Load::start(&instances, Some(&key));
    load.wait_until_limited(Duration::from_secs(5)).await;
    load.assert_accepted(SMALL_PER_MINUTE, 5.0).await;
    // Each key in Redis contains the name of the service, and expires.
    for _ in 0..20 {
        let redis_key = redis.redis_command(&["RANDOMKEY"]).await;
        let services = ["create-order", "fetch-orders"];
        assert!(
            services.iter().any(|name| redis_key.starts_with(&format!("buydesk:{name}:allowance:"))),
            "{redis_key}"
        );
        let expiry = redis.redis_command(&["PTTL", &redis_key]).await;
        assert!(expiry.strip_prefix(':').is_some_and(|millis| millis.parse::<u32>().is_ok()), "{redis_key}: {expiry}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_instances_together_apply_the_limit_of_an_ip_address() {
    let redis = PrivateServer::redis().await;
    let platform = start_platform(&redis.url(), PER_MINUTE).await;
    platform.create_order.stop().await;
    let instances = Arc::new(start_instances(&platform).await);
    wait_until_shared(&*instances, INSTANCES).await;
    let load = Load::start(&instances, None);
    load.wait_until_limited(Duration::from_secs(10)).await;
    load.assert_accepted(PER_MINUTE, 5.0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limit_nearly_holds_while_redis_is_stopped_or_frozen() {
    for freezes in [true, false] {
        let mut redis = PrivateServer::redis().await;
        let platform = start_platform(&redis.url(), PER_MINUTE).await;
        platform.create_order.stop().await;
        let instances = Arc::new(start_instances(&platform).await);
        wait_until_shared(&*instances, INSTANCES).await;
        let load = Load::start(&instances, None);
        load.wait_until_limited(Duration::from_secs(1)).await;
        if freezes {
            redis.freeze();
        } else {
            redis.stop().await;
        }
        for instance in &*instances {
            wait_for_metric(instance, "rate_limit_sharing", 0).await;
        }
        load.wait_until_limited(Duration::from_secs(3)).await;
        // create-order is ready without this Redis.
        instances[0].wait_until_ready().await;
        if freezes {
            redis.thaw();
        } else {
            redis.start().await;
        }
        wait_until_shared(&*instances, INSTANCES).await;
        load.wait_until_limited(Duration::from_secs(3)).await;
        let slowest = load.counts().slowest;
        assert!(slowest < Duration::from_secs(5), "{slowest:?}");
        load.assert_accepted(PER_MINUTE, 10.0).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instance_counts_alone_until_its_redis_starts() {
    let mut redis = PrivateServer::redis().await;
    redis.stop().await;
    let platform = start_platform(&redis.url(), 5).await;
    platform.create_order.wait_until_ready().await;
    let send_ten = async |instance: &Instance| {
        let mut accepted = 0;
        for _ in 0..10 {
            accepted += usize::from(was_accepted(&send(counted_request(&platform.client, instance, None)).await));
        }
        accepted
    };
    assert_eq!(send_ten(&platform.create_order).await, 5);
    redis.start().await;
    wait_for_metric(&platform.create_order, "rate_limit_sharing", 1).await;
    // With its next draw, the instance adds its earlier requests to the count in Redis.
    assert!(send_ten(&platform.create_order).await <= 1);
    let second = platform.create_order.another(&[]);
    second.start().await;
    wait_for_metric(&second, "rate_limit_sharing", 1).await;
    assert!(send_ten(&second).await <= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_instance_without_redis_applies_the_whole_limit() {
    let platform = start_platform("", 5).await;
    let mut accepted = 0;
    for instance in start_instances(&platform).await {
        assert_eq!(metric(&instance, "rate_limit_sharing").await, None, "the instance shares a limit");
        for _ in 0..10 {
            accepted += usize::from(was_accepted(&send(counted_request(&platform.client, &instance, None)).await));
        }
    }
    assert!(accepted >= 5 * INSTANCES, "{accepted}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_describe_the_limit_of_all_instances() {
    let redis = PrivateServer::redis().await;
    let platform = start_platform(&redis.url(), 4).await;
    let second = platform.create_order.another(&[]);
    second.start().await;
    let instances = [&platform.create_order, &second];
    for instance in instances {
        wait_for_metric(instance, "rate_limit_instances", 2).await;
    }
    for (number, remaining) in (0..4).zip(["3", "2", "1", "0"]) {
        let response = send(counted_request(&platform.client, instances[number % 2], None)).await;
        assert!(was_accepted(&response));
        assert_eq!(response.header("ratelimit-limit"), Some("4"));
        assert_eq!(response.header("ratelimit-remaining"), Some(remaining));
    }
    for instance in instances {
        let response = send(counted_request(&platform.client, instance, None)).await;
        assert!(!was_accepted(&response));
        assert_eq!(response.header("ratelimit-remaining"), Some("0"));
        let retry_after: u32 = response.header("retry-after").unwrap().parse().unwrap();
        assert!((10..=15).contains(&retry_after), "{retry_after}");
        assert_eq!(response.header("ratelimit-reset"), response.header("retry-after"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn most_requests_under_a_large_limit_need_no_round_trip_to_redis() {
    let redis = PrivateServer::redis().await;
    let platform = start_platform(&redis.url(), 100_000).await;
    wait_for_metric(&platform.create_order, "rate_limit_sharing", 1).await;
    for _ in 0..200 {
        assert!(was_accepted(&send(counted_request(&platform.client, &platform.create_order, None)).await));
    }
    let draws = metric(&platform.create_order, "rate_limit_draws_total").await.unwrap();
    assert!((1..=2).contains(&draws), "{draws}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_public_service_shares_its_limits() {
    let redis = PrivateServer::redis().await;
    let platform = start_platform(&redis.url(), 0).await;
    let quote = format!("/api/v1/quotes/{}", uuid::Uuid::now_v7());
    let services = BTreeMap::from([
        ("FETCH_RATE_LIMIT_PER_MINUTE", (&platform.fetch_orders, ORDERS_PATH)),
        ("RATES_RATE_LIMIT_PER_MINUTE", (&platform.rates, "/api/v1/courses")),
        ("USERS_RATE_LIMIT_PER_MINUTE", (&platform.users, "/api/v1/users")),
        ("WALLETS_RATE_LIMIT_PER_MINUTE", (&platform.wallets, "/api/v1/wallets")),
        ("QUOTE_READ_RATE_LIMIT_PER_MINUTE", (&platform.create_order, quote.as_str())),
    ]);
    for (variable, (service, path)) in services {
        let instances = [service.another(&[(variable, "3")]), service.another(&[(variable, "3")])];
        for instance in &instances {
            instance.start().await;
            wait_for_metric(instance, "rate_limit_sharing", 1).await;
        }
        let mut statuses = Vec::new();
        for instance in instances.iter().cycle().take(5) {
            statuses.push(platform.client.get(instance.url(path)).await.status);
        }
        assert!(statuses[..3].iter().all(|status| *status != 429), "{variable}: {statuses:?}");
        assert_eq!(statuses[3..], [429, 429], "{variable}: {statuses:?}");
    }
}

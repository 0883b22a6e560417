//! Several instances of a service behind nginx. The instances fail one after the other under load. No request fails
//! that can safely be sent again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tests::{
    Client, Platform, Stack,
    client::send,
    load::{LoadGenerator, MissingResponse, retry_and_reconcile},
    nginx::Nginx,
    on_both_stacks,
    platform::{Instance, OPERATOR_TOKEN, ORDERS_PATH},
    wait_until,
};
use tokio::task::JoinSet;

on_both_stacks!(
    orders_succeed_while_an_instance_of_create_order_fails,
    movements_succeed_while_an_instance_of_wallets_fails
);

/// The number of successful requests to wait for between two failures.
const REQUESTS_BETWEEN_FAILURES: usize = 100;
const CLIENTS: usize = 8;
const PROGRESS_LIMIT: Duration = Duration::from_secs(30);

/// Starts three more instances of the service.
async fn start_more(first: &Instance) -> [Instance; 3] {
    let more = std::array::from_fn(|_| first.another(&[]));
    for instance in &more {
        instance.start().await;
        instance.wait_until_ready().await;
    }
    more
}

/// Kills and restarts the first instance. Stops the second instance gracefully, and restarts it. Freezes the third
/// instance.
async fn fail_one_after_the_other(instances: &[Instance; 3], wait_for_requests: impl AsyncFn()) {
    let [killed, restarted, frozen] = instances;
    wait_for_requests().await;
    killed.kill().await;
    wait_for_requests().await;
    killed.start().await;
    wait_for_requests().await;
    restarted.stop().await;
    wait_for_requests().await;
    restarted.start().await;
    wait_for_requests().await;
    frozen.freeze().await;
    wait_for_requests().await;
}

async fn orders_succeed_while_an_instance_of_create_order_fails(stack: Stack) {
    let platform = Platform::builder(stack).in_processes().start().await;
    let more = start_more(&platform.create_order).await;
    let nginx = Nginx::builder().service(std::iter::once(&platform.create_order).chain(&more)).start().await;
    let load = LoadGenerator::start_at_url(&platform, &nginx.url(ORDERS_PATH), MissingResponse::Fails);
    fail_one_after_the_other(&more, async || load.wait_for_orders(REQUESTS_BETWEEN_FAILURES).await).await;
    // nginx sends the orders that the frozen instance received to another instance.
    let sent = load.stop().await;
    more[2].thaw().await;
    assert_eq!(sent.unresolved(), 0, "orders failed: {sent:?}\n{}", nginx.log_tail());
    retry_and_reconcile(&platform, sent).await;
}

/// Moves money until `stop` is set. Each request must succeed without a retry by the client.
struct Mover {
    client: Client,
    url: String,
    wallets: [String; 2],
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Mover {
    /// Deposits 3, withdraws 1 and transfers 1 to the second wallet, and repeats this. Each round increases both
    /// balances by 1. Returns the number of rounds. `number` makes the idempotency keys of this client unique.
    async fn run(self, number: usize) -> u64 {
        let [first, second] = &self.wallets;
        let operation = format!("/api/v1/wallets/{first}/operation");
        let mut rounds = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let deposit = json!({ "operation_type": "DEPOSIT", "amount": "3" });
            let withdrawal = json!({ "operation_type": "WITHDRAW", "amount": "1" });
            let transfer = json!({ "from": first, "to": second, "amount": "1" });
            for (path, body) in [(&*operation, deposit), (&operation, withdrawal), ("/api/v1/transfers", transfer)] {
                let kind = body["operation_type"].as_str().unwrap_or("TRANSFER");
                let key = format!("{number}-{rounds}-{kind}");
                let request = self.client.json(format!("{}{path}", self.url), body.to_string());
                send(request.header("idempotency-key", key)).await.json(200);
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
            self.client.get(format!("{}/api/v1/wallets/{first}", self.url)).await.json(200);
            rounds += 1;
        }
        rounds
    }
}

async fn movements_succeed_while_an_instance_of_wallets_fails(stack: Stack) {
    let platform = Platform::builder(stack).in_processes().start().await;
    platform.wallets.start().await;
    platform.wallets.wait_until_ready().await;
    let more = start_more(&platform.wallets).await;
    let nginx = Nginx::builder().service(std::iter::once(&platform.wallets).chain(&more)).start().await;
    let create = async || {
        let wallet = platform.client.post(nginx.url("/api/v1/wallets"), r#"{"currency":"USD"}"#).await.json(201);
        wallet["id"].as_str().unwrap().to_owned()
    };
    let wallets = [create().await, create().await];
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut movers = JoinSet::new();
    for number in 0..CLIENTS {
        let (client, url, wallets) = (platform.client.clone(), nginx.url(""), wallets.clone());
        movers.spawn(Mover { client, url, wallets, stop: stop.clone(), answered: answered.clone() }.run(number));
    }
    let wait_for_requests = async || {
        let target = answered.load(Ordering::Relaxed) + REQUESTS_BETWEEN_FAILURES;
        let probe = async || (answered.load(Ordering::Relaxed) >= target).then_some(());
        wait_until("money moves", PROGRESS_LIMIT, probe).await;
    };
    fail_one_after_the_other(&more, wait_for_requests).await;
    stop.store(true, Ordering::Relaxed);
    let rounds: u64 = movers.join_all().await.into_iter().sum();
    more[2].thaw().await;

    for wallet in &wallets {
        let shown = platform.client.get(nginx.url(&format!("/api/v1/wallets/{wallet}"))).await.json(200);
        assert_eq!(shown["balance"], format!("{rounds}.00"));
    }
    assert_eq!(verified_movements(&platform, &nginx).await, 3 * rounds);
}

/// Verifies the journal. Returns the number of movements.
async fn verified_movements(platform: &Platform, nginx: &Nginx) -> u64 {
    let (mut movements, mut cursor) = (0, String::new());
    loop {
        let url = nginx.url(&format!("/api/v1/journal/verification?limit=1000{cursor}"));
        let page = send(platform.client.request("GET", url).bearer_auth(OPERATOR_TOKEN)).await.json(200);
        assert_eq!(page["violations"], json!([]), "{page}");
        movements += page["checked"]["movements"].as_u64().unwrap();
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => return movements,
        }
    }
}

//! Operations while db-proxy and the service `wallets` are killed or stopped, and while the clock of db-proxy is wrong.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::time::Timestamp;
use serde_json::Value;
use tests::{
    Client, Platform, Stack,
    client::{send, try_send},
    on_both_stacks, wait_until,
};
use tokio::task::JoinSet;

use super::{balance, check_journal, create_wallet, deposit, operation_path, post, start, start_wallets, wallet_path};

on_both_stacks!(
    kills_of_db_proxy_and_wallets_neither_lose_nor_double_money,
    outage_of_db_proxy_causes_503_until_it_ends,
    no_movement_has_the_time_of_a_wrong_clock,
);

const CLIENTS: usize = 8;
/// Confirmed operations to wait for between two kills.
const PROGRESS: usize = 60;
const PROGRESS_LIMIT: Duration = Duration::from_secs(30);
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;
/// Maximum difference between the time of a movement and the time of the machine.
const MAX_DIFFERENCE: Duration = Duration::from_mins(5);

/// Makes one deposit after the other until `stop` is set. Repeats each request with its key until it is confirmed.
struct Depositor {
    client: Client,
    url: String,
    stop: Arc<AtomicBool>,
    confirmed: Arc<AtomicUsize>,
}

impl Depositor {
    /// Returns the number of confirmed deposits.
    async fn run(self, number: usize) -> usize {
        let mut deposits = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let key = format!("{number}-{deposits}");
            loop {
                let request = self.client.json(&self.url, deposit("1").to_string()).header("idempotency-key", &key);
                match try_send(request).await {
                    Ok(response) if response.status == 200 => break,
                    // An earlier attempt with this key possibly moved the money, so every failure must be
                    // `outcome_unknown`.
                    Ok(response) => {
                        let problem = response.problem(503, "outcome_unknown");
                        assert_eq!(problem["idempotency_key"], Value::from(key.as_str()));
                    }
                    // The service `wallets` was killed.
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
            deposits += 1;
            self.confirmed.fetch_add(1, Ordering::Relaxed);
        }
        deposits
    }
}

async fn kills_of_db_proxy_and_wallets_neither_lose_nor_double_money(stack: Stack) {
    let platform = Platform::builder(stack).in_processes().start().await;
    start_wallets(&platform).await;
    let id = create_wallet(&platform, "USD").await;
    let (stop, confirmed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut depositors = JoinSet::new();
    for number in 0..CLIENTS {
        let depositor = Depositor {
            client: platform.client.clone(),
            url: platform.wallets.url(&operation_path(&id)),
            stop: stop.clone(),
            confirmed: confirmed.clone(),
        };
        depositors.spawn(depositor.run(number));
    }
    let wait_for_progress = async || {
        let before = confirmed.load(Ordering::Relaxed);
        wait_until("deposits are confirmed", PROGRESS_LIMIT, async || {
            (confirmed.load(Ordering::Relaxed) >= before + PROGRESS).then_some(())
        })
        .await;
    };
    for service in [&platform.db_proxy, &platform.db_proxy, &platform.wallets] {
        wait_for_progress().await;
        service.kill().await;
        service.start().await;
    }
    wait_for_progress().await;
    stop.store(true, Ordering::Relaxed);
    let deposits: usize = depositors.join_all().await.into_iter().sum();
    assert_eq!(balance(&platform, &id).await, format!("{deposits}.00"));
    assert_eq!(check_journal(&platform).await, u64::try_from(deposits).unwrap());
}

async fn outage_of_db_proxy_causes_503_until_it_ends(stack: Stack) {
    let platform = start(stack).await;
    let id = create_wallet(&platform, "USD").await;
    platform.db_proxy.stop().await;
    let path = operation_path(&id);
    post(&platform, &path, deposit("1")).await.problem(503, "upstream_unavailable");
    platform.client.get(platform.wallets.url(&wallet_path(&id))).await.problem(503, "upstream_unavailable");
    let with_key = platform.client.json(platform.wallets.url(&path), deposit("1").to_string());
    let unknown = send(with_key.header("idempotency-key", "a-key")).await.problem(503, "outcome_unknown");
    assert_eq!((&unknown["subcode"], &unknown["idempotency_key"]), (&"no_effect".into(), &"a-key".into()));
    let readiness = platform.client.get(platform.wallets.url("/readyz")).await;
    assert_eq!(readiness.status, 503);
    platform.db_proxy.start().await;
    platform.wallets.wait_until_ready().await;
    assert_eq!(post(&platform, &path, deposit("1")).await.json(200)["balance"], "1.00");
}

/// The test sets the clock of db-proxy. The next movement usually comes before the next regular check of the clock.
async fn no_movement_has_the_time_of_a_wrong_clock(stack: Stack) {
    let platform = Platform::builder(stack).in_processes_with_own_clocks().start().await;
    start_wallets(&platform).await;
    let path = operation_path(&create_wallet(&platform, "USD").await);
    for offset in [HOUR, -HOUR, DAY, -DAY] {
        platform.db_proxy.set_clock_offset(offset);
        let response = post(&platform, &path, deposit("1")).await;
        // On PostgreSQL, a movement before the check of the clock succeeds, with the time of PostgreSQL.
        if response.status == 200 {
            let created_at: Timestamp = response.json(200)["created_at"].as_str().unwrap().parse().unwrap();
            let now = Timestamp::now();
            assert!(
                now.since(created_at).max(created_at.since(now)) < MAX_DIFFERENCE,
                "the movement has the time {created_at} while the clock is wrong by {offset} s"
            );
        } else {
            response.problem(503, "database_unavailable");
        }
        platform.db_proxy.set_clock_offset(0);
        wait_until("a movement succeeds after the clock is correct again", PROGRESS_LIMIT, async || {
            (post(&platform, &path, deposit("1")).await.status == 200).then_some(())
        })
        .await;
    }
}

//! Clients use one wallet through several instances of the service `wallets`.

use tests::{Stack, client::send, on_both_stacks};
use tokio::task::JoinSet;

use super::{
    balance, check_journal, create_wallet, deposit, get, operation_path, post_request, start, wallet_path, withdrawal,
};

on_both_stacks!(operations_of_many_clients_on_one_wallet_are_exact, reads_show_every_confirmed_operation);

const CLIENTS: usize = 40;
const OPERATIONS: usize = 50;

async fn operations_of_many_clients_on_one_wallet_are_exact(stack: Stack) {
    let platform = start(stack).await;
    // Both instances write through one db-proxy.
    let second = platform.wallets.another(&[]);
    second.start().await;
    let id = create_wallet(&platform, "USD").await;
    let path = operation_path(&id);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let url = if client % 2 == 0 { platform.wallets.url(&path) } else { second.url(&path) };
        let http = platform.client.clone();
        clients.spawn(async move {
            let mut sum = 0_i64;
            for n in 0..OPERATIONS {
                // Some withdrawals exceed the balance.
                let amount = i64::try_from((client * 31 + n * 17) % 90 + 1).unwrap();
                let is_deposit = n % 3 == 0;
                let text = amount.to_string();
                let body = if is_deposit { deposit(&text) } else { withdrawal(&text) };
                let response = send(http.json(&url, body.to_string())).await;
                if response.status == 200 {
                    sum += if is_deposit { amount } else { -amount };
                } else {
                    response.problem(409, "insufficient_funds");
                    assert!(!is_deposit);
                }
            }
            sum
        });
    }
    let sum: i64 = clients.join_all().await.into_iter().sum();
    assert_eq!(balance(&platform, &id).await, format!("{sum}.00"));
    let movements = check_journal(&platform).await;
    let deposits = u64::try_from(CLIENTS * OPERATIONS.div_ceil(3)).unwrap();
    assert!(movements > deposits, "no withdrawal succeeded: {movements} movements");
}

/// A client sees the balance after its own operation, also at another instance.
async fn reads_show_every_confirmed_operation(stack: Stack) {
    let platform = start(stack).await;
    let second = platform.wallets.another(&[]);
    second.start().await;
    let id = create_wallet(&platform, "USD").await;
    for n in 1..=20 {
        send(post_request(&platform, &operation_path(&id), &deposit("1"))).await.json(200);
        let expected = format!("{n}.00");
        assert_eq!(get(&platform, &wallet_path(&id)).await.json(200)["balance"], *expected);
        let shown = platform.client.get(second.url(&wallet_path(&id))).await.json(200);
        assert_eq!(shown["balance"], *expected);
    }
}

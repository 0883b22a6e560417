//! `buydesk wallet …`, against `buydesk up`.

use tests::{buydesk_up::BuydeskUp, platform::OPERATOR_TOKEN, servers::query_text, terminal::Terminal};

const UNKNOWN: &str = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";

/// Creates a wallet. Asserts that its balance is zero, and returns its id.
fn create(terminal: &Terminal, currency: &str) -> String {
    let wallet = terminal.json(&format!("wallet create --currency {currency}"));
    assert_eq!(wallet["balance"].as_str().map(|balance| balance.trim_matches(['0', '.'])), Some(""));
    wallet["id"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn customer_moves_money_and_reads_its_operations() {
    let platform = BuydeskUp::start(&[("OPERATOR_TOKEN", OPERATOR_TOKEN)]).await;
    let customer = Terminal::new(&platform, None);
    let (dollars, shop, bitcoin) = (create(&customer, "usd"), create(&customer, "USD"), create(&customer, "BTC"));

    let deposit = format!("wallet deposit {dollars} --amount 1000 --key deposit-1");
    let first = customer.run(&deposit);
    assert!(first.starts_with("Deposited 1000.00 USD. The balance is 1000.00 USD.\n"), "{first}");
    let again = customer.run(&deposit);
    assert!(again.contains("An earlier request with this key moved the money."), "{again}");
    let operation = customer.json(&format!("wallet withdraw {dollars} --amount 250.5"));
    assert_eq!((&operation["operation_type"], &operation["balance"]), (&"WITHDRAW".into(), &"749.50".into()));
    let transfer = customer.run(&format!("wallet transfer --from {dollars} --to {shop} --amount 49.50"));
    assert!(transfer.starts_with("Transferred 49.50 USD.\n") && transfer.contains("700.00"), "{transfer}");
    assert_eq!(customer.json(&format!("wallet get {shop}"))["balance"], "49.50");

    let page = customer.run(&format!("wallet operations {dollars} --limit 2"));
    assert!(page.contains("transfer out") && page.contains("-250.50") && !page.contains("+1000.00"), "{page}");
    let next = page.lines().last().unwrap().strip_prefix("More operations: ").unwrap_or_else(|| panic!("{page}"));
    let last = customer.run(next.split_once(' ').unwrap().1);
    assert!(last.contains("+1000.00") && !last.contains("More operations"), "{last}");
    let wallets = customer.run("wallet list --limit 2");
    let next = wallets.lines().last().unwrap().strip_prefix("More wallets: ").unwrap_or_else(|| panic!("{wallets}"));
    assert!(wallets.contains(&bitcoin) && wallets.contains(&shop) && !wallets.contains(&dollars), "{wallets}");
    assert!(customer.run(next.split_once(' ').unwrap().1).contains(&dollars));

    for (code, command, parts) in [
        (
            1,
            format!("wallet withdraw {dollars} --amount 5000"),
            &["The wallet has 700.00 USD", "insufficient_funds", "wallet deposit"][..],
        ),
        (
            1,
            format!("wallet deposit {dollars} --amount 1 --key deposit-1"),
            &["idempotency_key_reused", "another --key"],
        ),
        (1, format!("wallet get {UNKNOWN}"), &["not_found", "wallet list"]),
        (1, format!("wallet transfer --from {dollars} --to {UNKNOWN} --amount 1"), &["--to does not exist"]),
        (2, format!("wallet transfer --from {dollars} --to {bitcoin} --amount 1"), &["--to must be a wallet in USD"]),
        (2, format!("wallet transfer --from {dollars} --to {dollars} --amount 1"), &["--to must be another wallet"]),
        (2, format!("wallet deposit {dollars} --amount -5"), &["--amount must be greater than 0"]),
        (2, format!("wallet deposit {dollars} --amount 0.00001"), &["--amount must have at most 4 decimals"]),
        (2, "wallet create --currency XYZ".to_owned(), &["--currency must be one of"]),
    ] {
        let error = customer.fail_with(code, &command);
        for part in parts {
            assert!(error.contains(part), "{part} is not in the error of {command}: {error}");
        }
    }
    let operator = Terminal::new(&platform, Some(("OPERATOR_TOKEN", OPERATOR_TOKEN)));
    assert_eq!(operator.json(&format!("wallet get {dollars}"))["balance"], "700.00");
    let refused = operator.fail(&format!("wallet deposit {dollars} --amount 1"));
    assert!(refused.contains("forbidden") && refused.contains("Operators read all wallets"), "{refused}");
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_names_the_violation_and_fails() {
    let platform = BuydeskUp::start(&[("OPERATOR_TOKEN", OPERATOR_TOKEN)]).await;
    let (customer, operator) =
        (Terminal::new(&platform, None), Terminal::new(&platform, Some(("OPERATOR_TOKEN", OPERATOR_TOKEN))));
    let (dollars, shop) = (create(&customer, "USD"), create(&customer, "USD"));
    customer.run(&format!("wallet deposit {dollars} --amount 10"));
    customer.run(&format!("wallet transfer --from {dollars} --to {shop} --amount 4"));
    let checked = "Checked 2 wallets with 3 entries, 2 movements and 0 paid orders.";
    assert_eq!(operator.run("wallet verify"), format!("{checked} No violation was found.\n"));
    assert!(customer.fail_with(2, "wallet verify").contains("OPERATOR_TOKEN"));

    let url = format!("sqlite:{}", platform.folder().join("database/data/demo.db").display());
    let id = shop.replace('-', "").to_uppercase();
    query_text(&url, &format!("update wallets set balance = balance + 1 where hex(id) = '{id}'")).await;
    let output = operator.output("wallet verify");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(&format!("balance_differs: wallet {shop}: ")), "{text}");
    assert!(text.ends_with(&format!("{checked} 1 violation was found.\n")), "{text}");
    let json = operator.output("--json wallet verify");
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["violations"], serde_json::json!([{ "kind": "balance_differs", "wallet_id": shop }]));
    platform.stop().await;
}

//! `buydesk user …`, `buydesk key …`, and commands with an API key, against `buydesk up`.

use common::api::keys::KeySecret;
use serde_json::json;
use tests::{buydesk_up::BuydeskUp, platform::OPERATOR_TOKEN, terminal::Terminal};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operator_manages_users_and_keys() {
    let platform = BuydeskUp::start(&[("OPERATOR_TOKEN", OPERATOR_TOKEN)]).await;
    let operator = Terminal::new(&platform, Some(("OPERATOR_TOKEN", OPERATOR_TOKEN)));
    let created = operator.json("user create --email Ada@example.org --name Ada");
    let id = created["id"].as_str().unwrap();
    assert!(operator.run("user create -e bob@example.org -n Bob").contains("bob@example.org"));
    for command in ["user get", "user find"].map(|command| format!("{command} ada@EXAMPLE.org")) {
        assert_eq!(operator.json(&command), created, "{command}");
    }
    assert_eq!(operator.json(&format!("user get {id}")), created);
    let first = operator.run("user list --limit 1");
    let next = first.lines().last().unwrap().strip_prefix("More users: ").unwrap_or_else(|| panic!("{first}"));
    let (_, next) = next.split_once(' ').unwrap();
    let second = operator.run(next);
    assert!(first.contains("bob@") && second.contains("Ada@") && !second.contains("More users"), "{second}");
    assert_eq!(operator.json("user update ada@example.org --name Lovelace")["name"], "Lovelace");
    assert_eq!(operator.json(&format!("user deactivate {id}"))["state"], "deactivated");
    assert!(operator.run("user list --state deactivated").contains("Lovelace"));
    assert_eq!(operator.json("user activate ada@example.org")["state"], "active");

    let shown = operator.run("key create ada@example.org --name shop --scopes orders,read --rate-limit 600");
    let secret = shown.split_whitespace().find_map(|word| word.parse::<KeySecret>().ok());
    let secret = secret.unwrap_or_else(|| panic!("{shown}"));
    let keys = operator.json(&format!("key list {id}"));
    assert_eq!(keys["data"][0]["prefix"], secret.prefix().to_string());
    let key = keys["data"][0]["id"].as_str().unwrap();
    let changed = operator.run(&format!("key update {id} {key} --rate-limit 1200"));
    assert!(changed.contains("1200") && changed.contains("within 5 s"), "{changed}");
    let changed = operator.json(&format!("key update ada@example.org {key} --name till --rate-limit default"));
    assert_eq!((&changed["name"], changed.get("rate_limit_per_minute")), (&"till".into(), None));
    let renamed = operator.run(&format!("key update {id} {key} --name kiosk"));
    assert!(renamed.contains("kiosk") && !renamed.contains("within 5 s"), "{renamed}");
    let revoked = operator.run(&format!("key revoke {id} {key}"));
    assert!(revoked.contains("is revoked"), "{revoked}");
    assert!(operator.run(&format!("key list {id}")).contains("revoked "));

    let of_revoked = operator.fail_with(1, &format!("key update {id} {key} --name shop"));
    assert!(of_revoked.contains("is revoked") && of_revoked.contains("key_revoked"), "{of_revoked}");
    let too_long = operator.fail_with(2, &format!("key update {id} {key} --name {}", "x".repeat(201)));
    assert!(too_long.contains("--name must be"), "{too_long}");

    // The exit code is 2 if an argument is invalid or missing, even if only the service detects it.
    let unknown = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
    let update_unknown = format!("key update {id} {unknown} -n x");
    for (code, command, parts) in [
        (
            1,
            "user create -e BOB@example.org -n B",
            &[
                "--email \"BOB@example.org\" belongs to another user",
                "email_taken",
                "user find BOB@example.org` shows the user",
            ][..],
        ),
        (
            1,
            "user update bob@example.org -e Ada@example.org",
            &["email_taken", "user find Ada@example.org` shows the user"],
        ),
        (2, "user create -e bob -n B", &["--email must be an e-mail address"]),
        (
            2,
            "user create -e eve@example.org -n \u{202e}Eve",
            &["--name must not contain the invisible character U+202E"],
        ),
        (1, "user find eve@example.org", &["No user has the e-mail address eve@example.org", "user list` lists"]),
        (2, "user get", &["<USER> is required with OPERATOR_TOKEN", "user list` lists"]),
        (2, "key list", &["<USER> is required with OPERATOR_TOKEN"]),
        (1, &update_unknown, &["has no key", "lists the keys of the user"]),
        (
            2,
            "key create ada@example.org -n shop -s admin",
            &["--scopes must be one of orders, wallets, read, but is \"admin\""],
        ),
    ] {
        let error = operator.fail_with(code, command);
        for part in parts {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }
    platform.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn user_places_orders_and_reads_with_an_api_key() {
    let settings = [("OPERATOR_TOKEN", OPERATOR_TOKEN), ("ANONYMOUS", "off")];
    let platform = BuydeskUp::start(&settings).await;
    let operator = Terminal::new(&platform, Some(("OPERATOR_TOKEN", OPERATOR_TOKEN)));
    let created = operator.json("user create --email ada@example.org --name Ada");
    let key = operator.json("key create ada@example.org --name shop --scopes orders,read");
    let secret = key["key"].as_str().unwrap();

    let anonymous = Terminal::new(&platform, None);
    let user = Terminal::new(&platform, Some(("BUYDESK_API_KEY", secret)));
    let refused = anonymous.fail("order place -c EUR -a 69");
    assert!(refused.contains("unauthorized") && refused.contains("BUYDESK_API_KEY"), "{refused}");
    let order = user.json("order place -c EUR -a 69");
    let listed = anonymous.json(&format!("order list --api-key {secret}"));
    assert_eq!(listed["data"][0]["id"], order["id"]);
    let quote = user.json("quote create -c EUR -a 5");
    user.json(&format!("quote get {}", quote["id"].as_str().unwrap()));
    // Prices need no key.
    anonymous.json("price");
    // The user is found without an argument, or by the e-mail address.
    for command in ["user get", "user get ADA@example.org", "user find ada@example.org"] {
        assert_eq!(user.json(command), created, "{command}");
    }
    assert_eq!(user.json("user list")["data"], json!([created]));
    for command in ["key list", "key list ada@example.org"] {
        assert_eq!(user.json(command)["data"][0]["id"], key["id"], "{command}");
    }
    for named in ["ada@example.org", created["id"].as_str().unwrap()] {
        assert_eq!(user.json(&format!("order list --user {named}"))["data"][0]["id"], order["id"]);
        assert_eq!(operator.json(&format!("order list --user {named}"))["data"][0]["id"], order["id"]);
    }
    let of_other = user.fail("order list --user 0190a6e2-7c1b-7c3a-9d5e-0123456789ab");
    assert!(of_other.contains("forbidden") && of_other.contains("As an operator, set OPERATOR_TOKEN"), "{of_other}");
    let other = user.fail("key list bob@example.org");
    assert!(other.contains("No user has") && other.contains("An API key finds only its own user"), "{other}");
    for command in ["user create -e eve@example.org -n Eve", "key create ada@example.org -n x -s read"] {
        let refused = user.fail(command);
        assert!(refused.contains("forbidden") && refused.contains("As an operator, set OPERATOR_TOKEN"), "{refused}");
    }
    let shown = operator.run("key create ada@example.org -n till -s orders");
    assert!(shown.contains("Without the scope read") && !shown.contains("order list"), "{shown}");
    let orders_only = shown.split_whitespace().find(|word| word.parse::<KeySecret>().is_ok()).unwrap();
    let refused = anonymous.fail(&format!("--api-key {orders_only} order list"));
    assert!(refused.contains("scope read") && refused.contains("a key with this scope"), "{refused}");
    // The option takes precedence over the API key in the environment.
    let wrong = user.fail(&format!("--operator-token {} user list", OPERATOR_TOKEN.replace(' ', "_")));
    assert!(wrong.contains("nor the operator token") && wrong.contains("Set --operator-token"), "{wrong}");
    let orders = ["-a 1", "-a 2"].map(|amount| user.output(&format!("order place -c EUR {amount} --key my-key")));
    let error = String::from_utf8_lossy(&orders[1].stderr);
    assert!(error.contains("idempotency_key_reused") && error.contains("use another --key"), "{error}");
    platform.stop().await;
}

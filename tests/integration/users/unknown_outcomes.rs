//! Changes of users and API keys whose response is lost. The error states that the outcome is unknown.

use serde_json::json;
use tests::{
    Platform, Stack,
    client::send,
    environment::run_binary,
    platform::OPERATOR_TOKEN,
    servers::Database,
    tcp_proxy::{Lost, TcpProxy},
};

use super::{USERS_PATH, as_operator, create_user, get, id_of, path_of, start};

/// The response of the service `users` is lost. Runs on one stack, because the store makes no difference.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn command_states_that_the_change_may_have_been_made_and_how_to_find_out() {
    let platform = start(Stack::Embedded).await;
    let user = create_user(&platform, "ada@example.org").await;
    let key = json!({ "name": "shop", "scopes": ["read"] });
    let key = as_operator(&platform, "POST", &format!("{}/keys", path_of(&user)), Some(key)).await.json(201);
    let (id, key_id) = (id_of(&user), id_of(&key));
    let proxy = TcpProxy::start(platform.users.address()).await;
    let run = |command: &str| {
        let arguments: Vec<_> = command.split(' ').collect();
        let settings = [("USERS_URL", proxy.url()), ("OPERATOR_TOKEN", OPERATOR_TOKEN.to_owned())];
        run_binary("buydesk", &arguments, settings, tempfile::tempdir().unwrap().path())
    };
    let (get_user, list_keys) = (format!("user get {id}` shows"), format!("key list {id}` "));
    for (trigger, command, doubt, next_step) in [
        (
            "POST ",
            "user create -e bob@example.org -n Bob".to_owned(),
            "The user may have been created.",
            "user find bob@example.org` shows",
        ),
        ("PATCH ", format!("user update {id} -n Lovelace"), "The user may have been changed.", get_user.as_str()),
        ("POST ", format!("user deactivate {id}"), "The user may have been changed.", &get_user),
        ("POST ", format!("key create {id} -n till -s orders"), "The key may have been created", &list_keys),
        ("PATCH ", format!("key update {id} {key_id} -n kiosk"), "The key may have been changed.", &list_keys),
        ("DELETE ", format!("key revoke {id} {key_id}"), "The key may have been changed.", &list_keys),
    ] {
        proxy.cut_at(trigger.as_bytes(), Lost::Response);
        let output = run(&command);
        assert_eq!(output.status.code(), Some(1), "{command}: {output:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(doubt) && error.contains(next_step), "{command}: {error}");
        proxy.cut_at(trigger.as_bytes(), Lost::Response);
        let error: serde_json::Value = serde_json::from_slice(&run(&format!("--json {command}")).stderr).unwrap();
        assert_eq!(error["code"], "outcome_unknown", "{command}: {error}");
        assert!(error["detail"].as_str().unwrap().contains(doubt), "{error}");
    }
    // All changes were made.
    let changed = get(&platform, &path_of(&user)).await.json(200);
    assert_eq!((&changed["name"], &changed["state"]), (&"Lovelace".into(), &"deactivated".into()));
    let keys = get(&platform, &format!("{}/keys", path_of(&user))).await.json(200);
    let revoked = keys["data"].as_array().unwrap().iter().find(|listed| listed["id"] == key["id"]).unwrap();
    assert!(revoked["name"] == "kiosk" && revoked["revoked_at"].is_string(), "{revoked}");
}

/// The response of db-proxy is lost, and db-proxy stays unavailable for longer than the service `users` waits for it.
/// Runs on one stack, because the store makes no difference.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_that_db_proxy_does_not_confirm_has_an_unknown_outcome() {
    let builder = Platform::builder(Stack::Embedded);
    let proxy = TcpProxy::start(builder.address_of("db-proxy")).await;
    let platform = builder.start().await;
    let users = platform.users.another(&[("DB_PROXY_URL", &proxy.url())]);
    users.start().await;
    let user = platform.create_user("ada@example.org").await;
    let path = format!("{USERS_PATH}/{}", user.id);
    proxy.cut_at_and_block(b"PATCH /users");
    let change = platform.client.request("PATCH", users.url(&path)).header("content-type", "application/json");
    let change = || change.try_clone().unwrap().body(r#"{"name":"Lovelace"}"#).bearer_auth(OPERATOR_TOKEN);
    let problem = send(change()).await.problem(503, "outcome_unknown");
    assert!(problem["detail"].as_str().unwrap().contains("not known whether the user was changed"), "{problem}");
    assert_eq!(platform.db_proxy_client().find_user(user.id).await.unwrap().unwrap().name.as_str(), "Lovelace");
    proxy.unblock();
    assert_eq!(send(change()).await.json(200)["name"], "Lovelace");
}

/// PostgreSQL executes the change, but its response is lost, and no other connection can be opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_that_postgresql_does_not_confirm_has_an_unknown_outcome() {
    let database = Database::postgres().await;
    let proxy = TcpProxy::start(database.server_address()).await;
    let platform = Platform::builder(Stack::Servers).database(database.url_at(proxy.address()));
    let platform = platform.start().await;
    platform.users.start().await;
    platform.users.wait_until_ready().await;
    let user = create_user(&platform, "ada@example.org").await;
    proxy.cut_at_and_block(b"Lovelace");
    let rename = async |name| as_operator(&platform, "PATCH", &path_of(&user), Some(json!({ "name": name }))).await;
    rename("Lovelace").await.problem(503, "outcome_unknown");
    // This change was not sent to PostgreSQL.
    rename("Countess").await.problem(503, "database_unavailable");
    proxy.unblock();
    platform.db_proxy.wait_until_ready().await;
    assert_eq!(get(&platform, &path_of(&user)).await.json(200)["name"], "Lovelace");
    assert_eq!(rename("Countess").await.json(200)["name"], "Countess");
}

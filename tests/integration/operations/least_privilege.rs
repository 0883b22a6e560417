//! Each service has only the privileges that it needs: its own tokens, a database role without DDL, and a container that
//! receives only the secrets that it uses.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use common::config::{Caller, Secret, ServerKey};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use tests::{
    Platform, Response, Stack,
    client::send,
    environment::binary_path,
    on_both_stacks,
    platform::{Instance, ORDERS_PATH, internal_order, order},
    servers::{PrivateServer, Process, query_text},
    wait_until,
};

on_both_stacks!(
    services_work_with_only_their_own_tokens,
    token_permits_only_the_requests_of_its_caller,
    service_with_a_wrong_token_names_the_setting_only_in_readyz,
);

const LIMIT: Duration = Duration::from_secs(20);

fn deployment(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deployment").join(path)
}

/// The column `written_by` of each order, oldest first.
async fn writers_of_orders(platform: &Platform) -> Vec<String> {
    query_text(&platform.database.url(), "select written_by from orders order by seq").await.concat()
}

async fn services_work_with_only_their_own_tokens(stack: Stack) {
    let platform = Platform::builder(stack).with_own_tokens().start().await;
    let placed = platform.place(order("USD", "1")).await.json(201);
    let quote = platform.quote(order("USD", "2")).await.json(201);
    platform.place(json!({ "quote": quote["id"] }).to_string()).await.json(201);
    assert_eq!(platform.all_pages("/get_orders").await[1], placed);
    platform.start_other_services().await;
    let rates = platform.rates.url("/api/v1/courses");
    wait_until("courses are published", LIMIT, async || {
        let courses = platform.client.get(&rates).await;
        (courses.status == 200 && courses.json(200).as_array().is_some_and(|list| !list.is_empty())).then_some(())
    })
    .await;
    // db-proxy stores which service placed each order.
    assert_eq!(writers_of_orders(&platform).await, ["create-order"; 2]);
}

/// Sends a request with the token of a caller for this server.
async fn send_as(
    platform: &Platform,
    caller: Caller,
    server: &Instance,
    method: &str,
    path: &str,
    body: serde_json::Value,
) -> Response {
    let request = platform.client.request(method, server.url(path)).bearer_auth(platform.token_of(caller, server.name));
    send(if method == "GET" {
        request
    } else {
        request.header("content-type", "application/json").body(body.to_string())
    })
    .await
}

/// A service with a wrong `INTERNAL_TOKEN` is not ready, and `/readyz` states the reason. Clients of the service receive
/// `upstream_unavailable` without this reason.
async fn service_with_a_wrong_token_names_the_setting_only_in_readyz(stack: Stack) {
    let platform = Platform::start(stack).await;
    let other = [("INTERNAL_TOKEN", "another-internal-token")];
    for service in [&platform.create_order, &platform.fetch_orders] {
        let service = service.another(&other);
        service.start().await;
        let readiness = platform.client.get(service.url("/readyz")).await.json(503).to_string();
        let expected = format!("db-proxy refuses the token of {}: INTERNAL_TOKEN differs", service.name);
        assert!(readiness.contains(&expected), "{readiness}");
    }
    let create_order = platform.create_order.another(&other);
    create_order.start().await;
    platform.put_default_prices().await;
    let request = platform.client.json(create_order.url(ORDERS_PATH), order("USD", "1"));
    let problem = wait_until("the order fails with upstream_unavailable", LIMIT, async || {
        let response = send(request.try_clone().unwrap()).await;
        let problem: serde_json::Value = serde_json::from_str(&response.text()).unwrap();
        (problem["code"] == "upstream_unavailable").then_some(problem)
    });
    let problem = problem.await;
    assert!(!problem["detail"].as_str().unwrap().to_lowercase().contains("token"), "{problem}");
    assert_eq!(platform.summary().await["count"], 0);
}

async fn token_permits_only_the_requests_of_its_caller(stack: Stack) {
    let platform = Platform::builder(stack).with_own_tokens().start().await;
    platform.health_check.start().await;
    let record = platform.put_default_prices().await;
    let new_order = internal_order(&record, "a-key");
    let price = &new_order["market"]["price"];
    let new_quote = json!({ "currency": "USD", "amount": "1", "price": price, "hold_secs": 1 });
    let new_record = json!({ "as_of": record.as_of, "prices": { "USD": { "price": "1", "sources": ["x"] } } });
    let (db_proxy, cache) = (&platform.db_proxy, &platform.price_cache);
    // Neither price-updater nor the services that only read can place orders. Only price-updater can publish prices and store
    // courses. exchange-sim has none of these permissions.
    let denied: [(&[Caller], &Instance, &str, serde_json::Value); 5] = [
        (
            &[Caller::FETCH_ORDERS, Caller::RATES, Caller::PRICE_UPDATER, Caller::EXCHANGE_SIM],
            db_proxy,
            "/add",
            new_order.clone(),
        ),
        (&[Caller::FETCH_ORDERS, Caller::RATES, Caller::PRICE_UPDATER], db_proxy, "/quotes", new_quote),
        (&[Caller::CREATE_ORDER, Caller::RATES, Caller::FETCH_ORDERS], db_proxy, "/courses", json!({ "courses": [] })),
        (&[Caller::CREATE_ORDER, Caller::RATES, Caller::EXCHANGE_SIM], cache, "/add", new_record),
        (&[Caller::RATES], cache, "/lease", json!({ "name": "a", "holder": "b", "ttl_secs": 1 })),
    ];
    for (callers, server, path, body) in denied {
        for &caller in callers {
            let response = send_as(&platform, caller, server, "POST", path, body.clone()).await;
            let problem = response.problem(403, "forbidden");
            assert!(problem["detail"].as_str().unwrap().contains(caller.as_str()), "{problem}");
        }
    }
    let denied = send_as(&platform, Caller::PRICE_UPDATER, db_proxy, "GET", "/summary", json!({})).await;
    denied.problem(403, "forbidden");
    assert_eq!(platform.summary().await["count"], 0);
    // With the token of create-order, db-proxy places the order.
    send_as(&platform, Caller::CREATE_ORDER, db_proxy, "POST", "/add", new_order).await.json(200);
    // These servers do not have the internal token, so they reject it.
    for server in [db_proxy, cache, &platform.health_check] {
        let response = platform.client.post_internal(server.url("/add"), "{}").await;
        assert!(matches!(response.status, 401 | 404), "{response:?}");
    }
    platform.client.get_internal(db_proxy.url("/summary")).await.problem(401, "unauthorized");
    // A token for another server is rejected.
    let wrong = platform.token_of(Caller::CREATE_ORDER, "price-cache-proxy");
    let request = platform.client.request("GET", db_proxy.url("/summary")).bearer_auth(wrong);
    send(request).await.problem(401, "unauthorized");
}

/// The lines of each service of a compose file.
fn services_of(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let lines = text.lines().skip_while(|line| *line != "services:").skip(1);
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    let (mut services, mut current) = (BTreeMap::<_, Vec<_>>::new(), "");
    for line in lines.filter(|line| !line.trim_start().starts_with('#')) {
        match line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')).and_then(|rest| rest.split_once(':')) {
            Some((name, _)) => current = name,
            None => services.entry(current).or_default().push(line),
        }
    }
    services
}

/// The names of the secrets in these lines, which refer to a secret as `${NAME:?…}`.
fn secrets_of(lines: &[&str]) -> BTreeSet<String> {
    let names = lines.iter().flat_map(|line| line.split("${").skip(1));
    let names = names.map(|rest| rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect::<String>());
    names.filter(|name| ["_TOKEN", "_KEY", "_PASSWORD"].iter().any(|end| name.ends_with(end))).collect()
}

#[test]
fn each_container_receives_exactly_the_secrets_that_it_uses() {
    let text = std::fs::read_to_string(deployment("docker-compose.yml")).unwrap();
    let demo = std::fs::read_to_string(deployment("docker-compose.demo.yml")).unwrap();
    let (mut services, mut demo_services) = (services_of(&text), services_of(&demo));
    services.insert("exchange-sim", demo_services.remove("exchange-sim").unwrap());
    let expected: BTreeMap<_, &[&str]> = BTreeMap::from([
        (
            "create-order",
            &[
                "CREATE_ORDER_DB_PROXY_TOKEN",
                "CREATE_ORDER_HEALTH_CHECK_TOKEN",
                "CREATE_ORDER_PRICE_CACHE_TOKEN",
                "OPERATOR_TOKEN",
                "RATE_LIMIT_REDIS_PASSWORD",
            ][..],
        ),
        (
            "fetch-orders",
            &[
                "FETCH_ORDERS_DB_PROXY_TOKEN",
                "FETCH_ORDERS_HEALTH_CHECK_TOKEN",
                "OPERATOR_TOKEN",
                "RATE_LIMIT_REDIS_PASSWORD",
            ],
        ),
        ("users", &["OPERATOR_TOKEN", "RATE_LIMIT_REDIS_PASSWORD", "USERS_DB_PROXY_TOKEN", "USERS_HEALTH_CHECK_TOKEN"]),
        (
            "wallets",
            &["OPERATOR_TOKEN", "RATE_LIMIT_REDIS_PASSWORD", "WALLETS_DB_PROXY_TOKEN", "WALLETS_HEALTH_CHECK_TOKEN"],
        ),
        (
            "rates",
            &[
                "RATES_DB_PROXY_TOKEN",
                "RATES_HEALTH_CHECK_TOKEN",
                "RATES_PRICE_CACHE_TOKEN",
                "RATE_LIMIT_REDIS_PASSWORD",
            ],
        ),
        (
            "price-updater",
            &[
                "PRICE_UPDATER_DB_PROXY_TOKEN",
                "PRICE_UPDATER_HEALTH_CHECK_TOKEN",
                "PRICE_UPDATER_KEY",
                "PRICE_UPDATER_PRICE_CACHE_TOKEN",
            ],
        ),
        ("db-proxy", &["DB_PROXY_HEALTH_CHECK_TOKEN", "DB_PROXY_KEY", "POSTGRES_APP_PASSWORD"]),
        ("db-migrate", &["POSTGRES_PASSWORD"]),
        ("price-cache-proxy", &["PRICE_CACHE_KEY", "PRICE_CACHE_PROXY_HEALTH_CHECK_TOKEN", "REDIS_PASSWORD"]),
        ("health-check", &["HEALTH_CHECK_HEALTH_CHECK_TOKEN", "HEALTH_CHECK_KEY", "OPERATOR_TOKEN"]),
        ("exchange-sim", &["EXCHANGE_SIM_KEY"]),
        ("postgres", &["POSTGRES_APP_PASSWORD", "POSTGRES_PASSWORD", "POSTGRES_READONLY_PASSWORD"]),
        ("redis", &["REDIS_PASSWORD"]),
        ("redis-limits", &["RATE_LIMIT_REDIS_PASSWORD"]),
        ("nginx", &[]),
        // The further instances inherit the variables of the first instance.
        ("create-order-2", &[]),
        ("db-proxy-2", &[]),
        ("fetch-orders-2", &[]),
        ("price-cache-proxy-2", &[]),
        ("rates-2", &[]),
        ("users-2", &[]),
        ("wallets-2", &[]),
        ("wallets-3", &[]),
        ("wallets-4", &[]),
        ("pgadmin", &["PGADMIN_PASSWORD", "POSTGRES_READONLY_PASSWORD"]),
        ("prometheus", &[]),
        ("grafana", &["GRAFANA_PASSWORD"]),
        ("locust", &["OPERATOR_TOKEN"]),
    ]);
    let found: BTreeMap<_, _> = services.iter().map(|(name, lines)| (*name, secrets_of(lines))).collect();
    let expected: BTreeMap<_, BTreeSet<String>> =
        expected.into_iter().map(|(name, secrets)| (name, secrets.iter().map(|&s| s.to_owned()).collect())).collect();
    assert_eq!(found, expected);
    // Anchors are merged into several services, so they must contain no secret.
    let anchors: Vec<_> = text.lines().take_while(|line| *line != "services:").collect();
    assert_eq!(secrets_of(&anchors), BTreeSet::new());
    for (name, lines) in services {
        let first_instance = name.trim_end_matches(|c: char| c == '-' || c.is_ascii_digit());
        let inherited = [String::from("<<: *service"), format!("<<: *{first_instance}")];
        let inherits = lines.iter().any(|line| inherited.iter().any(|inherited| line.trim() == inherited));
        let sets = lines.iter().any(|line| line.contains("no-new-privileges:true"));
        assert!(inherits || sets, "{name} lacks no-new-privileges");
    }
    assert!(anchors.iter().any(|line| line.contains("no-new-privileges:true")));
}

#[test]
fn make_env_derives_the_tokens_that_services_accept_and_keeps_existing_lines() {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("env");
    std::fs::write(&file, "INTERNAL_TOKEN=0123456789abcdef0123456789abcdef\nPOSTGRES_PASSWORD=kept\n").unwrap();
    let run = || {
        let output = Command::new("sh").arg(deployment("make-env")).arg(&file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read_to_string(&file).unwrap()
    };
    let text = run();
    let values: BTreeMap<_, _> = text.lines().map(|line| line.split_once('=').unwrap()).collect();
    assert_eq!(values.len(), text.lines().count(), "a variable is set twice");
    assert_eq!(values["POSTGRES_PASSWORD"], "kept");
    let key_of = |server| ServerKey::derive(&Secret::new(values["INTERNAL_TOKEN"]), server);
    let servers = [
        ("DB_PROXY", "db-proxy"),
        ("PRICE_CACHE", "price-cache-proxy"),
        ("PRICE_UPDATER", "price-updater"),
        ("HEALTH_CHECK", "health-check"),
        ("EXCHANGE_SIM", "exchange-sim"),
    ];
    for (name, server) in servers {
        assert_eq!(values[format!("{name}_KEY").as_str()], key_of(server).as_secret().expose());
    }
    let mut tokens = 0;
    for caller in Caller::ALL {
        let prefix = caller.as_str().to_ascii_uppercase().replace('-', "_");
        for (name, server) in servers {
            if let Some(token) = values.get(format!("{prefix}_{name}_TOKEN").as_str()) {
                assert_eq!(*token, key_of(server).token(caller).expose());
                tokens += 1;
            }
        }
    }
    assert_eq!(
        tokens,
        values
            .keys()
            .filter(|name| name.ends_with("_TOKEN") && !["INTERNAL_TOKEN", "OPERATOR_TOKEN"].contains(*name))
            .count()
    );
    let compose = std::fs::read_to_string(deployment("docker-compose.yml")).unwrap();
    let lines: Vec<_> = compose.lines().collect();
    for secret in secrets_of(&lines) {
        assert!(values.contains_key(secret.as_str()), "{secret} is not created");
    }
    assert_eq!(run(), text);
}

/// The SQL statements of a psql script in `deployment/postgres`. The variable `password` is replaced by `'secret'`.
fn role_statements(file: &str) -> String {
    let text = std::fs::read_to_string(deployment("postgres").join(file)).unwrap();
    let statements = text.lines().filter(|line| !line.starts_with('\\'));
    statements.collect::<Vec<_>>().join("\n").replace(":'password'", "'secret'")
}

/// db-proxy connects as a role that cannot change the schema. `db-proxy --migrate` connects as the owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn db_proxy_works_without_the_privilege_to_change_the_schema() {
    let postgres = PrivateServer::postgres().await;
    let mut owner = PgConnection::connect(&postgres.url()).await.unwrap();
    owner.execute(AssertSqlSafe(role_statements("20-runtime-role.sql"))).await.unwrap();
    let app_url = postgres.url().replace("postgres://postgres@", "postgres://buydesk_app:secret@");
    let builder = Platform::builder(Stack::Servers).database(app_url.clone()).set("DATABASE_MIGRATIONS", "check");
    let platform = builder.without_readiness_check().start().await;
    // No migration is applied yet.
    platform.client.get(platform.db_proxy.url("/readyz")).await.json(503);

    let folder = tempfile::TempDir::new().unwrap();
    let url = postgres.url();
    let mut migration =
        Process::start(&binary_path("db-proxy"), &["--migrate"], [("DATABASE_URL", url.as_str())], folder.path(), None);
    let status = wait_until("the migrations end", LIMIT, async || migration.exit_status()).await;
    assert!(status.success(), "{}", migration.log_tail());

    platform.db_proxy.wait_until_ready().await;
    platform.place(order("USD", "1")).await.json(201);
    let quote = platform.quote(order("USD", "2")).await.json(201);
    platform.place(json!({ "quote": quote["id"] }).to_string()).await.json(201);
    assert_eq!(platform.all_pages("/get_orders").await.len(), 2);
    let wallet = platform
        .client
        .post_internal(platform.db_proxy.url("/wallets"), r#"{"key":"a","currency":"USD"}"#)
        .await
        .json(201);
    let deposit = json!({
        "client": "anonymous", "key": "deposit", "owner": "anonymous",
        "operation": { "wallet_id": wallet["wallet"]["id"], "operation_type": "DEPOSIT", "amount": "5" },
    });
    let movements = json!({ "movements": [deposit] }).to_string();
    let outcomes = platform.client.post_internal(platform.db_proxy.url("/movements"), movements).await.json(200);
    assert_eq!(outcomes["outcomes"][0]["operation"]["balance"], "5.00");
    platform.start_other_services().await;
    let courses = platform.db_proxy.url("/courses");
    wait_until("courses are stored", LIMIT, async || {
        let stored = platform.client.get_internal(&courses).await.json(200);
        stored["courses"].as_array().is_some_and(|list| !list.is_empty()).then_some(())
    })
    .await;

    let mut app = PgConnection::connect(&app_url).await.unwrap();
    for statement in [
        "create table mine (id integer)",
        "drop table orders",
        "alter table orders add column mine integer",
        "truncate orders",
        "alter table entries disable trigger all",
    ] {
        let error = app.execute(statement).await.unwrap_err();
        assert_eq!(
            error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref(),
            Some("42501"),
            "{statement}"
        );
    }
}

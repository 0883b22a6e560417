//! Users: creating, finding, listing and changing them.

use serde_json::{Value, json};
use tests::{Platform, Stack, client::all_pages, on_both_stacks};
use tokio::task::JoinSet;

use super::{USERS_PATH, as_operator, create_user, get, id_of, path_of, request, start, unknown_id};

on_both_stacks!(
    created_user_is_found_by_id_and_by_address,
    address_belongs_to_one_user,
    concurrent_creations_of_one_address_create_one_user,
    pages_return_every_user_once,
    user_is_changed_deactivated_and_activated,
    invalid_requests_name_every_wrong_field,
    outage_of_db_proxy_causes_503_until_it_ends,
);

async fn created_user_is_found_by_id_and_by_address(stack: Stack) {
    let platform = start(stack).await;
    let body = json!({ "email": "Ada@Example.org", "name": "Ada, Countess of Löwenherz" });
    let response = as_operator(&platform, "POST", USERS_PATH, Some(body.clone())).await;
    let user = response.json(201);
    assert_eq!((&user["email"], &user["name"], &user["state"]), (&body["email"], &body["name"], &"active".into()));
    assert_eq!(user["created_at"], user["updated_at"]);
    assert_eq!(response.header("location"), Some(path_of(&user).as_str()));

    assert_eq!(get(&platform, &path_of(&user)).await.json(200), user);
    assert_eq!(get(&platform, &format!("/user?id={}", id_of(&user))).await.json(200), user);
    let page = json!({ "data": [user], "_links": {} });
    for query in ["email=ada%40example.org", "email=ADA%40example.ORG&state=active", "state=active"] {
        assert_eq!(get(&platform, &format!("{USERS_PATH}?{query}")).await.json(200), page, "{query}");
    }
    let empty = json!({ "data": [], "_links": {} });
    for query in ["email=bob%40example.org", "email=ada%40example.org&state=deactivated", "state=deactivated"] {
        assert_eq!(get(&platform, &format!("{USERS_PATH}?{query}")).await.json(200), empty, "{query}");
    }
    get(&platform, &format!("{USERS_PATH}/{}", unknown_id())).await.problem(404, "not_found");
    get(&platform, &format!("/user?id={}", unknown_id())).await.problem(404, "not_found");
}

async fn address_belongs_to_one_user(stack: Stack) {
    let platform = start(stack).await;
    let ada = create_user(&platform, "ada@example.org").await;
    let bob = create_user(&platform, "bücher@example.org").await;
    for email in ["ada@example.org", "ADA@Example.Org", "BÜCHER@example.org"] {
        let body = json!({ "email": email, "name": "Another user" });
        let refused = as_operator(&platform, "POST", USERS_PATH, Some(body)).await;
        assert_eq!(refused.problem(409, "email_taken")["errors"][0]["field"], "email", "{email}");
        // The address of another user is refused. Another spelling of the user's own address is accepted.
        let patched = as_operator(&platform, "PATCH", &path_of(&ada), Some(json!({ "email": email }))).await;
        if email.starts_with('B') {
            patched.problem(409, "email_taken");
        } else {
            assert_eq!(patched.json(200)["email"], email);
        }
    }
    assert_eq!(get(&platform, &path_of(&bob)).await.json(200), bob);
}

async fn concurrent_creations_of_one_address_create_one_user(stack: Stack) {
    let platform = start(stack).await;
    let mut creations = JoinSet::new();
    for name in 0..8 {
        let email = if name % 2 == 0 { "eve@example.org" } else { "EVE@example.org" };
        let body = json!({ "email": email, "name": name.to_string() });
        let request = request(&platform, "POST", USERS_PATH, Some(body)).bearer_auth(tests::platform::OPERATOR_TOKEN);
        creations.spawn(tests::client::send(request));
    }
    let responses = creations.join_all().await;
    let (created, refused): (Vec<_>, Vec<_>) = responses.iter().partition(|response| response.status == 201);
    assert_eq!((created.len(), refused.len()), (1, 7));
    for response in refused {
        response.problem(409, "email_taken");
    }
    let page = get(&platform, USERS_PATH).await.json(200);
    assert_eq!(page["data"], json!([created[0].json(201)]));
}

/// Follows `_links.next`. Calls `between` after each page.
async fn walk(platform: &Platform, path: &str, mut between: impl AsyncFnMut()) -> Vec<Value> {
    all_pages(path, async |path| {
        let page = get(platform, &path).await.json(200);
        assert_eq!(page["_links"].get("next").is_some(), page.get("next_cursor").is_some());
        between().await;
        page
    })
    .await
}

async fn pages_return_every_user_once(stack: Stack) {
    let platform = start(stack).await;
    let mut created = Vec::new();
    for number in 0..7 {
        created.push(create_user(&platform, &format!("user{number}@example.org")).await);
    }
    created.reverse();
    let mut newcomers = 0;
    let users = walk(&platform, &format!("{USERS_PATH}?limit=3"), async || {
        newcomers += 1;
        create_user(&platform, &format!("newcomer{newcomers}@example.org")).await;
    })
    .await;
    assert_eq!(users, created);
    as_operator(&platform, "POST", &format!("{}/deactivate", path_of(&created[1])), None).await.json(200);
    let active = walk(&platform, &format!("{USERS_PATH}?limit=2&state=active"), async || {}).await;
    assert_eq!(active.len(), 7 + newcomers - 1);
    assert!(active.iter().all(|user| user["id"] != created[1]["id"]));
}

async fn user_is_changed_deactivated_and_activated(stack: Stack) {
    let platform = start(stack).await;
    let user = create_user(&platform, "ada@example.org").await;
    let path = path_of(&user);
    let change = json!({ "email": "lovelace@example.org" });
    let changed = as_operator(&platform, "PATCH", &path, Some(change)).await.json(200);
    assert_eq!((&changed["email"], &changed["name"]), (&"lovelace@example.org".into(), &user["name"]));
    assert!(changed["updated_at"].as_str() > user["updated_at"].as_str());
    assert_eq!(changed["created_at"], user["created_at"]);
    // The former address can be used again.
    create_user(&platform, "ADA@example.org").await;

    for (action, state) in [("deactivate", "deactivated"), ("activate", "active")] {
        for _ in 0..2 {
            let changed = as_operator(&platform, "POST", &format!("{path}/{action}"), None).await.json(200);
            assert_eq!(changed["state"], state);
        }
        assert_eq!(get(&platform, &path).await.json(200)["state"], state);
    }
    let unknown = format!("{USERS_PATH}/{}", unknown_id());
    as_operator(&platform, "PATCH", &unknown, Some(json!({ "name": "Eve" }))).await.problem(404, "not_found");
    as_operator(&platform, "POST", &format!("{unknown}/deactivate"), None).await.problem(404, "not_found");
}

async fn invalid_requests_name_every_wrong_field(stack: Stack) {
    let platform = start(stack).await;
    let user = create_user(&platform, "ada@example.org").await;
    let keys = format!("{}/keys", path_of(&user));
    let (post, patch) = ("POST", "PATCH");
    for (method, path, body, fields) in [
        (post, USERS_PATH, json!({}), &["email", "name"][..]),
        (post, USERS_PATH, json!({ "email": "ada@localhost", "name": "\u{7}" }), &["email", "name"]),
        (post, USERS_PATH, json!({ "email": "a@example.org", "name": "A", "state": "active" }), &["state"]),
        (patch, &path_of(&user), json!({ "email": "ada", "name": "" }), &["email", "name"]),
        (post, &keys, json!({ "name": "", "scopes": ["root"] }), &["name", "scopes[0]"]),
        (
            post,
            &keys,
            json!({ "name": "a", "scopes": ["read"], "rate_limit_per_minute": 1_000_001 }),
            &["rate_limit_per_minute"],
        ),
    ] {
        as_operator(&platform, method, path, Some(body)).await.invalid_fields(fields);
    }
    for (query, fields) in [
        ("mail=ada%40example.org", &["mail"][..]),
        ("limit=0&email=ada&state=gone&cursor=x", &["limit", "email", "state", "cursor"]),
        ("limit=1&limit=2", &["limit"]),
    ] {
        get(&platform, &format!("{USERS_PATH}?{query}")).await.invalid_fields(fields);
    }
    get(&platform, &format!("{USERS_PATH}/1")).await.invalid_fields(&["id"]);
    get(&platform, "/user").await.invalid_fields(&["id"]);
    as_operator(&platform, "POST", &format!("{}/deactivate?force=1", path_of(&user)), None)
        .await
        .invalid_fields(&["force"]);
    assert_eq!(get(&platform, USERS_PATH).await.json(200)["data"], json!([user]));
}

async fn outage_of_db_proxy_causes_503_until_it_ends(stack: Stack) {
    let platform = start(stack).await;
    let user = create_user(&platform, "ada@example.org").await;
    platform.db_proxy.stop().await;
    let body = json!({ "email": "bob@example.org", "name": "Bob" });
    get(&platform, &path_of(&user)).await.problem(503, "upstream_unavailable");
    as_operator(&platform, "POST", USERS_PATH, Some(body)).await.problem(503, "upstream_unavailable");
    assert_eq!(platform.client.get(platform.users.url("/readyz")).await.status, 503);
    platform.db_proxy.start().await;
    platform.users.wait_until_ready().await;
    assert_eq!(get(&platform, &path_of(&user)).await.json(200), user);
    create_user(&platform, "bob@example.org").await;
}

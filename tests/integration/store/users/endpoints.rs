//! The endpoints of users and keys. Valid requests are sent by the client of db-proxy, invalid ones by a plain HTTP client.

use common::{
    api::{
        keys::{RateLimitChange, UpdateKeyCommand},
        users::{FoundUsers, UpdateUserCommand, UserCursor, UserLookup, UserPage, UserQuery, UserState},
    },
    clients::{
        CallError,
        db_proxy::{DbProxyClient, DirectoryError},
        http_client,
    },
    config::{Caller, Secret, TokenRefusal},
    ids::KeyId,
    time::Timestamp,
};
use tests::{Platform, Stack, client::send, on_both_stacks};
use url::Url;
use uuid::Uuid;

use super::{keys, new_user, unknown_user};

on_both_stacks!(
    users_service_manages_users_and_keys,
    services_that_may_read_keys_may_not_read_users,
    invalid_requests_name_the_field,
);

/// A client with the token of a caller.
fn client_of(platform: &Platform, caller: Caller) -> DbProxyClient {
    let token = Secret::new(platform.token_of(caller, DbProxyClient::SERVICE));
    let url = Url::parse(&platform.db_proxy.url("/")).unwrap();
    DbProxyClient::new(http_client(), url, token)
}

async fn users_service_manages_users_and_keys(stack: Stack) {
    let platform = Platform::start(stack).await;
    let client = client_of(&platform, Caller::USERS);
    let ada = client.create_user(&new_user("ada@example.org")).await.unwrap();
    let bob = client.create_user(&new_user("bob@example.org")).await.unwrap();
    let taken = client.create_user(&new_user("ADA@example.org")).await.unwrap_err();
    assert!(matches!(taken, DirectoryError::EmailTaken), "{taken:?}");

    assert_eq!(client.find_user(ada.id).await.unwrap().as_ref(), Some(&ada));
    assert_eq!(client.find_user(unknown_user()).await.unwrap(), None);
    let lookup = UserLookup { ids: vec![ada.id], emails: vec!["BOB@example.org".parse().unwrap()] };
    let found: FoundUsers = serde_json::from_slice(&client.find_users_json(&lookup).await.unwrap()).unwrap();
    assert_eq!(found.users, [ada.clone(), bob.clone()]);
    let page = client.list_users(&UserQuery::default(), None, 1).await.unwrap();
    assert_eq!(page, UserPage { data: vec![bob.clone()], next_cursor: Some(UserCursor(bob.id)) });
    let page = client.list_users(&UserQuery::default(), page.next_cursor, 1).await.unwrap();
    assert_eq!(page, UserPage { data: vec![ada.clone()], next_cursor: None });
    let query = UserQuery { email: Some("Ada@Example.org".parse().unwrap()), state: Some(UserState::Active) };
    assert_eq!(client.list_users(&query, None, 10).await.unwrap().data, std::slice::from_ref(&ada));

    let rename = UpdateUserCommand { email: None, name: Some("Ada Lovelace".parse().unwrap()) };
    assert_eq!(client.update_user(ada.id, &rename).await.unwrap().name, rename.name.unwrap());
    let take_address = UpdateUserCommand { email: Some(bob.email.clone()), name: None };
    let taken = client.update_user(ada.id, &take_address).await.unwrap_err();
    assert!(matches!(taken, DirectoryError::EmailTaken), "{taken:?}");
    assert_eq!(client.deactivate_user(ada.id).await.unwrap().state, UserState::Deactivated);
    assert_eq!(client.activate_user(ada.id).await.unwrap().state, UserState::Active);
    let unknown = client.deactivate_user(unknown_user()).await.unwrap_err();
    assert!(matches!(unknown, DirectoryError::UserNotFound), "{unknown:?}");

    let (secret, other) = (keys::secret(), keys::secret());
    let key = client.store_key(ada.id, &keys::new_key(&secret)).await.unwrap();
    assert_eq!(client.store_key(ada.id, &keys::new_key(&secret)).await.unwrap(), key);
    let taken = client.store_key(bob.id, &keys::new_key(&secret)).await.unwrap_err();
    assert!(matches!(taken, DirectoryError::PrefixTaken), "{taken:?}");
    let unknown = client.store_key(unknown_user(), &keys::new_key(&other)).await.unwrap_err();
    assert!(matches!(unknown, DirectoryError::UserNotFound), "{unknown:?}");
    assert_eq!(client.list_keys(ada.id).await.unwrap().unwrap().data, std::slice::from_ref(&key));
    assert_eq!(client.list_keys(unknown_user()).await.unwrap(), None);
    assert_eq!(client.find_key(&secret.prefix()).await.unwrap().unwrap().hash, secret.hash());
    assert_eq!(client.find_key(&other.prefix()).await.unwrap(), None);
    client.record_key_uses(&keys::uses(&[(key.id, Timestamp::now())])).await.unwrap();
    assert!(client.list_keys(ada.id).await.unwrap().unwrap().data[0].last_used_at.is_some());
    let change = UpdateKeyCommand {
        name: Some("the till".parse().unwrap()),
        rate_limit_per_minute: RateLimitChange::LimitOfService,
    };
    let changed = client.update_key(ada.id, key.id, &change).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.rate_limit_per_minute), ("the till", None));
    let unknown = client.update_key(bob.id, key.id, &change).await.unwrap_err();
    assert!(matches!(unknown, DirectoryError::KeyNotFound), "{unknown:?}");
    assert!(client.revoke_key(ada.id, key.id).await.unwrap().revoked_at.is_some());
    let revoked = client.update_key(ada.id, key.id, &change).await.unwrap_err();
    assert!(matches!(revoked, DirectoryError::KeyRevoked), "{revoked:?}");
    assert!(client.find_key(&secret.prefix()).await.unwrap().unwrap().revoked_at.is_some());
    let unknown = client.revoke_key(ada.id, KeyId(Uuid::now_v7())).await.unwrap_err();
    assert!(matches!(unknown, DirectoryError::KeyNotFound), "{unknown:?}");
}

async fn services_that_may_read_keys_may_not_read_users(stack: Stack) {
    let platform = Platform::start(stack).await;
    let admin = client_of(&platform, Caller::USERS);
    let user = admin.create_user(&new_user("ada@example.org")).await.unwrap();
    let secret = keys::secret();
    admin.store_key(user.id, &keys::new_key(&secret)).await.unwrap();
    let is_forbidden = |error: &CallError| matches!(error, CallError::TokenRefused(_, _, TokenRefusal::NotPermitted));
    for caller in [Caller::CREATE_ORDER, Caller::FETCH_ORDERS, Caller::WALLETS] {
        let client = client_of(&platform, caller);
        assert!(client.find_key(&secret.prefix()).await.unwrap().is_some(), "{caller:?}");
        assert!(is_forbidden(&client.find_user(user.id).await.unwrap_err()), "{caller:?}");
        let created = client.create_user(&new_user("bob@example.org")).await.unwrap_err();
        assert!(matches!(&created, DirectoryError::Call(error) if is_forbidden(error)), "{caller:?}");
    }
    for caller in [Caller::PRICE_UPDATER, Caller::RATES] {
        let client = client_of(&platform, caller);
        assert!(is_forbidden(&client.find_key(&secret.prefix()).await.unwrap_err()), "{caller:?}");
    }
}

async fn invalid_requests_name_the_field(stack: Stack) {
    let platform = Platform::start(stack).await;
    let (client, url) = (&platform.client, |path: &str| platform.db_proxy.url(path));
    for (body, field) in [
        (r#"{"email":"ada","name":"Ada"}"#, "email"),
        (r#"{"email":"ada@example.org","name":""}"#, "name"),
        (r#"{"email":"ada@example.org"}"#, "name"),
    ] {
        client.post_internal(url("/users"), body).await.invalid_fields(&[field]);
    }
    for (query, field) in [
        ("email=ada", "email"),
        ("state=gone", "state"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=u1", "cursor"),
        ("name=Ada", "name"),
    ] {
        client.get_internal(url(&format!("/users?{query}"))).await.invalid_fields(&[field]);
    }
    let ids = vec![r#""0190a6e2-7c1b-7c3a-9d5e-0123456789ab""#; 257].join(",");
    client.post_internal(url("/users/lookup"), format!(r#"{{"ids":[{ids}]}}"#)).await.invalid_fields(&["ids"]);
    let user = client.post_internal(url("/users"), r#"{"email":"ada@example.org","name":"Ada"}"#).await.json(201);
    let keys = url(&format!("/users/{}/keys", user["id"].as_str().unwrap()));
    let key = r#"{"prefix":"bdk_Zk3TQ9aw","name":"shop","rate_limit_per_minute":0,"scopes":[],
        "hash":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}"#;
    client.post_internal(&keys, key).await.invalid_fields(&["rate_limit_per_minute", "scopes"]);
    client.get_internal(url("/users/1")).await.invalid_fields(&["id"]);
    client.get_internal(url("/keys/bdk_1")).await.invalid_fields(&["prefix"]);
    let delete = platform.with_internal_token(client.request("DELETE", format!("{keys}/1")));
    send(delete).await.invalid_fields(&["key_id"]);
    let change = client.request("PATCH", format!("{keys}/{}", user["id"].as_str().unwrap()));
    let change = change.header("content-type", "application/json").body(r#"{"name":"","rate_limit_per_minute":0}"#);
    send(platform.with_internal_token(change)).await.invalid_fields(&["name"]);
    send(client.request("GET", url("/users"))).await.problem(401, "unauthorized");
}

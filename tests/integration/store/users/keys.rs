//! API keys: storing, finding, revoking, and their last uses.

use std::{collections::BTreeSet, time::Duration};

use common::{
    api::{
        Code,
        keys::{
            ApiKey, KeySecret, KeyUse, KeyUses, MAX_KEY_RATE, MAX_KEYS_PER_USER, RateLimitChange, Scope,
            StoreKeyCommand, UpdateKeyCommand,
        },
        users::UserState,
    },
    ids::{KeyId, UserId},
    time::Timestamp,
};
use tests::{Stack, on_both_stacks};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Fixture, code, in_one_minute, unknown_user};

on_both_stacks!(
    key_is_found_by_its_prefix_with_its_hash_and_its_user,
    repeated_key_is_stored_once,
    prefix_of_another_key_is_refused,
    key_limit_of_a_user_holds_under_concurrency,
    name_and_rate_limit_of_a_key_change_separately,
    revoked_keys_and_keys_of_other_users_cannot_be_changed,
    key_is_revoked_once_and_only_by_its_user,
    lists_contain_every_valid_key_and_the_newest_revoked_keys,
    last_use_never_goes_back_and_is_never_in_the_future,
    concurrent_uses_of_the_same_keys_are_recorded,
);

pub(super) fn secret() -> KeySecret {
    KeySecret::generate()
}

pub(super) fn new_key(secret: &KeySecret) -> StoreKeyCommand {
    StoreKeyCommand {
        prefix: secret.prefix(),
        hash: secret.hash(),
        name: "the shop".parse().unwrap(),
        scopes: [Scope::Read, Scope::Orders].into_iter().collect(),
        rate_limit_per_minute: Some(600),
        expires_at: None,
    }
}

pub(super) fn uses(uses: &[(KeyId, Timestamp)]) -> KeyUses {
    KeyUses { uses: uses.iter().map(|&(id, used_at)| KeyUse { id, used_at }).collect() }
}

impl Fixture {
    async fn store_key(&self, user: UserId) -> ApiKey {
        self.users().store_key(user, new_key(&secret())).await.unwrap()
    }

    async fn last_use(&self, user: UserId, key: KeyId) -> Option<Timestamp> {
        let keys = self.users().keys_of(user).await.unwrap().data;
        keys.into_iter().find(|stored| stored.id == key).unwrap().last_used_at
    }
}

async fn key_is_found_by_its_prefix_with_its_hash_and_its_user(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let users = fixture.users();
    let user = fixture.create_user("ada@example.org").await;
    let key_secret = secret();
    let expires_at = in_one_minute();
    let command = StoreKeyCommand { expires_at: Some(expires_at), ..new_key(&key_secret) };
    let key = users.store_key(user.id, command.clone()).await.unwrap();
    assert_eq!((&key.prefix, &key.name, &key.scopes), (&command.prefix, &command.name, &command.scopes));
    assert_eq!((key.rate_limit_per_minute, key.expires_at), (Some(600), Some(expires_at)));
    assert_eq!((key.last_used_at, key.revoked_at), (None, None));

    let other_process = fixture.another_user_service().await;
    let record = other_process.key_record(&key_secret.prefix()).await.unwrap();
    assert_eq!((record.id, record.user_id, record.user_state), (key.id, user.id, UserState::Active));
    assert!(record.hash == key_secret.hash());
    assert_eq!((record.scopes, record.rate_limit_per_minute), (key.scopes.clone(), Some(600)));
    assert_eq!((record.expires_at, record.revoked_at), (Some(expires_at), None));
    // The record shows changes to the user and to the key.
    users.set_state(user.id, UserState::Deactivated).await.unwrap();
    let revoked = users.revoke_key(user.id, key.id).await.unwrap();
    let record = other_process.key_record(&key_secret.prefix()).await.unwrap();
    assert_eq!((record.user_state, record.revoked_at), (UserState::Deactivated, revoked.revoked_at));
    assert_eq!(code(other_process.key_record(&secret().prefix()).await), Some(Code::NotFound));
}

/// Several processes store the same key concurrently.
async fn repeated_key_is_stored_once(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let user = fixture.create_user("ada@example.org").await;
    let command = new_key(&secret());
    let mut requests = JoinSet::new();
    for _ in 0..4 {
        let (service, command) = (fixture.another_user_service().await, command.clone());
        requests.spawn(async move { service.store_key(user.id, command).await.unwrap() });
    }
    let stored = requests.join_all().await;
    assert!(stored.iter().all(|key| *key == stored[0]), "{stored:?}");
    assert_eq!(fixture.users().keys_of(user.id).await.unwrap().data, stored[..1]);
}

async fn prefix_of_another_key_is_refused(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let users = fixture.users();
    let (ada, bob) = (fixture.create_user("ada@example.org").await, fixture.create_user("bob@example.org").await);
    let (stored, other) = (secret(), secret());
    let key = users.store_key(ada.id, new_key(&stored)).await.unwrap();
    let same_prefix = StoreKeyCommand { prefix: stored.prefix(), ..new_key(&other) };
    assert_eq!(code(users.store_key(ada.id, same_prefix).await), Some(Code::ValidationFailed));
    // The key of another user is not returned.
    assert_eq!(code(users.store_key(bob.id, new_key(&stored)).await), Some(Code::ValidationFailed));
    assert_eq!(users.keys_of(bob.id).await.unwrap().data, []);
    assert_eq!(users.keys_of(ada.id).await.unwrap().data, [key]);
    assert_eq!(code(users.store_key(unknown_user(), new_key(&other)).await), Some(Code::NotFound));
    assert_eq!(code(users.keys_of(unknown_user()).await), Some(Code::NotFound));
}

async fn key_limit_of_a_user_holds_under_concurrency(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let user = fixture.create_user("ada@example.org").await;
    for _ in 0..MAX_KEYS_PER_USER - 2 {
        fixture.store_key(user.id).await;
    }
    let mut requests = JoinSet::new();
    for _ in 0..6 {
        let service = fixture.another_user_service().await;
        requests.spawn(async move { code(service.store_key(user.id, new_key(&secret())).await) });
    }
    let codes = requests.join_all().await;
    let (stored, refused) = (codes.iter().filter(|code| code.is_none()), codes.iter().flatten());
    assert_eq!((stored.count(), refused.filter(|code| **code == Code::KeyLimitExceeded).count()), (2, 4), "{codes:?}");
    // A revoked key does not count towards the limit.
    let keys = fixture.users().keys_of(user.id).await.unwrap().data;
    assert_eq!(keys.len(), MAX_KEYS_PER_USER);
    fixture.users().revoke_key(user.id, keys[0].id).await.unwrap();
    fixture.store_key(user.id).await;
}

pub(super) fn new_limit(rate_limit_per_minute: RateLimitChange) -> UpdateKeyCommand {
    UpdateKeyCommand { name: None, rate_limit_per_minute }
}

async fn name_and_rate_limit_of_a_key_change_separately(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let users = fixture.users();
    let user = fixture.create_user("ada@example.org").await;
    let key_secret = secret();
    let command = StoreKeyCommand { expires_at: Some(in_one_minute()), ..new_key(&key_secret) };
    let mut key = users.store_key(user.id, command).await.unwrap();
    users.record_uses(&uses(&[(key.id, key.created_at)])).await.unwrap();
    key.last_used_at = Some(key.created_at);
    let other = fixture.store_key(user.id).await;
    for change in [
        UpdateKeyCommand::default(),
        UpdateKeyCommand { name: Some("the till".parse().unwrap()), ..UpdateKeyCommand::default() },
        new_limit(RateLimitChange::PerMinute(1)),
        new_limit(RateLimitChange::LimitOfService),
        UpdateKeyCommand { name: Some("both".parse().unwrap()), ..new_limit(RateLimitChange::PerMinute(MAX_KEY_RATE)) },
    ] {
        key.name = change.name.clone().unwrap_or(key.name);
        key.rate_limit_per_minute = change.rate_limit_per_minute.apply(key.rate_limit_per_minute);
        for _ in 0..2 {
            assert_eq!(users.update_key(user.id, key.id, &change).await.unwrap(), key, "{change:?}");
        }
        assert_eq!(users.keys_of(user.id).await.unwrap().data, [other.clone(), key.clone()], "{change:?}");
        let record = fixture.another_user_service().await.key_record(&key_secret.prefix()).await.unwrap();
        assert_eq!(record.rate_limit_per_minute, key.rate_limit_per_minute, "{change:?}");
        assert_eq!((record.scopes, record.expires_at), (key.scopes.clone(), key.expires_at));
    }
    for rate in [0, MAX_KEY_RATE + 1] {
        let refused = users.update_key(user.id, key.id, &new_limit(RateLimitChange::PerMinute(rate))).await;
        assert_eq!(code(refused), Some(Code::ValidationFailed));
    }
}

async fn revoked_keys_and_keys_of_other_users_cannot_be_changed(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let users = fixture.users();
    let (ada, bob) = (fixture.create_user("ada@example.org").await, fixture.create_user("bob@example.org").await);
    let key = fixture.store_key(ada.id).await;
    let change = new_limit(RateLimitChange::PerMinute(5));
    for (user, key) in [(bob.id, key.id), (ada.id, KeyId(Uuid::now_v7())), (unknown_user(), key.id)] {
        assert_eq!(code(users.update_key(user, key, &change).await), Some(Code::NotFound));
    }
    // The keys of a deactivated user can be changed.
    users.set_state(ada.id, UserState::Deactivated).await.unwrap();
    assert_eq!(users.update_key(ada.id, key.id, &change).await.unwrap().rate_limit_per_minute, Some(5));
    let revoked = users.revoke_key(ada.id, key.id).await.unwrap();
    for change in [new_limit(RateLimitChange::PerMinute(6)), UpdateKeyCommand::default()] {
        assert_eq!(code(users.update_key(ada.id, key.id, &change).await), Some(Code::KeyRevoked));
    }
    assert_eq!(code(users.update_key(bob.id, key.id, &change).await), Some(Code::NotFound));
    assert_eq!(users.keys_of(ada.id).await.unwrap().data, [revoked]);
}

async fn key_is_revoked_once_and_only_by_its_user(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let users = fixture.users();
    let (ada, bob) = (fixture.create_user("ada@example.org").await, fixture.create_user("bob@example.org").await);
    let key = fixture.store_key(ada.id).await;
    for (user, key) in [(bob.id, key.id), (ada.id, KeyId(Uuid::now_v7())), (unknown_user(), key.id)] {
        assert_eq!(code(users.revoke_key(user, key).await), Some(Code::NotFound));
    }
    assert_eq!(users.keys_of(ada.id).await.unwrap().data[0].revoked_at, None);
    let revoked = users.revoke_key(ada.id, key.id).await.unwrap();
    assert!(revoked.revoked_at.is_some_and(|time| time >= key.created_at));
    assert_eq!(users.revoke_key(ada.id, key.id).await.unwrap(), revoked);
}

async fn lists_contain_every_valid_key_and_the_newest_revoked_keys(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let users = fixture.users();
    let user = fixture.create_user("ada@example.org").await;
    assert_eq!(users.keys_of(user.id).await.unwrap().data, []);
    let mut stored = Vec::new();
    for _ in 0..5 {
        stored.push(fixture.store_key(user.id).await.id);
    }
    users.revoke_key(user.id, stored[2]).await.unwrap();
    stored.reverse();
    let listed = users.keys_of(user.id).await.unwrap().data;
    assert_eq!(listed.iter().map(|key| key.id).collect::<Vec<_>>(), stored);

    // Adds more revoked keys than a list contains. Their ids are greater than the ids of the other keys.
    let (id, prefix) = match stack {
        Stack::Embedded => ("unhex('ff' || substr(hex(randomblob(16)), 3))", "printf('bdk_%08d', n)"),
        Stack::Servers => {
            ("('ff' || substr(replace(gen_random_uuid()::text, '-', ''), 3))::uuid", "'bdk_' || lpad(n::text, 8, '0')")
        }
    };
    let copies = format!(
        "with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < 1200)
        insert into api_keys (id, user_id, prefix, hash, name, scopes, created_at, revoked_at)
        select {id}, user_id, {prefix}, hash, name, scopes, created_at, revoked_at
        from api_keys join numbers on true where revoked_at is not null"
    );
    fixture.query_text(&copies).await;
    let listed = users.keys_of(user.id).await.unwrap().data;
    assert_eq!(listed.len(), 1000);
    let valid: BTreeSet<_> = listed.iter().filter(|key| key.revoked_at.is_none()).map(|key| key.id).collect();
    assert_eq!(valid, stored.iter().copied().filter(|id| *id != stored[2]).collect());
    assert!(listed.iter().all(|key| key.id != stored[2]), "the oldest revoked key is listed");
    assert!(listed.is_sorted_by(|newer, older| newer.id > older.id));
}

async fn last_use_never_goes_back_and_is_never_in_the_future(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let users = fixture.users();
    let user = fixture.create_user("ada@example.org").await;
    let (key, unused) = (fixture.store_key(user.id).await.id, fixture.store_key(user.id).await.id);
    let start = Timestamp::now();
    let earlier = start.minus(Duration::from_secs(60));
    // Uses of unknown keys are ignored. The latest of several uses of a key is stored.
    let recorded = users.record_uses(&uses(&[(KeyId(Uuid::now_v7()), start), (key, earlier), (key, start)])).await;
    recorded.unwrap();
    assert_eq!(fixture.last_use(user.id, key).await, Some(start));
    fixture.another_user_service().await.record_uses(&uses(&[(key, earlier)])).await.unwrap();
    assert_eq!(fixture.last_use(user.id, key).await, Some(start));
    users.record_uses(&uses(&[(key, in_one_minute())])).await.unwrap();
    let last = fixture.last_use(user.id, key).await.unwrap();
    assert!(start < last && last <= Timestamp::now(), "{last}");
    assert_eq!(fixture.last_use(user.id, unused).await, None);
    users.record_uses(&KeyUses::default()).await.unwrap();
}

/// Several services record uses of the same keys. Each service sends the keys in a different order.
async fn concurrent_uses_of_the_same_keys_are_recorded(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let user = fixture.create_user("ada@example.org").await;
    let mut keys = Vec::new();
    for _ in 0..20 {
        keys.push(fixture.store_key(user.id).await.id);
    }
    let start = Timestamp::now().minus(Duration::from_secs(3600));
    let mut requests = JoinSet::new();
    for number in 0..4_u64 {
        let service = fixture.another_user_service().await;
        let mut keys = keys.clone();
        keys.rotate_left(usize::try_from(number * 5).unwrap());
        requests.spawn(async move {
            for round in 0..25 {
                let time = start.plus(Duration::from_secs(round * 4 + number));
                let last_uses: Vec<_> = keys.iter().map(|key| (*key, time)).collect();
                service.record_uses(&uses(&last_uses)).await.unwrap();
            }
        });
    }
    requests.join_all().await;
    for key in keys {
        assert_eq!(fixture.last_use(user.id, key).await, Some(start.plus(Duration::from_secs(99))));
    }
}

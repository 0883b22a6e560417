use std::time::Duration;

use common::api::keys::{KeySecret, MAX_KEY_RATE, Scope, Scopes};
use uuid::Uuid;

use super::*;

fn key_id(number: u128) -> KeyId {
    KeyId(Uuid::from_u128(number))
}

fn user_id(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

#[test]
fn repeated_key_is_identified_by_its_user_and_hash() {
    let (hash, other) = (KeySecret::generate().hash(), KeySecret::generate().hash());
    let stored = SamePrefix { id: key_id(7), user_id: user_id(1), hash };
    // A repetition succeeds even if the user has the maximum number of keys.
    for unrevoked_keys in [1, 100] {
        let decision = decide_new_key(user_id(1), hash, Some(stored), unrevoked_keys);
        assert_eq!(decision, Ok(NewKeyDecision::Repeat(key_id(7))));
    }
    for (user, hash) in [(user_id(1), other), (user_id(2), hash)] {
        assert_eq!(decide_new_key(user, hash, Some(stored), 1), Err(DirectoryRefusal::PrefixTaken));
    }
}

#[test]
fn number_of_keys_of_one_user_is_limited() {
    let hash = KeySecret::generate().hash();
    assert_eq!(decide_new_key(user_id(1), hash, None, 99), Ok(NewKeyDecision::Insert));
    assert_eq!(decide_new_key(user_id(1), hash, None, 100), Err(DirectoryRefusal::TooManyKeys));
}

#[test]
fn invalid_fields_of_a_key_are_named() {
    let secret = KeySecret::generate();
    let command = |scopes: &[Scope], rate_limit_per_minute| StoreKeyCommand {
        prefix: secret.prefix(),
        hash: secret.hash(),
        name: "a name".parse().unwrap(),
        scopes: scopes.iter().copied().collect::<Scopes>(),
        rate_limit_per_minute,
        expires_at: None,
    };
    let fields = |command| {
        let errors = validate_key(&command).err().unwrap_or_default();
        errors.into_iter().map(|error| error.field).collect::<Vec<_>>()
    };
    for rate in [None, Some(1), Some(MAX_KEY_RATE)] {
        assert_eq!(fields(command(&[Scope::Read], rate)), [""; 0]);
    }
    assert_eq!(fields(command(&[], None)), ["scopes"]);
    for rate in [0, MAX_KEY_RATE + 1, u32::MAX] {
        assert_eq!(fields(command(&[Scope::Read], Some(rate))), ["rate_limit_per_minute"]);
    }
}

#[test]
fn last_uses_returns_the_latest_use_of_each_key_and_no_future_time() {
    let now = Timestamp::from_micros(1_767_323_045_678_000).unwrap();
    let at = |id, seconds: u64| KeyUse { id: key_id(id), used_at: now.minus(Duration::from_secs(seconds)) };
    let future = KeyUse { id: key_id(1), used_at: now.plus(Duration::from_secs(60)) };
    let recorded = last_uses(&[at(2, 5), at(2, 3), at(2, 9), future, at(1, 1)], now);
    assert_eq!(recorded, Ok(vec![at(1, 0), at(2, 3)]));
    assert!(last_uses(&vec![at(1, 1); MAX_KEY_USES], now).is_ok());
    assert_eq!(last_uses(&vec![at(1, 1); MAX_KEY_USES + 1], now).unwrap_err()[0].field, "uses");
}

#[test]
fn rate_limit_of_a_key_change_must_be_in_range() {
    let change = |limit| validate_key_change(&UpdateKeyCommand { name: None, rate_limit_per_minute: limit });
    for limit in [RateLimitChange::Unchanged, RateLimitChange::LimitOfService, RateLimitChange::PerMinute(MAX_KEY_RATE)]
    {
        assert_eq!(change(limit), Ok(()), "{limit:?}");
    }
    for rate in [0, MAX_KEY_RATE + 1] {
        assert_eq!(change(RateLimitChange::PerMinute(rate)).unwrap_err()[0].field, "rate_limit_per_minute", "{rate}");
    }
}

#[test]
fn lists_of_a_lookup_are_limited() {
    let fields = |ids, emails| {
        let lookup =
            UserLookup { ids: vec![user_id(1); ids], emails: vec!["ada@example.org".parse().unwrap(); emails] };
        let errors = validate_lookup(&lookup).err().unwrap_or_default();
        errors.into_iter().map(|error| error.field).collect::<Vec<_>>()
    };
    assert_eq!(fields(MAX_USER_LOOKUP, MAX_USER_LOOKUP), [""; 0]);
    assert_eq!(fields(MAX_USER_LOOKUP + 1, 1), ["ids"]);
    assert_eq!(fields(MAX_USER_LOOKUP + 1, MAX_USER_LOOKUP + 1), ["ids", "emails"]);
}

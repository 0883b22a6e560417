use std::time::Duration;

use super::*;

fn key() -> ApiKey {
    ApiKey {
        id: "0190a6e2-7c1b-7c3a-9d5e-0123456789ab".parse().unwrap(),
        prefix: "bdk_Zk3TQ9aw".parse().unwrap(),
        name: "shop".parse().unwrap(),
        scopes: [Scope::Read, Scope::Orders].into_iter().collect(),
        rate_limit_per_minute: None,
        created_at: Timestamp::now(),
        expires_at: None,
        last_used_at: None,
        revoked_at: None,
    }
}

#[test]
fn state_is_valid_revoked_or_expired() {
    let now = Timestamp::now();
    let (earlier, later) = (now.minus(Duration::from_secs(1)), now.plus(Duration::from_secs(1)));
    assert_eq!(state(&key(), UserState::Active, now), "valid");
    assert!(state(&ApiKey { expires_at: Some(later), ..key() }, UserState::Active, now).starts_with("valid until "));
    assert!(state(&ApiKey { expires_at: Some(now), ..key() }, UserState::Active, now).starts_with("expired "));
    let revoked = ApiKey { revoked_at: Some(earlier), expires_at: Some(earlier), ..key() };
    assert!(state(&revoked, UserState::Active, now).starts_with("revoked "));
}

#[test]
fn valid_key_of_a_deactivated_user_is_shown_as_refused() {
    let now = Timestamp::now();
    let later = Some(now.plus(Duration::from_secs(1)));
    for key in [key(), ApiKey { expires_at: later, ..key() }] {
        assert_eq!(state(&key, UserState::Deactivated, now), "refused: the user is deactivated");
    }
    let revoked = ApiKey { revoked_at: Some(now), ..key() };
    assert!(state(&revoked, UserState::Deactivated, now).starts_with("revoked "));
}

#[test]
fn table_omits_columns_that_are_empty_for_all_keys() {
    let unused = table([&key()], UserState::Active).to_string();
    assert!(
        unused.contains("orders read") && !unused.contains(LAST_USED) && !unused.contains("per minute"),
        "{unused}"
    );
    let limited = ApiKey { rate_limit_per_minute: Some(600), last_used_at: Some(Timestamp::now()), ..key() };
    let text = table([&limited, &key()], UserState::Active).to_string();
    assert!(text.contains("600") && text.contains(LAST_USED), "{text}");
}

#[test]
fn usage_of_a_new_key_names_only_what_its_scopes_permit() {
    let usage = |scopes: &[Scope]| usage("buydesk order list", &scopes.iter().copied().collect());
    assert!(usage(&[Scope::Orders, Scope::Read]).ends_with("buydesk order list"));
    let without_read = usage(&[Scope::Orders]);
    assert!(!without_read.contains("order list") && without_read.contains("Without the scope read"), "{without_read}");
}

#[test]
fn stored_name_with_a_bidirectional_control_is_shown_escaped() {
    let key = ApiKey { name: "shop\u{202e}pohs".parse().unwrap(), ..key() };
    let text = table([&key], UserState::Active).to_string();
    assert!(text.contains(r"shop\u{202e}pohs") && !text.contains('\u{202e}'), "{text}");
}

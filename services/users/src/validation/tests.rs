use std::time::Duration;

use common::api::keys::MAX_KEY_RATE;

use super::*;

fn key(name: &str, scopes: &[&str]) -> KeyPayload {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    KeyPayload { name: Some(name.to_owned()), scopes: Some(scopes), ..KeyPayload::default() }
}

fn fields<T>(result: Result<T, Vec<FieldError>>) -> Vec<String> {
    result.err().unwrap_or_default().into_iter().map(|error| error.field).collect()
}

#[test]
fn user_needs_an_email_address_and_a_name() {
    let user = |email: &str, name: &str| UserPayload { email: Some(email.to_owned()), name: Some(name.to_owned()) };
    let command = validate_user(&user("Ada@example.org", "Ada")).unwrap();
    assert_eq!((command.email.as_str(), command.name.as_str()), ("Ada@example.org", "Ada"));
    assert_eq!(fields(validate_user(&UserPayload::default())), ["email", "name"]);
    assert_eq!(fields(validate_user(&user("ada", "Ada"))), ["email"]);
    assert_eq!(fields(validate_user(&user("ada", ""))), ["email", "name"]);
}

#[test]
fn invisible_characters_are_refused_in_new_names_and_email_addresses() {
    let (name, email) = ("Ada\u{202e}nimda".to_owned(), "ada\u{200b}@example.org".to_owned());
    let invisible = |field, code, text: &str| {
        FieldError::new(field, format!("must not contain the invisible character {code}, but is {text:?}"))
    };
    let (of_email, of_name) = (invisible("email", "U+200B", &email), invisible("name", "U+202E", &name));
    let user = UserPayload { email: Some(email.clone()), name: Some(name.clone()) };
    assert_eq!(validate_user(&user), Err(vec![of_email.clone(), of_name.clone()]));
    let patch = UserPatch { email: Some(email), name: Some(name.clone()) };
    assert_eq!(validate_patch(&patch), Err(vec![of_email, of_name.clone()]));
    assert_eq!(validate_key(&key(&name, &["read"]), Timestamp::now()), Err(vec![of_name.clone()]));
    assert_eq!(validate_key_patch(&KeyPatch { name: Some(name), ..KeyPatch::default() }), Err(vec![of_name]));
}

#[test]
fn patch_changes_only_fields_that_are_present() {
    let patch = UserPatch { email: None, name: Some("Ada".to_owned()) };
    let command = validate_patch(&patch).unwrap();
    assert_eq!((command.email, command.name.unwrap().as_str()), (None, "Ada"));
    assert_eq!(validate_patch(&UserPatch::default()).unwrap(), UpdateUserCommand::default());
    assert_eq!(
        fields(validate_patch(&UserPatch { email: Some("ada".to_owned()), name: Some("\n".to_owned()) })),
        ["email", "name"]
    );
}

#[test]
fn key_requires_at_least_one_known_scope() {
    let now = Timestamp::now();
    let terms = validate_key(&key("shop", &["read", "orders", "read"]), now).unwrap();
    assert_eq!(terms.scopes, [Scope::Orders, Scope::Read].into_iter().collect());
    let errors = |scopes: &[&str]| validate_key(&key("shop", scopes), now).unwrap_err();
    assert_eq!(errors(&[]), [FieldError::new("scopes", "must contain at least one of orders, wallets, read")]);
    let rule = "must be one of orders, wallets, read, but is";
    assert_eq!(
        errors(&["admin", "read", "order", ""]),
        [
            FieldError::new("scopes[0]", format!("{rule} \"admin\"")),
            FieldError::new("scopes[2]", format!("{rule} \"order\" (did you mean orders?)")),
            FieldError::new("scopes[3]", format!("{rule} \"\"")),
        ]
    );
    assert_eq!(fields(validate_key(&KeyPayload::default(), now)), ["name", "scopes"]);
    assert_eq!(errors(&["admin"; 10 * MAX_FIELD_ERRORS]).len(), MAX_FIELD_ERRORS);
}

#[test]
fn key_with_invalid_rate_or_past_expiry_is_refused() {
    let now = Timestamp::now();
    let with_rate = |rate| KeyPayload { rate_limit_per_minute: Some(rate), ..key("shop", &["read"]) };
    for rate in [1, MAX_KEY_RATE] {
        assert_eq!(validate_key(&with_rate(rate), now).unwrap().rate_limit_per_minute, Some(rate));
    }
    for rate in [0, MAX_KEY_RATE + 1] {
        assert_eq!(fields(validate_key(&with_rate(rate), now)), ["rate_limit_per_minute"]);
    }
    let expiring_at = |expires_at| KeyPayload { expires_at: Some(expires_at), ..key("shop", &["read"]) };
    let later = now.plus(Duration::from_secs(1));
    assert_eq!(validate_key(&expiring_at(later), now).unwrap().expires_at, Some(later));
    let past = validate_key(&expiring_at(now), now).unwrap_err();
    let now = now.shortest();
    let expected = format!("must be after the current time {now}, but is \"{now}\"");
    assert_eq!(past, [FieldError::new("expires_at", expected)]);
}

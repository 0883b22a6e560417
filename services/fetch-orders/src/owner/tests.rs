use std::sync::Arc;

use common::{access::AuthenticatedUser, api::keys::Scopes, ids::KeyId};

use super::*;

fn user(last: u8) -> UserId {
    format!("0190a6e2-7c1b-7c3a-9d5e-00000000000{last}").parse().unwrap()
}

fn principal_of(user_id: UserId) -> Principal {
    let key_id: KeyId = "0190a6e2-7c1b-7c3a-9d5e-000000000009".parse().unwrap();
    let scopes = Scopes::default();
    Principal::User(Arc::new(AuthenticatedUser { user_id, key_id, scopes, rate_limit_per_minute: None }))
}

#[test]
fn only_an_operator_selects_the_orders_of_others() {
    let (ada, bob) = (user(1), user(2));
    let principals = [Principal::Anonymous, principal_of(ada), Principal::Operator];
    let selected = |user| principals.each_ref().map(|principal| select_owner(principal, user).ok());
    assert_eq!(
        selected(None),
        [Some(OwnerFilter::Anonymous), Some(OwnerFilter::User(ada)), Some(OwnerFilter::Everybody)]
    );
    assert_eq!(selected(Some(ada)), [None, Some(OwnerFilter::User(ada)), Some(OwnerFilter::User(ada))]);
    assert_eq!(selected(Some(bob)), [None, None, Some(OwnerFilter::User(bob))]);
}

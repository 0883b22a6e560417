use super::*;

const ADA: UserId = UserId(uuid::Uuid::from_u128(1));
const BOB: UserId = UserId(uuid::Uuid::from_u128(2));

#[test]
fn filter_selects_by_owner_and_only_everybody_selects_all() {
    let filters = [OwnerFilter::Everybody, OwnerFilter::Anonymous, OwnerFilter::User(ADA)];
    let selected = |owner: Option<UserId>| filters.map(|filter| filter.selects(owner));
    assert_eq!(selected(None), [true, true, false]);
    assert_eq!(selected(Some(ADA)), [true, false, true]);
    assert_eq!(selected(Some(BOB)), [true, false, false]);
    assert_eq!((OwnerFilter::of(None), OwnerFilter::of(Some(ADA))), (OwnerFilter::Anonymous, OwnerFilter::User(ADA)));
}

#[test]
fn owner_filter_is_the_same_after_a_round_trip() {
    for filter in [OwnerFilter::Everybody, OwnerFilter::Anonymous, OwnerFilter::User(ADA)] {
        assert_eq!(filter.to_string().parse(), Ok(filter));
    }
    for invalid in ["", "all", "Anonymous", "user:", "user:7", "user: 00000000-0000-0000-0000-000000000001"] {
        assert_eq!(invalid.parse::<OwnerFilter>(), Err(OwnerError), "{invalid}");
    }
}

/// With different client names, two users can use the same idempotency key for different orders.
#[test]
fn every_user_has_a_client_name_of_its_own() {
    let names = [client_name(None), client_name(Some(ADA)), client_name(Some(BOB))];
    assert_eq!(names[0], ANONYMOUS);
    assert_ne!(names[1], names[2]);
    assert_eq!(names.each_ref().map(|name| names_a_user(name)), [false, true, true]);
}

//! Pages of users.

use std::collections::BTreeSet;

use common::{
    api::users::{MAX_USER_PAGE, User, UserCursor, UserQuery, UserState},
    ids::UserId,
};
use db_proxy::users::UserService;
use tests::{Stack, on_both_stacks};

use super::{Fixture, new_user};

on_both_stacks!(
    pages_return_every_user_once_while_users_are_created,
    pages_of_a_state_contain_exactly_its_users,
    address_and_state_filters_are_combined,
);

fn in_state(state: UserState) -> UserQuery {
    UserQuery { email: None, state: Some(state) }
}

/// Reads all pages. Calls `between` after each page.
async fn walk(users: &UserService, query: &UserQuery, limit: u32, between: impl AsyncFn()) -> Vec<User> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = users.list_users(query, cursor, limit).await.unwrap();
        let is_full = page.data.len() == limit as usize;
        assert!(is_full || page.next_cursor.is_none(), "{page:?}");
        assert_eq!(page.next_cursor.is_some(), page.next_cursor == page.data.last().map(|user| UserCursor(user.id)));
        all.extend(page.data);
        between().await;
        cursor = page.next_cursor;
        if cursor.is_none() {
            return all;
        }
    }
}

fn ids(users: &[User]) -> Vec<UserId> {
    users.iter().map(|user| user.id).collect()
}

async fn pages_return_every_user_once_while_users_are_created(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let users = fixture.users();
    let mut created = Vec::new();
    for number in 0..20 {
        created.push(fixture.create_user(&format!("user{number}@example.org")).await.id);
    }
    created.reverse();
    for limit in [1, 3, 10, 19, 20, 21, MAX_USER_PAGE] {
        let other = fixture.another_user_service().await;
        let number = std::sync::atomic::AtomicU32::new(0);
        let create = async || {
            let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            other.create_user(new_user(&format!("new{number}.{limit}@example.org"))).await.unwrap();
        };
        let seen = ids(&walk(&users, &UserQuery::default(), limit, create).await);
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "a user is listed twice");
        assert!(seen.is_sorted_by(|newer, older| newer > older));
        assert!(seen.ends_with(&created), "pages of {limit} users lack a user");
    }
}

async fn pages_of_a_state_contain_exactly_its_users(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let users = fixture.users();
    let (mut active, mut deactivated) = (Vec::new(), Vec::new());
    for number in 0..12 {
        let id = fixture.create_user(&format!("user{number}@example.org")).await.id;
        if number % 3 == 0 {
            users.set_state(id, UserState::Deactivated).await.unwrap();
            deactivated.insert(0, id);
        } else {
            active.insert(0, id);
        }
    }
    for limit in [1, 4, 5, 100] {
        for (state, expected) in [(UserState::Active, &active), (UserState::Deactivated, &deactivated)] {
            assert_eq!(&ids(&walk(&users, &in_state(state), limit, async || {}).await), expected);
        }
    }
    // A limit above the maximum is reduced and not refused.
    assert_eq!(users.list_users(&UserQuery::default(), None, u32::MAX).await.unwrap().data.len(), 12);
}

async fn address_and_state_filters_are_combined(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let users = fixture.users();
    let user = fixture.create_user("ada@example.org").await;
    for (state, count) in [(None, 1), (Some(UserState::Active), 1), (Some(UserState::Deactivated), 0)] {
        let query = UserQuery { email: Some("ADA@example.org".parse().unwrap()), state };
        assert_eq!(users.list_users(&query, None, 10).await.unwrap().data.len(), count, "{state:?}");
        // The page after the only user is empty.
        assert_eq!(users.list_users(&query, Some(UserCursor(user.id)), 10).await.unwrap().data, []);
    }
}

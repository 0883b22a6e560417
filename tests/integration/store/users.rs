//! Users: each email address belongs to one user, and changes are stored or refused.

mod endpoints;
mod keys;
mod pages;
mod seeding;

use std::{sync::Arc, time::Duration};

use common::{
    api::{
        Code, Problem,
        keys::RateLimitChange,
        users::{CreateUserCommand, UpdateUserCommand, User, UserLookup, UserQuery, UserState},
    },
    ids::UserId,
    time::{Clock, MAX_CLOCK_SKEW, Timestamp},
};
use db_proxy::{
    clock_check::{ClockCheck, ClockRules},
    users::{UserService, UserStore},
};
use tests::{Stack, on_both_stacks};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Fixture, unchecked_clock};

on_both_stacks!(
    user_is_stored_exactly_and_found_without_regard_to_case,
    concurrent_creations_of_one_address_create_one_user,
    address_of_another_user_is_refused,
    repeated_change_keeps_updated_at,
    concurrent_changes_to_one_address_change_one_user,
    concurrent_writes_are_each_stored_or_refused,
    readable_views_show_users_and_keys,
    nothing_is_written_before_the_clock_is_checked,
);

const WRITERS: usize = 4;

impl Fixture {
    fn users(&self) -> UserService {
        UserService { store: UserStore::new(&self.connections), clock_check: unchecked_clock() }
    }

    /// A service with its own connections to the same database, as in another process.
    async fn another_user_service(&self) -> UserService {
        UserService { store: UserStore::new(&self.reconnect().await), clock_check: unchecked_clock() }
    }

    async fn create_user(&self, email: &str) -> User {
        self.users().create_user(new_user(email)).await.unwrap()
    }
}

fn new_user(email: &str) -> CreateUserCommand {
    CreateUserCommand { email: email.parse().unwrap(), name: "Ada".parse().unwrap() }
}

fn unknown_user() -> UserId {
    UserId(Uuid::now_v7())
}

/// The code of the error. `None` if there is no error.
fn code<T, E>(result: Result<T, E>) -> Option<Code>
where
    Problem: From<E>,
{
    result.err().map(|error| Problem::from(error).code)
}

/// Every field of a user as text. Users whose addresses differ only in case have different texts.
fn text_of(user: &User) -> String {
    serde_json::to_string(user).unwrap()
}

async fn user_is_stored_exactly_and_found_without_regard_to_case(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let command = CreateUserCommand {
        email: "Rene\u{301}.O'Neil+shop@Bücher.example".parse().unwrap(),
        name: r#"René "R" O'Neil; -- \ 名 {a,b} %s $1"#.parse().unwrap(),
    };
    let user = fixture.users().create_user(command.clone()).await.unwrap();
    fixture.create_user("another@example.org").await;
    assert_eq!((user.email.as_str(), &user.name), (command.email.as_str(), &command.name));
    assert_eq!((user.state, user.created_at), (UserState::Active, user.updated_at));

    let other_process = fixture.another_user_service().await;
    assert_eq!(text_of(&other_process.user(user.id).await.unwrap()), text_of(&user));
    let spelling = "REN\u{c9}.o'neil+SHOP@xn--bcher-kva.EXAMPLE".parse().unwrap();
    let query = UserQuery { email: Some(spelling), state: None };
    let found = other_process.list_users(&query, None, 10).await.unwrap();
    assert_eq!(found.data.iter().map(text_of).collect::<Vec<_>>(), [text_of(&user)]);
    assert_eq!(found.next_cursor, None);

    let lookup = UserLookup { ids: vec![user.id, unknown_user()], emails: vec!["nobody@example.org".parse().unwrap()] };
    assert_eq!(other_process.find_users(&lookup).await.unwrap().users, [user]);
    assert_eq!(code(other_process.user(unknown_user()).await), Some(Code::NotFound));
}

async fn concurrent_creations_of_one_address_create_one_user(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut services = Vec::new();
    for _ in 0..WRITERS {
        services.push(fixture.another_user_service().await);
    }
    for round in 0..10 {
        let barrier = Arc::new(tokio::sync::Barrier::new(WRITERS));
        let mut creations = JoinSet::new();
        for (number, service) in services.iter().cloned().enumerate() {
            // The services use two spellings of the address.
            let email =
                if number % 2 == 0 { format!("ada{round}@example.org") } else { format!("ADA{round}@Example.ORG") };
            let barrier = Arc::clone(&barrier);
            creations.spawn(async move {
                barrier.wait().await;
                service.create_user(new_user(&email)).await.map_err(|error| Problem::from(error).code)
            });
        }
        let results = creations.join_all().await;
        let created: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        let refused = results.iter().filter(|result| matches!(result, Err(Code::EmailTaken))).count();
        assert_eq!((created.len(), refused), (1, WRITERS - 1), "{results:?}");
        assert_eq!(text_of(&services[0].user(created[0].id).await.unwrap()), text_of(created[0]));
    }
    assert_eq!(fixture.query_text("select cast(count(*) as text) from users").await, [["10"]]);
}

async fn address_of_another_user_is_refused(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let users = fixture.users();
    let (ada, bob) = (fixture.create_user("ada@example.org").await, fixture.create_user("bob@example.org").await);
    let change = |email: &str| UpdateUserCommand { email: Some(email.parse().unwrap()), name: None };
    assert_eq!(code(users.update_user(bob.id, &change("ADA@example.org")).await), Some(Code::EmailTaken));
    assert_eq!(text_of(&users.user(bob.id).await.unwrap()), text_of(&bob));
    // The owner of an address can change its spelling.
    let renamed = users.update_user(ada.id, &change("Ada@Example.org")).await.unwrap();
    assert_eq!((renamed.email.as_str(), &renamed.name), ("Ada@Example.org", &ada.name));
    assert!(renamed.updated_at > ada.updated_at);
    // An address that its owner has replaced can be used again.
    users.update_user(ada.id, &change("lovelace@example.org")).await.unwrap();
    fixture.create_user("ada@example.org").await;
    assert_eq!(code(users.update_user(unknown_user(), &change("new@example.org")).await), Some(Code::NotFound));
    assert_eq!(code(users.set_state(unknown_user(), UserState::Active).await), Some(Code::NotFound));
}

async fn repeated_change_keeps_updated_at(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let users = fixture.users();
    let user = fixture.create_user("ada@example.org").await;
    assert_eq!(users.set_state(user.id, UserState::Active).await.unwrap(), user);
    let deactivated = users.set_state(user.id, UserState::Deactivated).await.unwrap();
    assert!(deactivated.state == UserState::Deactivated && deactivated.updated_at > user.updated_at);
    assert_eq!(users.set_state(user.id, UserState::Deactivated).await.unwrap(), deactivated);
    let change = UpdateUserCommand { email: None, name: Some("Ada Lovelace".parse().unwrap()) };
    let renamed = users.update_user(user.id, &change).await.unwrap();
    assert!(renamed.updated_at > deactivated.updated_at);
    for change in [change, UpdateUserCommand::default()] {
        assert_eq!(users.update_user(user.id, &change).await.unwrap(), renamed);
    }
    assert_eq!(users.set_state(user.id, UserState::Active).await.unwrap().state, UserState::Active);
}

async fn concurrent_changes_to_one_address_change_one_user(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut changes = JoinSet::new();
    for number in 0..WRITERS {
        let user = fixture.create_user(&format!("user{number}@example.org")).await;
        let service = fixture.another_user_service().await;
        changes.spawn(async move {
            let change = UpdateUserCommand { email: Some("ada@example.org".parse().unwrap()), name: None };
            code(service.update_user(user.id, &change).await)
        });
    }
    let mut codes = changes.join_all().await;
    codes.sort_by_key(Option::is_some);
    assert_eq!(codes, [None, Some(Code::EmailTaken), Some(Code::EmailTaken), Some(Code::EmailTaken)]);
}

/// On SQLite, these writes are committed in a few transactions.
async fn concurrent_writes_are_each_stored_or_refused(stack: Stack) {
    /// Users whose names change.
    const RENAMED: usize = 20;
    /// Users who all request the same new address. Only one of them receives it.
    const SAME_ADDRESS: usize = 10;
    let fixture = Fixture::new(stack).await;
    let service = fixture.users();
    let mut creations = JoinSet::new();
    for number in 0..RENAMED + SAME_ADDRESS {
        let service = service.clone();
        creations.spawn(async move { service.create_user(new_user(&format!("user{number}@example.org"))).await });
    }
    let created: Vec<User> = creations.join_all().await.into_iter().map(Result::unwrap).collect();
    let (to_rename, same_address) = created.split_at(RENAMED);

    let change = |email: Option<&str>, name: Option<&str>| UpdateUserCommand {
        email: email.map(|email| email.parse().unwrap()),
        name: name.map(|name| name.parse().unwrap()),
    };
    let (mut renames, mut address_changes, mut new_users, mut keys) =
        (JoinSet::new(), JoinSet::new(), JoinSet::new(), JoinSet::new());
    for user in to_rename.iter().cloned() {
        let (writer, rename) = (service.clone(), change(None, Some(&format!("Name {}", user.email))));
        renames.spawn(async move { writer.update_user(user.id, &rename).await.unwrap() });
        let writer = service.clone();
        keys.spawn(async move { (user.id, writer.store_key(user.id, keys::new_key(&keys::secret())).await.unwrap()) });
    }
    for id in same_address.iter().map(|user| user.id).chain([unknown_user()]) {
        let (writer, take_address) = (service.clone(), change(Some("shared@example.org"), None));
        address_changes.spawn(async move { code(writer.update_user(id, &take_address).await) });
        let writer = service.clone();
        new_users.spawn(async move { code(writer.create_user(new_user("new@example.org")).await) });
    }
    let (renames, keys) = (renames.join_all().await, keys.join_all().await);
    let (address_changes, new_users) = (address_changes.join_all().await, new_users.join_all().await);

    let count = |codes: &[Option<Code>], wanted: Option<Code>| codes.iter().filter(|code| **code == wanted).count();
    let taken = Some(Code::EmailTaken);
    assert_eq!(
        (count(&address_changes, None), count(&address_changes, taken), count(&address_changes, Some(Code::NotFound))),
        (1, SAME_ADDRESS - 1, 1)
    );
    assert_eq!((count(&new_users, None), count(&new_users, taken)), (1, SAME_ADDRESS));
    // A service with other connections reads the acknowledged users.
    let other_process = fixture.another_user_service().await;
    for user in renames {
        assert_eq!(user.name.as_str(), format!("Name {}", user.email));
        assert_eq!(text_of(&other_process.user(user.id).await.unwrap()), text_of(&user));
    }
    for (user, key) in keys {
        assert_eq!(other_process.keys_of(user).await.unwrap().data, [key]);
    }
    let stored = "select cast(count(*) as text) from users";
    assert_eq!(fixture.query_text(stored).await, [[(RENAMED + SAME_ADDRESS + 1).to_string()]]);
}

async fn readable_views_show_users_and_keys(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let user = fixture.create_user("ada@example.org").await;
    fixture.create_user("bob@example.org").await;
    let key = fixture.users().store_key(user.id, keys::new_key(&keys::secret())).await.unwrap();
    let users = fixture.query_text("select email, name, state, cast(id as text) from users_readable").await;
    assert_eq!(
        (&users[0][0], &users[1][..3]),
        (&"bob@example.org".to_owned(), &["ada@example.org", "Ada", "active"].map(str::to_owned)[..])
    );
    assert_eq!(users[1][3], user.id.to_string());
    let keys = "
        select cast(id as text), cast(user_id as text), prefix, email, user_state, scopes, cast(rate_limit_per_minute as text)
        from api_keys_readable";
    let (key_id, user_id) = (key.id.to_string(), user.id.to_string());
    let row =
        [key_id.as_str(), user_id.as_str(), key.prefix.as_str(), "ada@example.org", "active", "orders,read", "600"];
    assert_eq!(fixture.query_text(keys).await, [row]);
}

/// A wrong clock would store wrong times.
async fn nothing_is_written_before_the_clock_is_checked(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let user = fixture.create_user("ada@example.org").await;
    let key = fixture.users().store_key(user.id, keys::new_key(&keys::secret())).await.unwrap();
    // This check has never compared its clock with the clock of the database.
    let rules = ClockRules { database_has_clock: true, max_order_ahead: MAX_CLOCK_SKEW };
    let unchecked = UserService { clock_check: ClockCheck::new(Clock::System, rules), ..fixture.users() };
    let change = UpdateUserCommand { email: None, name: Some("Bob".parse().unwrap()) };
    let codes = [
        code(unchecked.create_user(new_user("bob@example.org")).await),
        code(unchecked.update_user(user.id, &change).await),
        code(unchecked.set_state(user.id, UserState::Deactivated).await),
        code(unchecked.store_key(user.id, keys::new_key(&keys::secret())).await),
        code(unchecked.update_key(user.id, key.id, &keys::new_limit(RateLimitChange::LimitOfService)).await),
        code(unchecked.revoke_key(user.id, key.id).await),
        code(unchecked.record_uses(&keys::uses(&[(key.id, user.created_at)])).await),
    ];
    assert_eq!(codes, [Some(Code::DatabaseUnavailable); 7]);
    assert_eq!(unchecked.user(user.id).await.unwrap(), user);
    assert_eq!(unchecked.keys_of(user.id).await.unwrap().data, [key]);
}

fn in_one_minute() -> Timestamp {
    Timestamp::now().plus(Duration::from_secs(60))
}

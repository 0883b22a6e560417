//! Generated users: a run that was interrupted continues, and runs may be concurrent.

use std::time::Duration;

use common::api::users::UserQuery;
use db_proxy::users::{UserStore, seeding::seeded_email};
use tests::{Stack, on_both_stacks};
use tokio::{task::JoinSet, time::timeout};

use super::Fixture;

on_both_stacks!(
    seeding_continues_where_it_was_interrupted,
    concurrent_seeding_adds_each_user_once,
    generated_users_are_listed_like_other_users,
);

impl Fixture {
    /// The number of generated users. Asserts that they have the numbers from 1, each once.
    async fn generated_users(&self) -> u64 {
        let addresses = "select email_key from users where name like 'Generated user %' order by email_key";
        let stored = self.query_text(addresses).await.concat();
        let gap = stored.iter().zip(1..).find(|(email, number)| **email != seeded_email(*number));
        assert_eq!(
            gap,
            None,
            "address and number of the first generated user that is out of sequence, of {} users",
            stored.len()
        );
        stored.len() as u64
    }
}

async fn seed(store: &UserStore, target: u64, batch: u64) -> u64 {
    store.seed_users(target, batch).await.unwrap()
}

async fn seeding_continues_where_it_was_interrupted(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let store = fixture.users().store;
    assert_eq!(store.seeded_users().await.unwrap(), 0);
    // This user is not generated, although its address looks like a generated address.
    fixture.create_user("generated000000900@example.org").await;
    assert_eq!(seed(&store, 1000, 300).await, 300);
    let process = fixture.another_user_service().await.store;
    let mut interruptions = 0;
    for micros in (0..20_000).step_by(400) {
        let seeding = timeout(Duration::from_micros(micros), process.seed_users(1_000_000, 300));
        interruptions += u32::from(seeding.await.is_err());
        // A transaction is stored as a whole or not at all.
        assert_eq!(fixture.generated_users().await % 300, 0);
    }
    assert!(interruptions > 0, "no run was interrupted");
    // This call waits until the interrupted transactions have ended.
    let stored = seed(&store, 1_000_000, 300).await;
    assert_eq!(fixture.generated_users().await, stored);
    assert_eq!(seed(&store, stored + 50, 300).await, stored + 50);
    assert_eq!(seed(&store, stored, 300).await, stored + 50);
    assert_eq!(fixture.generated_users().await, stored + 50);
    assert_eq!(store.seeded_users().await.unwrap(), stored + 50);
}

async fn concurrent_seeding_adds_each_user_once(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let mut runs = JoinSet::new();
    for _ in 0..3 {
        let store = fixture.another_user_service().await.store;
        runs.spawn(async move { while store.seed_users(1000, 70).await.unwrap() < 1000 {} });
    }
    runs.join_all().await;
    assert_eq!(fixture.generated_users().await, 1000);
}

async fn generated_users_are_listed_like_other_users(stack: Stack) {
    let fixture = Fixture::new(stack).await;
    let users = fixture.users();
    seed(&users.store, 25, 10).await;
    seed(&users.store, 25, 10).await;
    seed(&users.store, 25, 10).await;
    let later = fixture.create_user("ada@example.org").await;
    let page = users.list_users(&UserQuery::default(), None, 100).await.unwrap().data;
    assert_eq!((page.len(), page[0].id), (26, later.id));
    let names: Vec<_> = page[1..].iter().map(|user| user.name.to_string()).collect();
    assert_eq!(names, (1..=25).rev().map(|number| format!("Generated user {number}")).collect::<Vec<_>>());
    let query = UserQuery { email: Some(seeded_email(7).to_uppercase().parse().unwrap()), state: None };
    let found = users.list_users(&query, None, 1).await.unwrap().data.remove(0);
    assert_eq!(users.user(found.id).await.unwrap().name.as_str(), "Generated user 7");
}

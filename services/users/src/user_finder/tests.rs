use super::*;
use crate::tests::fake_directory::FakeDirectory;

#[tokio::test]
async fn each_look_up_of_a_batch_receives_its_user() {
    let directory = Arc::new(FakeDirectory::default());
    let users = ["ada@example.org", "bob@example.org"].map(|email| directory.add_user(email, "A user"));
    let keys = vec![
        LookupKey::Email("BOB@example.org".parse().unwrap()),
        LookupKey::Id(users[0].id),
        LookupKey::Email("nobody@example.org".parse().unwrap()),
        LookupKey::Id(UserId(uuid::Uuid::now_v7())),
        LookupKey::Id(users[1].id),
    ];
    let found = look_up_batch(directory.clone(), keys).await;
    let found: Vec<_> = found
        .into_iter()
        .map(|result| result.unwrap().map(|json| DbProxyClient::parse_response(&json).unwrap()))
        .collect();
    let [ada, bob] = users;
    assert_eq!(found, [Some(bob.clone()), Some(ada), None, None, Some(bob)]);
    assert_eq!(directory.calls(), 1);
}

#[tokio::test]
async fn failed_batch_fails_each_look_up() {
    let directory = Arc::new(FakeDirectory::default());
    directory.fail_next(1, crate::tests::fake_directory::Fault::DatabaseUnavailable);
    let keys = vec![LookupKey::Id(UserId(uuid::Uuid::now_v7())); 2];
    let results = look_up_batch(directory, keys).await;
    assert!(results.iter().all(|result| matches!(result, Err(SharedReadError::Call(_)))) && results.len() == 2);
}

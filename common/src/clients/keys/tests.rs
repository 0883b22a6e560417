use std::{collections::HashMap, net::Ipv4Addr, sync::Mutex};

use tokio::sync::Notify;

use super::*;
use crate::{
    api::keys::{KeyUse, MAX_KEY_USES, Scope},
    ids::{KeyId, UserId},
};

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const OTHER_CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
const DEADLINE: Duration = Duration::from_secs(10);

/// A directory that counts its calls.
#[derive(Default)]
struct FakeDirectory {
    records: Mutex<HashMap<KeyPrefix, KeyRecord>>,
    look_ups: AtomicU32,
    stored_uses: Mutex<Vec<KeyUse>>,
    state: Mutex<State>,
    /// Notified when a look-up begins.
    began: Notify,
    /// Ends the wait of a look-up that began in the state [`State::Waiting`].
    release: Notify,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Available,
    Unavailable,
    Waiting,
}

impl FakeDirectory {
    fn set(&self, state: State) {
        *self.state.lock().unwrap() = state;
    }

    fn look_ups(&self) -> u32 {
        self.look_ups.load(Ordering::SeqCst)
    }

    fn change(&self, key: &KeySecret, change: impl FnOnce(&mut KeyRecord)) {
        change(self.records.lock().unwrap().get_mut(&key.prefix()).unwrap());
    }

    /// Stores a key and returns it.
    fn issue(&self) -> KeySecret {
        let key = KeySecret::generate();
        let record = KeyRecord {
            id: KeyId(uuid::Uuid::new_v4()),
            user_id: UserId(uuid::Uuid::new_v4()),
            user_state: UserState::Active,
            hash: key.hash(),
            scopes: [Scope::Read].into_iter().collect(),
            rate_limit_per_minute: Some(600),
            expires_at: None,
            revoked_at: None,
        };
        self.records.lock().unwrap().insert(key.prefix(), record);
        key
    }
}

#[async_trait]
impl KeyDirectory for FakeDirectory {
    async fn find_key(&self, prefix: &KeyPrefix) -> Result<Option<KeyRecord>, CallError> {
        self.look_ups.fetch_add(1, Ordering::SeqCst);
        self.began.notify_one();
        let state = *self.state.lock().unwrap();
        match state {
            State::Available => {}
            State::Unavailable => return Err(unavailable()),
            State::Waiting => self.release.notified().await,
        }
        Ok(self.records.lock().unwrap().get(prefix).cloned())
    }

    async fn record_uses(&self, uses: &KeyUses) -> Result<(), CallError> {
        if *self.state.lock().unwrap() == State::Unavailable {
            return Err(unavailable());
        }
        assert!(uses.uses.len() <= MAX_KEY_USES);
        self.stored_uses.lock().unwrap().extend(&uses.uses);
        Ok(())
    }
}

fn unavailable() -> CallError {
    CallError::InvalidResponse("db-proxy", "status 502 without a problem".to_owned())
}

struct TestSetup {
    directory: Arc<FakeDirectory>,
    keys: Arc<KeyAuthenticator>,
    clock: Clock,
}

impl TestSetup {
    fn with_result_ttl(result_ttl: Duration) -> Self {
        let directory = Arc::new(FakeDirectory::default());
        let clock = Clock::starting_at(Timestamp::now());
        let metrics = Metrics::new("test");
        let keys = KeyAuthenticator::with_result_ttl(directory.clone(), &metrics, clock, result_ttl);
        Self { directory, keys: Arc::new(keys), clock }
    }

    /// A setup whose cached results do not expire during the test.
    fn new() -> Self {
        Self::with_result_ttl(Duration::from_secs(600))
    }

    async fn check(&self, key: &KeySecret) -> Result<Arc<AuthenticatedUser>, KeyError> {
        self.keys.authenticate(key, CLIENT).await
    }

    async fn reason(&self, key: &KeySecret) -> InvalidKey {
        match self.check(key).await {
            Err(KeyError::Invalid(reason)) => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Sends this many different unknown keys.
    async fn send_unknown_keys(&self, count: u32, client: IpAddr) -> Result<(), KeyError> {
        for _ in 0..count {
            match self.keys.authenticate(&KeySecret::generate(), client).await {
                Err(KeyError::Invalid(InvalidKey::Unknown)) => {}
                Err(error) => return Err(error),
                Ok(user) => panic!("{user:?}"),
            }
        }
        Ok(())
    }
}

#[tokio::test]
async fn valid_key_is_looked_up_once_and_identifies_its_user() {
    let setup = TestSetup::new();
    let key = setup.directory.issue();
    let user = setup.check(&key).await.unwrap();
    let record = setup.directory.records.lock().unwrap()[&key.prefix()].clone();
    assert_eq!((user.user_id, user.key_id), (record.user_id, record.id));
    assert_eq!((&user.scopes, user.rate_limit_per_minute), (&record.scopes, Some(600)));
    for _ in 0..100 {
        assert_eq!(setup.check(&key).await, Ok(user.clone()));
    }
    assert_eq!(setup.directory.look_ups(), 1);
}

#[tokio::test]
async fn key_with_the_prefix_of_another_key_is_unknown() {
    let setup = TestSetup::new();
    let (key, other) = (setup.directory.issue(), KeySecret::generate());
    // The record with the prefix of `other` has the hash of `key`.
    let record = setup.directory.records.lock().unwrap()[&key.prefix()].clone();
    setup
        .directory
        .records
        .lock()
        .unwrap()
        .insert(other.prefix(), KeyRecord { revoked_at: Some(setup.clock.now()), ..record });
    assert_eq!(setup.reason(&other).await, InvalidKey::Unknown);
    assert_eq!(setup.reason(&KeySecret::generate()).await, InvalidKey::Unknown);
}

#[tokio::test]
async fn revoked_and_expired_keys_and_keys_of_deactivated_users_are_refused() {
    let setup = TestSetup::new();
    let [revoked, expired, deactivated, expiring] = std::array::from_fn(|_| setup.directory.issue());
    let now = setup.clock.now();
    setup.directory.change(&revoked, |record| record.revoked_at = Some(now));
    setup.directory.change(&expired, |record| record.expires_at = Some(now.minus(Duration::from_secs(1))));
    setup.directory.change(&deactivated, |record| record.user_state = UserState::Deactivated);
    setup.directory.change(&expiring, |record| record.expires_at = Some(now.plus(Duration::from_secs(100))));
    assert_eq!(setup.reason(&revoked).await, InvalidKey::Revoked);
    assert_eq!(setup.reason(&expired).await, InvalidKey::Expired);
    assert_eq!(setup.reason(&deactivated).await, InvalidKey::UserDeactivated);
    assert!(setup.check(&expiring).await.is_ok());
    // The expiry applies to a cached result too.
    setup.clock.set(now.plus(Duration::from_secs(100)));
    assert_eq!(setup.reason(&expiring).await, InvalidKey::Expired);
    assert_eq!(setup.directory.look_ups(), 4);
}

#[tokio::test]
async fn revocation_takes_effect_when_the_cached_result_expires() {
    let setup = TestSetup::with_result_ttl(Duration::from_millis(20));
    let key = setup.directory.issue();
    assert!(setup.check(&key).await.is_ok());
    setup.directory.change(&key, |record| record.revoked_at = Some(setup.clock.now()));
    let refused = async {
        while setup.check(&key).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, refused).await.expect("the revoked key is refused");
    assert_eq!(setup.reason(&key).await, InvalidKey::Revoked);
}

#[tokio::test]
async fn concurrent_checks_of_one_key_share_one_look_up() {
    let setup = TestSetup::new();
    let key = setup.directory.issue();
    setup.directory.set(State::Waiting);
    let checks: Vec<_> = (0..50)
        .map(|_| {
            let (keys, key) = (setup.keys.clone(), key.clone());
            tokio::spawn(async move { keys.authenticate(&key, CLIENT).await })
        })
        .collect();
    setup.directory.began.notified().await;
    // If this caller began the look-up, another caller begins it again.
    checks[0].abort();
    setup.directory.set(State::Available);
    setup.directory.release.notify_one();
    for check in checks.into_iter().skip(1) {
        assert!(check.await.unwrap().is_ok());
    }
    assert!(setup.directory.look_ups() <= 2, "{}", setup.directory.look_ups());
}

#[tokio::test]
async fn check_without_a_cached_result_fails_while_db_proxy_is_unavailable() {
    let setup = TestSetup::with_result_ttl(Duration::from_millis(20));
    let key = setup.directory.issue();
    setup.directory.set(State::Unavailable);
    assert_eq!(setup.check(&key).await, Err(KeyError::Unavailable));
    setup.directory.set(State::Available);
    assert!(setup.check(&key).await.is_ok());
    setup.directory.set(State::Unavailable);
    let refused = async {
        while setup.check(&key).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, refused).await.expect("the cached result expires");
    assert_eq!(setup.check(&key).await, Err(KeyError::Unavailable));
    setup.directory.set(State::Available);
    assert!(setup.check(&key).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn look_up_without_a_response_ends_at_its_deadline() {
    let setup = TestSetup::new();
    setup.directory.set(State::Waiting);
    let start = tokio::time::Instant::now();
    assert_eq!(setup.check(&setup.directory.issue()).await, Err(KeyError::Unavailable));
    assert_eq!(start.elapsed(), LOOK_UP_DEADLINE);
}

#[tokio::test]
async fn address_that_sent_many_unknown_keys_causes_no_look_ups_of_new_keys() {
    let setup = TestSetup::new();
    let (known, new) = (setup.directory.issue(), setup.directory.issue());
    assert!(setup.check(&known).await.is_ok());
    setup.send_unknown_keys(MAX_UNKNOWN_KEYS, CLIENT).await.unwrap();
    let look_ups = setup.directory.look_ups();
    let refused = Err(KeyError::TooManyUnknownKeys { retry_after: UNKNOWN_KEYS_PERIOD });
    for _ in 0..100 {
        assert_eq!(setup.send_unknown_keys(1, CLIENT).await, refused);
    }
    assert_eq!(setup.check(&new).await.map(|_| ()), refused);
    assert_eq!(setup.directory.look_ups(), look_ups);
    // Keys that were valid recently are still looked up. Keys from other addresses are not affected.
    setup.keys.results.invalidate_all();
    assert!(setup.check(&known).await.is_ok());
    assert!(setup.keys.authenticate(&new, OTHER_CLIENT).await.is_ok());
}

#[tokio::test]
async fn repeated_unknown_key_is_looked_up_once() {
    let setup = TestSetup::new();
    let key = KeySecret::generate();
    for _ in 0..2 * MAX_UNKNOWN_KEYS {
        assert_eq!(setup.reason(&key).await, InvalidKey::Unknown);
    }
    assert_eq!(setup.directory.look_ups(), 1);
}

#[tokio::test]
async fn look_ups_in_progress_are_bounded() {
    let setup = TestSetup::new();
    setup.directory.set(State::Waiting);
    let mut checks = tokio::task::JoinSet::new();
    for _ in 0..3 * MAX_LOOK_UPS {
        let (keys, key) = (setup.keys.clone(), setup.directory.issue());
        checks.spawn(async move { keys.authenticate(&key, CLIENT).await });
    }
    while setup.keys.look_ups.available_permits() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(usize::try_from(setup.directory.look_ups()).unwrap(), MAX_LOOK_UPS);
    setup.directory.set(State::Available);
    setup.directory.release.notify_waiters();
    while let Some(check) = checks.join_next().await {
        assert!(check.unwrap().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn last_uses_are_stored_in_intervals_and_when_the_service_stops() {
    let setup = TestSetup::new();
    let stop = CancellationToken::new();
    let recording = tokio::spawn(setup.keys.clone().record_uses(stop.clone()));
    let used_at = setup.clock.now();
    let first = setup.check(&setup.directory.issue()).await.unwrap().key_id;
    let stored = || std::mem::take(&mut *setup.directory.stored_uses.lock().unwrap());
    assert!(stored().is_empty(), "a request does not cause a write");
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(stored(), [KeyUse { id: first, used_at }]);
    // A batch that fails is sent again.
    let second = setup.check(&setup.directory.issue()).await.unwrap().key_id;
    setup.directory.set(State::Unavailable);
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(stored().is_empty());
    setup.directory.set(State::Available);
    stop.cancel();
    recording.await.unwrap();
    assert_eq!(stored().iter().map(|used| used.id).collect::<Vec<_>>(), [second]);
}

#[tokio::test(start_paused = true)]
async fn full_batch_of_last_uses_is_stored_immediately() {
    let setup = TestSetup::new();
    let stop = CancellationToken::new();
    let recording = tokio::spawn(setup.keys.clone().record_uses(stop.clone()));
    tokio::task::yield_now().await;
    for _ in 0..MAX_KEY_USES {
        setup.keys.last_uses.record(KeyId(uuid::Uuid::new_v4()), setup.clock.now());
    }
    let stored = || setup.directory.stored_uses.lock().unwrap().len();
    let start = tokio::time::Instant::now();
    while stored() < MAX_KEY_USES {
        tokio::task::yield_now().await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    stop.cancel();
    recording.await.unwrap();
    assert_eq!(stored(), MAX_KEY_USES);
}

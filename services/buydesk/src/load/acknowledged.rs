//! Records the acknowledged changes of a load, and checks them after the load. Several kinds of load share this code.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde::{Deserialize, de::DeserializeOwned};
use uuid::Uuid;

use super::{
    report::Check,
    transport::{PreparedRequest, Reply, Transport},
    workload::Failure,
};
use crate::{
    cli::CheckScope,
    client::{ApiClient, ClientError, Endpoint},
};

/// Maximum number of changes in a sample.
const SAMPLE: usize = 1000;
/// Maximum number of acknowledged requests that the check sends again with their keys.
const REPEATED: usize = 20;
/// Maximum number of attempts of each request before or after the load.
const MAX_ATTEMPTS: u32 = 10;
/// The pause before the next attempt. For a read, it is the minimum pause.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Maximum pause before the next attempt of a read.
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// A request and its idempotency key.
#[derive(Debug)]
pub struct KeyedRequest<'a> {
    pub request: &'a PreparedRequest,
    pub key: String,
}

/// The outcomes of requests with idempotency keys. Each request has a number.
#[derive(Debug, Default)]
pub struct Outcomes {
    acknowledged: BTreeMap<u64, Uuid>,
    unknown: Vec<u64>,
    /// The number of requests whose outcome became known when they were sent again.
    resolved: u64,
}

/// [`Outcomes`] that many tasks share.
#[derive(Debug, Default)]
pub struct SharedOutcomes(Mutex<Outcomes>);

/// The part of a response that identifies the change.
#[derive(Debug, Deserialize)]
struct Created {
    id: Uuid,
}

impl SharedOutcomes {
    fn lock(&self) -> MutexGuard<'_, Outcomes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the response to the request with this number. A response without the id of a change is a failure.
    pub fn record(&self, number: u64, response: Result<Reply, Failure>) -> Result<(), Failure> {
        let created = response.and_then(|reply| id_of(&reply));
        let mut outcomes = self.lock();
        match &created {
            Ok(id) => drop(outcomes.acknowledged.insert(number, *id)),
            Err(failure) if failure.is_unknown_outcome() => outcomes.unknown.push(number),
            Err(_) => {}
        }
        created.map(drop)
    }

    /// Resolves the unknown outcomes after the load. Then checks that no two keys have the same change, and that a
    /// sample of repeated requests returns the same changes again.
    pub async fn resolve_and_check<'a>(
        &self,
        transport: &Transport,
        request: impl Fn(u64) -> KeyedRequest<'a>,
    ) -> (Outcomes, Check) {
        let mut outcomes = std::mem::take(&mut *self.lock());
        outcomes.resolve(transport, &request).await;
        let check = outcomes.check(transport, &request).await;
        (outcomes, check)
    }
}

fn id_of(reply: &Reply) -> Result<Uuid, Failure> {
    let created = serde_json::from_slice::<Created>(&reply.body);
    created.map(|created| created.id).map_err(|_| Failure { code: "invalid_response".to_owned(), status: None })
}

impl Outcomes {
    /// The acknowledged requests with the ids of their changes.
    pub fn acknowledged(&self) -> impl Iterator<Item = (u64, Uuid)> {
        self.acknowledged.iter().map(|(number, id)| (*number, *id))
    }

    /// The acknowledged requests to look up. A sample is evenly distributed over all acknowledged requests.
    pub fn selected(&self, scope: CheckScope) -> Vec<(u64, Uuid)> {
        match scope {
            CheckScope::All => self.acknowledged().collect(),
            CheckScope::Sample => self.sample(SAMPLE),
            CheckScope::None => Vec::new(),
        }
    }

    fn sample(&self, size: usize) -> Vec<(u64, Uuid)> {
        let step = self.acknowledged.len().div_ceil(size).max(1);
        self.acknowledged().step_by(step).collect()
    }

    /// Sends each request with an unknown outcome again with its key, until its outcome is known or all attempts are
    /// used.
    async fn resolve<'a>(&mut self, transport: &Transport, request: impl Fn(u64) -> KeyedRequest<'a>) {
        for number in std::mem::take(&mut self.unknown) {
            let KeyedRequest { request, key } = request(number);
            match send_until_known(transport, request, &key).await.and_then(|reply| id_of(&reply)) {
                Ok(id) => {
                    self.acknowledged.insert(number, id);
                    self.resolved += 1;
                }
                Err(failure) if failure.is_unknown_outcome() || failure.status == Some(429) => {
                    self.unknown.push(number);
                }
                // A refusal means that no earlier request with this key made the change.
                Err(_) => self.resolved += 1,
            }
        }
    }

    async fn check<'a>(&self, transport: &Transport, request: impl Fn(u64) -> KeyedRequest<'a>) -> Check {
        let mut check = Check {
            acknowledged: u64::try_from(self.acknowledged.len()).unwrap_or(u64::MAX),
            resolved: self.resolved,
            unresolved: u64::try_from(self.unknown.len()).unwrap_or(u64::MAX),
            ..Check::default()
        };
        let mut numbers = HashMap::new();
        for (number, id) in self.acknowledged() {
            if let Some(other) = numbers.insert(id, number) {
                check.add_violation(format!(
                    "The requests {other} and {number} have different keys and the same change {id}."
                ));
            }
        }
        for (number, id) in self.sample(REPEATED) {
            let KeyedRequest { request, key } = request(number);
            check.repeated += 1;
            match send_until_known(transport, request, &key).await {
                Ok(reply) if !reply.replayed => {
                    check.add_violation(format!("The repeated request with key {key} made a second change."));
                }
                Ok(reply) if id_of(&reply).ok() != Some(id) => {
                    check.add_violation(format!("The repeated request with key {key} did not return {id}."));
                }
                Ok(_) => {}
                Err(Failure { code, .. }) => {
                    check.add_violation(format!("The repeated request with key {key} failed: {code}."));
                }
            }
        }
        check
    }
}

/// Sends a request again with its key until its outcome is known, or all attempts are used.
async fn send_until_known(transport: &Transport, request: &PreparedRequest, key: &str) -> Result<Reply, Failure> {
    let mut attempt = 1;
    loop {
        match transport.send(request, Some(key)).await {
            Err(failure) if attempt < MAX_ATTEMPTS && (failure.is_unknown_outcome() || failure.status == Some(429)) => {
                attempt += 1;
                tokio::time::sleep(RETRY_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// Reads a document before or after a load. Retries transient errors, such as a rate limit.
pub async fn read_with_retries<T: DeserializeOwned>(
    client: &ApiClient,
    endpoint: &Endpoint,
    path: &str,
) -> anyhow::Result<T> {
    let mut attempt = 1;
    loop {
        let error = match client.get(endpoint, path).await {
            Ok(response) => return response.parse(),
            Err(error) => error,
        };
        let wait = error.downcast_ref::<ClientError>().and_then(ClientError::retry_wait);
        let Some(wait) = wait.filter(|_| attempt < MAX_ATTEMPTS) else {
            return Err(error);
        };
        attempt += 1;
        tokio::time::sleep(wait.clamp(RETRY_PAUSE, MAX_PAUSE)).await;
    }
}

//! `buydesk load users`: creates users, and finds users by id and by e-mail address, as an operator.

use anyhow::anyhow;
use common::api::users::{User, UserPayload};
use uuid::Uuid;

use crate::{
    client::{ApiClient, Endpoint},
    load::{
        transport::{PreparedRequest, Transport},
        workload::{Failure, Workload},
    },
};

const PATH: &str = "api/v1/users";
/// Number of users that are created before the load. The load finds these users.
const FOUND_USERS: u32 = 50;
const BY_ID: usize = 0;
const BY_EMAIL: usize = 1;
const CREATION: usize = 2;
/// Operations of ten consecutive requests, as indexes of [`UserLoad::operations`].
const MIX: [usize; 10] = [BY_ID, BY_EMAIL, BY_ID, BY_EMAIL, CREATION, BY_ID, BY_EMAIL, BY_ID, BY_EMAIL, BY_ID];

#[derive(Debug)]
pub struct UserLoad {
    transport: Transport,
    endpoint: Endpoint,
    /// The id of this run, which is a part of each e-mail address.
    run: Uuid,
    found: Vec<FoundUser>,
}

/// The requests that find a user.
#[derive(Debug)]
struct FoundUser {
    by_id: PreparedRequest,
    by_email: PreparedRequest,
}

impl UserLoad {
    pub async fn new(client: &ApiClient, transport: Transport) -> anyhow::Result<Self> {
        let (endpoint, run) = (client.endpoints.users.clone(), Uuid::now_v7());
        let mut load = Self { transport, endpoint, run, found: Vec::new() };
        for number in 0..FOUND_USERS {
            let response = load.create(&format!("found-{number}")).await;
            let body = response.map_err(|Failure { code, .. }| anyhow!("no user was created: {code}"))?;
            let user: User = serde_json::from_slice(&body)?;
            let by_id = load.transport.get(&load.endpoint, &format!("{PATH}/{}", user.id))?;
            let by_email = load.transport.get(&load.endpoint, &format!("{PATH}?email={}", user.email))?;
            load.found.push(FoundUser { by_id, by_email });
        }
        Ok(load)
    }

    /// Creates a user. `name` is part of its e-mail address. Returns the body of the response.
    async fn create(&self, name: &str) -> Result<Vec<u8>, Failure> {
        let email = format!("load-{}-{name}@example.org", self.run);
        let payload = UserPayload { email: Some(email), name: Some("Load".to_owned()) };
        let request = self.transport.post(&self.endpoint, PATH, &payload);
        let request = request.map_err(|error| Failure { code: error.to_string(), status: None })?;
        Ok(self.transport.send(&request, None).await?.body)
    }
}

impl Workload for UserLoad {
    fn operations(&self) -> &'static [&'static str] {
        &["by id", "by e-mail", "creation"]
    }

    fn operation_of(&self, number: u64) -> usize {
        usize::try_from(number % 10).map_or(BY_ID, |index| MIX[index])
    }

    async fn send(&self, number: u64) -> Result<(), Failure> {
        let user = &self.found[usize::try_from(number / 10).unwrap_or_default() % self.found.len()];
        match self.operation_of(number) {
            BY_ID => self.transport.send(&user.by_id, None).await.map(drop),
            BY_EMAIL => self.transport.send(&user.by_email, None).await.map(drop),
            _ => self.create(&number.to_string()).await.map(drop),
        }
    }
}

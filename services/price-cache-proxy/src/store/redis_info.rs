//! The role and the measurements of a Redis server, which the server reports with `INFO`. They are part
//! of the component `cache`, which health-check receives.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use common::{
    api::health::{Component, Measurement},
    redis_connection::RedisConnector,
};
use redis::InfoDict;

use crate::limits::REDIS_COMMAND_TIMEOUT;

/// How long a response of the server is used.
const MAX_AGE: Duration = Duration::from_secs(15);

/// The latest response of the server to `INFO`.
#[derive(Debug, Default)]
pub(super) struct ServerInfo(Mutex<Option<InfoResponse>>);

/// `description` is `None` if the server did not answer or does not permit `INFO`.
#[derive(Debug, Clone)]
struct InfoResponse {
    received_at: Instant,
    description: Option<Description>,
}

/// The role and the measurements of the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Description {
    role: Option<String>,
    measurements: Vec<Measurement>,
}

impl ServerInfo {
    /// Adds the role and the measurements of the server to a component. Returns the component unchanged if the server does not
    /// answer, or does not permit `INFO`.
    pub(super) async fn describe(&self, component: Component, connector: &RedisConnector) -> Component {
        let Some(Description { role, measurements }) = self.current(connector).await else { return component };
        let detail = role.map(|role| format!("the role of the server is {role}"));
        Component { detail, ..component }.with_measurements(measurements)
    }

    async fn current(&self, connector: &RedisConnector) -> Option<Description> {
        let recent = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(InfoResponse { description, .. }) = recent.filter(|info| info.received_at.elapsed() < MAX_AGE) {
            return description;
        }
        let command = redis::cmd("INFO");
        let answer = tokio::time::timeout(REDIS_COMMAND_TIMEOUT, connector.query::<InfoDict>(&command)).await;
        let description = answer.ok().and_then(Result::ok).map(|info| describe_server(&info));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(InfoResponse { received_at: Instant::now(), description: description.clone() });
        description
    }
}

fn describe_server(info: &InfoDict) -> Description {
    let memory = info.get::<u64>("used_memory").map(|used| {
        let used = Measurement::new(Measurement::MEMORY_USED, used, Measurement::BYTES);
        // 0 means that there is no limit.
        match info.get::<u64>("maxmemory") {
            Some(max) if max > 0 => used.with_max(max),
            _ => used,
        }
    });
    let count = |field: &str, name: &str| Some(Measurement::new(name, info.get::<u64>(field)?, name));
    let measurements = [memory, count("connected_clients", "clients"), count("connected_slaves", "replicas")];
    Description { role: info.get("role"), measurements: measurements.into_iter().flatten().collect() }
}

#[cfg(test)]
mod tests;

//! The readiness of another service, as a component of the caller.

use std::time::Duration;

use poem::http::{Method, StatusCode};

use super::{CallError, ServiceClient};
use crate::api::health::{Component, Readiness};

/// Deadline of the request. It is shorter than the deadlines with which the readiness of the calling service is checked.
const DEADLINE: Duration = Duration::from_millis(1500);

impl ServiceClient {
    /// Requests the readiness of the service. The result is a component with the name of the service.
    pub async fn readiness_component(&self) -> Component {
        match self.readiness().await {
            Ok(readiness) if readiness.ready => Component::ready(self.service),
            Ok(readiness) => Component::not_ready(self.service, Component::fatal_reasons(&readiness.parts).join("; ")),
            Err(error) => Component::not_ready(self.service, error.to_string()),
        }
    }

    async fn readiness(&self) -> Result<Readiness, CallError> {
        let response = self.send(Method::GET, "/readyz", None, Some(DEADLINE)).await?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| CallError::of_transport(self.service, error))?;
        match status {
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => self.parse_response(&bytes),
            status => Err(CallError::InvalidResponse(self.service, format!("status {status} of /readyz"))),
        }
    }
}

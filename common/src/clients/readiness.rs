//! The readiness of another service, as a component of the caller.

use std::time::Duration;

use poem::http::{Method, StatusCode};

use super::{CallError, ServiceClient, instances::Instance};
use crate::api::health::{Component, Readiness};

/// Deadline of the request. The checks of the readiness of the calling service have longer deadlines.
const DEADLINE: Duration = Duration::from_millis(1500);

impl ServiceClient {
    /// Requests the readiness of the service. The result is a component with the name of the service. The component is
    /// ready if at least one instance is ready.
    pub async fn readiness_component(&self) -> Component {
        let mut attempts = 0;
        loop {
            let instance = self.instances.current();
            let readiness = self.readiness(instance).await;
            attempts += 1;
            // A stopping instance closes the connection after its response, so a load balancer may send the next request to another
            // instance.
            let is_stopping = matches!(&readiness, Ok(readiness) if readiness.is_stopping());
            let permitted = self.instances.count().max(if is_stopping { 2 } else { 1 });
            match readiness {
                Ok(readiness) if readiness.ready => return Component::ready(self.service),
                _ if attempts < permitted => self.instances.switch_from(instance),
                Ok(readiness) => {
                    let reasons = Component::fatal_reasons(&readiness.parts).join("; ");
                    return Component::not_ready(self.service, reasons);
                }
                Err(error) => return Component::not_ready(self.service, error.to_string()),
            }
        }
    }

    async fn readiness(&self, instance: Instance<'_>) -> Result<Readiness, CallError> {
        let (request, span) = self.request(instance, self.token.token(), Method::GET, "/readyz")?;
        let request = request.header(Readiness::SERVICE_CALL_HEADER, "1").timeout(DEADLINE);
        let response = self.execute(request, span).await?;
        let status = response.status();
        let bytes = response.bytes().await.map_err(|error| CallError::of_transport(self.service, error))?;
        match status {
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => self.parse_response(&bytes),
            status => Err(CallError::InvalidResponse(self.service, format!("status {status} of /readyz"))),
        }
    }
}

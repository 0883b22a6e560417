//! The paths that every service has.

use crate::api::REFERENCE_PATH;

/// The paths of the documentation, which the OpenAPI document does not contain. `/` redirects to `/docs`, unless the service
/// has its own page.
pub(super) const DOCUMENTATION_PATHS: &[&str] = &["/", "/openapi.json", "/docs", REFERENCE_PATH];

/// The operations endpoints, which probes and collectors of metrics request at regular intervals.
pub(super) const PROBE_PATHS: &[&str] = &["/livez", "/readyz", "/metrics"];

//! The paths that every service has.

use crate::api::REFERENCE_PATH;

/// The paths of the documentation. The OpenAPI document does not contain them. `/` redirects to `/docs`, unless the
/// service has its own page.
pub(super) const DOCUMENTATION_PATHS: &[&str] = &["/", "/openapi.json", "/docs", REFERENCE_PATH];

/// The endpoints for monitoring. Probes and collectors of metrics request them at regular intervals.
pub(super) const PROBE_PATHS: &[&str] = &["/livez", "/readyz", "/metrics"];

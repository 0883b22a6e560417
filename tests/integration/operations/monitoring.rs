//! What `deployment/prometheus` and `deployment/grafana` contain: alerts, the addresses of services, and dashboards.

mod alerts;
mod queries;

//! The contents of `deployment/prometheus` and `deployment/grafana`: alerts, the addresses of services, and dashboards.

mod alerts;
mod queries;

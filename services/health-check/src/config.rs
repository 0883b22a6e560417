//! The settings of health-check.

use common::config::{AcceptedCallers, Caller, Env, Secret, shared};
use url::Url;

use crate::{alerts::AlertConfig, history::HistoryConfig, nginx};

#[derive(Debug, Clone)]
pub struct Config {
    /// The callers that may send reports.
    pub accepted_callers: AcceptedCallers,
    /// The token of operators. Needed only if the service listens beyond loopback.
    pub operator_token: Option<Secret>,
    pub alerts: AlertConfig,
    pub history: HistoryConfig,
    /// The URLs at which nginx is probed. Empty if there is no nginx.
    pub nginx_urls: Vec<Url>,
}

impl Config {
    /// | variable | default | meaning |
    /// |---|---|---|
    /// | `SERVER_KEY` | derived from `INTERNAL_TOKEN` | the key from which the tokens of callers are derived |
    /// | `OPERATOR_TOKEN` | none | the token of operators; beyond loopback, only operators see reports and host names |
    /// | `ALERT_WEBHOOK_URL`, `ALERTMANAGER_URL` | none | the URLs to which alerts are sent |
    /// | `HEALTH_HISTORY_FILE` | none | the file from which the history and the silences are restored after a restart |
    /// | `HEALTH_KEEP_SECS` | 30 days | how long the history keeps a period after its end |
    /// | `ALERT_DISK_PERCENT`, `ALERT_MEMORY_PERCENT` | 10, 5 | the thresholds of `DiskNearlyFull` and `MemoryNearlyUsedUp` |
    /// | `NGINX_URL` | none | the URLs at which nginx is probed; `/livez` if the URL has no path |
    pub fn from_env(env: &mut Env) -> Self {
        let accepted_callers = shared::accepted_callers(env, Caller::HEALTH_CHECK.as_str());
        Self {
            accepted_callers,
            operator_token: shared::operator_token(env),
            alerts: AlertConfig::from_env(env),
            history: HistoryConfig::from_env(env),
            nginx_urls: nginx::urls_from_env(env),
        }
    }
}

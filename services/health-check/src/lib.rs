//! health-check: receives the heartbeats and reports of all services, and shows the health of the platform.

mod alerts;
mod clock;
mod config;
mod degradation;
mod documentation;
mod error;
mod health_service;
mod history;
mod limit_pace;
mod metrics;
mod nginx;
mod operator;
mod order_intake;
mod registry;
mod report_store;
mod routes;
mod status_page;
#[cfg(test)]
mod tests;
mod validation;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use common::{
    config::{Caller, Env, LiveSetting, is_loopback},
    metrics::Metrics,
    server::{Listener, OpsEndpoints, RateLimit, ReadinessCheck, Server, openapi_document, service_endpoint},
    service::{ApplySettings, Service},
};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

pub use self::{alerts::AlertConfig, config::Config, history::HistoryConfig};
use self::{
    alerts::{Alerts, Notifiers},
    clock::DualClock,
    health_service::HealthService,
    history::{History, Restored},
    nginx::NginxProbe,
    operator::OperatorAccess,
    routes::Api,
};

/// Interval between checks for changed service states.
const DETECTION_INTERVAL: Duration = Duration::from_secs(1);

/// The health-check service on a bound listener.
pub struct App {
    server: Server,
    health_service: Arc<HealthService>,
    notifiers: Notifiers,
    nginx: NginxProbe,
    clock: DualClock,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertDescription {
    pub name: &'static str,
    pub severity: &'static str,
    pub runbook_url: String,
}

/// Every alert that can fire in health-check.
pub fn alert_descriptions() -> Vec<AlertDescription> {
    let describe = |rule: &alerts::rules::Rule| AlertDescription {
        name: rule.name(),
        severity: rule.severity().as_str(),
        runbook_url: rule.runbook_url(),
    };
    alerts::rules::Rule::ALL.iter().map(describe).collect()
}

impl Service for App {
    const NAME: &'static str = "health-check";
    const PORT: u16 = 8050;
    const CALLER: Caller = Caller::HEALTH_CHECK;
    type Config = Config;
    const LIVE_SETTINGS: &'static [LiveSetting] = &[
        LiveSetting::secret("ALERTMANAGER_URL"),
        LiveSetting::new("ALERT_DISK_PERCENT"),
        LiveSetting::new("ALERT_MEMORY_PERCENT"),
        LiveSetting::secret("ALERT_WEBHOOK_URL"),
        LiveSetting::new("HEALTH_KEEP_SECS"),
        LiveSetting::new("NGINX_URL"),
    ];

    fn configure(env: &mut Env) -> Config {
        Config::from_env(env)
    }

    async fn build(config: Config, listener: Listener) -> anyhow::Result<Self> {
        let metrics = Metrics::new(Self::NAME);
        let clock = DualClock::start();
        let thresholds = config.alerts.thresholds;
        let notifiers = Notifiers::new(config.alerts);
        let Restored { history, silences } = History::open(&config.history, clock.now().wall)?;
        let alerts = Alerts::new(thresholds, &notifiers, silences);
        let health_service = Arc::new(HealthService::new(&metrics, alerts, history, clock.now()));
        let nginx = NginxProbe::new(config.nginx_urls);
        let restricted = !is_loopback(listener.address()?.ip());
        let ops = OpsEndpoints {
            service: Self::NAME,
            description: documentation::description(),
            metrics: metrics.clone(),
            ready: nginx.public_readiness_check(restricted),
            accepted_callers: Some(config.accepted_callers.clone()),
            access: None,
            rate_limit: RateLimit::default(),
            value_check: Some(health_service.clone()),
        };
        if restricted && config.operator_token.is_none() {
            tracing::warn!(
                "the service listens beyond loopback and OPERATOR_TOKEN is not set, so nobody can read reports"
            );
        }
        let access = OperatorAccess { restricted, token: config.operator_token, callers: config.accepted_callers };
        let api = Api { health_service: Arc::clone(&health_service), clock, access };
        let server = Server::new(listener, service_endpoint(api, ops)).with_metrics(&metrics);
        Ok(Self { server, health_service, notifiers, nginx, clock })
    }

    fn address(&self) -> std::io::Result<SocketAddr> {
        self.server.address()
    }

    /// health-check needs no other component. It is ready even if nginx or all services are missing.
    fn readiness(&self) -> ReadinessCheck {
        self.nginx.readiness_check()
    }

    fn live_settings(&self) -> ApplySettings<Config> {
        let (health_service, notifiers, nginx) =
            (self.health_service.clone(), self.notifiers.clone(), self.nginx.clone());
        Arc::new(move |Config { alerts, history, nginx_urls, .. }| {
            health_service.apply_settings(alerts.thresholds, history.keep);
            notifiers.set_urls(alerts);
            nginx.set_urls(nginx_urls);
        })
    }

    async fn run_until(self, stop: CancellationToken) -> anyhow::Result<()> {
        let Self { server, health_service, notifiers, clock, .. } = self;
        let detect_changes = async {
            let mut ticks = tokio::time::interval(DETECTION_INTERVAL);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                health_service.detect_state_changes(clock.now());
            }
        };
        tokio::select! {
            result = server.run_until(stop) => result,
            () = detect_changes => Ok(()),
            () = notifiers.send() => Ok(()),
        }
    }

    fn openapi() -> String {
        openapi_document::<Api>(Self::NAME, &documentation::description())
    }
}

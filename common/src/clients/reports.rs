//! Reports. (Being written.)
use crate::{config::Env, http::ReadinessCheck};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[derive(Debug, Clone)]
pub struct Config {
    pub alive_interval: Duration,
}
impl Config {
    pub fn read(_env: &mut Env) -> Self {
        Self { alive_interval: Duration::from_secs(60) }
    }
}

pub struct ReportSource;
#[derive(Clone)]
pub struct ReportSender;
impl ReportSource {
    pub fn sender(&self) -> ReportSender {
        ReportSender
    }
}
pub async fn alive(_s: &'static str, _r: ReadinessCheck, _i: Duration, _q: ReportSender, _stop: CancellationToken) {}
pub async fn run(_c: Config, _s: ReportSource) {}

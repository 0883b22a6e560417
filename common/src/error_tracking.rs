//! Sends errors to Sentry, or to another server with its protocol, if `SENTRY_DSN` is set.
//!
//! An [`ErrorTracker`] sends the log records of level error and critical that a [`WarningSink`] receives. A thread of
//! the Sentry client sends the records from a bounded queue. When the queue is full, records are dropped.

use std::{sync::Arc, time::Duration};

use sentry::{
    Client, ClientOptions, Transport, TransportFactory, TransportOptions,
    protocol::{Event, Level as EventLevel},
    transports::ReqwestHttpTransportOptions,
    types::Dsn,
};

use crate::{
    clients::http_client_with_timeout,
    config::Env,
    level::Level,
    reporting::instance_name,
    telemetry::{LogRecord, WarningSink},
};

/// Time limit of a request to Sentry.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);
/// Time limit for sending the queued errors when the process stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);
const DSN: &str = "SENTRY_DSN";

/// The settings of the error tracker.
#[derive(Debug, Clone)]
pub struct Config {
    dsn: Dsn,
    environment: Option<String>,
}

impl Config {
    /// Returns `None` if `SENTRY_DSN` is not set.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let environment = env.text("SENTRY_ENVIRONMENT").map(str::to_owned);
        let allowed = "the address of a project of Sentry, such as https://KEY@sentry.example/1";
        let dsn = env.parse_secret_with(DSN, allowed, |text| text.parse().ok())?;
        Some(Self { dsn, environment })
    }
}

/// Sends errors to Sentry. Clones share the queue.
#[derive(Clone, Default)]
pub struct ErrorTracker(Option<Arc<Client>>);

impl ErrorTracker {
    /// Starts the thread that sends errors. Does nothing without a configuration.
    pub fn start(config: Option<Config>) -> Self {
        Self(config.map(|Config { dsn, environment }| {
            let mut options = ClientOptions::new().release(env!("CARGO_PKG_VERSION")).server_name(instance_name());
            options.dsn = Some(dsn);
            options.environment = environment.map(Into::into);
            options.default_integrations = false;
            options.transport = Some(Arc::new(HttpTransport));
            Arc::new(Client::with_options(options))
        }))
    }

    /// Returns a sink that sends errors to Sentry, and passes every record on to `sink`.
    #[must_use]
    pub fn with_sink(&self, sink: WarningSink) -> WarningSink {
        let Some(client) = self.0.clone() else { return sink };
        let WarningSink { receive, transport_target, transport_crates } = sink;
        let receive = Box::new(move |record: LogRecord| {
            if let Some(event) = to_event(&record) {
                client.capture_event(event, None);
            }
            receive(record);
        });
        WarningSink { receive, transport_target, transport_crates }
    }

    /// Sends the queued errors, for at most two seconds.
    pub async fn stop(self) {
        if let Some(client) = self.0 {
            // `flush` blocks its thread.
            let _ = tokio::task::spawn_blocking(move || client.flush(Some(FLUSH_TIMEOUT))).await;
        }
    }
}

/// Sends requests with the HTTP client of the services, whose TLS is rustls.
struct HttpTransport;

impl TransportFactory for HttpTransport {
    fn create_transport_with_options(&self, options: TransportOptions) -> Arc<dyn Transport> {
        let options = ReqwestHttpTransportOptions::from(options);
        Arc::new(options.with_client(http_client_with_timeout(SEND_TIMEOUT)).build())
    }
}

/// The event of a log record. `None` for levels below error. Records of one kind have the same message, so Sentry
/// groups their events.
fn to_event(record: &LogRecord) -> Option<Event<'static>> {
    let level = match record.level {
        Level::Critical => EventLevel::Fatal,
        Level::Error => EventLevel::Error,
        Level::Warning | Level::Info | Level::Debug => return None,
    };
    let ids = [("request_id", &record.request_id), ("trace_id", &record.trace_id)];
    let ids = ids.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id.clone()?)));
    let service = [("service".to_owned(), record.service.clone())];
    Some(Event {
        level,
        message: Some(record.message.clone()),
        logger: Some(record.target.to_owned()),
        tags: service.into_iter().chain(ids).collect(),
        extra: record.fields.clone().into_iter().collect(),
        ..Event::default()
    })
}

#[cfg(test)]
mod tests;

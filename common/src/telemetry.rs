//! Logs: one line an event on standard output, and a copy of every warning and worse for health-check.
//!
//! Standard output, because lines of a service are its product to whoever collects them, all in one order; standard error is
//! left to what is said before logs are set up, such as a setting that is wrong.

mod format;
mod output;
mod record;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::IsTerminal,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use tracing::{
    Event, Metadata, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id},
    subscriber::Interest,
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
    reload,
};

use self::{format::Style, output::Output, record::Fields};
use crate::{
    config::Env,
    level::Level,
    reporting::{self, ReportQueue, ReportReceiver, report_queue},
    request_context::RequestContext,
};

#[doc(hidden)]
pub use tracing as __tracing;

/// Logs an error that somebody should look at now: an error event with the field `critical`. Takes what
/// `tracing::error!` takes, save for a `target:`.
#[macro_export]
macro_rules! critical {
    ($($event:tt)+) => { $crate::telemetry::__tracing::error!(critical = true, $($event)+) };
}

/// Crates that tell more of themselves than an operator wants: held at warning, save where everything is asked for.
const QUIET: [&str; 10] =
    ["h2", "hyper", "hyper_util", "poem", "poem_openapi", "redis", "reqwest", "rustls", "sqlx", "tower"];
/// The crates that carry reports. What they say is not reported, for it may be about a report.
const CARRIERS: [&str; 5] = ["h2", "hyper", "hyper_util", "reqwest", "rustls"];
/// How long [`flush`] waits for a reader that is slow.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For a person at a terminal.
    Pretty,
    /// For programs that collect logs.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    pub level: Level,
    pub format: Format,
    /// Whether a terminal shows the lines, and takes colours.
    pub colours: bool,
}

impl Config {
    pub fn from_env(env: &mut Env) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let level = env.parse("LOG_LEVEL", Level::Info, "one of critical, error, warning, info, debug");
        let read = |text: &str| match text.to_ascii_lowercase().as_str() {
            "pretty" => Some(Format::Pretty),
            "json" => Some(Format::Json),
            _ => None,
        };
        let format = env.parse_with("LOG_FORMAT", "pretty or json", read);
        let format = format.unwrap_or(if terminal { Format::Pretty } else { Format::Json });
        Self { level, format, colours: terminal && env.text("NO_COLOR").is_none() }
    }
}

/// What lasts as long as the process.
struct Installed {
    levels: reload::Handle<Levels, Registry>,
    output: Output,
}

static INSTALLED: OnceLock<Installed> = OnceLock::new();

/// Sets up the logs of the process. `service` is whom an event belongs to that does not say so itself, by a field `service`
/// of its own or of a span around it, or by the request it is part of. What comes back is the source of the reports; [`flush`] is to be called at the end.
///
/// Fails where logs were set up before.
pub fn init(config: &Config, service: &'static str) -> anyhow::Result<ReportReceiver> {
    let output = Output::start(std::io::stdout()).context("the thread that writes the logs cannot be started")?;
    let source = report_queue(service);
    let (levels, logs) = layers(*config, service, output.clone(), source.queue());
    let (levels, handle) = reload::Layer::new(levels);
    let subscriber = tracing_subscriber::registry().with(levels).with(logs);
    tracing::subscriber::set_global_default(subscriber).context("logs are set up already")?;
    let _ = INSTALLED.set(Installed { levels: handle, output });
    log_panics();
    Ok(source)
}

/// Changes, in the running process, how much is logged. Does nothing where no logs are set up.
pub fn set_level(level: Level) {
    if let Some(installed) = INSTALLED.get() {
        // By way of the handle, so that what tracing remembers of each place that logs is worked out anew.
        let _ = installed.levels.modify(|levels| levels.set(level));
    }
}

/// How much is logged; nothing where no logs are set up.
pub fn level() -> Option<Level> {
    INSTALLED.get()?.levels.with_current(Levels::get).ok()
}

/// Waits until the lines so far are written, for a second at most. To be called before the process ends.
pub fn flush() {
    if let Some(installed) = INSTALLED.get() {
        installed.output.flush(FLUSH_DEADLINE);
    }
}

/// A panic is a line of the log like any other trouble, and is reported.
fn log_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let message = info.payload_as_str().unwrap_or("of an unknown kind");
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            critical!(%place, %backtrace, "panic: {message}");
        } else {
            critical!(%place, "panic: {message}");
        }
        // Where it ends the process, there is no other moment.
        flush();
    }));
}

fn layers(config: Config, service: &'static str, output: Output, reports: ReportQueue) -> (Levels, Logs) {
    let levels = Levels(Arc::new(AtomicU8::new(0)));
    levels.set(config.level);
    let style = Style { format: config.format, colours: config.colours };
    (levels.clone(), Logs { levels, style, service, output, reports })
}

/// Which events and spans are looked at at all. What tracing remembers of the answer makes the others cost nothing.
#[derive(Clone)]
struct Levels(Arc<AtomicU8>);

impl Levels {
    fn set(&self, level: Level) {
        self.0.store(level as u8, Ordering::Relaxed);
    }

    fn get(&self) -> Level {
        Level::ALL.into_iter().find(|&level| level as u8 == self.0.load(Ordering::Relaxed)).unwrap_or(Level::Info)
    }

    /// Whether an event of this level and target is written.
    fn writes(&self, level: Level, target: &str) -> bool {
        let most = match self.get() {
            Level::Info if is_of(target, &QUIET) => Level::Warning,
            most => most,
        };
        level <= most
    }

    fn looks_at(&self, metadata: &Metadata<'_>) -> bool {
        let most = match self.get() {
            Level::Debug => tracing::Level::DEBUG,
            Level::Info if !is_of(metadata.target(), &QUIET) => tracing::Level::INFO,
            // A warning of any crate goes to health-check, and our own spans tell what it belongs to.
            _ if metadata.is_span() && !is_of(metadata.target(), &QUIET) => tracing::Level::INFO,
            _ => tracing::Level::WARN,
        };
        *metadata.level() <= most
    }
}

impl<S: Subscriber> Layer<S> for Levels {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.looks_at(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.looks_at(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if self.get() == Level::Debug { LevelFilter::DEBUG } else { LevelFilter::INFO })
    }
}

/// Writes events, and copies the bad ones.
struct Logs {
    levels: Levels,
    style: Style,
    service: &'static str,
    output: Output,
    reports: ReportQueue,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Logs {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let target = event.metadata().target();
        let level = record::level_of(event.metadata(), &fields);
        let writes = self.levels.writes(level, target);
        let mut reports = level <= Level::Warning && target != reporting::TARGET && !is_of(target, &CARRIERS);
        if !writes && !reports {
            return;
        }
        for span in context.event_scope(event).into_iter().flatten() {
            reports &= span.metadata().target() != reporting::TARGET;
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.inherit(outer);
            }
        }
        if let Some(current) = RequestContext::current() {
            fields.belong_to(&current);
        }
        let record = fields.into_record(level, event.metadata(), self.service);
        if writes {
            let line = self.style.line(&record);
            self.output.write(&line, |lost| self.style.line(&record::lost_lines(self.service, lost)));
        }
        if reports {
            self.reports.send(record.into_report());
        }
    }
}

/// Whether `target` is in one of `crates`.
fn is_of(target: &str, crates: &[&str]) -> bool {
    crates.contains(&target.split("::").next().unwrap_or_default())
}

#[cfg(test)]
mod tests;

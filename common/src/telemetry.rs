//! Logs: one line per event on standard output. A sink receives a copy of each event of level warning or worse, and of
//! each event with the field `reported`.
//!
//! Log lines of all levels go to standard output, because collectors do not preserve the order of lines from two
//! streams. Standard error carries only messages that are not log lines, such as the error with which a process ends.

mod format;
mod layers;
mod line_limit;
mod output;
mod record;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::IsTerminal,
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use anyhow::Context as _;
use tracing_subscriber::{Registry, layer::SubscriberExt, reload};

use self::{
    layers::{Levels, layers},
    output::Output,
};
use crate::{
    config::{Env, Live, LiveSetting},
    level::Level,
};

#[doc(hidden)]
pub use tracing as __tracing;

pub use self::{line_limit::LineLimit, record::LogRecord};

/// Logs an error that needs immediate attention: an error event with the field `critical`. Takes the arguments of
/// `tracing::error!`, except `target:`.
#[macro_export]
macro_rules! critical {
    ($($event:tt)+) => { $crate::telemetry::__tracing::error!(critical = true, $($event)+) };
}

/// How long [`flush`] waits for a slow reader of standard output.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// Default of `REQUEST_LOG_PER_SECOND`.
const DEFAULT_REQUEST_LINES: u32 = 20;
const MAX_REQUEST_LINES: u32 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people at a terminal.
    Pretty,
    /// For log collectors.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    pub level: Level,
    pub format: Format,
    /// Whether lines contain terminal colours.
    pub colours: bool,
    /// Maximum number of lines per second about successful requests of one service. Zero turns the request log off at
    /// log level info, except for warnings about internal errors.
    pub request_lines_per_second: u32,
}

impl Config {
    pub fn from_env(env: &mut Env) -> Self {
        let terminal = std::io::stdout().is_terminal();
        let level = env.parse("LOG_LEVEL", Level::Info, "one of critical, error, warning, info, debug");
        let parse_format = |text: &str| match text.to_ascii_lowercase().as_str() {
            "pretty" => Some(Format::Pretty),
            "json" => Some(Format::Json),
            _ => None,
        };
        let format = env.parse_with("LOG_FORMAT", "pretty or json", parse_format);
        let format = format.unwrap_or(if terminal { Format::Pretty } else { Format::Json });
        let lines =
            env.whole_number("REQUEST_LOG_PER_SECOND", DEFAULT_REQUEST_LINES.into(), 0..=MAX_REQUEST_LINES.into());
        Self {
            level,
            format,
            colours: terminal && env.text("NO_COLOR").is_none(),
            request_lines_per_second: u32::try_from(lines).unwrap_or(MAX_REQUEST_LINES),
        }
    }
}

/// Receives a copy of every record of level warning or worse, and of every record with the field `reported`.
pub struct WarningSink {
    /// Called on the thread that logs, so it must not block.
    pub receive: Box<dyn Fn(LogRecord) + Send + Sync>,
    /// The log target of the code that transports the copies. Records with this target, and records inside spans with
    /// this target, are not copied. Otherwise, a failing transport would produce records endlessly.
    pub transport_target: &'static str,
    /// The crates that the transport uses. Their records are not copied either.
    pub transport_crates: &'static [&'static str],
}

/// The logging state of the process.
struct Installed {
    levels: reload::Handle<Levels, Registry>,
    output: Output,
}

static INSTALLED: OnceLock<Installed> = OnceLock::new();
static REQUEST_LINES: LazyLock<Live<u32>> = LazyLock::new(|| Live::new(DEFAULT_REQUEST_LINES));

/// The settings of the logs that [`apply`] changes.
pub const LIVE_SETTINGS: &[LiveSetting] = &[LiveSetting::new("LOG_LEVEL"), LiveSetting::new("REQUEST_LOG_PER_SECOND")];

/// Sets up the logs of the process. Call [`flush`] before the process ends.
///
/// `service` is the default service of an event. A field `service` of the event or of an enclosing span takes precedence, and
/// so does the service of the current request.
///
/// Fails if logs are already set up or the writer thread cannot be started.
pub fn init(config: &Config, service: &'static str, sink: WarningSink) -> anyhow::Result<()> {
    let output = Output::start(std::io::stdout()).context("cannot start the thread that writes the logs")?;
    let (levels, logs) = layers(*config, service, output.clone(), sink);
    let (levels, handle) = reload::Layer::new(levels);
    let subscriber = tracing_subscriber::registry().with(levels).with(logs);
    tracing::subscriber::set_global_default(subscriber).context("logs are already set up")?;
    REQUEST_LINES.set(config.request_lines_per_second);
    let _ = INSTALLED.set(Installed { levels: handle, output });
    install_panic_hook();
    Ok(())
}

/// Applies the level and the limit of the request log to the running process. The other settings of the logs do not change.
pub fn apply(config: &Config) {
    REQUEST_LINES.set(config.request_lines_per_second);
    set_level(config.level);
}

/// Changes the log level of the running process. Does nothing if no logs are set up.
fn set_level(level: Level) {
    if let Some(installed) = INSTALLED.get() {
        // `modify` makes tracing recompute the interest that it caches for each call site.
        let _ = installed.levels.modify(|levels| levels.set(level));
    }
}

/// The log level of the process. `None` if no logs are set up.
pub fn level() -> Option<Level> {
    INSTALLED.get()?.levels.with_current(Levels::get).ok()
}

/// How many lines per second the request log of one service may write about successful requests. The value is the default until
/// logs are set up.
pub fn request_lines_per_second() -> Live<u32> {
    REQUEST_LINES.clone()
}

/// Waits until all lines are written, at most one second.
pub fn flush() {
    if let Some(installed) = INSTALLED.get() {
        installed.output.flush(FLUSH_DEADLINE);
    }
}

/// Logs every panic as a critical event.
fn install_panic_hook() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let message = info.payload_as_str().unwrap_or("(the payload is not text)");
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            critical!(%place, %backtrace, "panic: {message}");
        } else {
            critical!(%place, "panic: {message}");
        }
        // The panic possibly ends the process, so the line must be written before that.
        flush();
    }));
}

#[cfg(test)]
mod tests;

//! Settings that take effect without a restart. When the settings file changes, and on SIGHUP, the process reads the file again, and
//! applies the new values of live settings. All other settings keep their values until the next start.
//!
//! A change is applied as a whole or not at all: if one value is invalid, the change is refused, and all previous
//! values stay in use. Each change of a value, and each refusal, is logged and reported to health-check.

mod file_watcher;
mod hangup;

use std::{collections::BTreeSet, fmt, time::Duration};

use self::file_watcher::FileWatcher;
pub use self::hangup::{Hangup, HangupSignal};
use crate::{
    config::{ConfigError, Env, EnvFile, LiveSetting, Reload, SettingsFile},
    shutdown::Shutdown,
    telemetry,
};

/// Pause between two reads of the file. The content is used when two consecutive reads return the same, so that a file that is being
/// written is not used.
const READ_INTERVAL: Duration = Duration::from_millis(100);
/// After this number of reads, the content is used even if it still changes.
const MAX_READS: u32 = 50;

/// Applies new settings to a running part of the process.
type Apply = Box<dyn FnOnce() + Send>;
/// Reads the settings of a part of the process. The [`Env`] collects the invalid settings.
type Prepare = Box<dyn Fn(&mut Env) -> Apply + Send + Sync>;

/// The live settings of a part of the process: of one service, or of the logs.
pub struct LivePart {
    settings: &'static [LiveSetting],
    prepare: Prepare,
}

impl LivePart {
    /// `prepare` reads the settings and returns the step that applies them. The step must apply only `settings`.
    pub fn new(settings: &'static [LiveSetting], prepare: impl Fn(&mut Env) -> Apply + Send + Sync + 'static) -> Self {
        Self { settings, prepare: Box::new(prepare) }
    }

    fn of_logs() -> Self {
        Self::new(telemetry::LIVE_SETTINGS, |env| {
            let config = telemetry::Config::from_env(env);
            Box::new(move || telemetry::apply(&config))
        })
    }
}

/// Why the file is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    Signal,
    FileChange,
}

pub struct LiveSettings {
    file: SettingsFile,
    /// The variables of the running process.
    running: Env,
    /// The version of the file that was applied last.
    applied: EnvFile,
    /// The content of the file that was read last, whether or not it was applied.
    last_read: Option<String>,
    parts: Vec<LivePart>,
    /// Checks settings that belong to no part.
    check: Box<dyn Fn(&mut Env) + Send + Sync>,
}

impl LiveSettings {
    /// The live settings of a process that was started with these variables. Returns `None` if no settings file was
    /// read. `check` reads the settings that belong to no part, such as addresses.
    pub fn new(env: Env, check: impl Fn(&mut Env) + Send + Sync + 'static) -> Option<Self> {
        let file = env.settings_file()?.clone();
        let applied = env.file_at_start();
        let parts = vec![LivePart::of_logs()];
        Some(Self { file, running: env, applied, last_read: None, parts, check: Box::new(check) })
    }

    pub fn add(&mut self, part: LivePart) {
        self.parts.push(part);
    }

    /// Applies changes of the file until the process stops. If the terminal of the process is closed, stops the process.
    pub async fn run(mut self, mut signal: HangupSignal, shutdown: Shutdown) {
        tokio::select! { biased; () = shutdown.stop.cancelled() => {}, () = self.apply_changes(&mut signal, &shutdown) => {} }
    }

    async fn apply_changes(&mut self, signal: &mut HangupSignal, shutdown: &Shutdown) {
        let watcher = FileWatcher::start(self.file.path()).inspect_err(|error| {
            tracing::warn!(
                file = %self.file.path().display(), %error,
                "changes of the settings file are not noticed; the file is read again on SIGHUP"
            );
        });
        let watcher = watcher.ok();
        // The file has possibly changed between the start of the process and the start of the watcher.
        self.read_again(Cause::FileChange).await;
        loop {
            let changed = async {
                match &watcher {
                    Some(watcher) => watcher.changed().await,
                    None => std::future::pending().await,
                }
            };
            let cause = tokio::select! {
                hangup = signal.next() => match hangup {
                    Hangup::Reload => Cause::Signal,
                    Hangup::TerminalClosed => {
                        tracing::info!("the terminal was closed; the process stops");
                        shutdown.draining.cancel();
                        shutdown.stop.cancel();
                        return;
                    }
                },
                () = changed => Cause::FileChange,
            };
            self.read_again(cause).await;
        }
    }

    async fn read_again(&mut self, cause: Cause) {
        let origin = Origin { cause, file: self.file.clone() };
        match self.read_stable().await {
            Ok(text) if cause == Cause::FileChange && text == self.last_read => {}
            Ok(None) if self.applied.is_empty() => self.apply("", &origin),
            // Without the file, each setting would return to its default. A file is rarely deleted for this purpose.
            Ok(None) => {
                self.last_read = None;
                tracing::warn!(%origin, "the settings file does not exist any more; all settings stay as they are");
            }
            Ok(Some(text)) if text.trim().is_empty() && !self.applied.is_empty() => {
                self.last_read = Some(text);
                tracing::warn!(
                    %origin,
                    "the settings file is empty; all settings stay as they are. To return to the defaults, leave a comment in the file"
                );
            }
            Ok(Some(text)) => {
                self.apply(&text, &origin);
                self.last_read = Some(text);
            }
            Err(error) => tracing::error!(
                %origin, %error,
                "the settings file cannot be read; all settings stay as they are"
            ),
        }
    }

    /// Reads the file until its content does not change any more, at most [`MAX_READS`] times.
    async fn read_stable(&self) -> anyhow::Result<Option<String>> {
        let mut text = self.file.read_text()?;
        for _ in 1..MAX_READS {
            tokio::time::sleep(READ_INTERVAL).await;
            let again = self.file.read_text()?;
            if again == text {
                break;
            }
            text = again;
        }
        Ok(text)
    }

    /// Applies the content of the file, or refuses it.
    fn apply(&mut self, text: &str, origin: &Origin) {
        if let Err(reasons) = self.try_apply(text, origin) {
            tracing::error!(
                %origin, reasons,
                "the changed settings are refused, because some of them are invalid; all settings stay as they are"
            );
        }
    }

    /// The error has all reasons why the content is refused.
    fn try_apply(&mut self, text: &str, origin: &Origin) -> Result<(), String> {
        let file = self.file.parse(text);
        if origin.cause == Cause::FileChange && file == self.applied {
            return Ok(());
        }
        let live: BTreeSet<_> = self.parts.iter().flat_map(|part| part.settings).copied().collect();
        let Reload { mut at_next_start, mut from_now_on, changes, ineffective, warnings } =
            self.running.reload(&self.applied, file.clone(), &live);
        self.prepare(&mut at_next_start)?;
        let steps = self.prepare(&mut from_now_on)?;
        for apply in steps {
            apply();
        }
        if changes.is_empty() && origin.cause == Cause::Signal {
            tracing::info!(
                reported = true, %origin,
                "none of the settings that take effect without a restart has changed"
            );
        }
        for change in changes {
            let (setting, old, new) = (change.name, change.old, change.new);
            tracing::info!(reported = true, setting, old, new, %origin, "the setting {setting} was changed from {old} to {new}");
        }
        for change in ineffective {
            tracing::warn!(%origin, "{change}");
        }
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        (self.running, self.applied) = (from_now_on, file);
        Ok(())
    }

    /// Reads the settings of all parts. Returns the steps that apply them.
    fn prepare(&self, env: &mut Env) -> Result<Vec<Apply>, String> {
        (self.check)(env);
        let steps = self.parts.iter().map(|part| (part.prepare)(env)).collect();
        env.finish().map_err(|error: ConfigError| error.in_one_line())?;
        Ok(steps)
    }
}

/// Why the process read the settings file, and who owns the file. The process cannot know who sent a signal or wrote
/// the file.
struct Origin {
    cause: Cause,
    file: SettingsFile,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.cause == Cause::Signal {
            f.write_str("SIGHUP; ")?;
        }
        write!(f, "file {}", self.file.path().display())?;
        match self.file.metadata() {
            Some(file) => write!(f, " of user id {}, changed at {}", file.owner, file.changed_at),
            None => f.write_str(", which does not exist"),
        }
    }
}

#[cfg(test)]
mod tests;

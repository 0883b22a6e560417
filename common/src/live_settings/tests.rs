use std::{
    fs,
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use tempfile::TempDir;

use super::*;
use crate::config::Live;

const SETTINGS: &[LiveSetting] = &[LiveSetting::new("RATE_LIMIT_PER_MINUTE"), LiveSetting::new("QUOTE_HOLD_SECS")];

/// The live settings of a process with two settings that are live and one that is not.
struct Process {
    _folder: TempDir,
    file: PathBuf,
    settings: LiveSettings,
    rate_limit: Live<u64>,
    applied: std::sync::Arc<AtomicU64>,
}

impl Process {
    fn start(text: Option<&str>) -> Self {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("settings.env");
        if let Some(text) = text {
            fs::write(&file, text).unwrap();
        }
        let read = |env: &mut Env| {
            env.whole_number("QUOTE_HOLD_SECS", 30, 1..=60);
            env.whole_number("RATE_LIMIT_PER_MINUTE", 60, 0..=1000)
        };
        let check = |env: &mut Env| {
            env.whole_number("MAX_CONNECTIONS", 2048, 1..=10_000);
        };
        let mut env = Env::from_file(&SettingsFile::with_path(file.clone())).unwrap();
        let rate_limit = Live::new(read(&mut env));
        check(&mut env);
        let mut settings = LiveSettings::new(env, check).unwrap();
        let applied = std::sync::Arc::new(AtomicU64::new(0));
        let (target, count) = (rate_limit.clone(), applied.clone());
        settings.add(LivePart::new(SETTINGS, move |env| {
            let (value, target, count) = (read(env), target.clone(), count.clone());
            Box::new(move || {
                target.set(value);
                count.fetch_add(1, Ordering::Relaxed);
            })
        }));
        Self { _folder: folder, file, settings, rate_limit, applied }
    }

    async fn change(&mut self, text: &str) -> u64 {
        fs::write(&self.file, text).unwrap();
        self.read_again(Cause::FileChange).await
    }

    async fn read_again(&mut self, cause: Cause) -> u64 {
        self.settings.read_again(cause).await;
        self.rate_limit.get()
    }
}

#[tokio::test]
async fn new_value_is_applied_once() {
    let mut process = Process::start(Some("RATE_LIMIT_PER_MINUTE=10\n"));
    assert_eq!(process.rate_limit.get(), 10);
    assert_eq!(process.change("RATE_LIMIT_PER_MINUTE=20\n").await, 20);
    assert_eq!(process.change("RATE_LIMIT_PER_MINUTE=20\n").await, 20);
    assert_eq!(process.applied.load(Ordering::Relaxed), 1, "the same content must not be applied again");
    assert_eq!(process.change("").await, 20, "an empty file must change nothing");
    // A file with only a comment sets nothing, so the default applies.
    assert_eq!(process.change("# nothing is set\n").await, 60);
}

#[tokio::test]
async fn change_with_one_invalid_value_is_refused_as_a_whole() {
    let mut process = Process::start(Some("RATE_LIMIT_PER_MINUTE=10\n"));
    for invalid in [
        "RATE_LIMIT_PER_MINUTE=20\nQUOTE_HOLD_SECS=0\n",
        "RATE_LIMIT_PER_MINUTE=-1\n",
        "RATE_LIMIT_PER_MINUTE=20\nLOG_LEVEL=loud\n",
        // This setting is not live, but with this value the next start would fail.
        "RATE_LIMIT_PER_MINUTE=20\nMAX_CONNECTIONS=0\n",
        "RATE_LIMIT_PER_MINUTE=20\nnot a setting\n",
    ] {
        assert_eq!(process.change(invalid).await, 10, "{invalid}");
    }
    assert_eq!(process.applied.load(Ordering::Relaxed), 0);
    assert_eq!(process.change("RATE_LIMIT_PER_MINUTE=20\n").await, 20);
}

#[tokio::test]
async fn refusal_names_every_invalid_setting() {
    let mut process = Process::start(Some("RATE_LIMIT_PER_MINUTE=10\n"));
    let origin = Origin { cause: Cause::FileChange, file: process.settings.file.clone() };
    let text = "RATE_LIMIT_PER_MINUTE=x\nQUOTE_HOLD_SECS=0\nMAX_CONNECTIONS=0\n";
    let reasons = process.settings.try_apply(text, &origin).unwrap_err();
    for name in ["RATE_LIMIT_PER_MINUTE=\"x\"", "QUOTE_HOLD_SECS=\"0\"", "MAX_CONNECTIONS=\"0\""] {
        assert!(reasons.contains(name), "{reasons}");
    }
    let reasons = process.settings.try_apply("LOG_LEVEL=info\nBUYDESK secret\n", &origin).unwrap_err();
    assert!(reasons.starts_with("line 2 of the file ") && !reasons.contains("secret"), "{reasons}");
}

#[tokio::test]
async fn deleted_file_changes_nothing() {
    let mut process = Process::start(Some("RATE_LIMIT_PER_MINUTE=10\n"));
    fs::remove_file(&process.file).unwrap();
    assert_eq!(process.read_again(Cause::FileChange).await, 10);
    assert_eq!(process.read_again(Cause::Signal).await, 10);
    assert_eq!(process.change("RATE_LIMIT_PER_MINUTE=20\n").await, 20);
}

#[tokio::test]
async fn file_that_is_created_later_is_applied() {
    let mut process = Process::start(None);
    assert_eq!(process.read_again(Cause::Signal).await, 60);
    assert_eq!(process.change("RATE_LIMIT_PER_MINUTE=20\n").await, 20);
}

#[tokio::test(start_paused = true)]
async fn file_is_used_when_it_does_not_change_any_more() {
    let process = Process::start(Some("RATE_LIMIT_PER_MINUTE=1\n"));
    let writes = Mutex::new(["RATE_LIMIT_PER_MINUTE=10", "RATE_LIMIT_PER_MINUTE=100\n"].into_iter());
    let write_slowly = async {
        while let Some(text) = { writes.lock().unwrap().next() } {
            tokio::time::sleep(READ_INTERVAL / 2).await;
            fs::write(&process.file, text).unwrap();
        }
    };
    let (text, ()) = tokio::join!(process.settings.read_stable(), write_slowly);
    assert_eq!(text.unwrap().unwrap(), "RATE_LIMIT_PER_MINUTE=100\n");
}

#[tokio::test]
async fn origin_names_signal_file_and_owner() {
    let process = Process::start(Some("RATE_LIMIT_PER_MINUTE=1\n"));
    let origin = Origin { cause: Cause::Signal, file: process.settings.file.clone() }.to_string();
    let start = format!("SIGHUP; file {} of user id ", process.file.display());
    assert!(origin.starts_with(&start) && origin.contains(", changed at 20"), "{origin}");
}

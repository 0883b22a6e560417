use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;
use tracing::subscriber::with_default;

use super::{layers::Logs, *};
use crate::{ids::RequestId, request_context::RequestContext, traces::Trace};

const TRANSPORT_TARGET: &str = "test_transport";

#[derive(Clone, Default)]
struct SharedBuffer(Arc<Mutex<Vec<u8>>>);

impl Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that are logged while `work` runs, and the records that the sink receives.
fn logged(
    level: Level,
    format: Format,
    work: impl FnOnce(&reload::Handle<Levels, Registry>),
) -> (Vec<String>, Vec<LogRecord>) {
    let buffer = SharedBuffer::default();
    let output = Output::start(buffer.clone()).unwrap();
    let copies = Arc::new(Mutex::new(Vec::new()));
    let receiver = Arc::clone(&copies);
    let sink = WarningSink {
        receive: Box::new(move |record| receiver.lock().unwrap().push(record)),
        transport_target: TRANSPORT_TARGET,
        transport_crates: &["hyper_util"],
    };
    let config = Config { level, format, colours: false, request_lines_per_second: 0 };
    let (levels, logs): (Levels, Logs) = layers(config, "buydesk", output.clone(), sink);
    let (layer, handle) = reload::Layer::new(levels);
    with_default(tracing_subscriber::registry().with(layer).with(logs), || {
        work(&handle);
    });
    assert!(output.flush(Duration::from_secs(10)));
    let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
    let copies = std::mem::take(&mut *copies.lock().unwrap());
    (text.lines().map(str::to_owned).collect(), copies)
}

fn levels_of(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.split_whitespace().nth(1).unwrap_or_default().to_owned()).collect()
}

fn log_one_event_per_level() {
    critical!(limit = 100, "the limit is exceeded");
    tracing::error!("an error");
    tracing::warn!("a warning");
    tracing::info!("an info");
    tracing::debug!("a detail");
    tracing::trace!("never logged");
}

#[test]
fn log_level_includes_more_severe_levels() {
    let all = ["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"];
    for (shown, level) in Level::ALL.into_iter().enumerate() {
        let (lines, copies) = logged(level, Format::Pretty, |_| log_one_event_per_level());
        assert_eq!(levels_of(&lines), all[..=shown], "{level}");
        // Events of level warning or worse are copied at every log level.
        assert_eq!(copies.iter().map(|r| r.level).collect::<Vec<_>>(), Level::ALL[..3], "{level}");
    }
}

#[test]
fn json_line_contains_service_and_request_id() {
    let (lines, copies) = logged(Level::Warning, Format::Json, |_| {
        let id = RequestId::from_caller(Some("r-1"));
        // The fields of a span are used although the level of the span is below the log level.
        let outer = tracing::info_span!("work", attempt = 1_u32).entered();
        let trace = Trace::received("00-aaaabbbbccccddddaaaabbbbccccdddd-aaaabbbbccccdddd-01", "");
        RequestContext { service: "create-order", id, trace }.enter(|| {
            let cause: &dyn std::error::Error = &std::io::Error::other("no such host");
            tracing::warn!(error = cause, status = 503, "request\nfailed");
            tracing::warn!(service = "db-proxy", attempt = 2_u32, "an event of another service");
            tracing::info_span!("part", service = "rates")
                .in_scope(|| tracing::warn!("an event with the service of a span"));
        });
        drop(outer);
        tracing::warn!("an event outside of a request");
    });
    let json: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json.len(), 4);
    assert!(json[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    for (name, value) in [
        ("level", Value::from("WARNING")),
        ("service", "create-order".into()),
        ("request_id", "r-1".into()),
        ("trace_id", "aaaabbbbccccddddaaaabbbbccccdddd".into()),
        ("message", "request\nfailed".into()),
        ("fields", serde_json::json!({ "error": "no such host", "status": 503, "attempt": 1 })),
        ("target", module_path!().into()),
    ] {
        assert_eq!(json[0][name], value, "{name}");
    }
    assert_eq!((&json[1]["service"], &json[1]["request_id"]), (&"db-proxy".into(), &"r-1".into()));
    assert_eq!(json[1]["fields"]["attempt"], 2);
    assert_eq!((&json[2]["service"], &json[2]["request_id"]), (&"rates".into(), &"r-1".into()));
    assert_eq!((&json[3]["service"], json[3].get("request_id")), (&"buydesk".into(), None));
    assert_eq!((&json[2]["trace_id"], json[3].get("trace_id")), (&json[0]["trace_id"], None));

    let copy = &copies[0];
    assert_eq!((copy.service.as_str(), copy.message.as_str()), ("create-order", "request\nfailed"));
    assert_eq!(copy.request_id.as_deref(), Some("r-1"));
    assert_eq!(copy.fields["error"], "no such host");
}

#[test]
fn logged_text_cannot_inject_lines_or_terminal_sequences() {
    let (lines, _) = logged(Level::Info, Format::Pretty, |_| {
        tracing::info!(path = "/a\n2026 CRITICAL x\x1b[2J", empty = "", word = "a/b", "hello\nworld \x1b[31m");
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(!lines[0].contains('\x1b'));
    assert!(lines[0].contains("hello\\nworld") && lines[0].contains("word=a/b") && lines[0].contains("empty=\"\""));

    let message = "hello\nworld \u{1b}[31m \u{9b}31m \u{7f}";
    let (lines, _) = logged(Level::Info, Format::Json, |_| tracing::info!("{message}"));
    assert!(lines.len() == 1 && !lines[0].contains(char::is_control), "{lines:?}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&lines[0]).unwrap()["message"], message);
}

#[test]
fn info_events_of_verbose_crates_are_logged_only_at_log_level_debug() {
    let noise = |_: &reload::Handle<Levels, Registry>| {
        tracing::info!(target: "poem::server", "listening");
        tracing::warn!(target: "sqlx::query", "slow statement");
        tracing::warn!(target: "hyper_util::client", "connection lost");
        tracing::info!(target: "poem_like_name", "ours");
    };
    let (lines, copies) = logged(Level::Info, Format::Pretty, noise);
    assert_eq!(levels_of(&lines), ["WARNING", "WARNING", "INFO"]);
    assert_eq!(copies.iter().map(|copy| copy.message.as_str()).collect::<Vec<_>>(), ["slow statement"]);
    let (lines, _) = logged(Level::Debug, Format::Pretty, noise);
    assert_eq!(lines.len(), 4);
}

#[test]
fn records_of_the_transport_are_not_copied() {
    let (lines, copies) = logged(Level::Info, Format::Pretty, |_| {
        tracing::warn!(target: TRANSPORT_TARGET, "cannot send a report");
        let _entered = tracing::info_span!(target: TRANSPORT_TARGET, "reporting").entered();
        tracing::error!("an error while a report is sent");
    });
    assert_eq!((lines.len(), copies.len()), (2, 0));
}

#[test]
fn long_text_is_truncated() {
    let (lines, _) = logged(Level::Info, Format::Json, |_| {
        tracing::warn!(body = "ü".repeat(10_000), "{}", "m".repeat(10_000));
    });
    assert!(lines[0].len() < 10_000 && lines[0].contains('…'));
}

#[test]
fn log_level_changes_at_run_time() {
    // The same call site logs after each change, so tracing must recompute the interest that it caches for the call
    // site.
    let (lines, _) = logged(Level::Info, Format::Pretty, |levels| {
        for level in [None, Some(Level::Debug), Some(Level::Critical)] {
            if let Some(level) = level {
                levels.modify(|levels| levels.set(level)).unwrap();
            }
            tracing::debug!("a detail at {level:?}");
        }
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("Some(Debug)"));
}

#[test]
fn settings_are_parsed_and_invalid_settings_are_named() {
    let mut env = Env::from_pairs([("LOG_LEVEL", "WARN"), ("LOG_FORMAT", "json")]);
    let config = Config::from_env(&mut env);
    assert_eq!((config.level, config.format), (Level::Warning, Format::Json));
    assert!(env.finish().is_ok());
    let mut env = Env::from_pairs([("LOG_LEVEL", "loud"), ("LOG_FORMAT", "xml"), ("REQUEST_LOG_PER_SECOND", "many")]);
    Config::from_env(&mut env);
    let message = env.finish().unwrap_err().to_string();
    for setting in ["LOG_LEVEL", "LOG_FORMAT", "REQUEST_LOG_PER_SECOND"] {
        assert!(message.contains(setting), "{message}");
    }
}

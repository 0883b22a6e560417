use std::{
    io::Write,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;
use tracing::subscriber::with_default;

use super::*;
use crate::{api::reports::Report, ids::RequestId};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The lines that `work` logs, and the reports.
fn logged(
    level: Level,
    format: Format,
    work: impl FnOnce(&reload::Handle<Levels, Registry>),
) -> (Vec<String>, Vec<Report>) {
    let written = Written::default();
    let output = Output::start(written.clone()).unwrap();
    let mut source = report_queue("buydesk");
    let config = Config { level, format, colours: false };
    let (levels, logs) = layers(config, "buydesk", output.clone(), source.queue());
    let (layer, handle) = reload::Layer::new(levels);
    with_default(tracing_subscriber::registry().with(layer).with(logs), || {
        work(&handle);
    });
    assert!(output.flush(Duration::from_secs(10)));
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    (text.lines().map(str::to_owned).collect(), std::iter::from_fn(|| source.try_next()).collect())
}

fn levels_of(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.split_whitespace().nth(1).unwrap_or_default().to_owned()).collect()
}

fn one_of_each() {
    critical!(limit = 100, "the limit is broken");
    tracing::error!("an error");
    tracing::warn!("a warning");
    tracing::info!("some news");
    tracing::debug!("a detail");
    tracing::trace!("never seen");
}

#[test]
fn each_level_shows_itself_and_what_is_worse() {
    let all = ["CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG"];
    for (shown, level) in Level::ALL.into_iter().enumerate() {
        let (lines, reports) = logged(level, Format::Pretty, |_| one_of_each());
        assert_eq!(levels_of(&lines), all[..=shown], "{level}");
        // Whatever is logged, warnings and worse are reported.
        assert_eq!(reports.iter().map(|r| r.level).collect::<Vec<_>>(), Level::ALL[..3], "{level}");
    }
}

#[test]
fn a_line_of_json_tells_the_service_and_the_request_it_belongs_to() {
    let (lines, reports) = logged(Level::Warning, Format::Json, |_| {
        let id = RequestId::from_caller(Some("r-1"));
        // The spans are of a lower level than what is logged, and must tell all the same.
        let outer = tracing::info_span!("work", attempt = 1_u32).entered();
        RequestContext { service: "create-order", id }.enter(|| {
            let cause: &dyn std::error::Error = &std::io::Error::other("no such host");
            tracing::warn!(error = cause, status = 503, "request\nfailed");
            tracing::warn!(service = "db-proxy", attempt = 2_u32, "another's");
            tracing::info_span!("part", service = "rates").in_scope(|| tracing::warn!("a part's"));
        });
        drop(outer);
        tracing::warn!("nobody's");
    });
    let json: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(json.len(), 4);
    assert!(json[0]["timestamp"].as_str().unwrap().ends_with('Z'));
    for (name, value) in [
        ("level", Value::from("WARNING")),
        ("service", "create-order".into()),
        ("request_id", "r-1".into()),
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

    let report = &reports[0];
    assert_eq!((report.service.as_str(), report.status.as_str()), ("create-order", "request\nfailed"));
    assert_eq!(report.data["request_id"], "r-1");
    assert_eq!(report.data["fields"]["error"], "no such host");
    assert_eq!(report.data["instance"], reporting::instance_name());
}

#[test]
fn what_is_logged_cannot_forge_a_line_or_move_the_terminal() {
    let (lines, _) = logged(Level::Info, Format::Pretty, |_| {
        tracing::info!(path = "/a\n2026 CRITICAL x\x1b[2J", empty = "", word = "a/b", "hello\nworld \x1b[31m");
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(!lines[0].contains('\x1b'));
    assert!(lines[0].contains("hello\\nworld") && lines[0].contains("word=a/b") && lines[0].contains("empty=\"\""));
}

#[test]
fn other_crates_are_quiet_unless_everything_is_asked_for() {
    let noise = |_: &reload::Handle<Levels, Registry>| {
        tracing::info!(target: "poem::server", "listening");
        tracing::warn!(target: "sqlx::query", "slow statement");
        tracing::warn!(target: "hyper_util::client", "connection lost");
        tracing::info!(target: "poem_like_name", "ours");
    };
    let (lines, reports) = logged(Level::Info, Format::Pretty, noise);
    assert_eq!(levels_of(&lines), ["WARNING", "WARNING", "INFO"]);
    assert_eq!(reports.iter().map(|r| r.status.as_str()).collect::<Vec<_>>(), ["slow statement"]);
    let (lines, _) = logged(Level::Debug, Format::Pretty, noise);
    assert_eq!(lines.len(), 4);
}

#[test]
fn the_reporter_does_not_report_itself() {
    let (lines, reports) = logged(Level::Info, Format::Pretty, |_| {
        tracing::warn!(target: reporting::TARGET, "health-check does not take reports");
        let _entered = tracing::info_span!(target: reporting::TARGET, "reporting").entered();
        tracing::error!("trouble on the way of a report");
    });
    assert_eq!((lines.len(), reports.len()), (2, 0));
}

#[test]
fn a_long_text_is_cut() {
    let (lines, reports) = logged(Level::Info, Format::Json, |_| {
        tracing::warn!(body = "ü".repeat(10_000), "{}", "m".repeat(10_000));
    });
    assert!(lines[0].len() < 10_000 && lines[0].contains('…'));
    assert_eq!(reports[0].status.len(), crate::api::reports::MAX_STATUS);
}

#[test]
fn the_level_changes_while_it_runs() {
    // The same place logs each time, so that what tracing remembers of it has to be worked out anew.
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
fn settings_are_read_and_faults_named() {
    let mut env = Env::from_pairs([("LOG_LEVEL", "WARN"), ("LOG_FORMAT", "json")]);
    let config = Config::from_env(&mut env);
    assert_eq!((config.level, config.format), (Level::Warning, Format::Json));
    assert!(env.finish().is_ok());
    let mut env = Env::from_pairs([("LOG_LEVEL", "loud"), ("LOG_FORMAT", "xml")]);
    Config::from_env(&mut env);
    let message = env.finish().unwrap_err().to_string();
    assert!(message.contains("LOG_LEVEL") && message.contains("LOG_FORMAT"), "{message}");
}

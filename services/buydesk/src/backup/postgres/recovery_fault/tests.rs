use serde_json::{Value, json};

use super::*;
use crate::client::error_document;

fn archive(until: Option<&str>) -> LogSource {
    let until = until.map(|time| time.parse().unwrap());
    LogSource::Archive { folder: "wal".into(), key_file: "backup.key".into(), until }
}

fn error(log: &str, source: &LogSource) -> anyhow::Error {
    let fault = RecoveryFault { status: "exit status: 1".to_owned(), log: log.to_owned() };
    recovery_error(fault.into(), Path::new("new"), source)
}

#[test]
fn cause_and_next_step_precede_the_log_of_the_server() {
    let log = "LOG:  redo done\nFATAL:  recovery ended before configured recovery target was reached\n";
    let time = "2100-01-02T03:04:05Z";
    let until = time.parse::<common::time::Timestamp>().unwrap();
    let expected = format!(
        "new was not restored: the archive wal has no transaction after {until}, the time of --to-time.\nName an earlier time, or restore \
         every transaction in the archive without --to-time.\nThe last lines of the log of the server:\n{}",
        log.trim_end()
    );
    assert_eq!(error(log, &archive(Some(time))).to_string(), expected);
}

#[test]
fn unusable_file_of_the_archive_is_named() {
    let log = "buydesk: the backup file wal/0002.encrypted cannot be used: it is damaged\nFATAL:  could not restore file \"0002\"";
    let document: Value = serde_json::from_str(&error_document(&error(log, &archive(None)))).unwrap();
    assert_eq!(document["code"], "archive_unusable");
    assert_eq!(
        document["detail"],
        "new was not restored: the backup file wal/0002.encrypted cannot be used: it is damaged."
    );
    assert_eq!(document["server_log"], log);
}

#[test]
fn other_cause_is_in_the_last_lines_of_the_log() {
    let lines: Vec<_> = (1..=20).map(|line| format!("line {line}")).collect();
    let document: Value = serde_json::from_str(&error_document(&error(&lines.join("\n"), &archive(None)))).unwrap();
    let expected = json!({
        "code": "recovery_failed",
        "detail": "new was not restored: the server ended with exit status: 1 before its recovery was complete.",
        "next_step": "Correct the cause that the log of the server names, and run the command again.",
        "server_log": lines[12..].join("\n"),
    });
    assert_eq!(document, expected);
    let other = recovery_error(anyhow::anyhow!("no socket"), Path::new("new"), &archive(None));
    assert_eq!(other.to_string(), "new was not restored, because the server did not complete its recovery");
}

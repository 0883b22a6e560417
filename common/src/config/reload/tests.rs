use super::*;
use crate::config::SettingsFile;

const LIVE: [LiveSetting; 4] = [
    LiveSetting::new("RATE_LIMIT_PER_MINUTE"),
    LiveSetting::new("PRICE_MAX_AGE_SECS"),
    LiveSetting::with_computed_default("MIN_SOURCES"),
    LiveSetting::secret("ALERT_WEBHOOK_URL"),
];

fn file(text: &str) -> EnvFile {
    SettingsFile::of_process().parse(text)
}

/// The variables of a process that was started with this file and these environment variables, and reads six settings.
fn running(start: &str, environment: &[(&str, &str)]) -> Env {
    let mut env = Env::from_pairs(environment.iter().copied()).with_file(file(start).values);
    for name in LIVE.map(|setting| setting.name).into_iter().chain(["BTC_LIMIT", "DB_PROXY_URL"]) {
        env.text(name);
    }
    env
}

fn reload(env: &Env, seen: &str, new: &str) -> Reload {
    env.reload(&file(seen), file(new), &LIVE.into())
}

fn changes(reload: &Reload) -> Vec<(&str, &str, &str)> {
    reload.changes.iter().map(|change| (change.name, change.old.as_str(), change.new.as_str())).collect()
}

#[test]
fn new_value_of_live_setting_takes_effect() {
    let env = running("RATE_LIMIT_PER_MINUTE=60\nBTC_LIMIT=5\n", &[]);
    let mut reloaded =
        reload(&env, "RATE_LIMIT_PER_MINUTE=60\nBTC_LIMIT=5\n", "RATE_LIMIT_PER_MINUTE=30\nBTC_LIMIT=5\n");
    assert_eq!(changes(&reloaded), [("RATE_LIMIT_PER_MINUTE", "60", "30")]);
    assert_eq!(reloaded.ineffective, []);
    assert_eq!(reloaded.from_now_on.text("RATE_LIMIT_PER_MINUTE"), Some("30"));
    assert_eq!(reloaded.from_now_on.text("BTC_LIMIT"), Some("5"));
}

#[test]
fn live_setting_without_a_line_has_its_default() {
    let env = running("RATE_LIMIT_PER_MINUTE=30\nPRICE_MAX_AGE_SECS=5\nMIN_SOURCES=3\n", &[]);
    let reloaded = reload(&env, "", "");
    let expected = [
        ("MIN_SOURCES", "3", "the default"),
        ("PRICE_MAX_AGE_SECS", "5", "not set"),
        ("RATE_LIMIT_PER_MINUTE", "30", "60 (default)"),
    ];
    assert_eq!(changes(&reloaded), expected);
}

#[test]
fn removal_of_a_line_with_the_default_value_is_not_a_change() {
    let env = running("RATE_LIMIT_PER_MINUTE=60\n", &[]);
    assert_eq!(changes(&reload(&env, "RATE_LIMIT_PER_MINUTE=60\n", "")), []);
}

#[test]
fn setting_that_needs_a_restart_keeps_its_value_and_is_named_once() {
    let env = running("BTC_LIMIT=5\n", &[]);
    let mut reloaded = reload(&env, "BTC_LIMIT=5\n", "BTC_LIMIT=6\n");
    assert_eq!(changes(&reloaded), []);
    assert_eq!(reloaded.ineffective, [IneffectiveChange::NeedsRestart("BTC_LIMIT".to_owned())]);
    assert_eq!(reloaded.from_now_on.text("BTC_LIMIT"), Some("5"));
    // The caller checks this value too, because an invalid value would make the next start fail.
    assert_eq!(reloaded.at_next_start.text("BTC_LIMIT"), Some("6"));
    let running = reloaded.from_now_on;
    assert_eq!(reload(&running, "BTC_LIMIT=6\n", "BTC_LIMIT=6\n# more\n").ineffective, []);
    // The file again contains the value that the running process uses.
    assert_eq!(reload(&running, "BTC_LIMIT=6\n", "BTC_LIMIT=5\n").ineffective, []);
}

#[test]
fn environment_variable_overrides_the_file_unless_it_is_empty() {
    let env = running("", &[("RATE_LIMIT_PER_MINUTE", "60"), ("PRICE_MAX_AGE_SECS", "")]);
    let reloaded = reload(&env, "", "RATE_LIMIT_PER_MINUTE=30\nPRICE_MAX_AGE_SECS=9\n");
    assert_eq!(changes(&reloaded), [("PRICE_MAX_AGE_SECS", "not set", "9")]);
    assert_eq!(reloaded.ineffective, [IneffectiveChange::SetByEnvironment("RATE_LIMIT_PER_MINUTE".to_owned())]);
}

#[test]
fn variable_that_the_program_sets_is_not_changed_by_the_file() {
    let mut env = running("", &[]);
    env.set("DB_PROXY_URL", "http://127.0.0.1:8010");
    env.set_default("BTC_LIMIT", "7");
    let reloaded = reload(&env, "", "DB_PROXY_URL=http://127.0.0.1:9000\nBTC_LIMIT=8\n");
    let expected = [
        IneffectiveChange::NeedsRestart("BTC_LIMIT".to_owned()),
        IneffectiveChange::SetByProgram("DB_PROXY_URL".to_owned()),
    ];
    assert_eq!(reloaded.ineffective, expected);
}

#[test]
fn values_of_secrets_are_not_shown() {
    let env = running("ALERT_WEBHOOK_URL=http://hooks/secret\n", &[]);
    assert_eq!(
        changes(&reload(&env, "", "ALERT_WEBHOOK_URL=http://hooks/secret2\n")),
        [("ALERT_WEBHOOK_URL", "***", "***")]
    );
    assert_eq!(changes(&reload(&env, "", "")), [("ALERT_WEBHOOK_URL", "***", "not set")]);
}

#[test]
fn setting_that_the_process_does_not_read_changes_nothing() {
    let env = running("", &[]);
    let reloaded = reload(&env, "", "WALLETS_RATE_LIMIT_PER_MINUTE=5\nSIM_SEED=2\n");
    assert!(reloaded.changes.is_empty() && reloaded.ineffective.is_empty());
}

#[test]
fn warning_about_the_previous_version_of_the_file_is_not_repeated() {
    let env = running("", &[]);
    assert_eq!(reload(&env, "", "BTC_LIMITS=5\n").warnings.len(), 1);
    assert_eq!(reload(&env, "BTC_LIMITS=5\n", "BTC_LIMITS=6\n").warnings, []);
}

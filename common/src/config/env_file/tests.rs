use super::*;

fn parse(text: &str) -> Result<EnvFile, String> {
    EnvFile::parse(text, ".env")
}

#[test]
fn invalid_line_is_named_without_its_content() {
    for line in ["INTERNAL_TOKEN=correct horse battery", "correct horse", "TOKEN='correct", "correct=horse=\"battery"] {
        let text = format!("# a comment\nLOG_LEVEL=info\n  {line}\nBTC_LIMIT=1\n");
        let error = parse(&text).unwrap_err();
        for part in ["correct", "horse", "battery", "TOKEN"] {
            assert!(!error.contains(part), "{part} is in: {error}");
        }
        assert!(error.contains(".env"), "{error}");
    }
    assert!(parse("A=1\nB=two words\n").unwrap_err().starts_with("line 2 of the file .env "));
    assert_eq!(parse("A=1\nB='two words'\n").unwrap().values["B"], "two words");
}

#[test]
fn misspelt_setting_is_named_with_the_nearest_setting() {
    let unknown_in =
        |text: &str| -> Vec<String> { parse(text).unwrap().warnings.iter().map(SettingWarning::to_string).collect() };
    assert_eq!(unknown_in("BTC_LIMIT=1\n#PRICE_TTL=5\nKRAKEN_WS_URL=off\nRATES_URL=http://localhost:8040\n"), [""; 0]);
    for (name, meant) in [
        ("BTC_LIMITS", "BTC_LIMIT"),
        ("btc_limit", "BTC_LIMIT"),
        ("PRICE_TTL", "PRICE_TTL_SECS"),
        ("CREATE_ORDERS_PORT", "CREATE_ORDER_PORT"),
        ("DATABASEURL", "DATABASE_URL"),
        ("RATE_LIMIT", "RATE_LIMIT_PER_MINUTE"),
    ] {
        let [message] = unknown_in(&format!("{name}=secret\n")).try_into().unwrap();
        assert!(message.contains(&format!("sets {name},")), "{message}");
        assert!(message.ends_with(&format!("did you mean {meant}?")), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
    let [first, second] = unknown_in("ZEBRA=1\nBTC_LIMIT=1\nHORSES=2\n").try_into().unwrap();
    assert!(first.contains("HORSES") && first.ends_with(".env.example lists all settings"), "{first}");
    assert!(second.contains("ZEBRA"), "{second}");
}

#[test]
fn setting_with_several_lines_is_named_once_without_its_values() {
    let file = parse("BTC_LIMIT=1\nLOG_LEVEL=info\nBTC_LIMIT=secret\n#LOG_LEVEL=debug\nBTC_LIMIT=3\n").unwrap();
    assert_eq!(file.values["BTC_LIMIT"], "3");
    let warnings: Vec<_> = file.warnings.iter().map(SettingWarning::to_string).collect();
    assert_eq!(warnings, ["the file .env sets BTC_LIMIT more than once; the last line applies, so remove the others"]);
}

#[test]
fn settings_file_cannot_name_itself() {
    let file = parse("SETTINGS_FILE=/etc/buydesk/live.env\n").unwrap();
    let warnings: Vec<_> = file.warnings.iter().map(SettingWarning::to_string).collect();
    assert_eq!(warnings, ["the file .env sets SETTINGS_FILE, which has an effect only as an environment variable"]);
}

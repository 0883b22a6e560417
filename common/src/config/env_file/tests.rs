use super::*;

fn parse(text: &str) -> EnvFile {
    EnvFile::parse(text, ".env")
}

fn invalid_lines(text: &str) -> Vec<String> {
    parse(text).invalid_lines.iter().map(InvalidLine::to_string).collect()
}

#[test]
fn invalid_line_is_named_without_its_content() {
    for (line, reason) in [
        ("INTERNAL_TOKEN=correct horse battery", "each line must be NAME=VALUE, "),
        ("correct horse", "each line must be NAME=VALUE, "),
        ("TOKEN='correct", "the quote that it opens is not closed on this line, "),
        ("correct=horse=\"battery", "the quote that it opens is not closed on this line, "),
    ] {
        let text = format!("# a comment\nLOG_LEVEL=info\n  {line}\nBTC_LIMIT=1\n");
        let [error] = invalid_lines(&text).try_into().unwrap();
        for part in ["correct", "horse", "battery"] {
            assert!(!error.contains(part), "{part} is in: {error}");
        }
        assert!(error.starts_with("line 3 "), "{error}");
        assert!(error.contains(&format!(" of the file .env cannot be parsed; {reason}")), "{error}");
        // Only the name of an existing setting is shown. Any other text may be a secret.
        assert_eq!(error.contains(" with INTERNAL_TOKEN "), line.starts_with("INTERNAL_TOKEN"), "{error}");
    }
    // The lines after a quote that is not closed may be parts of a secret, although they look like assignments.
    let tail = "correcthorse".repeat(3);
    for end in [format!("{tail}==\n"), format!("{tail}=1\n{tail}=2\n"), format!("BTC_LIMIT='1'\n{tail}==\n")] {
        let file = parse(&format!("HORSES=1\nINTERNAL_TOKEN='{tail}\n{end}"));
        let [warning] = file.warnings.try_into().unwrap();
        assert!(warning.to_string().contains("sets HORSES,"), "{warning}");
        assert!(
            file.invalid_lines.iter().all(|line| !line.to_string().contains("correct")),
            "{:?}",
            file.invalid_lines
        );
        assert!(file.invalid_lines[0].to_string().starts_with("line 2 with INTERNAL_TOKEN "));
    }
    let file = parse("A=1\nB='two words'\n");
    assert_eq!((file.values["B"].as_str(), file.invalid_lines), ("two words", Vec::new()));
}

#[test]
fn value_that_refers_to_an_unset_name_is_refused() {
    for line in ["OPERATOR_TOKEN=abc$def", "OPERATOR_TOKEN=\"$def abc\"", "OPERATOR_TOKEN=${def}"] {
        let [error] = invalid_lines(&format!("A=1\n{line}\nB=2\n")).try_into().unwrap();
        assert!(
            error.starts_with("line 2 with OPERATOR_TOKEN of the file .env cannot be parsed; it refers"),
            "{error}"
        );
        assert!(!error.contains("def"), "{error}");
    }
    let file = parse("A=1\nB=$A${A}\nC='abc$def'\nD=abc\\$def\nE=1 # costs $5\n# $F\n");
    assert_eq!(file.invalid_lines, []);
    let values = ["B", "C", "D", "E"].map(|name| file.values[name].as_str());
    assert_eq!(values, ["11", "abc$def", "abc$def", "1"]);
}

#[test]
fn every_invalid_line_is_named_and_the_other_lines_are_used() {
    let numbers = |text: &str| -> Vec<usize> { parse(text).invalid_lines.iter().map(|line| line.number).collect() };
    let text = "\u{feff}A=1\nB=two words\n\n# C='\nD='3'\r\nnothing\nexport E=4\nF=a b c\nG=5";
    assert_eq!(numbers(text), [2, 6, 8]);
    let values = parse(text).values;
    let set = ["A", "D", "E", "G"].map(|name| values[name].as_str());
    assert_eq!((set, values.len()), (["1", "3", "4", "5"], 4));
    // A quote that is not closed ends at the end of its line.
    for end in ["", "\n", "\n\n\n"] {
        let text = format!("A=1\nB='open\nC=2\nD=x y\nE=\"open\nF=3{end}");
        assert_eq!(numbers(&text), [2, 4, 5], "{end:?}");
        let values = parse(&text).values;
        assert_eq!((values["C"].as_str(), values["F"].as_str(), values.len()), ("2", "3", 3));
    }
    // A quote in a later line does not make the lines between the quotes a part of the value.
    let text = "LOG_LEVEL=\"info\nBTC_LIMIT=5\nA=2\"\nB='3'\n";
    assert_eq!(numbers(text), [1, 3]);
    let values = parse(text).values;
    assert_eq!((values["BTC_LIMIT"].as_str(), values["B"].as_str(), values.len()), ("5", "3", 2));
    // A quote in a comment or after a backslash opens no quoted text.
    let text = "# it's\nA=1 # it's\nB=it\\'s\nC=\"\\\"\"\nD='two \"'\n";
    assert_eq!(numbers(text), [0; 0]);
    assert_eq!(parse(text).values["D"], "two \"");
    // A long line is read in several parts.
    let long = format!("A={}\nB=x y\nC=1\n", "7".repeat(30_000));
    assert_eq!((numbers(&long), parse(&long).values.len()), (vec![2], 2));
}

#[test]
fn misspelt_setting_is_named_with_the_nearest_setting() {
    let warnings_in =
        |text: &str| -> Vec<String> { parse(text).warnings.iter().map(SettingWarning::to_string).collect() };
    assert_eq!(warnings_in("BTC_LIMIT=1\n#PRICE_TTL=5\nKRAKEN_WS_URL=off\nRATES_URL=http://localhost:8040\n"), [""; 0]);
    for (name, meant) in [
        ("BTC_LIMITS", "BTC_LIMIT"),
        ("btc_limit", "BTC_LIMIT"),
        ("PRICE_TTL", "PRICE_TTL_SECS"),
        ("CREATE_ORDERS_PORT", "CREATE_ORDER_PORT"),
        ("DATABASEURL", "DATABASE_URL"),
        ("RATE_LIMIT", "RATE_LIMIT_PER_MINUTE"),
    ] {
        let [message] = warnings_in(&format!("{name}=secret\n")).try_into().unwrap();
        assert!(message.contains(&format!("sets {name},")), "{message}");
        assert!(message.ends_with(&format!("did you mean {meant}?")), "{message}");
        assert!(!message.contains("secret"), "{message}");
    }
    let [first, second] = warnings_in("ZEBRA=1\nBTC_LIMIT=1\nHORSES=2\n").try_into().unwrap();
    assert!(first.contains("HORSES") && first.ends_with(".env.example lists all settings"), "{first}");
    assert!(second.contains("ZEBRA"), "{second}");
}

#[test]
fn setting_with_several_lines_is_named_once_without_its_values() {
    let file = parse("BTC_LIMIT=1\nLOG_LEVEL=info\nBTC_LIMIT=secret\n#LOG_LEVEL=debug\nBTC_LIMIT=3\n");
    assert_eq!(file.values["BTC_LIMIT"], "3");
    let warnings: Vec<_> = file.warnings.iter().map(SettingWarning::to_string).collect();
    assert_eq!(warnings, ["the file .env sets BTC_LIMIT more than once; the last line applies, so remove the others"]);
}

#[test]
fn name_of_the_settings_file_has_no_effect_in_a_settings_file() {
    let file = parse("SETTINGS_FILE=/etc/buydesk/live.env\n");
    let warnings: Vec<_> = file.warnings.iter().map(SettingWarning::to_string).collect();
    assert_eq!(warnings, ["the file .env sets SETTINGS_FILE, which has an effect only as an environment variable"]);
}

#[test]
fn unknown_name_after_an_open_quote_is_not_shown() {
    let file = parse(
        "FIRST=1\nINTERNAL_TOKEN='correct\nbattery=staple\nhorse='\nBTC_LIMIT=1\nBTC_LIMIT=2\nOPERATOR_TOKEN='a\n",
    );
    assert_eq!(file.values["BTC_LIMIT"], "2");
    let warnings: Vec<_> = file.warnings.iter().map(SettingWarning::to_string).collect();
    let [first] = warnings.try_into().unwrap();
    assert!(first.contains("sets FIRST,"), "{first}");
    let reason = "the quote that it opens is not closed on this line, and no value may have several lines";
    let expected = [
        format!("line 2 with INTERNAL_TOKEN of the file .env cannot be parsed; {reason}"),
        format!("line 4 of the file .env cannot be parsed; {reason}"),
        format!("line 7 with OPERATOR_TOKEN of the file .env cannot be parsed; {reason}"),
    ];
    assert_eq!(file.invalid_lines.iter().map(InvalidLine::to_string).collect::<Vec<_>>(), expected);
}

#[test]
fn file_that_cannot_be_read_as_text_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(".env");
    let error = |is_named| {
        let file = SettingsFile { path: path.clone(), is_named };
        file.read_at_start().unwrap_err().to_string().replace(path.to_str().unwrap(), "PATH")
    };
    assert_eq!(error(true), "SETTINGS_FILE names the file PATH, which does not exist");
    std::fs::create_dir(&path).unwrap();
    for is_named in [true, false] {
        let expected =
            "the settings file PATH cannot be read: it is a folder; replace it with a file, or remove the file";
        assert_eq!(error(is_named), expected);
    }
    std::fs::remove_dir(&path).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    for is_named in [true, false] {
        assert!(error(is_named).starts_with("the settings file PATH cannot be read: "), "{}", error(is_named));
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"BTC_LIMIT=1\n\n# 5 \xa3\nLOG_LEVEL=info\n").unwrap();
    assert_eq!(
        error(false),
        "the settings file PATH cannot be read: line 3 is not text in UTF-8; correct the line, or remove the file"
    );
    std::fs::write(&path, b"\xa3=1\nBTC_LIMIT=1\n# 5 \xa3").unwrap();
    assert!(error(false).contains("cannot be read: lines 1, 3 are not text in UTF-8; "), "{}", error(false));
    // The other lines that cannot be parsed are named too, without their content.
    std::fs::write(&path, b"# \xa3\nBTC_LIMIT=5 6\n").unwrap();
    let lines = error(false);
    assert!(lines.contains("line 1 is not text") && lines.contains("\n  line 2 with BTC_LIMIT of"), "{lines}");
}

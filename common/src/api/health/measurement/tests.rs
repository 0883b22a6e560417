use super::*;

#[test]
fn measurement_is_shown_in_words_with_its_unit_and_its_share() {
    let gib = 1_i64 << 30;
    let disk = Measurement::new(Measurement::DISK_AVAILABLE, gib * 16 / 5, Measurement::BYTES)
        .with_max(20 * gib)
        .with_subject("/data");
    assert_eq!(disk.to_string(), "disk available (/data): 3.1 GiB of 20.0 GiB (15 %)");
    let lag = Measurement::new(Measurement::REPLICATION_LAG, 1500, Measurement::MILLISECONDS);
    assert_eq!(lag.to_string(), "replication lag: 1500 ms");
    assert_eq!(Measurement::new(Measurement::SLOW_STATEMENTS, 2, "statements").to_string(), "slow statements: 2");
    let unlimited = Measurement::new(Measurement::OPEN_FILES, 40, "files").with_max(u64::MAX);
    assert_eq!((unlimited.max, unlimited.to_string().as_str()), (None, "open files: 40"));
    assert_eq!(Measurement::new("load", u64::MAX, Measurement::PERCENT).value, i64::MAX);
    assert_eq!([1023, 1024, 1536 << 20].map(format_bytes), ["1023 bytes", "1.0 KiB", "1.5 GiB"]);
}

#[test]
fn unknown_fields_of_a_newer_release_are_ignored() {
    let text = r#"{"name":"a","value":1,"unit":"b","new":true}"#;
    assert_eq!(serde_json::from_str::<Measurement>(text).unwrap(), Measurement::new("a", 1, "b"));
}

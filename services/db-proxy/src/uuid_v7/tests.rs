use super::*;

#[test]
fn ids_sort_by_time_and_contain_the_time() {
    let at = |micros: i64| Timestamp::from_micros(1_767_323_045_678_000 + micros).unwrap();
    for micros in 0..3000 {
        let (first, id, next) = (first_uuid_at(at(micros)), new_uuid_at(at(micros)), first_uuid_at(at(micros + 1)));
        assert!(first <= id && id < next, "{micros}");
        assert_eq!(id.get_version_num(), 7);
    }
    let (seconds, nanos) = new_uuid_at(at(0)).get_timestamp().unwrap().to_unix();
    assert_eq!((seconds, nanos / 1_000_000), (1_767_323_045, 678));
}

#[test]
fn ids_of_the_same_microsecond_differ() {
    let now = Timestamp::now();
    assert_ne!(new_uuid_at(now), new_uuid_at(now));
}

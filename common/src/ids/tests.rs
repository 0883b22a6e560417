use super::*;

#[test]
fn keys_are_short_and_visible() {
    for good in ["1", "order-7", &"k".repeat(128), IdempotencyKey::generate().as_str()] {
        assert_eq!(good.parse::<IdempotencyKey>().unwrap().as_str(), good);
    }
    for bad in ["", " ", "a b", "a\n", "ключ", &"k".repeat(129)] {
        assert_eq!(bad.parse::<IdempotencyKey>(), Err(KeyError), "{bad:?}");
    }
}

#[test]
fn made_request_ids_differ_and_tell_their_time() {
    let (one, other) = (RequestId::generate(), RequestId::generate());
    assert_ne!(one, other);
    let id = Uuid::try_parse(one.as_str()).unwrap();
    let seconds = id.get_timestamp().unwrap().to_unix().0;
    let now = u64::try_from(Timestamp::now().micros() / 1_000_000).unwrap();
    assert!((now - 60..=now).contains(&seconds));
}

#[test]
fn a_request_id_that_could_harm_a_log_is_replaced() {
    assert_eq!(RequestId::from_caller(Some("abc-1")).as_str(), "abc-1");
    for bad in ["", "a\nb", "<script>", &"x".repeat(65)] {
        assert_ne!(RequestId::from_caller(Some(bad)).as_str(), bad);
    }
}

use super::*;

#[test]
fn idempotency_keys_have_at_most_128_visible_ascii_characters() {
    for valid in ["1", "order-7", &"k".repeat(128), IdempotencyKey::generate().as_str()] {
        assert_eq!(valid.parse::<IdempotencyKey>().unwrap().as_str(), valid);
    }
    for invalid in ["", " ", "a b", "a\n", "ключ", &"k".repeat(129)] {
        assert_eq!(invalid.parse::<IdempotencyKey>(), Err(KeyError), "{invalid:?}");
    }
}

#[test]
fn generated_request_ids_are_unique_and_contain_the_time() {
    let (one, other) = (RequestId::generate(), RequestId::generate());
    assert_ne!(one, other);
    let id = Uuid::try_parse(one.as_str()).unwrap();
    let seconds = id.get_timestamp().unwrap().to_unix().0;
    let now = u64::try_from(Timestamp::now().micros() / 1_000_000).unwrap();
    assert!((now - 60..=now).contains(&seconds));
}

#[test]
fn request_id_that_is_unsafe_in_a_log_is_replaced() {
    assert_eq!(RequestId::from_caller(Some("abc-1")).as_str(), "abc-1");
    for invalid in ["", "a\nb", "<script>", &"x".repeat(65)] {
        assert_ne!(RequestId::from_caller(Some(invalid)).as_str(), invalid);
    }
}

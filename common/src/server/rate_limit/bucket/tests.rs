use super::*;

fn share(limit: u32, instances: u32) -> Share {
    Share { limit: NonZeroU32::new(limit).unwrap(), instances: NonZeroU32::new(instances).unwrap() }
}

/// How many requests a bucket accepts at this moment.
fn accepted(bucket: &mut Bucket, share: Share, now: Instant) -> u32 {
    let mut accepted = 0;
    while bucket.take(share, now).allowed {
        accepted += 1;
    }
    accepted
}

#[test]
fn whole_share_is_available_at_once_and_refills_evenly() {
    let (start, mut bucket) = (Instant::now(), Bucket::default());
    assert_eq!(accepted(&mut bucket, share(120, 1), start), 120);
    for seconds in [1, 2, 3] {
        assert_eq!(accepted(&mut bucket, share(120, 1), start + Duration::from_secs(seconds)), 2);
    }
    assert_eq!(accepted(&mut bucket, share(120, 1), start + Duration::from_secs(3600)), 120);
}

#[test]
fn instances_divide_the_limit() {
    let (start, mut bucket) = (Instant::now(), Bucket::default());
    assert_eq!(accepted(&mut bucket, share(120, 4), start), 30);
    assert_eq!(accepted(&mut bucket, share(120, 4), start + Duration::from_secs(2)), 1);
    // A share below one request still allows one, at the rate of the share.
    let mut bucket = Bucket::default();
    assert_eq!(accepted(&mut bucket, share(1, 4), start), 1);
    assert_eq!(bucket.take(share(1, 4), start).reset, Duration::from_secs(240));
}

#[test]
fn refused_request_is_allowed_after_its_reset() {
    let (start, mut bucket) = (Instant::now(), Bucket::default());
    for (limit, instances) in [(7, 1), (7, 3), (600, 7), (1_000_000, 1)] {
        let share = share(limit, instances);
        accepted(&mut bucket, share, start);
        let reset = bucket.take(share, start).reset;
        let (mut early, too_early) = (bucket, start + reset - Duration::from_nanos(1));
        assert!(!early.take(share, too_early).allowed, "{share:?}");
        assert!(bucket.take(share, start + reset).allowed, "{share:?}");
        bucket = Bucket::default();
    }
}

#[test]
fn changed_limit_keeps_what_was_used() {
    let (start, mut bucket) = (Instant::now(), Bucket::default());
    assert_eq!(accepted(&mut bucket, share(30, 1), start), 30);
    assert_eq!(accepted(&mut bucket, share(100, 1), start), 70);
    // The level is lowered to the smaller limit, which is then used up.
    let refused = bucket.take(share(6, 1), start);
    assert_eq!((refused.allowed, refused.reset), (false, Duration::from_secs(10)));
}

#[test]
fn largest_limit_does_not_overflow() {
    let (start, mut bucket) = (Instant::now(), Bucket::default());
    for seconds in [0, 1, 1_000_000_000] {
        assert!(bucket.take(share(u32::MAX, 1), start + Duration::from_secs(seconds)).allowed);
    }
}

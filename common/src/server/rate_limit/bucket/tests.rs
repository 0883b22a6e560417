use super::*;

fn share(limit: u32, instances: u32) -> Share {
    Share { limit: NonZeroU32::new(limit).unwrap(), instances: NonZeroU32::new(instances).unwrap() }
}

/// How many requests the bucket accepts at `now`.
fn accepted(bucket: &mut Bucket, share: Share, now: Instant) -> u32 {
    let mut accepted = 0;
    while bucket.take(share, now).allowed {
        accepted += 1;
    }
    accepted
}

#[test]
fn whole_share_is_available_immediately_and_refills_evenly() {
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
    // One request is allowed, although the share is a quarter of a request per minute.
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
fn earlier_requests_count_after_the_limit_changed() {
    let (start, mut bucket) = (Instant::now(), Bucket::default());
    assert_eq!(accepted(&mut bucket, share(30, 1), start), 30);
    assert_eq!(accepted(&mut bucket, share(100, 1), start), 70);
    // The level is lowered to six requests, so the bucket is full.
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

use common::time::Timestamp;

use super::*;

const RENEW_INTERVAL: Duration = Duration::from_secs(5);

fn held_by(holder: &str) -> Lease {
    Lease { name: LEASE_NAME.to_owned(), holder: holder.to_owned(), expires_at: Timestamp::now() }
}

#[test]
fn holder_of_the_lease_leads_until_another_instance_can_acquire_it() {
    let (mut leadership, start) = (Leadership::new("a".to_owned(), RENEW_INTERVAL), Instant::now());
    let mut apply = |holder: Option<&str>, intervals: u32| {
        let became_leader = leadership.apply_answer(holder.map(held_by), start + RENEW_INTERVAL * intervals);
        (became_leader, leadership.is_leader(), leadership.other_leader().map(str::to_owned))
    };
    assert_eq!(apply(None, 0), (false, false, None), "without any answer, an instance is a follower");
    assert_eq!(apply(Some("b"), 1), (false, false, Some("b".to_owned())));
    assert_eq!(apply(None, 2), (false, false, Some("b".to_owned())));
    assert_eq!(apply(Some("a"), 3), (true, true, None));
    assert_eq!(apply(Some("a"), 4), (false, true, None));
    assert_eq!(apply(None, 5), (false, true, None));
    assert_eq!(apply(Some("a"), 6), (false, true, None));
    assert_eq!(apply(None, 7), (false, true, None));
    assert_eq!(apply(None, 8), (false, false, None), "another instance may have acquired the lease");
    assert_eq!(apply(None, 9), (false, false, None));
    assert_eq!(apply(Some("a"), 10), (true, true, None));
    assert_eq!(apply(Some("b"), 11), (false, false, Some("b".to_owned())));
    assert_eq!(apply(Some("a"), 12), (true, true, None));
}

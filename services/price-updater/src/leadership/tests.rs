use common::time::Timestamp;

use super::*;

const SLOT: Duration = Duration::from_secs(5);

fn held_by(holder: &str) -> Lease {
    Lease { name: LEASE_NAME.to_owned(), holder: holder.to_owned(), expires_at: Timestamp::now() }
}

#[test]
fn who_holds_the_lease_leads_and_goes_on_while_nobody_else_can_have_it() {
    let (mut leadership, start) = (Leadership::new("a".to_owned(), SLOT), Instant::now());
    let mut hear = |holder: Option<&str>, slots: u32| {
        let begins = leadership.apply(holder.map(held_by), start + SLOT * slots);
        (begins, leadership.is_leader(), leadership.other_leader().map(str::to_owned))
    };
    assert_eq!(hear(None, 0), (false, false, None), "who was never told stands by");
    assert_eq!(hear(Some("b"), 1), (false, false, Some("b".to_owned())));
    assert_eq!(hear(None, 2), (false, false, Some("b".to_owned())));
    assert_eq!(hear(Some("a"), 3), (true, true, None));
    assert_eq!(hear(Some("a"), 4), (false, true, None));
    assert_eq!(hear(None, 5), (false, true, None));
    assert_eq!(hear(Some("a"), 6), (false, true, None));
    assert_eq!(hear(None, 7), (false, true, None));
    assert_eq!(hear(None, 8), (false, false, None), "another one may have taken it");
    assert_eq!(hear(None, 9), (false, false, None));
    assert_eq!(hear(Some("a"), 10), (true, true, None));
    assert_eq!(hear(Some("b"), 11), (false, false, Some("b".to_owned())));
    assert_eq!(hear(Some("a"), 12), (true, true, None));
}

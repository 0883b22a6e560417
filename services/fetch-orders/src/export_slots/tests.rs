use super::*;

fn client(last: u8) -> IpAddr {
    [192, 0, 2, last].into()
}

#[test]
fn exports_are_limited_in_total_and_by_client() {
    let slots = ExportSlots::new(3);
    let first = slots.acquire(client(1)).unwrap();
    let _second = slots.acquire(client(1)).unwrap();
    assert!(matches!(slots.acquire(client(1)), Err(Error::TooManyExportsOfClient { max: 2 })));
    let _third = slots.acquire(client(2)).unwrap();
    assert!(matches!(slots.acquire(client(3)), Err(Error::TooManyExports { max: 3 })));
    drop(first);
    let _fourth = slots.acquire(client(1)).unwrap();
}

#[test]
fn ended_exports_leave_nothing_behind() {
    let slots = ExportSlots::new(3);
    for last in 0..=255 {
        drop(slots.acquire(client(last)).unwrap());
    }
    assert!(slots.running().is_empty());
}

use super::*;

fn client(last: u8) -> ExportClient {
    ExportClient::Address([192, 0, 2, last].into())
}

#[test]
fn exports_are_limited_in_total_and_by_client() {
    let slots = ExportSlots::new(3);
    let first = slots.acquire(client(1)).unwrap();
    let _second = slots.acquire(client(1)).unwrap();
    assert!(matches!(slots.acquire(client(1)), Err(ExportRefusal::TooManyOfClient { max: 2 })));
    let _third = slots.acquire(client(2)).unwrap();
    assert!(matches!(slots.acquire(client(3)), Err(ExportRefusal::TooMany { max: 3 })));
    drop(first);
    let _fourth = slots.acquire(client(1)).unwrap();
}

#[test]
fn ended_exports_are_no_longer_counted() {
    let slots = ExportSlots::new(3);
    for last in 0..=255 {
        drop(slots.acquire(client(last)).unwrap());
    }
    assert!(slots.running().is_empty());
}

/// Each user has its own limit, even if several users share an IP address.
#[test]
fn exports_are_counted_by_user() {
    let slots = ExportSlots::new(10);
    let user = |last: u8| format!("0190a6e2-7c1b-7c3a-9d5e-00000000000{last}").parse().map(ExportClient::User).unwrap();
    let (ada, bob) = (user(1), user(2));
    let _running = [ada, ada, bob, client(1)].map(|client| slots.acquire(client).unwrap());
    assert!(matches!(slots.acquire(ada), Err(ExportRefusal::TooManyOfClient { max: 2 })));
    let _another = slots.acquire(bob).unwrap();
}

use std::time::Duration;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_is_given_the_newest_only() {
    let mailbox = LatestMailbox::new();
    let mut reader = mailbox.reader();
    let mut seen = Vec::new();
    let slow = async {
        while let Some(number) = reader.next().await {
            seen.push(number);
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    let put = async {
        for number in 1..=9 {
            mailbox.post(number);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    tokio::select! { () = slow => {}, () = put => {} }
    assert_eq!((seen.first(), seen.last()), (Some(&1), Some(&9)));
    assert!(seen.is_sorted() && seen.len() < 7, "{seen:?}");
}

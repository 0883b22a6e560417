use std::time::Duration;

use super::*;

#[tokio::test(start_paused = true)]
async fn slow_reader_skips_to_the_latest_value() {
    let mailbox = LatestMailbox::new();
    let mut reader = mailbox.reader();
    let mut received = Vec::new();
    let read_slowly = async {
        while let Some(number) = reader.next().await {
            received.push(number);
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
    };
    let post = async {
        for number in 1..=9 {
            mailbox.post(number);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    tokio::select! { () = read_slowly => {}, () = post => {} }
    assert_eq!((received.first(), received.last()), (Some(&1), Some(&9)));
    assert!(received.is_sorted() && received.len() < 7, "{received:?}");
}

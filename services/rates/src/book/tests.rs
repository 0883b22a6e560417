use std::time::Duration;

use super::*;
use crate::given::{at, board, course};

fn book() -> Book {
    Book::new(Clock::starting_at(at(0)), &Metrics::new("rates"))
}

#[tokio::test(start_paused = true)]
async fn a_board_that_is_older_is_not_taken() {
    let book = book();
    assert!(matches!(book.newest(), Err(Error::NoCourses)));
    assert!(book.take(board(at(5), vec![course("a1", "BTC-USD", "1")], vec![]), Origin::Board));
    assert!(!book.take(board(at(4), vec![], vec![]), Origin::Board));
    assert_eq!(book.newest().unwrap().courses.len(), 1);
    assert!(book.take(board(at(5), vec![], vec![]), Origin::Board));
    assert!(book.newest().unwrap().courses.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_board_goes_before_what_was_written_down_whatever_their_times() {
    let book = book();
    assert!(book.is_empty());
    assert!(book.take(board(at(9), vec![], vec![]), Origin::Stored));
    assert!(book.take(board(at(5), vec![], vec![]), Origin::Board));
    assert!(!book.is_empty());
    assert!(!book.take(board(at(10), vec![], vec![]), Origin::Stored));
}

#[tokio::test(start_paused = true)]
async fn a_board_is_shown_for_an_hour() {
    let book = book();
    book.take(board(at(0), vec![], vec![]), Origin::Board);
    tokio::time::advance(SNAPSHOT_TTL.checked_sub(Duration::from_micros(1)).unwrap()).await;
    assert!(book.newest().is_ok());
    tokio::time::advance(Duration::from_micros(1)).await;
    assert!(matches!(book.newest(), Err(Error::NoCourses)));
}

#[tokio::test(start_paused = true)]
async fn only_the_last_boards_are_kept() {
    let book = book();
    for secs in 0..10 {
        book.take(board(at(secs), vec![], vec![]), Origin::Board);
    }
    let kept: Vec<_> = (0..10).filter(|&number| book.kept(number).is_some()).collect();
    assert_eq!(kept, [6, 7, 8, 9]);
    assert_eq!(*book.subscribe().borrow(), 9);
}

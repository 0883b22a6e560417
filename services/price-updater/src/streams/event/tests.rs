use super::*;

#[test]
fn the_same_number_is_no_news_and_the_same_time_may_be() {
    assert!(Order::Number(2).follows(Order::Number(1)));
    assert!(!Order::Number(2).follows(Order::Number(2)));
    assert!(!Order::Number(1).follows(Order::Number(2)));
    assert!(Order::Time(2).follows(Order::Time(2)));
    assert!(!Order::Time(1).follows(Order::Time(2)));
}

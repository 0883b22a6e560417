use clap::CommandFactory;

use super::*;

#[test]
fn the_words_are_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn a_negative_amount_reaches_the_service_which_says_what_is_wrong() {
    let arguments = Arguments::try_parse_from(["buydesk", "order", "place", "-c", "EUR", "-a", "-5"]).unwrap();
    let Command::Order(Order::Place(place)) = arguments.command else { panic!() };
    assert_eq!(place.amount, "-5");
}

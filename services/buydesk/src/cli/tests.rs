use clap::CommandFactory;

use super::*;

#[test]
fn command_definitions_are_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn negative_amount_is_left_for_the_service_to_refuse() {
    let arguments = Arguments::try_parse_from(["buydesk", "order", "place", "-c", "EUR", "-a", "-5"]).unwrap();
    let Command::Order(OrderCommand::Place(place)) = arguments.command else { panic!() };
    assert_eq!(place.amount, "-5");
}

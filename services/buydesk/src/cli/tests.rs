use clap::CommandFactory;

use super::*;

#[test]
fn command_definitions_are_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn negative_amount_is_parsed_so_that_the_service_can_refuse_it() {
    let arguments = Arguments::try_parse_from(["buydesk", "order", "place", "-c", "EUR", "-a", "-5"]).unwrap();
    let Command::Order(OrderCommand::Place(place)) = arguments.command else { panic!() };
    assert_eq!(place.amount, "-5");
}

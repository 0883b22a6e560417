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
    assert_eq!(place.amount.as_deref(), Some("-5"));
}

#[test]
fn order_has_a_currency_and_an_amount_or_a_quote() {
    let id = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
    let parse =
        |options: &[&str]| Arguments::try_parse_from([&["buydesk", "order", "place"], options].concat()).is_ok();
    assert!(parse(&["-c", "EUR", "-a", "5"]));
    assert!(parse(&["-c", "EUR", "--bitcoin", "0.001", "-r", "invoice-42", "-m", "cart=7", "-m", "note=a=b"]));
    assert!(parse(&["--quote", id]));
    for invalid in
        [&["-c", "EUR", "-a", "5", "-b", "1"][..], &["--quote", id, "-b", "1"], &["-c", "EUR", "-a", "5", "-m", "cart"]]
    {
        assert!(!parse(invalid), "{invalid:?}");
    }
    for invalid in [&["-c", "EUR"][..], &["-a", "5"], &[], &["--quote", id, "-a", "5"], &["--quote", "7"]] {
        assert!(!parse(invalid), "{invalid:?}");
    }
}

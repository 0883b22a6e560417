use clap::Parser;

use super::*;
use crate::cli::{Arguments, Command};

#[test]
fn command_for_the_next_page_has_the_same_filter() {
    let cursor: UserCursor = "u0190a6e27c1b7c3a9d5e0123456789ab".parse().unwrap();
    let query = UserQuery { email: None, state: Some(UserState::Deactivated) };
    let command = list_command(2, &query, cursor);
    assert_eq!(command, format!("user list --limit 2 --state deactivated --cursor {cursor}"));
    let words = ["buydesk"].into_iter().chain(command.split(' '));
    let Command::User(UserCommand::List(args)) = Arguments::try_parse_from(words).unwrap().command else { panic!() };
    assert_eq!((args.limit, args.cursor, args.state.map(UserState::from)), (2, Some(cursor), query.state));
}

#[test]
fn user_reference_is_an_id_or_an_email_address() {
    let get = |user: &str| -> Result<UserReference, String> {
        let arguments = Arguments::try_parse_from(["buydesk", "user", "get", user]);
        match arguments.map_err(|error| error.to_string())?.command {
            Command::User(UserCommand::Get { user: Some(user) }) => Ok(user),
            command => panic!("{command:?}"),
        }
    };
    let id = "0190a6e2-7c1b-7c3a-9d5e-0123456789ab";
    assert!(matches!(get(id), Ok(UserReference::Id(parsed)) if parsed == id.parse().unwrap()));
    let email = "Ada@example.org";
    assert!(matches!(get(email), Ok(UserReference::Email(parsed)) if parsed.as_str() == email));
    assert!(get("ada").unwrap_err().contains("must be the id or the e-mail address of a user"));
}

use clap::Parser;

use super::model_of;
use crate::{
    cli::{Arguments, Command, LoadCommand, LoadOptions},
    load::measures::Model,
};

fn options(arguments: &str) -> LoadOptions {
    let arguments = ["buydesk", "load", "reads"].into_iter().chain(arguments.split_whitespace());
    match Arguments::try_parse_from(arguments).unwrap().command {
        Command::Load(LoadCommand::Reads(args)) => args.load,
        other => panic!("{other:?}"),
    }
}

#[test]
fn model_is_closed_unless_a_rate_is_set() {
    assert_eq!(model_of(&options("")).unwrap(), Model::Closed { connections: 16 });
    assert_eq!(model_of(&options("--connections 3")).unwrap(), Model::Closed { connections: 3 });
    let open = Model::Open { rate_per_second: 50, max_in_flight: 512 };
    assert_eq!(model_of(&options("--rate 50")).unwrap(), open);
}

#[test]
fn load_above_a_maximum_needs_the_option_allow_more() {
    for (excess, named) in [
        ("--connections 257", "--connections 257 is more than 256"),
        ("--rate 5001", "--rate 5001 is more than 5000"),
        ("--rate 1 --max-in-flight 1025", "--max-in-flight 1025 is more than 1024"),
        ("--duration 14m --warm-up 61s", "--duration and --warm-up are more than 15 minutes"),
    ] {
        let error = model_of(&options(excess)).unwrap_err().to_string();
        assert!(error.contains(named) && error.contains("--allow-more"), "{error}");
        assert!(model_of(&options(&format!("{excess} --allow-more"))).is_ok());
    }
    assert!(model_of(&options("--connections 256 --duration 14m --warm-up 1m")).is_ok());
    assert!(model_of(&options("--duration 0s")).unwrap_err().to_string().contains("must be more than 0"));
}

#[test]
fn invalid_durations_and_combinations_are_refused() {
    for (arguments, part) in [
        ("--duration 30", "must be 30 with ms, s, m or h, such as 30s"),
        ("--duration 25h", "must be at most a day"),
        ("--duration -1s", "must be a whole number with ms, s, m or h, such as 500ms, 30s, 2m or 1h"),
        ("--connections 3 --rate 5", "cannot be used with"),
        ("--connections 0", "must be a whole number from 1"),
    ] {
        let arguments = ["buydesk", "load", "reads"].into_iter().chain(arguments.split_whitespace());
        let error = Arguments::try_parse_from(arguments).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

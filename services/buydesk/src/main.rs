use std::process::ExitCode;

fn main() -> ExitCode {
    buydesk::main()
}

use std::process::ExitCode;

fn main() -> ExitCode {
    db_proxy::main()
}

//! What `tests/run` gives to the tests.

use std::path::PathBuf;

/// A variable that `tests/run` sets. A test that needs a server never runs without it, and never passes without it.
pub fn required_variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with tests/run, which starts the servers that they need")
    })
}

/// A binary of this workspace, as `cargo build --workspace` leaves it beside the test's own.
pub fn binary_path(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a test knows where it is");
    // target/debug/deps/integration-… → target/debug; a program of this crate lies there itself.
    let mut folders = own.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    folders.find(|path| path.is_file()).unwrap_or_else(|| {
        panic!("{name} is not built beside {}: run the tests with tests/run, which builds it first", own.display())
    })
}

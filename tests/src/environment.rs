//! Environment variables that `tests/run` sets, and the binaries that it builds.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// The value of a variable that `tests/run` sets. Panics when it is not set: a test that needs a server must not pass
/// without it.
pub fn required_variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: run the tests with tests/run, which starts the servers that they need")
    })
}

/// The path of a binary of this workspace, as built by `cargo build --workspace`.
pub fn binary_path(name: &str) -> PathBuf {
    let current_exe = std::env::current_exe().expect("the path of the running test binary is known");
    // A test binary is in target/debug/deps, and a program of this crate is in target/debug.
    let mut candidates = current_exe.ancestors().skip(1).take(2).map(|folder| folder.join(name));
    candidates.find(|path| path.is_file()).unwrap_or_else(|| {
        let executable = current_exe.display();
        panic!("{name} was not found in the build directory of {executable}: run the tests with tests/run, which builds it first")
    })
}

/// Runs a binary of this workspace in `folder` until it exits, with these variables only.
pub fn run_binary(
    name: &str,
    arguments: &[&str],
    variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>,
    folder: &Path,
) -> Output {
    let mut command = Command::new(binary_path(name));
    command.args(arguments).env_clear().envs(variables).current_dir(folder).stdin(Stdio::null());
    command.output().unwrap()
}

//! Asks the user on the terminal to confirm what a command will do.

use std::io::{IsTerminal, Write, stdin, stdout};

use crate::client::ClientError;

/// Prints the effect of the command, asks whether to continue, and reads the answer. Fails without a terminal, and if
/// `json` is set, because standard output is then only for the result.
pub fn ask(effect: &str, json: bool) -> anyhow::Result<bool> {
    if json || !stdin().is_terminal() || !stdout().is_terminal() {
        return Err(ClientError::new("confirmation_required", effect, "Run it with --yes to confirm.").into());
    }
    print!("{effect} Continue? [y/N] ");
    stdout().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

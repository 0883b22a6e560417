//! Asks the user on the terminal to confirm what a command will do.

use std::io::{IsTerminal, Write, stdin, stdout};

use anyhow::ensure;

/// Prints the question, and returns whether the answer is yes. Without a terminal, nobody can answer. With `json`,
/// standard output is only for the result of the command. In both cases, the function fails with `refusal`, which names
/// the option that confirms.
pub fn ask(question: &str, refusal: &str, json: bool) -> anyhow::Result<bool> {
    ensure!(!json && stdin().is_terminal() && stdout().is_terminal(), "{refusal}");
    print!("{question} [y/N] ");
    stdout().flush()?;
    let mut answer = String::new();
    stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

//! The name or path with which this program was started. The commands in hints begin with this name or path, so that
//! the user can copy and run the commands.

use std::{fmt::Display, path::Path};

const NAME: &str = "buydesk";

/// The program as the user typed it, such as `target/release/buydesk`, quoted for a shell. For commands that the user
/// runs in the same terminal.
pub fn typed_name() -> String {
    let typed = std::env::args_os().next();
    typed.map_or_else(|| NAME.to_owned(), |typed| quote(&typed.to_string_lossy()))
}

/// The program for commands that the user runs in another terminal, perhaps in another folder. Returns the plain name
/// if the shell found the program in PATH, and otherwise the path of the file.
pub fn path() -> String {
    let typed = typed_name();
    let is_in_path = Path::new(&typed).components().count() == 1 && !typed.contains('\'');
    match std::env::current_exe() {
        Ok(file) if !is_in_path => quote(&file.to_string_lossy()),
        _ => typed,
    }
}

/// A command of this program with these arguments, for the same terminal.
pub fn command(arguments: &str) -> String {
    format!("{} {arguments}", typed_name())
}

/// Quotes a word for a shell if it contains special characters.
pub fn quote(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// An option of a command and its value, such as ` --limit 20`. An empty text if there is no value.
pub fn option(name: &str, value: Option<impl Display>) -> String {
    value.map(|value| format!(" --{name} {}", quote(&value.to_string()))).unwrap_or_default()
}

#[cfg(test)]
mod tests;

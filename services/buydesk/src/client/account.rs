//! The name of the person who runs a command.

use std::fs;

use super::error::ClientError;

/// The variables that contain the name of the account, in the order in which they apply.
const ACCOUNT_VARIABLES: [&str; 2] = ["USER", "LOGNAME"];
const ACCOUNTS: &str = "/etc/passwd";

/// The value of the option `--by`. Without the option, the name of the account on this machine.
pub fn name_or_account(by: Option<String>) -> Result<String, ClientError> {
    let account = || {
        let variables = ACCOUNT_VARIABLES.map(|name| std::env::var(name).ok());
        let accounts = fs::read_to_string(ACCOUNTS).unwrap_or_default();
        account_name(variables, rustix::process::getuid().as_raw(), &accounts)
    };
    by.or_else(account).ok_or_else(|| {
        ClientError::invalid_arguments(format!(
            "{} is not set, and {ACCOUNTS} has no name for your account: name yourself with --by NAME",
            ACCOUNT_VARIABLES[0]
        ))
    })
}

/// The first of `variables` that is not blank. If there is none, the name of the account with this user id. `accounts`
/// is the text of [`ACCOUNTS`] (see `man 5 passwd`).
fn account_name(variables: [Option<String>; 2], user_id: u32, accounts: &str) -> Option<String> {
    let of_id = || {
        accounts.lines().find_map(|line| {
            let mut fields = line.split(':');
            let (name, id) = (fields.next()?, fields.nth(1)?);
            (!name.is_empty() && id.parse() == Ok(user_id)).then(|| name.to_owned())
        })
    };
    variables.into_iter().flatten().find(|name| !name.trim().is_empty()).or_else(of_id)
}

#[cfg(test)]
mod tests;

//! A terminal in which a user runs commands of `buydesk`.

use std::process::Output;

use common::service::Service;
use serde_json::Value;

use crate::{buydesk_up::BuydeskUp, environment::run_binary};

/// Runs commands with these environment variables.
pub struct Terminal {
    variables: Vec<(&'static str, String)>,
}

impl Terminal {
    /// A terminal with the addresses of a platform and with these credentials: the name of the variable and its value.
    pub fn new(platform: &BuydeskUp, credentials: Option<(&'static str, &str)>) -> Self {
        let url = |service| format!("http://{}", platform.address(service));
        let addresses = [
            ("BUYDESK_URL", url(create_order::App::NAME)),
            ("USERS_URL", url(users::App::NAME)),
            ("WALLETS_URL", url(wallets::App::NAME)),
        ];
        let credentials = credentials.into_iter().map(|(name, value)| (name, value.to_owned()));
        Self { variables: addresses.into_iter().chain(credentials).collect() }
    }

    pub fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str()))
    }

    pub fn output(&self, command: &str) -> Output {
        let arguments: Vec<_> = command.split(' ').collect();
        run_binary("buydesk", &arguments, self.variables(), tempfile::tempdir().unwrap().path())
    }

    #[track_caller]
    pub fn run(&self, command: &str) -> String {
        let output = self.output(command);
        assert!(output.status.success(), "{command}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[track_caller]
    pub fn json(&self, command: &str) -> Value {
        serde_json::from_str(&self.run(&format!("--json {command}"))).unwrap()
    }

    /// The error text of a command that exits with code 1.
    #[track_caller]
    pub fn fail(&self, command: &str) -> String {
        self.fail_with(1, command)
    }

    /// The error text of a command that exits with this code.
    #[track_caller]
    pub fn fail_with(&self, code: i32, command: &str) -> String {
        let output = self.output(command);
        assert_eq!(output.status.code(), Some(code), "{command}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}

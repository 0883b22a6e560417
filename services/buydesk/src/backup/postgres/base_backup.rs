//! `pg_basebackup`: a copy of the files of a running server.

use std::{
    io::{self, Write},
    process::{Command, Stdio},
};

use anyhow::{Context, anyhow, bail};
use url::Url;

use super::programs::{find_base_backup, read_messages};

/// `--wal-method=fetch` adds the part of the write-ahead log that makes the copy consistent. With `--checkpoint=fast`,
/// the backup does not wait for a checkpoint that is spread over time.
const ARGUMENTS: [&str; 6] =
    ["--pgdata=-", "--format=tar", "--wal-method=fetch", "--checkpoint=fast", "--no-password", "--label=buydesk"];
/// The parameters of a URL, and the variables of libpq with the same meaning. A URL may also contain the parameters with
/// hyphens, such as `ssl-mode` for `sslmode`.
const PARAMETERS: [(&str, &str); 9] = [
    ("host", "PGHOST"),
    ("hostaddr", "PGHOSTADDR"),
    ("port", "PGPORT"),
    ("user", "PGUSER"),
    ("password", "PGPASSWORD"),
    ("sslmode", "PGSSLMODE"),
    ("sslrootcert", "PGSSLROOTCERT"),
    ("sslcert", "PGSSLCERT"),
    ("sslkey", "PGSSLKEY"),
];

/// A command that makes a base backup.
pub struct BaseBackup {
    command: Command,
}

impl BaseBackup {
    /// A base backup of the server at `url`. The URL must name one host. `version` is the major version of the server.
    pub fn of(url: &str, version: i32) -> anyhow::Result<Self> {
        let mut command = Command::new(find_base_backup(version)?);
        command.args(ARGUMENTS).envs(connection_variables(url)?).env("LC_MESSAGES", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Self { command })
    }

    /// Makes the backup and writes it as a tar file.
    pub fn write(mut self, writer: &mut dyn Write) -> anyhow::Result<()> {
        let mut child = self.command.spawn().context("pg_basebackup cannot be started")?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (Some(mut stdout), Some(stderr)) = (stdout, stderr) else { bail!("pg_basebackup has no output") };
        let messages = read_messages(stderr);
        let copied = io::copy(&mut stdout, writer);
        if copied.is_err() {
            // Otherwise the program would wait forever, because its output is not read.
            let _ = child.kill();
        }
        drop(stdout);
        let status = child.wait()?;
        let messages = messages.join().unwrap_or_default();
        copied?;
        if status.success() {
            return Ok(());
        }
        Err(anyhow!(
            "pg_basebackup failed: {}. If the server refuses access, give the role of DATABASE_URL the attribute REPLICATION, and permit it \
             in pg_hba.conf to connect to \"replication\"",
            messages.trim().trim_end_matches('.')
        ))
    }
}

/// The environment variables of libpq for a URL. Other users of the machine can see the arguments of a program, but not
/// its environment variables.
fn connection_variables(url: &str) -> anyhow::Result<Vec<(&'static str, String)>> {
    // The error must not show the URL, which can contain a password.
    let url = Url::parse(url).map_err(|error| anyhow!("DATABASE_URL cannot be parsed: {error}"))?;
    let decode = |text: &str| {
        url::form_urlencoded::parse(text.replace('+', "%2B").as_bytes()).next().map(|(text, _)| text.into_owned())
    };
    let host = url.host_str().filter(|host| !host.is_empty()).and_then(decode);
    let host = host.map(|host| host.trim_start_matches('[').trim_end_matches(']').to_owned());
    let parts = [
        ("PGHOST", host),
        ("PGPORT", url.port().map(|port| port.to_string())),
        ("PGUSER", decode(url.username())),
        ("PGPASSWORD", url.password().and_then(decode)),
    ];
    let mut variables: Vec<_> = parts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    for (name, value) in url.query_pairs() {
        let name = name.replace('-', "");
        if let Some((_, variable)) = PARAMETERS.iter().find(|(parameter, _)| *parameter == name) {
            variables.push((variable, value.into_owned()));
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_have_the_host_the_credentials_and_the_parameters_of_the_url() {
        let variables = connection_variables(
            "postgres://ada:p%40s+s@db.example:6432/orders?ssl-mode=verify-full&hostaddr=10.0.0.7",
        )
        .unwrap();
        let expected = [
            ("PGHOST", "db.example"),
            ("PGPORT", "6432"),
            ("PGUSER", "ada"),
            ("PGPASSWORD", "p@s+s"),
            ("PGSSLMODE", "verify-full"),
            ("PGHOSTADDR", "10.0.0.7"),
        ];
        assert_eq!(variables, expected.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(connection_variables("postgres://[::1]/orders").unwrap(), [("PGHOST", "::1".to_owned())]);
        let socket = connection_variables("postgres:///orders?host=/run/postgresql").unwrap();
        assert_eq!(socket, [("PGHOST", "/run/postgresql".to_owned())]);
    }
}

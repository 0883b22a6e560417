//! The programs of PostgreSQL. Debian installs each version in a separate folder outside PATH.

use std::{
    env,
    io::Read,
    path::{Path, PathBuf},
    process::{ChildStderr, Command, Stdio},
    thread::{self, JoinHandle},
};

use anyhow::{Context, ensure};

/// The folders in which packages install PostgreSQL. The major version replaces `{}`.
const VERSION_FOLDERS: [&str; 2] = ["/usr/lib/postgresql/{}/bin", "/usr/pgsql-{}/bin"];

#[derive(Debug, Clone)]
pub struct ServerPrograms {
    pub postgres: PathBuf,
    pub verify_backup: PathBuf,
}

impl ServerPrograms {
    /// Finds the programs of `version`, the major version of the server in the backup.
    pub fn find(version: i32) -> anyhow::Result<Self> {
        let package = format!("postgresql-{version}");
        let postgres = find_program("postgres", version, &package)?;
        let found = major_version_of(&postgres)?;
        ensure!(
            found == version,
            "the backup is of PostgreSQL {version}, and {} is PostgreSQL {found}; install the Debian package {package}",
            postgres.display()
        );
        // If `postgres` is a link, `pg_verifybackup` is in the folder of the target.
        let folder = postgres.canonicalize()?.parent().map(Path::to_owned).unwrap_or_default();
        let verify_backup = folder.join("pg_verifybackup");
        ensure!(
            verify_backup.is_file(),
            "pg_verifybackup of PostgreSQL {version} was not found in {}; install the Debian package {package}",
            folder.display()
        );
        Ok(Self { postgres, verify_backup })
    }
}

/// Finds `pg_basebackup` for a server of this major version. A newer `pg_basebackup` works too.
pub fn find_base_backup(version: i32) -> anyhow::Result<PathBuf> {
    find_program("pg_basebackup", version, &format!("postgresql-client-{version}"))
}

/// Finds a program in the folders of the version, and then in PATH.
fn find_program(name: &str, version: i32, package: &str) -> anyhow::Result<PathBuf> {
    let folders = VERSION_FOLDERS.map(|folder| PathBuf::from(folder.replace("{}", &version.to_string())));
    let path = env::var_os("PATH").unwrap_or_default();
    let mut candidates = folders.into_iter().chain(env::split_paths(&path)).map(|folder| folder.join(name));
    candidates.find(|candidate| candidate.is_file()).with_context(|| {
        format!("{name} of PostgreSQL {version} was not found; install the Debian package {package}, or add its folder to PATH")
    })
}

/// The major version that a program prints, such as 15 of `postgres (PostgreSQL) 15.8`.
fn major_version_of(program: &Path) -> anyhow::Result<i32> {
    let output = Command::new(program).arg("--version").stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("{} cannot be executed", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    parse_version(&text)
        .with_context(|| format!("{} --version printed {text:?}, which is no version", program.display()))
}

/// Reads the messages of a program in a separate thread. Otherwise, a full pipe of messages would block the program.
pub fn read_messages(mut stderr: ChildStderr) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        // If reading fails, returns the text that was read before the error.
        let _ = stderr.read_to_string(&mut text);
        text
    })
}

fn parse_version(text: &str) -> Option<i32> {
    let (_, version) = text.split_once(") ")?;
    let end = version.find(|digit: char| !digit.is_ascii_digit()).unwrap_or(version.len());
    version[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn major_version_is_the_first_number() {
        assert_eq!(parse_version("postgres (PostgreSQL) 15.8 (Debian 15.8-0+deb12u1)\n"), Some(15));
        assert_eq!(parse_version("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(parse_version("postgres"), None);
    }

    #[test]
    fn missing_program_names_its_package() {
        let error = find_program("pg_no_such_program", 15, "postgresql-client-15").unwrap_err().to_string();
        assert!(error.contains("install the Debian package postgresql-client-15"), "{error}");
    }
}

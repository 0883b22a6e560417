//! The settings of processes whose orders are always simulated: `buydesk up --demo` and `buydesk seed`.

use std::{
    fmt, fs, io,
    path::{Component, Path, PathBuf},
};

use common::config::{Env, shared};

use super::{DEFAULT_DATABASE, DEFAULT_SIMULATED_DATABASE};
use crate::database::{shown_url, sqlite_path};

const DATABASE_URL: &str = "DATABASE_URL";
const SIMULATED: &str = "SIMULATED";
/// Maximum number of symbolic links that are followed to find one file, as in Linux.
const MAX_LINKS: usize = 40;

/// A warning: a line of the settings file has no effect, because it is for real orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplacedSetting {
    /// `SIMULATED=false`.
    Origin,
    /// `DATABASE_URL` names the default file of real orders.
    Database,
}

impl ReplacedSetting {
    /// The code of the warning, for programs.
    pub fn code(self) -> &'static str {
        match self {
            Self::Origin => "setting_without_effect",
            Self::Database => "database_of_real_orders",
        }
    }
}

impl fmt::Display for ReplacedSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin => {
                write!(f, "{SIMULATED}=false has no effect, because the data of this command is always simulated")
            }
            Self::Database => write!(
                f,
                "{DATABASE_URL}={DEFAULT_DATABASE} is the file of real orders, so simulated data goes to \
                 {DEFAULT_SIMULATED_DATABASE} instead"
            ),
        }
    }
}

/// Declares that the orders of the process are simulated, and prevents the process from using the default file of real
/// orders. The mark of the origin in the database does not prevent this if the file does not exist yet.
///
/// Processes with real orders use the same settings file. `SIMULATED=false` and the default file of real orders are
/// therefore replaced, and the returned warnings state this. Such a value in an environment variable is an error,
/// because the user has chosen the value for this process.
pub fn declare_simulated(env: &mut Env) -> Vec<ReplacedSetting> {
    let mut replaced = Vec::new();
    if shared::simulated(env) == Some(false) {
        if env.is_set_by_environment(SIMULATED) {
            let rule = "the data of this command is always simulated; unset the environment variable";
            env.add_fault(SIMULATED, Some("false".to_owned()), rule);
        } else {
            replaced.push(ReplacedSetting::Origin);
        }
    }
    env.set(SIMULATED, "true");
    replaced.extend(keep_from_real_database(env));
    replaced
}

fn keep_from_real_database(env: &mut Env) -> Option<ReplacedSetting> {
    let url = env.text(DATABASE_URL)?.to_owned();
    if !names_file_of_real_orders(&url) {
        return None;
    }
    if env.is_set_by_environment(DATABASE_URL) {
        let rule = format!(
            "it is the file of real orders, which simulated orders never use; unset the environment variable, so that they go to \
             {DEFAULT_SIMULATED_DATABASE}, or name another database"
        );
        env.add_fault(DATABASE_URL, Some(shown_url(&url)), rule);
        return None;
    }
    env.set(DATABASE_URL, DEFAULT_SIMULATED_DATABASE);
    Some(ReplacedSetting::Database)
}

/// Whether a value of `DATABASE_URL` names the default file of real orders, also in another form or through links.
pub fn names_file_of_real_orders(url: &str) -> bool {
    let file = |url: &str| resolve_links(Path::new(sqlite_path(url.strip_prefix("sqlite:")?))).ok();
    let named = file(url);
    named.is_some() && named == file(DEFAULT_DATABASE)
}

/// The file that a path names, even if the file does not exist yet: links of files and of folders are replaced by their targets.
fn resolve_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = std::path::absolute(path)?;
    for _ in 0..MAX_LINKS {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { break };
        let folder = resolve_folder(folder);
        path = folder.join(name);
        let Ok(target) = fs::read_link(&path) else { break };
        path = folder.join(target);
    }
    Ok(path)
}

/// The folder without links and `..`, also if a part of it does not exist yet.
fn resolve_folder(folder: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for component in folder.components() {
        if component == Component::ParentDir {
            resolved.pop();
        } else {
            resolved.push(component);
            resolved = fs::canonicalize(&resolved).unwrap_or(resolved);
        }
    }
    resolved
}

#[cfg(test)]
mod tests;

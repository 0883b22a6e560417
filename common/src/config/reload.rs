//! Compares a changed settings file with the settings of a running process.
//!
//! As at the start, an environment variable of the process overrides the file. A change of the line for such a variable
//! has no effect.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
};

use super::{
    Env, EnvFile, SettingWarning,
    live::LiveSetting,
    values::{Values, changed_names},
};

/// The new value of a setting that takes effect now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingChange {
    pub name: &'static str,
    /// The old and the new value. They are hidden if the setting is a secret.
    pub old: String,
    pub new: String,
}

/// A change of the file that has no effect on the running process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IneffectiveChange {
    /// The setting is read only at the start.
    NeedsRestart(String),
    /// An environment variable of the process overrides the file.
    SetByEnvironment(String),
    /// The program sets the variable itself.
    SetByProgram(String),
}

impl fmt::Display for IneffectiveChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeedsRestart(name) if name == "BTC_LIMIT" => f.write_str(
                "BTC_LIMIT has changed and takes effect at the next start, if no operator has set the limit until then; \
                 `buydesk limit set` changes the limit of all orders immediately",
            ),
            Self::NeedsRestart(name) => write!(f, "{name} has changed and takes effect at the next start"),
            Self::SetByEnvironment(name) => write!(
                f,
                "{name} has changed in the settings file, which has no effect, because the environment variable {name} overrides \
                 the file"
            ),
            Self::SetByProgram(name) => {
                write!(f, "{name} has changed in the settings file, which has no effect, because this process sets {name} itself")
            }
        }
    }
}

/// The consequences of a changed settings file.
#[derive(Debug, Clone)]
pub struct Reload {
    /// The variables that the next start would read. Invalid variables would make the next start fail.
    pub at_next_start: Env,
    /// The variables from now on: the new values of live settings, and the old values of all others.
    pub from_now_on: Env,
    pub changes: Vec<SettingChange>,
    pub ineffective: Vec<IneffectiveChange>,
    /// The warnings about the new version of the file, without the warnings about the previous version.
    pub warnings: Vec<SettingWarning>,
}

impl Env {
    /// Compares a new version of the settings file with the running process. `self` has the variables of the running process, and
    /// `seen` is the version of the file that was compared last.
    pub fn reload(&self, seen: &EnvFile, file: EnvFile, live: &BTreeSet<LiveSetting>) -> Reload {
        let find_live = |name: &str| live.iter().find(|setting| setting.name == name);
        let EnvFile { values: new, warnings, invalid_lines } = file;
        let mut from_now_on = self.values.file.clone();
        for name in changed_names(&self.values.file, &new).iter().filter(|name| find_live(name).is_some()) {
            match new.get(name) {
                Some(value) => from_now_on.insert(name.clone(), value.clone()),
                None => from_now_on.remove(name),
            };
        }
        let changed = changed_names(&seen.values, &new);
        let from_now_on = self.with_file(from_now_on);
        let at_next_start = Self { invalid_lines, ..self.with_file(new) };
        let change = |setting: &LiveSetting| {
            let (old, new) = (self.values.text(setting.name), from_now_on.values.text(setting.name));
            let change = || SettingChange { name: setting.name, old: setting.shown(old), new: setting.shown(new) };
            let differs = old != new && setting.effective(old) != setting.effective(new);
            (self.names.contains(setting.name) && differs).then(change)
        };
        let is_read = |name: &&String| self.names.contains(*name);
        let ineffective = changed.iter().filter(is_read).filter_map(|name| {
            if self.values.is_set_by_program(name) {
                return Some(IneffectiveChange::SetByProgram(name.clone()));
            }
            if self.values.is_set_by_environment(name) {
                return Some(IneffectiveChange::SetByEnvironment(name.clone()));
            }
            let differs = self.values.text(name) != at_next_start.values.text(name);
            (find_live(name).is_none() && differs).then(|| IneffectiveChange::NeedsRestart(name.clone()))
        });
        Reload {
            changes: live.iter().filter_map(change).collect(),
            ineffective: ineffective.collect(),
            warnings: warnings.into_iter().filter(|warning| !seen.warnings.contains(warning)).collect(),
            at_next_start,
            from_now_on,
        }
    }

    /// The content of the settings file as it was read at the start.
    pub fn file_at_start(&self) -> EnvFile {
        EnvFile { values: self.values.file.clone(), warnings: self.warnings.clone(), ..EnvFile::default() }
    }

    fn with_file(&self, file: HashMap<String, String>) -> Self {
        Self { values: Values { file, ..self.values.clone() }, ..self.clone() }
    }
}

#[cfg(test)]
mod tests;

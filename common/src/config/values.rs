//! The values of variables from the program, the environment and the settings file.

use std::collections::{BTreeSet, HashMap};

use super::environment::Environment;

/// The values of variables. A value in an earlier field takes precedence over a value in a later field.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    /// Set by the program itself.
    pub program: HashMap<String, String>,
    /// The environment variables of the process. An empty variable counts as not set.
    pub environment: Environment,
    /// The settings file.
    pub file: HashMap<String, String>,
    /// Defaults that the program has created, such as random tokens.
    pub defaults: HashMap<String, String>,
}

impl Values {
    /// `None` if the variable is not set or is empty. The caller must first check
    /// [`shown_if_not_utf8`](Self::shown_if_not_utf8).
    pub fn text(&self, name: &str) -> Option<&str> {
        if let Some(value) = self.program.get(name) {
            return non_empty(value);
        }
        let layers = [&self.environment.values, &self.file, &self.defaults];
        layers.into_iter().find_map(|layer| layer.get(name).and_then(|value| non_empty(value)))
    }

    /// The value of an environment variable that is not UTF-8, as messages show it. `None` if the value is UTF-8 or the
    /// program sets the variable.
    pub fn shown_if_not_utf8(&self, name: &str) -> Option<&str> {
        self.environment.not_utf8.get(name).filter(|_| !self.is_set_by_program(name)).map(String::as_str)
    }

    /// Whether an environment variable overrides the settings file.
    pub fn is_set_by_environment(&self, name: &str) -> bool {
        let is_set = self.environment.values.get(name).is_some_and(|value| non_empty(value).is_some());
        is_set || self.environment.not_utf8.contains_key(name)
    }

    pub fn is_set_by_program(&self, name: &str) -> bool {
        self.program.contains_key(name)
    }
}

/// The names whose values differ between two versions of the settings file.
pub(super) fn changed_names(old: &HashMap<String, String>, new: &HashMap<String, String>) -> BTreeSet<String> {
    old.keys().chain(new.keys()).filter(|name| old.get(*name) != new.get(*name)).cloned().collect()
}

fn non_empty(value: &str) -> Option<&str> {
    Some(value.trim()).filter(|value| !value.is_empty())
}

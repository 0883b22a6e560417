//! The texts of the variables, by where they were set.

use std::collections::{BTreeSet, HashMap};

use super::environment::Environment;

/// The texts of the variables. A value of an earlier field takes precedence over the values of later fields.
#[derive(Debug, Clone, Default)]
pub(super) struct Values {
    /// Set by the program itself.
    pub program: HashMap<String, String>,
    /// The environment variables of the process. An empty one counts as not set.
    pub environment: Environment,
    /// The settings file.
    pub file: HashMap<String, String>,
    /// Defaults that the program has created, such as random tokens.
    pub defaults: HashMap<String, String>,
}

impl Values {
    /// The value of a variable that is not [invalid](Self::shown_if_not_utf8). `None` if it is not set, or empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        if let Some(value) = self.program.get(name) {
            return non_empty(value);
        }
        let layers = [&self.environment.values, &self.file, &self.defaults];
        layers.into_iter().find_map(|layer| layer.get(name).and_then(|value| non_empty(value)))
    }

    /// The value of an environment variable that is not UTF-8, as messages show it. `None` if the value is UTF-8 or does not apply.
    pub fn shown_if_not_utf8(&self, name: &str) -> Option<&str> {
        self.environment.not_utf8.get(name).filter(|_| !self.is_set_by_program(name)).map(String::as_str)
    }

    /// Whether an environment variable determines the value, so that the settings file has no effect on it.
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

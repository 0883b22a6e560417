//! Values of settings that change while the process runs.

use std::{fmt, sync::Arc};

use tokio::sync::watch;

/// The current value of a setting. Clones share the value. Each reader of the setting has a clone.
pub struct Live<T>(Arc<watch::Sender<T>>);

impl<T> Live<T> {
    pub fn new(value: T) -> Self {
        Self(Arc::new(watch::Sender::new(value)))
    }

    /// Replaces the value. Returns whether the new value differs from the old one.
    pub fn set(&self, value: T) -> bool
    where
        T: PartialEq,
    {
        self.0.send_if_modified(|current| {
            let differs = *current != value;
            if differs {
                *current = value;
            }
            differs
        })
    }

    /// Replaces the value, for types that cannot be compared.
    pub fn replace(&self, value: T) {
        self.0.send_replace(value);
    }

    pub fn get(&self) -> T
    where
        T: Clone,
    {
        self.0.borrow().clone()
    }

    /// A receiver of new values. A slow receiver skips intermediate values.
    pub fn subscribe(&self) -> watch::Receiver<T> {
        self.0.subscribe()
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> From<T> for Live<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T> From<Vec<T>> for Live<Arc<[T]>> {
    fn from(values: Vec<T>) -> Self {
        Self::new(values.into())
    }
}

impl<T: Default> Default for Live<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.borrow().fmt(f)
    }
}

/// A setting that takes effect without a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LiveSetting {
    pub name: &'static str,
    display: Display,
}

/// How the values of a setting are shown in logs and reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Display {
    /// The value is shown as text. If the setting is not set, the default in `.env.example` is shown.
    Text,
    /// Like `Text`, but the default depends on other settings and is not shown.
    TextWithoutDefault,
    Secret,
}

impl LiveSetting {
    pub const fn new(name: &'static str) -> Self {
        Self { name, display: Display::Text }
    }

    /// A setting whose default depends on other settings.
    pub const fn with_computed_default(name: &'static str) -> Self {
        Self { name, display: Display::TextWithoutDefault }
    }

    /// A setting whose values are never shown.
    pub const fn secret(name: &'static str) -> Self {
        Self { name, display: Display::Secret }
    }

    /// The value, or the documented default if the setting is not set. `None` if the setting is not set and its default
    /// is not shown.
    pub(super) fn effective(self, value: Option<&str>) -> Option<&str> {
        let default = || super::env_file::documented_default(self.name).filter(|_| self.display == Display::Text);
        value.or_else(default)
    }

    pub(super) fn shown(self, value: Option<&str>) -> String {
        let default = super::env_file::documented_default(self.name);
        match (self.display, value) {
            (Display::Secret, Some(_)) => "***".to_owned(),
            (Display::Secret, None) => "not set".to_owned(),
            (_, Some(value)) => value.to_owned(),
            (Display::TextWithoutDefault, None) => "the default".to_owned(),
            (Display::Text, None) => match default {
                Some(default) => format!("{default} (default)"),
                None => "not set".to_owned(),
            },
        }
    }
}

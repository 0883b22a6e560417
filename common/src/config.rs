//! Settings: environment variables and a settings file. They are checked before a port is bound. Some changes
//! of the file take effect without a restart: see [`Reload`].

mod bind;
mod credentials;
mod env_file;
mod environment;
mod live;
mod reload;
mod service_urls;
pub mod shared;
mod values;

use std::{collections::BTreeSet, ffi::OsString, fmt, str::FromStr, sync::Arc, time::Duration};

use subtle::ConstantTimeEq;
use url::Url;

pub use self::{
    bind::{Bind, connect_address, is_loopback, port_variable},
    credentials::{AcceptedCallers, Caller, CallerToken, ServerKey, TokenRefusal},
    env_file::{EnvFile, SettingWarning, SettingsFile},
    live::{Live, LiveSetting},
    reload::{IneffectiveChange, Reload, SettingChange},
    service_urls::ServiceUrls,
};
use self::{env_file::InvalidLine, environment::Environment, values::Values};

/// One invalid setting.
#[derive(Debug, Clone, PartialEq, Eq)]
struct InvalidSetting {
    name: String,
    /// The value as messages show it. `None` if a required setting is missing.
    shown_value: Option<String>,
    /// The allowed values, or the reason why the value is not allowed.
    rule: String,
    /// Settings that can be set instead.
    alternatives: Vec<String>,
}

/// All invalid settings and all invalid lines of the settings file, each once, so that they can be corrected together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    invalid_lines: Vec<InvalidLine>,
    invalid: Vec<InvalidSetting>,
    /// Warnings about the settings file. A misspelt name may be the reason why a setting is missing.
    warnings: Vec<SettingWarning>,
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, shown_value, rule, alternatives } = self;
        match shown_value {
            Some(value) => write!(f, "{name}={value} is not allowed; {rule}")?,
            None => write!(f, "{name} is not set; {rule}")?,
        }
        if alternatives.is_empty() { Ok(()) } else { write!(f, ", or set {}", alternatives.join(" and ")) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("some settings are invalid:")?;
        self.faults().try_for_each(|fault| write!(f, "\n  {fault}"))?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\n  {warning}"))
    }
}

impl ConfigError {
    /// All invalid settings on one line, for a field of a log record.
    pub fn in_one_line(&self) -> String {
        self.faults().collect::<Vec<_>>().join("; ")
    }

    fn faults(&self) -> impl Iterator<Item = String> {
        let lines = self.invalid_lines.iter().map(ToString::to_string);
        lines.chain(self.invalid.iter().map(ToString::to_string))
    }
}

impl std::error::Error for ConfigError {}

/// The variables that settings are read from. Errors are collected, and [`Env::finish`] returns all of them.
#[derive(Debug, Clone, Default)]
pub struct Env {
    values: Values,
    settings_file: Option<SettingsFile>,
    names: BTreeSet<String>,
    errors: Vec<InvalidSetting>,
    warnings: Vec<SettingWarning>,
    /// The lines of the settings file that cannot be parsed.
    invalid_lines: Vec<InvalidLine>,
}

impl Env {
    /// The environment variables of the process. The [settings file](SettingsFile) supplies the variables that are
    /// empty or not set.
    pub fn from_process() -> anyhow::Result<Self> {
        Ok(Self::from_file(&SettingsFile::of_process())?.with_environment(std::env::vars_os()))
    }

    fn with_environment(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        self.values.environment = Environment::new(variables);
        self
    }

    /// Reads only a settings file, without the variables of the environment. [`Env::finish`] reports the lines that cannot be parsed.
    pub fn from_file(settings_file: &SettingsFile) -> anyhow::Result<Self> {
        let EnvFile { values: file, warnings, invalid_lines } = settings_file.read_at_start()?;
        let values = Values { file, ..Values::default() };
        Ok(Self { values, settings_file: Some(settings_file.clone()), warnings, invalid_lines, ..Self::default() })
    }

    pub fn from_pairs<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        let variables = pairs.into_iter().map(|(name, value)| (name.into().into(), value.into().into()));
        Self::default().with_environment(variables)
    }

    /// Sets a variable, whatever its value was.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.values.program.insert(name.to_owned(), value.into());
    }

    /// Sets a variable that is not set.
    pub fn set_default(&mut self, name: &str, value: impl Into<String>) {
        if self.text(name).is_none() {
            self.values.defaults.insert(name.to_owned(), value.into());
        }
    }

    /// The value of a variable. An empty value counts as not set. If the value is not UTF-8, adds an error and returns `None`.
    pub fn text(&mut self, name: &str) -> Option<&str> {
        self.names.insert(name.to_owned());
        if let Some(shown) = self.values.shown_if_not_utf8(name).map(str::to_owned) {
            self.add_invalid(name, Some(shown), "it must be text in UTF-8".to_owned());
            return None;
        }
        self.values.text(name)
    }

    /// Whether the value of a variable comes from the environment of the process, not from the settings file or the
    /// program.
    pub fn is_set_by_environment(&self, name: &str) -> bool {
        self.values.is_set_by_environment(name) && !self.values.is_set_by_program(name)
    }

    /// The settings file that supplies variables. `None` if no settings file was read.
    pub fn settings_file(&self) -> Option<&SettingsFile> {
        self.settings_file.as_ref()
    }

    /// The names of all variables that were read, set or not.
    pub fn variable_names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// A setting with a default. `allowed` describes the valid values and completes "NAME=VALUE is not allowed; it must be …".
    pub fn parse<T: FromStr>(&mut self, name: &str, default: T, allowed: &str) -> T {
        self.parse_with(name, allowed, |text| text.parse().ok()).unwrap_or(default)
    }

    /// An optional setting. If `parse` returns `None`, the setting is invalid.
    pub fn parse_with<T>(&mut self, name: &str, allowed: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?.to_owned();
        let value = parse(&text);
        if value.is_none() {
            self.add_error(name, text, allowed);
        }
        value
    }

    /// Like [`parse_with`](Self::parse_with), for a setting that may contain a secret: the error does not show the value.
    pub fn parse_secret_with<T>(
        &mut self,
        name: &str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let value = parse(self.text(name)?);
        if value.is_none() {
            self.add_error(name, "***", allowed);
        }
        value
    }

    /// Adds an error, for example about a combination of settings. `allowed` completes "NAME=VALUE is not allowed; it
    /// must be …".
    pub fn add_error(&mut self, name: &str, value: impl Into<String>, allowed: &str) {
        self.add_fault(name, Some(value.into()), format!("it must be {allowed}"));
    }

    /// Adds an error. `rule` states what is wrong, or what to do about a missing setting. Only the first error of a setting is
    /// kept: several services may read the setting, and a further error may be a consequence of the first.
    pub fn add_fault(&mut self, name: &str, value: Option<String>, rule: impl Into<String>) {
        self.add_invalid(name, value.map(|value| format!("{value:?}")), rule.into());
    }

    fn add_invalid(&mut self, name: &str, shown_value: Option<String>, rule: String) {
        if self.errors.iter().all(|error| error.name != name) {
            self.errors.push(InvalidSetting { name: name.to_owned(), shown_value, rule, alternatives: Vec::new() });
        }
    }

    /// If `name` has an error because it is missing, adds to the error that `alternative` can be set instead.
    fn add_alternative(&mut self, name: &str, alternative: &str) {
        let missing = self.errors.iter_mut().find(|error| error.name == name && error.shown_value.is_none());
        if let Some(InvalidSetting { alternatives, .. }) = missing
            && alternatives.iter().all(|other| other != alternative)
        {
            alternatives.push(alternative.to_owned());
        }
    }

    /// The names in the settings file that are probably mistakes.
    pub fn warnings(&self) -> &[SettingWarning] {
        &self.warnings
    }

    /// Like [`warnings`](Self::warnings), for a program that shows them itself: [`Env::finish`] does not repeat them.
    pub fn take_warnings(&mut self) -> Vec<SettingWarning> {
        std::mem::take(&mut self.warnings)
    }

    /// A duration in whole seconds within `range`.
    pub fn seconds(&mut self, name: &str, default: u64, range: std::ops::RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.whole_number(name, default, range))
    }

    /// A whole number within `range`.
    pub fn whole_number(&mut self, name: &str, default: u64, range: std::ops::RangeInclusive<u64>) -> u64 {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.parse_with(name, &allowed, |text| text.parse().ok().filter(|n| range.contains(n))).unwrap_or(default)
    }

    /// An `http` or `https` URL, which may have a path.
    pub fn url(&mut self, name: &str, default: &str) -> Url {
        self.optional_url(name, default).unwrap_or_else(|| default_url(default))
    }

    /// An `http` or `https` URL, which may have a path. `None` if the variable is not set. An error names `example`.
    pub fn optional_url(&mut self, name: &str, example: &str) -> Option<Url> {
        self.addresses_with(name, &format!("{HTTP_URL}, such as {example}"), parse_http_url)
    }

    /// At most `max` distinct URLs, separated by commas; see [`HTTP_URL`]. Empty if the variable is not set. An error
    /// names `example`.
    pub fn urls(&mut self, name: &str, max: usize, example: &str) -> Vec<Url> {
        let allowed = format!("{HTTP_URL}, such as {example}, or up to {max} of them, separated by commas");
        let parse = |text: &str| shared::parse_distinct(text, parse_http_url).filter(|urls| urls.len() <= max);
        self.addresses_with(name, &allowed, parse).unwrap_or_default()
    }

    /// One URL or several. `parse` returns `None` if the text is invalid.
    fn addresses_with<T>(&mut self, name: &str, allowed: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        let text = self.text(name)?.to_owned();
        let parsed = parse(&text);
        if parsed.is_none() {
            // An address may contain a password, although this is not allowed.
            let shown = text.split(',').map(|address| shown_address(address.trim())).collect::<Vec<_>>().join(",");
            self.add_error(name, shown, allowed);
        }
        parsed
    }

    /// A secret that is required. If it is missing, the error contains `allowed`.
    pub fn secret(&mut self, name: &str, allowed: &str) -> Secret {
        self.optional_secret(name).unwrap_or_else(|| {
            self.add_fault(name, None, allowed);
            Secret::new(String::new())
        })
    }

    /// A secret that may be missing. If the secret is too short, adds an error and returns an empty secret.
    pub fn optional_secret(&mut self, name: &str) -> Option<Secret> {
        let text = self.text(name)?.to_owned();
        if text.chars().count() >= Secret::MIN_CHARS {
            return Some(Secret::new(text));
        }
        self.add_error(name, "***", &format!("at least {} characters", Secret::MIN_CHARS));
        Some(Secret::new(String::new()))
    }

    /// Returns the collected errors and the invalid lines of the settings file, if there are any.
    pub fn finish(&mut self) -> Result<(), ConfigError> {
        if self.errors.is_empty() && self.invalid_lines.is_empty() {
            return Ok(());
        }
        let mut invalid = std::mem::take(&mut self.errors);
        // A setting is not missing if its line cannot be parsed.
        let is_in_line = |name: &str| self.invalid_lines.iter().any(|line| line.name.as_deref() == Some(name));
        invalid.retain(|setting| setting.shown_value.is_some() || !is_in_line(&setting.name));
        Err(ConfigError { invalid_lines: self.invalid_lines.clone(), invalid, warnings: self.warnings.clone() })
    }
}

fn default_url(default: &str) -> Url {
    Url::parse(default).expect("the default address is valid")
}

/// The description of the addresses that [`parse_http_url`] accepts. In messages, an example follows the description.
pub const HTTP_URL: &str = "an http or https address without user name, query and fragment";

/// Parses an `http` or `https` URL, which may have a path. See [`HTTP_URL`].
pub fn parse_http_url(text: &str) -> Option<Url> {
    // "http:host" and "http:/host" would be parsed as "http://host".
    let url = text.contains("://").then(|| Url::parse(text).ok()).flatten()?;
    let has_extra = !url.username().is_empty() || url.password().is_some();
    let has_extra = has_extra || url.query().is_some() || url.fragment().is_some();
    let is_valid = matches!(url.scheme(), "http" | "https") && url.has_host() && url.port() != Some(0) && !has_extra;
    is_valid.then_some(url)
}

/// A secret text. Its `Debug` form hides the text, and [`Secret::matches`] compares in constant time.
#[derive(Clone)]
pub struct Secret(Arc<str>);

impl Secret {
    const MIN_CHARS: usize = 16;

    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// A random secret with 122 bits of entropy from the operating system.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string().into())
    }

    /// The text, for the header that contains it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn matches(&self, text: &str) -> bool {
        // An empty secret matches nothing, not even an empty text.
        !self.0.is_empty() && bool::from(self.0.as_bytes().ct_eq(text.as_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// An address as the user wrote it, for error messages. An address that may contain a password is shown as
/// [`redact_password`] does.
pub fn shown_address(address: &str) -> String {
    // A text without these characters contains no password.
    if address.contains(['@', '?']) { redact_password(address) } else { address.to_owned() }
}

/// The address with `***` instead of its password, its query and its fragment, for logs and error messages. A query may contain
/// a password. After a password that is not encoded, a part of it is the query or the fragment. An address that cannot be
/// parsed is not shown at all.
pub fn redact_password(address: &str) -> String {
    let Ok(mut url) = Url::parse(address) else { return "(an invalid address)".to_owned() };
    if url.password().is_some() {
        // Fails only for addresses without a host, which have no password.
        let _ = url.set_password(Some("***"));
    }
    if url.query().is_some() {
        url.set_query(Some("***"));
    }
    if url.fragment().is_some() {
        url.set_fragment(Some("***"));
    }
    url.to_string()
}

#[cfg(test)]
mod tests;

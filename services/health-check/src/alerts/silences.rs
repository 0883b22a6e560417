//! Silences suppress the notifications of matching alerts that fire, for example during planned maintenance.

use std::{collections::BTreeSet, time::Duration};

use common::{
    api::{
        FieldError,
        alerts::{Alert, MAX_SILENCE, MAX_SILENCE_TEXT, NewSilence, Silence},
    },
    spelling::must_be_one_of,
    text::describe_refused,
    time::Timestamp,
};

use super::rules::Rule;
use crate::{error::Error, validation::check_name};

const MAX_SILENCES: usize = 100;

#[derive(Debug, Default)]
pub(crate) struct Silences(Vec<Silence>);

impl Silences {
    pub(crate) fn new(mut silences: Vec<Silence>) -> Self {
        silences.sort_by_key(|silence| silence.until);
        Self(silences)
    }

    /// Adds a silence, or returns an error with every invalid field. `subjects` are the names that alerts can be about.
    pub(crate) fn add(
        &mut self,
        new: NewSilence,
        subjects: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<Silence, Error> {
        let errors = check_silence(&new, subjects);
        if !errors.is_empty() {
            return Err(Error::Invalid(errors));
        }
        let NewSilence { alert, service, for_secs, created_by, reason } = new;
        self.remove_ended(now);
        if self.0.len() >= MAX_SILENCES {
            let rule = format!("no silence can be added: there are {MAX_SILENCES}; remove one");
            return Err(Error::Invalid(vec![FieldError::new("alert", rule)]));
        }
        let id = uuid::Uuid::new_v4().to_string();
        let until = now.plus(Duration::from_secs(for_secs));
        let silence = Silence { id, alert, service, created_at: now, until, created_by, reason };
        self.0.push(silence.clone());
        self.0.sort_by_key(|silence| silence.until);
        Ok(silence)
    }

    /// Removes a silence before it ends.
    pub(crate) fn remove(&mut self, id: &str) -> Result<(), Error> {
        let position =
            self.0.iter().position(|silence| silence.id == id).ok_or_else(|| Error::UnknownSilence(id.to_owned()))?;
        self.0.remove(position);
        Ok(())
    }

    pub(crate) fn remove_ended(&mut self, now: Timestamp) {
        self.0.retain(|silence| silence.until > now);
    }

    /// The id of the silence that matches the alert. If several silences match, the id of the silence that ends last.
    pub(crate) fn matching_silence(&self, alert: &Alert) -> Option<String> {
        self.0.iter().rfind(|silence| silence.matches(alert)).map(|silence| silence.id.clone())
    }

    pub(crate) fn list(&self) -> &[Silence] {
        &self.0
    }
}

/// Every invalid field of a request for a silence.
pub(crate) fn check_silence(new: &NewSilence, subjects: &BTreeSet<String>) -> Vec<FieldError> {
    let NewSilence { alert, service, for_secs, created_by, reason } = new;
    let mut errors = Vec::new();
    match (alert, service) {
        (None, None) => errors.push(FieldError::missing_unless("alert", "service")),
        (Some(name), _) if Rule::of_name(name).is_none() => {
            errors.push(FieldError::new("alert", must_be_one_of(name, Rule::ALL.iter().map(|rule| rule.name()))));
        }
        _ => {}
    }
    errors.extend(service.as_ref().and_then(|service| check_name("service", service, subjects)));
    let mut invalid = |field: &str, rule: String| errors.push(FieldError::new(field, rule));
    if !(1..=MAX_SILENCE.as_secs()).contains(for_secs) {
        let longest = MAX_SILENCE.as_secs();
        invalid("for_secs", format!("must be a whole number from 1 to {longest}, but is {for_secs}"));
    }
    for (field, text) in [("created_by", created_by), ("reason", reason)] {
        if text.trim().is_empty() || text.chars().count() > MAX_SILENCE_TEXT {
            invalid(field, describe_refused(format!("must have 1 to {MAX_SILENCE_TEXT} characters"), text));
        }
    }
    errors
}

#[cfg(test)]
mod tests;

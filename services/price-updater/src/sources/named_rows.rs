//! Finds the rows of a JSON array by a name that each row contains, such as the symbol of a pair.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::SourceError;

/// The rows and their names. Rows are parsed separately, so that an invalid row affects only its own pair.
pub(super) struct NamedRows<'a>(Vec<(String, &'a RawValue)>);

impl<'a> NamedRows<'a> {
    /// `name` returns the name of a row. Rows without a name are skipped.
    pub(super) fn new<N: DeserializeOwned>(rows: Vec<&'a RawValue>, name: fn(N) -> String) -> Self {
        let named = |row: &'a RawValue| Some((name(serde_json::from_str(row.get()).ok()?), row));
        Self(rows.into_iter().filter_map(named).collect())
    }

    /// Parses the row of this name.
    ///
    /// # Errors
    /// [`SourceError::UnknownPair`] if there is no such row, and [`SourceError::InvalidResponse`] if the row
    /// cannot be parsed.
    pub(super) fn parse<T: Deserialize<'a>>(&self, name: &str) -> Result<T, SourceError> {
        let (_, row) = self.0.iter().find(|(other, _)| other == name).ok_or(SourceError::UnknownPair)?;
        serde_json::from_str(row.get()).map_err(SourceError::invalid_response)
    }
}

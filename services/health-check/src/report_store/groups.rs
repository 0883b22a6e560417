//! Groups reports with the same service, level and price source whose messages differ only in numbers and ids.

use std::collections::HashMap;

use common::{
    api::reports::{ReportGroup, StoredReport},
    level::Level,
};

use super::{ReportFilter, ReportStore};

/// The values that all reports of a group have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
struct GroupKey<'a> {
    level: Level,
    service: &'a str,
    source: Option<&'a str>,
    message: String,
}

impl ReportStore {
    /// Up to `limit` groups of the reports that match. The group with the newest report comes first.
    pub(crate) fn groups(&self, filter: &ReportFilter, limit: usize) -> Vec<ReportGroup> {
        let mut groups: Vec<ReportGroup> = Vec::new();
        let mut positions: HashMap<GroupKey<'_>, usize> = HashMap::new();
        for report in self.newest_first(u64::MAX).filter(|report| filter.matches(report)) {
            let StoredReport { level, service, source, status, received_at, .. } = report;
            let key = GroupKey { level: *level, service, source: source.as_deref(), message: message_pattern(status) };
            let position = *positions.entry(key).or_insert_with(|| {
                let (first_at, last_at) = (*received_at, *received_at);
                groups.push(ReportGroup { count: 0, first_at, last_at, latest: report.clone() });
                groups.len() - 1
            });
            let group = &mut groups[position];
            group.count += 1;
            group.first_at = *received_at;
        }
        groups.truncate(limit);
        groups
    }
}

/// The message, in which `#` replaces each word that contains a digit.
fn message_pattern(message: &str) -> String {
    let mut pattern = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(start) = rest.find(char::is_alphanumeric) {
        pattern.push_str(&rest[..start]);
        rest = &rest[start..];
        let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '.';
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        pattern.push_str(if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { word });
        rest = &rest[end..];
    }
    pattern.push_str(rest);
    pattern
}

#[cfg(test)]
mod tests;

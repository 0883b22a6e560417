//! The state of each alert: pending, firing, resolved.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{
    api::alerts::{Alert, AlertState},
    time::Timestamp,
};

use super::rules::{Fault, Rule};
use crate::clock::Instants;

/// How long a fault must be absent before its alert is resolved, so that an intermittent fault is one alert.
pub(crate) const RESOLVE_AFTER: Duration = Duration::from_secs(10);
/// How long a resolved alert is shown.
const RESOLVED_RETENTION: Duration = Duration::from_mins(15);

/// Identifies an alert. Each rule has one alert for each subject with a fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct AlertKey {
    rule: Rule,
    subject: String,
}

#[derive(Debug)]
struct TrackedAlert {
    /// The latest fault.
    fault: Fault,
    since: Instants,
    phase: Phase,
    /// Whether operators were notified that the alert fires. This notification is not sent while a silence matches.
    notified: bool,
    /// The id of the silence that matches now.
    silence: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Pending,
    Firing {
        fired_at: Timestamp,
        /// Since when the fault has been absent. `None` while the fault exists.
        absent_since: Option<Instants>,
    },
    Resolved {
        fired_at: Timestamp,
        at: Instants,
    },
}

impl TrackedAlert {
    fn alert(&self) -> Alert {
        let Fault { rule, subject, service, summary, .. } = self.fault.clone();
        let (state, fired_at, resolved_at) = match self.phase {
            Phase::Pending => (AlertState::Pending, None, None),
            Phase::Firing { fired_at, .. } => (AlertState::Firing, Some(fired_at), None),
            Phase::Resolved { fired_at, at } => (AlertState::Resolved, Some(fired_at), Some(at.wall)),
        };
        Alert {
            name: rule.name().to_owned(),
            subject,
            service,
            severity: rule.severity(),
            state,
            summary,
            runbook_url: rule.runbook_url(),
            since: self.since.wall,
            fired_at,
            resolved_at,
            silence: self.silence.clone(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct AlertTracker(BTreeMap<AlertKey, TrackedAlert>);

impl AlertTracker {
    /// Updates the alerts with the faults that exist now. `silence_of` returns the id of the silence that matches an
    /// alert.
    ///
    /// Returns the alerts for which a notification must be sent. A firing alert is returned one time, as soon as no
    /// silence matches it. A resolved alert is returned if it was returned while it fired.
    pub(crate) fn update(
        &mut self,
        faults: Vec<Fault>,
        silence_of: impl Fn(&Alert) -> Option<String>,
        now: Instants,
    ) -> Vec<Alert> {
        let mut present = BTreeSet::new();
        for fault in faults {
            let key = AlertKey { rule: fault.rule, subject: fault.subject.clone() };
            let is_first = present.insert(key.clone());
            let new = || TrackedAlert {
                fault: fault.clone(),
                since: now,
                phase: Phase::Pending,
                notified: false,
                silence: None,
            };
            let tracked = self.0.entry(key).or_insert_with(new);
            if matches!(tracked.phase, Phase::Resolved { .. }) {
                *tracked = new();
            }
            // Two faults can have the same rule and subject, for example a small and a large difference of clocks. The
            // fault with the shorter pending period is more serious.
            if is_first || fault.pending_period < tracked.fault.pending_period {
                tracked.fault = fault;
            }
        }
        // No notification is sent for a pending alert, so the alert is removed when its fault ends.
        self.0.retain(|key, tracked| match tracked.phase {
            Phase::Pending => present.contains(key),
            Phase::Firing { .. } => true,
            Phase::Resolved { at, .. } => now.since(at) < RESOLVED_RETENTION,
        });
        let mut to_notify = Vec::new();
        for (key, tracked) in &mut self.0 {
            tracked.phase = next_phase(tracked, present.contains(key), now);
            tracked.silence = silence_of(&tracked.alert());
            let notify = match tracked.phase {
                Phase::Pending => false,
                Phase::Firing { .. } => tracked.silence.is_none() && !std::mem::replace(&mut tracked.notified, true),
                // A silence does not suppress this notification: an operator who was notified of a fault must learn of
                // its end.
                Phase::Resolved { .. } => std::mem::take(&mut tracked.notified),
            };
            if notify {
                to_notify.push(tracked.alert());
            }
        }
        to_notify
    }

    pub(crate) fn alerts(&self) -> impl Iterator<Item = Alert> {
        self.0.values().map(TrackedAlert::alert)
    }
}

fn next_phase(tracked: &TrackedAlert, present: bool, now: Instants) -> Phase {
    match tracked.phase {
        Phase::Pending if now.since(tracked.since) >= tracked.fault.pending_period => {
            Phase::Firing { fired_at: now.wall, absent_since: None }
        }
        Phase::Firing { fired_at, .. } if present => Phase::Firing { fired_at, absent_since: None },
        Phase::Firing { fired_at, absent_since } => {
            let absent_since = absent_since.unwrap_or(now);
            if now.since(absent_since) >= RESOLVE_AFTER {
                Phase::Resolved { fired_at, at: now }
            } else {
                Phase::Firing { fired_at, absent_since: Some(absent_since) }
            }
        }
        phase @ (Phase::Pending | Phase::Resolved { .. }) => phase,
    }
}

#[cfg(test)]
mod tests;

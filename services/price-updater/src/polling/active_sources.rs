//! The sources that are polled, and their order. Both can be changed at run time.
//!
//! The API lists courses in this order. (A *course* is the last price of one pair at one source.) The official rate of a
//! currency comes from the first bank in this order that agrees with the majority of the banks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use common::{
    api::{FieldError, MAX_FIELD_ERRORS, courses::CourseKind},
    spelling::must_be_one_of,
};
use tokio::sync::watch;

pub(crate) struct ActiveSources {
    /// The name and kind of every source, active or not.
    all: Vec<(&'static str, CourseKind)>,
    /// Minimum number of voting sources that must remain active. Exchanges and indices vote; banks do not.
    min_voters: AtomicUsize,
    /// Positions in `all`.
    order: watch::Sender<Arc<[usize]>>,
}

impl ActiveSources {
    /// The first `active` sources of `all` are active until [`select`](Self::select) is called.
    pub(crate) fn new(all: Vec<(&'static str, CourseKind)>, active: usize, min_voters: usize) -> Self {
        let order = (0..active.min(all.len())).collect();
        Self { all, min_voters: AtomicUsize::new(min_voters), order: watch::Sender::new(order) }
    }

    /// Replaces the minimum number of voters for later calls of [`select`](Self::select).
    pub(crate) fn set_min_voters(&self, min_voters: usize) {
        self.min_voters.store(min_voters, Ordering::Relaxed);
    }

    /// The active sources in the selected order, as positions in the list of all sources.
    pub(crate) fn order(&self) -> Arc<[usize]> {
        self.order.borrow().clone()
    }

    /// The names of the active sources in the selected order.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.order().iter().filter_map(|&index| Some(self.all.get(index)?.0)).collect()
    }

    /// Makes exactly these sources active, from the next poll on.
    ///
    /// # Errors
    /// See [`resolve`](Self::resolve).
    pub(crate) fn select(&self, names: &[String]) -> Result<(), Vec<FieldError>> {
        let order = self.resolve(names)?;
        if *self.order() != *order {
            tracing::info!(sources = names.join(","), before = self.names().join(","), "active sources changed");
            self.order.send_replace(order.into());
        }
        Ok(())
    }

    /// The positions of these sources in the list of all sources.
    ///
    /// # Errors
    /// If the list is empty, names unknown sources, names a source twice, or leaves fewer than `min_voters` voters. At
    /// most [`MAX_FIELD_ERRORS`] wrong names are listed.
    pub(crate) fn resolve(&self, names: &[String]) -> Result<Vec<usize>, Vec<FieldError>> {
        let invalid = |why: String| vec![FieldError::new("sources", why)];
        if names.is_empty() {
            return Err(invalid("must name at least one source".to_owned()));
        }
        let known: Vec<_> = self.all.iter().map(|(known, _)| *known).collect();
        let (mut order, mut errors) = (Vec::new(), Vec::new());
        for (position, name) in names.iter().enumerate() {
            let reason = match known.iter().position(|known| known == name) {
                Some(index) if !order.contains(&index) => {
                    order.push(index);
                    continue;
                }
                Some(_) => format!("must not be {name} again; each source is named once"),
                None => must_be_one_of(name, &known),
            };
            errors.push(FieldError::new(format!("sources[{position}]"), reason));
            if errors.len() >= MAX_FIELD_ERRORS {
                break;
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let is_voter = |&&index: &&usize| self.all.get(index).is_some_and(|(_, kind)| *kind != CourseKind::Fixing);
        let (voters, needed) = (order.iter().filter(is_voter).count(), self.min_voters.load(Ordering::Relaxed));
        if voters < needed {
            let required =
                if needed == 1 { "1 source that votes".to_owned() } else { format!("{needed} sources that vote") };
            return Err(invalid(format!(
                "must name at least {required} (official rates do not vote), but has {voters}"
            )));
        }
        Ok(order)
    }
}

#[cfg(test)]
mod tests;

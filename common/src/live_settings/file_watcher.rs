//! Detects changes of a file.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use crate::paths::folder_of;

/// Watches the folder of a file, because editors replace a file by a new file with the same name. If the file is a
/// symbolic link, also watches the folder of its target. Kubernetes replaces a mounted file by changing the link
/// `..data` in the same folder.
pub(super) struct FileWatcher {
    changed: Arc<Notify>,
    /// Ends the watch when it is dropped.
    _watcher: RecommendedWatcher,
}

impl FileWatcher {
    pub(super) fn start(file: &Path) -> notify::Result<Self> {
        let changed = Arc::new(Notify::new());
        let paths: Vec<PathBuf> = std::iter::once(file.to_owned()).chain(std::fs::canonicalize(file)).collect();
        let names: BTreeSet<OsString> = paths.iter().filter_map(|path| Some(path.file_name()?.to_owned())).collect();
        let folders: BTreeSet<PathBuf> = paths.iter().map(|path| canonical_folder(path)).collect();
        let notified = changed.clone();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // After an error, events may be missing.
            if event.is_ok_and(|event| !may_change(&event, &names)) {
                return;
            }
            notified.notify_one();
        })?;
        for folder in folders {
            watcher.watch(&folder, RecursiveMode::NonRecursive)?;
        }
        Ok(Self { changed, _watcher: watcher })
    }

    /// Waits until the file has possibly changed since the last call.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }
}

fn canonical_folder(path: &Path) -> PathBuf {
    let folder = folder_of(path);
    std::fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())
}

/// Whether a file with one of these names has possibly changed, or a link of Kubernetes. Access events are ignored,
/// because reading the file causes them.
fn may_change(event: &Event, names: &BTreeSet<OsString>) -> bool {
    let is_link_of_kubernetes = |name: &OsString| name.as_encoded_bytes().starts_with(b"..");
    let is_relevant = |path: &PathBuf| {
        let name = path.file_name().map(OsString::from);
        name.is_some_and(|name| names.contains(&name) || is_link_of_kubernetes(&name))
    };
    !event.kind.is_access() && (event.need_rescan() || event.paths.iter().any(is_relevant))
}

#[cfg(test)]
mod tests;

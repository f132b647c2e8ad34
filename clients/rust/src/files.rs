use std::{collections::HashMap, sync::Arc};

use crate::ports::Storage;

pub(crate) const TOKEN: &str = "token.json";
pub(crate) const KEYS: &str = "keys.jwt";
pub(crate) const REFUSAL: &str = "refusal.json";
pub(crate) const CLOCK: &str = "clock.json";
pub(crate) const LICENSE_KEY: &str = "license-key";

/// The stored files, of which some are kept in memory only.
#[derive(Clone)]
pub(crate) struct Files {
    storage: Arc<dyn Storage>,
    /// Files that are never written.
    private: &'static [&'static str],
    /// Content of the private files, and of those that could not be written.
    memory: HashMap<&'static str, Option<String>>,
}

impl Files {
    pub(crate) fn new(storage: Arc<dyn Storage>, private: &'static [&'static str]) -> Self {
        Self { storage, private, memory: private.iter().map(|name| (*name, None)).collect() }
    }

    /// Returns the content. A file that cannot be read, or is not UTF-8, counts as absent.
    pub(crate) fn read(&self, name: &str) -> Option<String> {
        if let Some(content) = self.memory.get(name) {
            return content.clone();
        }
        String::from_utf8(self.storage.read(name).ok()??).ok()
    }

    pub(crate) fn write(&mut self, name: &'static str, content: &str) {
        let is_written = !self.private.contains(&name) && self.storage.write(name, content.as_bytes()).is_ok();
        self.remember(name, is_written, Some(content));
    }

    pub(crate) fn remove(&mut self, name: &'static str) {
        let is_removed = !self.private.contains(&name) && self.storage.remove(name).is_ok();
        self.remember(name, is_removed, None);
    }

    /// Keeps the content in memory if the storage does not have it, or once did not.
    fn remember(&mut self, name: &'static str, is_stored: bool, content: Option<&str>) {
        if !is_stored || self.memory.contains_key(name) {
            self.memory.insert(name, content.map(str::to_owned));
        }
    }

    /// Describes the storage for support: for example its path, and the files that could not be written.
    pub(crate) fn describe(&self) -> String {
        let mut names: Vec<_> = self.memory.keys().filter(|name| !self.private.contains(name)).copied().collect();
        names.sort_unstable();
        let suffix = if names.is_empty() { String::new() } else { format!(", not writable: {}", names.join(", ")) };
        format!("{}{suffix}", self.storage.describe())
    }
}

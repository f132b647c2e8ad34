//! The files that are imported.

use std::{
    fs,
    io::{self, Read},
    sync::Arc,
};

use zeroize::Zeroizing;

use crate::cli::error::CliError;

/// A file in memory. It can contain license keys.
pub(super) struct InputFile {
    /// Its name, for messages.
    pub(super) name: Arc<str>,
    /// Its content, without a byte order mark.
    pub(super) text: Zeroizing<String>,
}

impl InputFile {
    /// Reads a file, or standard input if the name is `-`.
    pub(super) fn read(name: &str) -> Result<Self, CliError> {
        let mut bytes = Zeroizing::new(Vec::new());
        let (name, read) = if name == "-" {
            ("standard input", io::stdin().read_to_end(&mut bytes).map(drop))
        } else {
            (name, fs::read(name).map(|content| *bytes = content))
        };
        let error = |error: &dyn std::fmt::Display| CliError::Usage(format!("{name}: {error}"));
        read.map_err(|cause| error(&cause))?;
        let text = str::from_utf8(&bytes).map_err(|_| error(&"the file is not UTF-8; export or save it as UTF-8"))?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
        Ok(Self { name: Arc::from(name), text: Zeroizing::new(text) })
    }
}

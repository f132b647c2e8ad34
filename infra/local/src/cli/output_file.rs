//! Files that are complete or not there at all.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::error::CliError;

/// A file with a temporary name in the directory of the final one. Only its owner can read it (mode 0600).
pub(super) struct OutputFile {
    path: PathBuf,
    file: NamedTempFile,
}

impl OutputFile {
    /// Creates the temporary file.
    pub(super) fn create(path: &Path) -> Result<Self, CliError> {
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(directory).map_err(|error| CliError::File(path.to_owned(), error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes a part of the content.
    pub(super) fn write(&mut self, text: &str) -> Result<(), CliError> {
        self.file.write_all(text.as_bytes()).map_err(|error| self.error(error))
    }

    /// Gives the file its final name, in place of a file that has it.
    pub(super) fn finish(self) -> Result<(), CliError> {
        let Self { path, file } = self;
        let synced = file.as_file().sync_all();
        let persisted = synced.and_then(|()| file.persist(&path).map_err(|error| error.error));
        persisted.map(drop).map_err(|error| CliError::File(path, error))
    }

    fn error(&self, error: io::Error) -> CliError {
        CliError::File(self.path.clone(), error)
    }
}

use std::{
    env,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::{
    ports::{Random, Storage},
    system::SystemRandom,
};

/// How often a file is replaced that another process has open.
const MAX_RENAMES: u32 = 20;
const RENAME_PAUSE: Duration = Duration::from_millis(10);
/// `ERROR_SHARING_VIOLATION` of Windows.
const SHARING_VIOLATION: i32 = 32;

/// Files in a folder that only the user can read. A file is replaced atomically.
pub(crate) struct FileStorage {
    /// `None` if the system has no data folder: then nothing is stored.
    folder: Option<PathBuf>,
}

impl FileStorage {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder: Some(folder) }
    }

    /// Stores files in the data folder of the user.
    pub(crate) fn for_product(product: &str) -> Self {
        Self { folder: data_folder().map(|folder| folder.join("signet").join(product)) }
    }

    fn folder(&self) -> io::Result<&Path> {
        self.folder.as_deref().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no data folder"))
    }
}

impl Storage for FileStorage {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.folder()?.join(name)) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let folder = self.folder()?;
        create_folder(folder)?;
        let temporary = folder.join(format!("{name}.{}.tmp", SystemRandom.id()));
        let result = write_new(&temporary, content).and_then(|()| replace(&temporary, &folder.join(name)));
        if result.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        result
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.folder()?.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn describe(&self) -> String {
        self.folder.as_ref().map_or("no data folder".to_owned(), |folder| folder.display().to_string())
    }
}

/// Creates a folder that only the user can open.
fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a file that only the user can read, and flushes it to the disk.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Renames a file. On Windows, that fails while another process has the target open.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    let is_in_use = |error: &io::Error| {
        error.kind() == io::ErrorKind::PermissionDenied || error.raw_os_error() == Some(SHARING_VIOLATION)
    };
    for _ in 1..MAX_RENAMES {
        match fs::rename(from, to) {
            Err(error) if cfg!(windows) && is_in_use(&error) => thread::sleep(RENAME_PAUSE),
            result => return result,
        }
    }
    fs::rename(from, to)
}

/// Returns the folder for data of the user's apps.
fn data_folder() -> Option<PathBuf> {
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if cfg!(windows) {
        absolute("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        Some(absolute("HOME")?.join("Library/Application Support"))
    } else {
        absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")))
    }
}

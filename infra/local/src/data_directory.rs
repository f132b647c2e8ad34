//! The data directory of the local server, `.signet` by default.
//!
//! `table.db` (with SQLite's `-wal` and `-shm`), `signing-keys/`, `sealing.key`, `operator-api-key`, `issuer` and
//! `oidc-signing-key.pem` persist. `local.json` exists only while the server is running. Only the owner can read the
//! files.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use shared::{
    domain::{ApiKeySecret, IdGenerator, Timestamp},
    tokens::local::write_secret_file,
};

/// A data directory that this process has locked. Dropping the value releases the lock.
#[derive(Debug)]
pub struct DataDirectory {
    path: PathBuf,
    /// The directory itself, locked with `flock`: the kernel releases the lock when the process ends, and no lock file
    /// remains.
    _lock: File,
}

/// The data directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirectoryError {
    /// Another process uses the directory.
    #[error("{} is in use by another running signet{}", directory.display(), at.as_deref().unwrap_or_default())]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// The URL of the other process, as a clause, if its `local.json` can be read.
        at: Option<String>,
    },
    /// The file system returned an error.
    #[error("{}: {cause}", path.display())]
    File {
        /// The file or directory.
        path: PathBuf,
        /// The error.
        cause: io::Error,
    },
}

/// The content of `local.json`, for tools on this machine.
#[derive(Debug, Serialize, Deserialize)]
pub struct LocalJson {
    /// The base URL of the server.
    pub base_url: String,
    /// The operator's API key.
    pub operator_api_key: String,
    /// The OpenID Connect issuer.
    pub oidc_issuer: Option<String>,
    /// The DynamoDB endpoint.
    pub dynamodb_endpoint: String,
    /// The name of the table.
    pub table: String,
}

fn file_error(path: &Path) -> impl FnOnce(io::Error) -> DataDirectoryError {
    move |cause| DataDirectoryError::File { path: path.to_owned(), cause }
}

impl DataDirectory {
    /// Locks a directory, creates it if it is missing, and removes a `local.json` left by a killed process.
    pub fn open(path: &Path) -> Result<Self, DataDirectoryError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(file_error(path))?;
        // SQLite would read a relative path that begins with `file:` as a URL.
        let path = path.canonicalize().map_err(file_error(path))?;
        let lock = File::open(&path).map_err(file_error(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let other = read_local_json(&path).map(|other| format!(" at {}", other.base_url));
                return Err(DataDirectoryError::InUse { directory: path, at: other });
            }
            Err(TryLockError::Error(cause)) => return Err(file_error(&path)(cause)),
        }
        let directory = Self { path, _lock: lock };
        directory.remove_local_json()?;
        Ok(directory)
    }

    /// Returns the absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the path of a file in the directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Returns the operator's API key. Generates and stores it at the first start.
    pub(crate) fn operator_api_key(&self, now: Timestamp) -> Result<ApiKeySecret, DataDirectoryError> {
        let path = self.file("operator-api-key");
        if let Some(text) = read_if_exists(&path)? {
            let invalid = |error| DataDirectoryError::File { path: path.clone(), cause: io::Error::other(error) };
            return text.trim().parse().map_err(invalid);
        }
        let secret = generate_operator_api_key(now);
        write_secret_file(&path, secret.expose().as_bytes()).map_err(file_error(&path))?;
        Ok(secret)
    }

    /// Returns the issuer URL: `requested`, else the stored one, else `initial`. Stores it, because existing tokens
    /// must stay valid after a start at another address.
    pub(crate) fn issuer(&self, requested: Option<String>, initial: &str) -> Result<String, DataDirectoryError> {
        let path = self.file("issuer");
        let stored = read_if_exists(&path)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let issuer = requested.or_else(|| stored.clone()).unwrap_or_else(|| initial.to_owned());
        if stored.as_ref() != Some(&issuer) {
            let draft = self.file("issuer.new");
            fs::write(&draft, &issuer).and_then(|()| fs::rename(&draft, &path)).map_err(file_error(&path))?;
        }
        Ok(issuer)
    }

    /// Writes `local.json`.
    pub fn write_local_json(&self, content: &LocalJson) -> Result<(), DataDirectoryError> {
        let path = self.file(LOCAL_JSON);
        let text = serde_json::to_vec_pretty(content).map_err(io::Error::other);
        text.and_then(|text| write_secret_file(&path, &text)).map_err(file_error(&path))
    }

    /// Removes `local.json`, if it exists.
    pub fn remove_local_json(&self) -> Result<(), DataDirectoryError> {
        let path = self.file(LOCAL_JSON);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error(&path)(error)),
            _ => Ok(()),
        }
    }
}

const LOCAL_JSON: &str = "local.json";

/// Generates an API key for the operator.
pub(crate) fn generate_operator_api_key(now: Timestamp) -> ApiKeySecret {
    ApiKeySecret::generate(IdGenerator::new(now).generate(), &mut rand::rng())
}

fn read_local_json(directory: &Path) -> Option<LocalJson> {
    serde_json::from_slice(&fs::read(directory.join(LOCAL_JSON)).ok()?).ok()
}

fn read_if_exists(path: &Path) -> Result<Option<String>, DataDirectoryError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file_error(path)(error)),
    }
}

//! The folder that a stack keeps its things in, `.signet` by default.
//!
//! `table.db` (with SQLite's `-wal` and `-shm`), `signing-keys/`, `sealing.key`, `operator-api-key`, `issuer` and
//! `oidc-signing-key.pem` stay; `local.json` is there only while a stack answers. All of it is its owner's alone to read.

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

/// A folder that this process alone uses, as long as this lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The folder itself, locked: the lock ends with the process, however it ends, and leaves no file behind.
    _lock: File,
}

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// Another process uses it.
    #[error("{} is in use by another running signet{}", folder.display(), at.as_deref().unwrap_or_default())]
    InUse {
        /// Which.
        folder: PathBuf,
        /// Where the other one answers, if it says so.
        at: Option<String>,
    },
    /// The file system says no.
    #[error("{}: {cause}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
}

/// What `local.json` says to tools on this machine.
#[derive(Debug, Serialize, Deserialize)]
pub struct LocalJson {
    /// Where it answers.
    pub base_url: String,
    /// The operator's API key.
    pub operator_api_key: String,
    /// The development issuer of bearer tokens.
    pub oidc_issuer: Option<String>,
    /// Where its DynamoDB answers.
    pub dynamodb_endpoint: String,
    /// Its table's name.
    pub table: String,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    move |cause| FolderError::File { path: path.to_owned(), cause }
}

impl Folder {
    /// Takes a folder, which is made if it is missing, and clears away the `local.json` of a process that was killed.
    pub fn take(path: &Path) -> Result<Self, FolderError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at(path))?;
        // SQLite would read a relative path that begins with `file:` as a URL.
        let path = path.canonicalize().map_err(at(path))?;
        let lock = File::open(&path).map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let other = read_local_json(&path).map(|other| format!(", which answers at {}", other.base_url));
                return Err(FolderError::InUse { folder: path, at: other });
            }
            Err(TryLockError::Error(cause)) => return Err(at(&path)(cause)),
        }
        let folder = Self { path, _lock: lock };
        folder.remove_local_json()?;
        Ok(folder)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The operator's API key, drawn at the first start.
    pub(crate) fn operator_api_key(&self, now: Timestamp) -> Result<ApiKeySecret, FolderError> {
        let path = self.file("operator-api-key");
        if let Some(text) = read_if_there(&path)? {
            let no_key = |error| FolderError::File { path: path.clone(), cause: io::Error::other(error) };
            return text.trim().parse().map_err(no_key);
        }
        let secret = generate_operator_api_key(now);
        write_secret_file(&path, secret.expose().as_bytes()).map_err(at(&path))?;
        Ok(secret)
    }

    /// The issuer's URL: the one that is asked for, else the one that is kept, else the given first one. It is kept,
    /// as tokens that name it must still hold after a start at another address.
    pub(crate) fn issuer(&self, asked_for: Option<String>, first: &str) -> Result<String, FolderError> {
        let path = self.file("issuer");
        let kept = read_if_there(&path)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let issuer = asked_for.or_else(|| kept.clone()).unwrap_or_else(|| first.to_owned());
        if kept.as_ref() != Some(&issuer) {
            let draft = self.file("issuer.new");
            fs::write(&draft, &issuer).and_then(|()| fs::rename(&draft, &path)).map_err(at(&path))?;
        }
        Ok(issuer)
    }

    /// Tells tools on this machine where it answers.
    pub fn write_local_json(&self, content: &LocalJson) -> Result<(), FolderError> {
        let path = self.file(LOCAL_JSON);
        let text = serde_json::to_vec_pretty(content).map_err(io::Error::other);
        text.and_then(|text| write_secret_file(&path, &text)).map_err(at(&path))
    }

    /// Takes that back.
    pub fn remove_local_json(&self) -> Result<(), FolderError> {
        let path = self.file(LOCAL_JSON);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&path)(error)),
            _ => Ok(()),
        }
    }
}

const LOCAL_JSON: &str = "local.json";

/// Draws an operator's API key.
pub(crate) fn generate_operator_api_key(now: Timestamp) -> ApiKeySecret {
    ApiKeySecret::generate(IdGenerator::new(now).make(), &mut rand::rng())
}

fn read_local_json(folder: &Path) -> Option<LocalJson> {
    serde_json::from_slice(&fs::read(folder.join(LOCAL_JSON)).ok()?).ok()
}

fn read_if_there(path: &Path) -> Result<Option<String>, FolderError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path)(error)),
    }
}

//! The URL and the API key: environment variables, otherwise a file that only its owner can read.

use std::{
    fs::{self, DirBuilder},
    io::{self, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use shared::{domain::Secret, http::API_BASE_PATH};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use super::error::CliError;

/// The environment variable with the URL of the API.
const URL_VARIABLE: &str = "SIGNET_API_URL";
/// The environment variable with the API key.
const KEY_VARIABLE: &str = "SIGNET_API_KEY";

/// Where requests are sent, and the API key that they are sent with.
#[derive(Debug, Deserialize)]
pub(super) struct Credentials {
    /// The base URL of the installation.
    pub(super) url: String,
    /// The API key.
    pub(super) api_key: Secret,
}

/// The content of the file, to write it: secrets can't be serialized.
#[derive(Serialize)]
struct Stored<'a> {
    url: &'a str,
    api_key: &'a str,
}

/// Returns an environment variable that is set and not empty.
pub(super) fn environment_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the credentials of the environment, completed by those of the file.
pub(super) fn load(variable: impl Fn(&str) -> Option<String>) -> Result<Credentials, CliError> {
    let url = variable(URL_VARIABLE).map(|url| parse_url(&url)).transpose()?;
    let api_key = variable(KEY_VARIABLE).map(Secret::new);
    match (url, api_key) {
        (Some(url), Some(api_key)) => Ok(Credentials { url, api_key }),
        (url, api_key) => complete(url, api_key, CredentialsFile::find(variable)?.read()?),
    }
}

/// Completes the values of the environment. The stored API key is sent to no other URL than the one it was stored with.
fn complete(
    url: Option<String>,
    api_key: Option<Secret>,
    stored: Option<Credentials>,
) -> Result<Credentials, CliError> {
    let missing = || {
        CliError::NotLoggedIn("not logged in: run signet login, or set SIGNET_API_URL and SIGNET_API_KEY".to_owned())
    };
    let stored = stored.ok_or_else(missing)?;
    match (url, api_key) {
        (Some(url), None) if url != stored.url => {
            let text =
                format!("{URL_VARIABLE} is not the URL that the API key was stored for: set {KEY_VARIABLE}, too");
            Err(CliError::NotLoggedIn(text))
        }
        (_, api_key) => Ok(Credentials { url: stored.url, api_key: api_key.unwrap_or(stored.api_key) }),
    }
}

/// Parses the URL of an installation.
pub(super) fn parse_url(text: &str) -> Result<String, CliError> {
    // The server prints the URL of the API with its version.
    let text = text.trim_end_matches('/');
    let text = [API_BASE_PATH, "/api/v1"].iter().find_map(|end| text.strip_suffix(end)).unwrap_or(text);
    crate::issuer_url(text).map_err(|error| CliError::Usage(format!("API URL: {error}")))
}

/// The file with the credentials.
#[derive(Debug)]
pub(super) struct CredentialsFile(PathBuf);

impl CredentialsFile {
    /// Returns the file in the user's configuration directory: `$XDG_CONFIG_HOME`, otherwise `$HOME/.config`.
    pub(super) fn find(variable: impl Fn(&str) -> Option<String>) -> Result<Self, CliError> {
        let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let directory = absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
        let directory = directory.ok_or_else(|| {
            CliError::NotLoggedIn(format!("HOME is not set: set it, or set {URL_VARIABLE} and {KEY_VARIABLE}"))
        })?;
        Ok(Self(directory.join("signet").join("credentials.json")))
    }

    /// Returns the path.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    fn read(&self) -> Result<Option<Credentials>, CliError> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.error(error)),
        };
        // The error of serde_json could quote the API key.
        let damaged = |_| CliError::NotLoggedIn(format!("{} is damaged: run signet login", self.0.display()));
        let stored: Credentials = serde_json::from_str(&text).map_err(damaged)?;
        Ok(Some(Credentials { url: parse_url(&stored.url)?, ..stored }))
    }

    /// Replaces the file in one step.
    pub(super) fn write(&self, credentials: &Credentials) -> Result<(), CliError> {
        let stored = Stored { url: &credentials.url, api_key: credentials.api_key.expose() };
        let text = serde_json::to_string_pretty(&stored).map_err(io::Error::other).map(Zeroizing::new);
        let directory = self.0.parent().unwrap_or(Path::new("/"));
        let written = text.and_then(|text| {
            DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
            // Created with mode 0600.
            let mut file = NamedTempFile::new_in(directory)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(&self.0).map_err(|error| error.error)
        });
        written.map(drop).map_err(|error| self.error(error))
    }

    /// Deletes the file. It is no error if there is none.
    pub(super) fn delete(&self) -> Result<(), CliError> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(self.error(error)),
            _ => Ok(()),
        }
    }

    fn error(&self, error: io::Error) -> CliError {
        CliError::File(self.0.clone(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(url: &str, api_key: &str) -> Credentials {
        Credentials { url: url.to_owned(), api_key: Secret::new(api_key.to_owned()) }
    }

    /// Loads with these environment variables and returns the URL and the API key.
    fn loaded(variables: &[(&str, &str)]) -> Result<(String, String), String> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        let found = load(variable).map_err(|error| error.to_string())?;
        Ok((found.url, found.api_key.expose().to_owned()))
    }

    #[test]
    fn environment_overrides_the_file_and_the_stored_key_stays_with_its_url() {
        let folder = tempfile::tempdir().unwrap();
        let home = folder.path().to_str().unwrap();
        assert!(loaded(&[("HOME", home)]).unwrap_err().contains("not logged in"));
        assert!(loaded(&[("XDG_CONFIG_HOME", "relative")]).unwrap_err().contains("HOME is not set"));
        let file = CredentialsFile::find(|name| (name == "HOME").then(|| home.to_owned())).unwrap();
        file.write(&credentials("https://old.example", "old")).unwrap();
        file.write(&credentials("https://a.example", "stored")).unwrap();
        let directory = fs::read_dir(file.path().parent().unwrap()).unwrap();
        assert_eq!(directory.count(), 1, "no temporary file remains");

        let expect = |url: &str, key: &str| Ok((url.to_owned(), key.to_owned()));
        let (url, key) = ((URL_VARIABLE, "https://b.example/"), (KEY_VARIABLE, "other"));
        assert_eq!(loaded(&[("HOME", home)]), expect("https://a.example", "stored"));
        assert_eq!(loaded(&[("HOME", home), key]), expect("https://a.example", "other"));
        assert_eq!(loaded(&[url, key]), expect("https://b.example", "other"));
        assert_eq!(
            loaded(&[("HOME", home), (URL_VARIABLE, "https://a.example/")]),
            expect("https://a.example", "stored")
        );
        assert!(loaded(&[("HOME", home), url]).unwrap_err().contains("set SIGNET_API_KEY, too"));
        assert!(loaded(&[("HOME", home), (URL_VARIABLE, "a.example"), key]).unwrap_err().contains("expected a URL"));

        fs::write(file.path(), r#"{"url": "https://a.example", "api_key": ["stored"]}"#).unwrap();
        let damaged = loaded(&[("HOME", home)]).unwrap_err();
        assert!(damaged.contains("is damaged") && !damaged.contains("stored\""), "{damaged}");
        file.delete().unwrap();
        file.delete().unwrap();
    }
}

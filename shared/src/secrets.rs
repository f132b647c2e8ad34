//! The secrets of an installation, in Secrets Manager: one that functions with lists share, one of the dashboard alone, so
//! that no other function can create a session, and one that CloudFront sends to the functions behind it.
//!
//! ```json
//! {"key": "43 random letters and digits or more", "oidc_client_secret": "…"}
//! ```
//!
//! Secrets Manager can generate `key`, so that it appears in no template and no shell. Keys are derived from it; CloudFront
//! sends it as it is.
//!
//! Values are verified with the current and the previous version of a secret, so that values made before a rotation
//! stay valid.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_secretsmanager::{
    Client,
    error::SdkError,
    operation::get_secret_value::{GetSecretValueError, GetSecretValueOutput},
};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::{
    Aws,
    aws::error_chain,
    domain::{Secret, secret::SecretKey},
    retries::sdk_budget,
    store::pagination::CursorKey,
    ttl_cache::Cached,
};

/// How long the cached versions are used before they are read again.
const REFRESH_INTERVAL: SignedDuration = SignedDuration::from_mins(5);
/// The minimum time between two reads that are triggered by values that do not verify. Such a value may belong to a new
/// version, but anyone can invent one.
const MIN_READ_INTERVAL: SignedDuration = SignedDuration::from_secs(5);

/// The secret of the functions with lists. Its value is the key that encrypts pagination cursors.
pub type CursorSecret = RotatedSecret<SecretKey>;

/// The secret of the dashboard.
pub type SessionSecret = RotatedSecret<SessionValues>;

/// The secret that CloudFront adds to each request that it forwards. Its value is the text of the header.
pub type OriginSecret = RotatedSecret<Secret>;

/// The values of one version of the dashboard's secret.
#[derive(Debug, Clone)]
pub struct SessionValues {
    /// Encrypts session cookies.
    pub key: SecretKey,
    /// The client secret of the dashboard at the OpenID Connect issuer, if the issuer requires one.
    pub oidc_client_secret: Option<Secret>,
}

/// The current and the previous version of a secret.
#[derive(Debug, Clone)]
pub struct SecretVersions<V> {
    /// Creates and verifies values.
    pub current: V,
    /// Verifies values that were created before the rotation; `None` if the secret was never rotated.
    pub previous: Option<V>,
}

impl SecretVersions<SecretKey> {
    /// Returns the key of pagination cursors, which creates with the current version and verifies with both.
    pub fn cursor_key(&self) -> CursorKey {
        let previous = self.previous.as_ref().map(|key| key.bytes().as_slice());
        CursorKey::new(self.current.bytes(), previous)
    }
}

/// An error while reading the secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// Secrets Manager is unavailable or denies access.
    #[error("cannot read the secret {secret}: {cause}")]
    Unreadable {
        /// The name or ARN of the secret.
        secret: String,
        /// The error of Secrets Manager.
        cause: String,
    },
    /// The value of the secret is invalid.
    #[error("the secret {secret} {reason}")]
    Invalid {
        /// The name or ARN of the secret.
        secret: String,
        /// What is wrong. It never contains parts of the value.
        reason: &'static str,
    },
}

/// A secret that can be rotated while functions run. Cheap to clone; all clones share the cache.
#[derive(Debug)]
pub struct RotatedSecret<V>(Arc<Source<V>>);

impl<V> Clone for RotatedSecret<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

#[derive(Debug)]
enum Source<V> {
    Fixed(Arc<SecretVersions<V>>),
    SecretsManager {
        stored: StoredSecret<V>,
        /// Not a [`TtlCache`](crate::ttl_cache::TtlCache): it is never empty, and while one caller refreshes it, the
        /// others use the outdated value instead of waiting.
        cache: Mutex<Cached<ReadSecret<V>>>,
    },
}

/// A secret in Secrets Manager.
#[derive(Debug)]
struct StoredSecret<V> {
    client: Client,
    /// The name or ARN.
    name: String,
    /// Derives the values of a version; `None` if its key is too short.
    derive: fn(SecretDocument) -> Option<V>,
}

#[derive(Debug)]
struct ReadSecret<V> {
    versions: Arc<SecretVersions<V>>,
    /// The `VersionId` of the current version.
    version_id: Option<String>,
}

/// Creates a client of Secrets Manager. `endpoint` replaces the regional endpoint. Sends nothing.
pub fn connect(aws: &Aws, endpoint: Option<String>) -> Client {
    let mut config = aws_sdk_secretsmanager::config::Builder::from(aws.config());
    config.set_endpoint_url(endpoint);
    config.set_retry_partition(Some(sdk_budget("secretsmanager".to_owned())));
    #[expect(clippy::disallowed_methods, reason = "the only place that creates this client")]
    Client::from_conf(config.build())
}

impl CursorSecret {
    /// Reads a secret of Secrets Manager by its name or ARN.
    ///
    /// # Errors
    ///
    /// Fails if the secret cannot be read or its value is invalid.
    pub async fn from_secrets_manager(client: Client, name: &str, now: Timestamp) -> Result<Self, SecretsError> {
        let derive = |document: SecretDocument| SecretKey::derive(&document.key, "signet cursors");
        Self::read_first(StoredSecret { client, name: name.to_owned(), derive }, now).await
    }
}

impl SessionSecret {
    /// Reads a secret of Secrets Manager by its name or ARN.
    ///
    /// # Errors
    ///
    /// Fails if the secret cannot be read or its value is invalid.
    pub async fn from_secrets_manager(client: Client, name: &str, now: Timestamp) -> Result<Self, SecretsError> {
        let derive = |document: SecretDocument| {
            let key = SecretKey::derive(&document.key, "signet sessions")?;
            Some(SessionValues { key, oidc_client_secret: document.oidc_client_secret })
        };
        Self::read_first(StoredSecret { client, name: name.to_owned(), derive }, now).await
    }
}

impl OriginSecret {
    /// Reads a secret of Secrets Manager by its name or ARN.
    ///
    /// # Errors
    ///
    /// Fails if the secret cannot be read or its value is invalid.
    pub async fn from_secrets_manager(client: Client, name: &str, now: Timestamp) -> Result<Self, SecretsError> {
        let derive =
            |document: SecretDocument| (document.key.expose().len() >= SecretKey::MIN_TEXT).then_some(document.key);
        Self::read_first(StoredSecret { client, name: name.to_owned(), derive }, now).await
    }

    /// Returns whether a request has sent the current or the previous value. Compares in constant time.
    pub async fn is_valid(&self, sent: &Secret, now: Timestamp) -> bool {
        let is_one_of = |versions: &SecretVersions<Secret>| {
            versions.current == *sent || versions.previous.as_ref().is_some_and(|previous| previous == sent)
        };
        is_one_of(&*self.read(now).await) || is_one_of(&*self.read_latest(now).await)
    }
}

impl<V> RotatedSecret<V> {
    /// Creates a secret with a fixed value.
    pub fn fixed(value: V) -> Self {
        Self(Arc::new(Source::Fixed(Arc::new(SecretVersions { current: value, previous: None }))))
    }

    async fn read_first(stored: StoredSecret<V>, now: Timestamp) -> Result<Self, SecretsError> {
        let (current, previous) = tokio::join!(stored.current(), stored.previous());
        let current = current?;
        let version_id = current.version_id.clone();
        let versions = Arc::new(SecretVersions { current: stored.parse(current)?, previous: previous? });
        let cache = Mutex::new(Cached::new(ReadSecret { versions, version_id }, now));
        Ok(Self(Arc::new(Source::SecretsManager { stored, cache })))
    }

    /// Returns the cached versions, without I/O.
    pub fn cached(&self) -> Arc<SecretVersions<V>> {
        match &*self.0 {
            Source::Fixed(versions) => Arc::clone(versions),
            Source::SecretsManager { cache, .. } => Arc::clone(&lock(cache).value.versions),
        }
    }

    /// Returns the versions, at most as old as the refresh interval. If the secret cannot be read, the cached versions
    /// stay in use for another interval, and the error is logged.
    pub async fn read(&self, now: Timestamp) -> Arc<SecretVersions<V>> {
        self.read_if_older(REFRESH_INTERVAL, now).await
    }

    /// Returns the versions, at most a few seconds old. Call it when a value does not verify with the cached versions,
    /// because it may belong to a new version.
    pub async fn read_latest(&self, now: Timestamp) -> Arc<SecretVersions<V>> {
        self.read_if_older(MIN_READ_INTERVAL, now).await
    }

    async fn read_if_older(&self, max_age: SignedDuration, now: Timestamp) -> Arc<SecretVersions<V>> {
        if let Source::SecretsManager { stored, cache } = &*self.0
            && let Some(cached) = begin_refresh(cache, max_age, now)
        {
            match stored.read_if_rotated(&cached).await {
                Ok(Some(rotated)) => {
                    *lock(cache) = Cached::new(rotated, now);
                    tracing::info!("the secret was rotated");
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "failed to refresh the secret; the cached versions stay in use"),
            }
        }
        self.cached()
    }
}

/// Returns the cached secret if it must be refreshed. Only one caller gets it; concurrent ones use the cached versions.
fn begin_refresh<V>(
    cache: &Mutex<Cached<ReadSecret<V>>>,
    max_age: SignedDuration,
    now: Timestamp,
) -> Option<Arc<ReadSecret<V>>> {
    let mut cached = lock(cache);
    if cached.is_fresh(max_age, now) {
        return None;
    }
    cached.read_at = now;
    Some(Arc::clone(&cached.value))
}

fn lock<V>(cache: &Mutex<Cached<ReadSecret<V>>>) -> MutexGuard<'_, Cached<ReadSecret<V>>> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

const CURRENT_STAGE: &str = "AWSCURRENT";
const PREVIOUS_STAGE: &str = "AWSPREVIOUS";

impl<V> StoredSecret<V> {
    async fn version(&self, stage: &str) -> Result<GetSecretValueOutput, SdkError<GetSecretValueError>> {
        self.client.get_secret_value().secret_id(&self.name).version_stage(stage).send().await
    }

    async fn current(&self) -> Result<GetSecretValueOutput, SecretsError> {
        self.version(CURRENT_STAGE).await.map_err(|error| self.unreadable(&error))
    }

    /// Reads the previous version. Returns `None` if there is none or its value is invalid, such as a placeholder with
    /// which the secret was created.
    async fn previous(&self) -> Result<Option<V>, SecretsError> {
        match self.version(PREVIOUS_STAGE).await {
            Ok(output) => Ok(self.parse(output).ok()),
            Err(error)
                if error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) =>
            {
                Ok(None)
            }
            Err(error) => Err(self.unreadable(&error)),
        }
    }

    /// Reads both versions if the current one has changed since it was cached.
    async fn read_if_rotated(&self, cached: &ReadSecret<V>) -> Result<Option<ReadSecret<V>>, SecretsError> {
        let current = self.current().await?;
        if current.version_id == cached.version_id {
            return Ok(None);
        }
        let version_id = current.version_id.clone();
        let versions = SecretVersions { current: self.parse(current)?, previous: self.previous().await? };
        Ok(Some(ReadSecret { versions: Arc::new(versions), version_id }))
    }

    fn parse(&self, output: GetSecretValueOutput) -> Result<V, SecretsError> {
        let invalid = |reason| SecretsError::Invalid { secret: self.name.clone(), reason };
        let text = Secret::new(output.secret_string.ok_or_else(|| invalid("must be JSON text, not binary"))?);
        // The message of serde may contain parts of the value.
        let document = serde_json::from_str(text.expose())
            .map_err(|_| invalid("must be a JSON object with string values and the field key"))?;
        (self.derive)(document).ok_or_else(|| invalid("must have a key of at least 43 random characters"))
    }

    fn unreadable(&self, error: &SdkError<GetSecretValueError>) -> SecretsError {
        SecretsError::Unreadable { secret: self.name.clone(), cause: error_chain(error) }
    }
}

/// The JSON of a secret. Unknown fields are ignored: a newer version of Signet, which runs in parallel during a
/// deployment, may use them.
#[derive(Deserialize)]
struct SecretDocument {
    key: Secret,
    oidc_client_secret: Option<Secret>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::aws::stub::{Stub, exception};

    const NOW: Timestamp = Timestamp::constant(1_768_478_400, 0);

    /// Returns the key of a version, whose length encodes the version number.
    fn key_text(number: u8) -> String {
        "7".repeat(usize::from(number) + 42)
    }

    fn secret(number: u8) -> Value {
        let text = json!({"key": key_text(number), "added_later": "unknown"}).to_string();
        json!({"Name": "signet", "VersionId": format!("version-{number}"), "SecretString": text})
    }

    /// A Secrets Manager whose current version is `number`. It denies access while the number is zero.
    fn secrets_manager(number: &Arc<Mutex<u8>>) -> Stub {
        let number = Arc::clone(number);
        Stub::new(move |_, body| {
            let number = *number.lock().unwrap();
            match (number, body["VersionStage"].as_str()) {
                (0, _) => exception(400, "AccessDeniedException"),
                (_, Some("AWSCURRENT")) => (200, secret(number)),
                (1, _) => exception(400, "ResourceNotFoundException"),
                _ => (200, secret(number - 1)),
            }
        })
    }

    /// Returns the numbers of the current and the previous version.
    fn numbers(versions: &Arc<SecretVersions<SecretKey>>) -> (u8, Option<u8>) {
        let derived = |number| SecretKey::derive(&Secret::new(key_text(number)), "signet cursors").unwrap();
        let number = |key: &SecretKey| (1..10).find(|number| derived(*number).bytes() == key.bytes()).unwrap();
        (number(&versions.current), versions.previous.as_ref().map(number))
    }

    fn later(minutes: i64) -> Timestamp {
        NOW + SignedDuration::from_mins(minutes)
    }

    #[tokio::test]
    async fn a_rotation_is_noticed_within_five_minutes_or_at_once_by_read_latest() {
        let number = Arc::new(Mutex::new(1));
        let stub = secrets_manager(&number);
        let secrets = CursorSecret::from_secrets_manager(connect(&stub.aws(), None), "signet", NOW).await.unwrap();
        assert_eq!(numbers(&secrets.read(NOW).await), (1, None));
        assert_eq!(stub.requests().len(), 2);

        *number.lock().unwrap() = 2;
        assert_eq!(numbers(&secrets.read(later(4)).await), (1, None));
        assert_eq!(numbers(&secrets.read(later(5)).await), (2, Some(1)));
        assert_eq!(stub.requests().len(), 4);
        assert_eq!(numbers(&secrets.read(later(10)).await), (2, Some(1)));
        assert_eq!(stub.requests().len(), 5, "an unchanged secret takes one request");

        *number.lock().unwrap() = 3;
        let soon = later(10) + SignedDuration::from_secs(4);
        assert_eq!(numbers(&secrets.read_latest(soon).await), (2, Some(1)));
        assert_eq!(stub.requests().len(), 5, "read_latest sends at most one request every five seconds");
        assert_eq!(numbers(&secrets.read_latest(soon + SignedDuration::from_secs(1)).await), (3, Some(2)));
    }

    #[tokio::test]
    async fn cached_versions_stay_in_use_if_a_refresh_fails() {
        let number = Arc::new(Mutex::new(1));
        let stub = secrets_manager(&number);
        let secrets = CursorSecret::from_secrets_manager(connect(&stub.aws(), None), "signet", NOW).await.unwrap();
        *number.lock().unwrap() = 0;
        assert_eq!(numbers(&secrets.read(later(5)).await), (1, None));
        let request_count = stub.requests().len();
        assert_eq!(numbers(&secrets.read(later(6)).await), (1, None));
        assert_eq!(stub.requests().len(), request_count, "no request before the next interval");
        *number.lock().unwrap() = 2;
        assert_eq!(numbers(&secrets.read(later(10)).await), (2, Some(1)));
    }

    #[tokio::test]
    async fn errors_at_the_start_do_not_contain_the_value() {
        let error = async |stub: Stub| {
            let client = connect(&stub.aws(), None);
            CursorSecret::from_secrets_manager(client, "signet", NOW).await.unwrap_err().to_string()
        };
        let denied = error(secrets_manager(&Arc::new(Mutex::new(0)))).await;
        assert!(denied.starts_with("cannot read the secret signet") && denied.contains("AccessDenied"), "{denied}");
        let malformed = error(Stub::new(|_, _| (200, json!({"SecretString": {"hunter2": "hunter2"}})))).await;
        let is_unreadable = malformed.starts_with("cannot read the secret signet");
        assert!(is_unreadable && !malformed.contains("hunter2"), "{malformed}");
        for (text, reason) in [
            (String::new(), "JSON"),
            ("hunter2".to_owned(), "JSON"),
            (json!({"oidc_client_secret": "hunter2"}).to_string(), "the field key"),
            (json!({"key": 2}).to_string(), "string values"),
            (json!({"key": "hunter2"}).to_string(), "43 random characters"),
        ] {
            let message = error(Stub::new(move |_, _| (200, json!({"SecretString": text})))).await;
            assert!(message.starts_with("the secret signet ") && message.contains(reason), "{message}");
            assert!(!message.contains("hunter2"), "{message}");
        }
    }
}

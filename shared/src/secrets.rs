//! What must be secret and is shared by all functions: one secret of Secrets Manager with named values.
//!
//! ```json
//! {"key": "43 random letters and digits or more", "oidc_client_secret": "…"}
//! ```
//!
//! Secrets Manager can make such a text by itself, so no template and nobody's shell ever has it. Each key that is needed
//! is derived from it.
//!
//! When it is rotated, what is made with the new version is at once known by the others, and what was made with the
//! version before is still known: whoever verifies something takes both.

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
    aws::words,
    domain::{Secret, secret::SecretKey},
    store::pagination::CursorKey,
};

/// How long a copy is used before Secrets Manager is asked again.
const REFRESH: SignedDuration = SignedDuration::from_mins(5);
/// What does not hold may be of a version made a moment ago; but it may as well be made up, so no more often than this.
const UNKNOWN_PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// The values of one version.
#[derive(Debug, Clone)]
pub struct SecretValues {
    /// Makes cursors.
    pub cursor_key: SecretKey,
    /// Seals the sessions of signed-in people.
    pub session_key: SecretKey,
    /// By which the OpenID Connect issuer knows this installation, where it asks for that.
    pub oidc_client_secret: Option<Secret>,
}

/// The present values, and those of the version before, which may be long past.
#[derive(Debug, Clone)]
pub struct SecretVersions {
    /// With these, things are made; these and the previous ones verify.
    pub current: SecretValues,
    /// None where the secret was never rotated.
    pub previous: Option<SecretValues>,
}

impl SecretVersions {
    /// Makes cursors with the present key, and knows those of the one before.
    pub fn cursor_key(&self) -> CursorKey {
        let previous = self.previous.as_ref().map(|values| values.cursor_key.bytes().as_slice());
        CursorKey::new(self.current.cursor_key.bytes(), previous)
    }
}

/// Why the secret can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// Secrets Manager gives no answer, or none to us.
    #[error("the secret {secret} can't be read: {cause}")]
    Unreadable {
        /// Its name or ARN.
        secret: String,
        /// Why.
        cause: String,
    },
    /// It does not have the values that it should.
    #[error("the secret {secret} {fault}")]
    Wrong {
        /// Its name or ARN.
        secret: String,
        /// What is wrong. Nothing of its values is told.
        fault: &'static str,
    },
}

/// The secrets of an installation. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct Secrets(Arc<Source>);

#[derive(Debug)]
enum Source {
    Fixed(Arc<SecretVersions>),
    Managed { client: Client, secret: String, kept: Mutex<Kept> },
}

#[derive(Debug, Clone)]
struct Kept {
    versions: Arc<SecretVersions>,
    /// Secrets Manager's name for the current version.
    version_id: Option<String>,
    asked_at: Timestamp,
}

/// A client of Secrets Manager, at `endpoint` in place of the region's own. Nothing is sent yet.
pub fn connect(aws: &Aws, endpoint: Option<String>) -> Client {
    let mut config = aws_sdk_secretsmanager::config::Builder::from(aws.config());
    config.set_endpoint_url(endpoint);
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    Client::from_conf(config.build())
}

impl Secrets {
    /// Values that do not change while the process lives.
    pub fn fixed(values: SecretValues) -> Self {
        Self(Arc::new(Source::Fixed(Arc::new(SecretVersions { current: values, previous: None }))))
    }

    /// Those of a secret of Secrets Manager, by its name or ARN. It must be readable now.
    pub async fn managed(client: Client, secret: &str, now: Timestamp) -> Result<Self, SecretsError> {
        let (current, previous) = tokio::join!(ask(&client, secret, CURRENT), previous(&client, secret));
        let current = current.map_err(|error| unreadable(secret, &error))?;
        let version_id = current.version_id.clone();
        let versions = Arc::new(SecretVersions { current: values(secret, current)?, previous: previous? });
        let kept = Mutex::new(Kept { versions, version_id, asked_at: now });
        Ok(Self(Arc::new(Source::Managed { client, secret: secret.to_owned(), kept })))
    }

    /// What is known without asking.
    pub fn kept(&self) -> Arc<SecretVersions> {
        match &*self.0 {
            Source::Fixed(versions) => Arc::clone(versions),
            Source::Managed { kept, .. } => Arc::clone(&locked(kept).versions),
        }
    }

    /// The values, not older than the refresh interval. A secret that can't be read then is no reason to stop: the
    /// values that are known stay, until the next interval is over.
    pub async fn read(&self, now: Timestamp) -> Arc<SecretVersions> {
        self.read_if_older(REFRESH, now).await
    }

    /// The values for whoever was shown something that does not hold: it may be of a version made a moment ago.
    pub async fn read_for_unknown(&self, now: Timestamp) -> Arc<SecretVersions> {
        self.read_if_older(UNKNOWN_PAUSE, now).await
    }

    async fn read_if_older(&self, most: SignedDuration, now: Timestamp) -> Arc<SecretVersions> {
        if let Source::Managed { client, secret, kept } = &*self.0
            && let Some(old) = due(kept, most, now)
        {
            match refreshed(client, secret, old).await {
                Ok(Some((versions, version_id))) => {
                    *locked(kept) = Kept { versions: Arc::new(versions), version_id, asked_at: now };
                    tracing::info!("the secret was rotated");
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "the secret was not read again; the values that are known stay"),
            }
        }
        self.kept()
    }
}

/// What is kept, if it is time to ask again. Whoever gets it asks; the others go on meanwhile with what is known.
fn due(kept: &Mutex<Kept>, most: SignedDuration, now: Timestamp) -> Option<Kept> {
    let mut kept = locked(kept);
    let age = now.duration_since(kept.asked_at);
    if age >= SignedDuration::ZERO && age < most {
        return None;
    }
    kept.asked_at = now;
    Some(kept.clone())
}

fn locked(kept: &Mutex<Kept>) -> MutexGuard<'_, Kept> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

const CURRENT: &str = "AWSCURRENT";
const PREVIOUS: &str = "AWSPREVIOUS";

async fn ask(
    client: &Client,
    secret: &str,
    stage: &str,
) -> Result<GetSecretValueOutput, SdkError<GetSecretValueError>> {
    client.get_secret_value().secret_id(secret).version_stage(stage).send().await
}

/// The versions, if the current one is another than the one that is known: only then is the previous one, too.
async fn refreshed(
    client: &Client,
    secret: &str,
    known: Kept,
) -> Result<Option<(SecretVersions, Option<String>)>, SecretsError> {
    let current = ask(client, secret, CURRENT).await.map_err(|error| unreadable(secret, &error))?;
    if current.version_id == known.version_id {
        return Ok(None);
    }
    let version_id = current.version_id.clone();
    let current = values(secret, current)?;
    Ok(Some((SecretVersions { current, previous: previous(client, secret).await? }, version_id)))
}

/// The version before the current one, if there is one with values: a secret often begins as something else.
async fn previous(client: &Client, secret: &str) -> Result<Option<SecretValues>, SecretsError> {
    match ask(client, secret, PREVIOUS).await {
        Ok(answer) => Ok(values(secret, answer).ok()),
        Err(error) if error.as_service_error().is_some_and(GetSecretValueError::is_resource_not_found_exception) => {
            Ok(None)
        }
        Err(error) => Err(unreadable(secret, &error)),
    }
}

fn unreadable(secret: &str, error: &SdkError<GetSecretValueError>) -> SecretsError {
    SecretsError::Unreadable { secret: secret.to_owned(), cause: words(error) }
}

/// The JSON of the secret. Names that this version does not know are left alone: a later one may, and both run while it
/// is deployed.
#[derive(Deserialize)]
struct Written {
    key: Secret,
    oidc_client_secret: Option<Secret>,
}

fn values(secret: &str, answer: GetSecretValueOutput) -> Result<SecretValues, SecretsError> {
    let wrong = |fault| SecretsError::Wrong { secret: secret.to_owned(), fault };
    let text = Secret::new(answer.secret_string.ok_or_else(|| wrong("is binary: it must be JSON"))?);
    // What serde says of a value may show it.
    let written: Written =
        serde_json::from_str(text.expose()).map_err(|_| wrong("must be a JSON object of texts, and have a key"))?;
    let derived = |purpose| {
        SecretKey::derived(&written.key, purpose).ok_or_else(|| wrong("has a key of less than 43 random characters"))
    };
    Ok(SecretValues {
        cursor_key: derived("signet cursors")?,
        session_key: derived("signet sessions")?,
        oidc_client_secret: written.oidc_client_secret,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::aws::stub::{Stub, exception};

    const NOW: Timestamp = Timestamp::constant(1_768_478_400, 0);

    /// A number is the length of its text.
    fn text(number: u8) -> String {
        "7".repeat(usize::from(number) + 42)
    }

    fn secret(key: u8) -> Value {
        let text = json!({"key": text(key), "later": "not known yet"}).to_string();
        json!({"Name": "signet", "VersionId": format!("version-{key}"), "SecretString": text})
    }

    /// Answers with the version of a number that moves, or with an exception while it is zero.
    fn manager(number: &Arc<Mutex<u8>>) -> Stub {
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

    fn numbers(versions: &Arc<SecretVersions>) -> (u8, Option<u8>) {
        let derived = |number| SecretKey::derived(&Secret::new(text(number)), "signet cursors").unwrap();
        let is_of = |values: &SecretValues, number| derived(number).bytes() == values.cursor_key.bytes();
        let number = |values: &SecretValues| (1..10).find(|number| is_of(values, *number)).unwrap();
        (number(&versions.current), versions.previous.as_ref().map(number))
    }

    fn later(minutes: i64) -> Timestamp {
        NOW + SignedDuration::from_mins(minutes)
    }

    #[tokio::test]
    async fn a_rotation_is_noticed_within_five_minutes_and_at_once_for_what_is_unknown() {
        let number = Arc::new(Mutex::new(1));
        let stub = manager(&number);
        let secrets = Secrets::managed(connect(&stub.aws(), None), "signet", NOW).await.unwrap();
        assert_eq!(numbers(&secrets.read(NOW).await), (1, None));
        assert_eq!(stub.asked().len(), 2);

        *number.lock().unwrap() = 2;
        assert_eq!(numbers(&secrets.read(later(4)).await), (1, None));
        assert_eq!(numbers(&secrets.read(later(5)).await), (2, Some(1)));
        assert_eq!(stub.asked().len(), 4);
        assert_eq!(numbers(&secrets.read(later(10)).await), (2, Some(1)));
        assert_eq!(stub.asked().len(), 5, "what has not changed takes one question");

        *number.lock().unwrap() = 3;
        let soon = later(10) + SignedDuration::from_secs(4);
        assert_eq!(numbers(&secrets.read_for_unknown(soon).await), (2, Some(1)));
        assert_eq!(stub.asked().len(), 5, "what is made up costs a question every five seconds at most");
        assert_eq!(numbers(&secrets.read_for_unknown(soon + SignedDuration::from_secs(1)).await), (3, Some(2)));
    }

    #[tokio::test]
    async fn what_can_t_be_read_again_stays() {
        let number = Arc::new(Mutex::new(1));
        let stub = manager(&number);
        let secrets = Secrets::managed(connect(&stub.aws(), None), "signet", NOW).await.unwrap();
        *number.lock().unwrap() = 0;
        assert_eq!(numbers(&secrets.read(later(5)).await), (1, None));
        let asked = stub.asked().len();
        assert_eq!(numbers(&secrets.read(later(6)).await), (1, None));
        assert_eq!(stub.asked().len(), asked, "it is not asked for at every use");
        *number.lock().unwrap() = 2;
        assert_eq!(numbers(&secrets.read(later(10)).await), (2, Some(1)));
    }

    #[tokio::test]
    async fn what_is_wrong_at_the_start_is_told_without_its_values() {
        let stub = manager(&Arc::new(Mutex::new(0)));
        let denied = Secrets::managed(connect(&stub.aws(), None), "signet", NOW).await.unwrap_err().to_string();
        assert!(denied.starts_with("the secret signet can't be read") && denied.contains("AccessDenied"), "{denied}");
        let stub = Stub::new(|_, _| (200, json!({"SecretString": {"hunter2": "hunter2"}})));
        let odd = Secrets::managed(connect(&stub.aws(), None), "signet", NOW).await.unwrap_err().to_string();
        assert!(odd.starts_with("the secret signet can't be read") && !odd.contains("hunter2"), "{odd}");
        for (text, fault) in [
            (String::new(), "JSON"),
            ("hunter2".to_owned(), "JSON"),
            (json!({"oidc_client_secret": "hunter2"}).to_string(), "have a key"),
            (json!({"key": 2}).to_string(), "texts"),
            (json!({"key": "hunter2"}).to_string(), "43 random characters"),
        ] {
            let stub = Stub::new(move |_, _| (200, json!({"SecretString": text})));
            let told = Secrets::managed(connect(&stub.aws(), None), "signet", NOW).await.unwrap_err().to_string();
            assert!(told.starts_with("the secret signet ") && told.contains(fault), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}

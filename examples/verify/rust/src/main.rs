//! An app that is licensed by Signet. It runs offline until `offline_until` of its token.

use std::{
    env,
    error::Error,
    fs,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, SystemTime},
};

use reqwest::{
    blocking::{Client, Response},
    header::CONTENT_TYPE,
};
use serde_json::{Value, json};
use verify_example::{Config, Verifier, VerifyError};

const TIMEOUT: Duration = Duration::from_secs(10);

/// The license must not be used, whatever the stored token says.
const LICENSE_CODES: &[&str] =
    &["revoked", "superseded", "suspended", "expired", "product_inactive", "generation_outdated"];
/// The machine has lost its seat, or the token's signing key was condemned: the app activates once.
const REACTIVATION_CODES: &[&str] = &["not_activated", "token_invalid"];
/// An activation was refused, apart from the codes above.
const ACTIVATION_CODES: &[&str] = &["not_found", "seat_limit_reached"];

#[derive(Debug, thiserror::Error)]
enum AppError {
    /// The API refused the license. The app must stop.
    #[error("license refused: {0}")]
    LicenseRefused(String),
    /// The API returned no token. `code` is `None` unless the response is a problem document of the API.
    #[error("API unavailable: {message}")]
    Api { message: String, code: Option<String> },
    #[error(transparent)]
    Verify(#[from] VerifyError),
}

impl From<reqwest::Error> for AppError {
    fn from(error: reqwest::Error) -> Self {
        Self::Api { message: error.to_string(), code: None }
    }
}

/// Call `licensed` at start and before each licensed operation, `fetch_keys` at start and once a day, and `heartbeat`
/// in the background, every `enforcement.heartbeat_interval_seconds`.
struct App {
    client: Client,
    issuer: String,
    verifier: Verifier,
    machine_id: String,
    license_key: String,
    refused: bool,
}

impl App {
    fn new(config: Config, directory: PathBuf, machine_id: String, license_key: String) -> Result<Self, AppError> {
        let client = Client::builder().timeout(TIMEOUT).build()?;
        let issuer = config.issuer.clone();
        Ok(Self { client, issuer, verifier: Verifier::new(config, directory), machine_id, license_key, refused: false })
    }

    /// Returns the claims of the stored token. Activates this machine if there is none.
    fn licensed(&mut self) -> Result<Value, AppError> {
        if self.refused || self.verifier.stored_token().is_none() {
            self.activate()?;
        }
        match self.with_current_keys(Self::verify_stored_token) {
            // The key that signed the token was condemned.
            Err(AppError::Verify(VerifyError::UnknownKey)) => {
                self.activate()?;
                self.verify_stored_token()
            }
            result => result,
        }
    }

    /// Renews the stored token. Returns false if the API is unavailable: the app goes on with the token that it has.
    fn heartbeat(&mut self) -> Result<bool, AppError> {
        let result = match self.verifier.stored_token() {
            Some(token) if !self.refused => self.renew_or_reactivate(&token),
            _ => self.activate(),
        };
        match result {
            Ok(()) => Ok(true),
            Err(error @ AppError::LicenseRefused(_)) => Err(error),
            Err(_) => Ok(false),
        }
    }

    /// Fetches the signed key set. Returns false, and keeps the stored one, if that fails.
    fn fetch_keys(&self) -> bool {
        let fetch = || -> Result<(), AppError> {
            let response = self.client.get(format!("{}/.well-known/jwks.jwt", self.issuer)).send()?;
            let key_set = response.error_for_status()?.text()?;
            Ok(self.verifier.store_key_set(&key_set, now())?)
        };
        fetch().is_ok()
    }

    /// Imports a license file, and returns the claims of its token. Replaces an activation over the network.
    fn import_license_file(&mut self, path: &str) -> Result<Value, AppError> {
        let text = fs::read_to_string(path).map_err(VerifyError::Io)?;
        self.verifier.import_license_file(&text, &self.machine_id, now())?;
        self.refused = false;
        self.verify_stored_token()
    }

    /// Activates this machine with the license key. Repeating it is safe: the machine keeps its seat.
    fn activate(&mut self) -> Result<(), AppError> {
        let body = json!({"machine_id": self.machine_id, "license_key": self.license_key});
        let result =
            self.renew("license-activations/activate", &body, &[LICENSE_CODES, REACTIVATION_CODES, ACTIVATION_CODES]);
        match (result, self.verifier.stored_refusal()) {
            (Err(AppError::Api { .. }), Some(refusal)) if self.verifier.stored_token().is_none() => {
                Err(AppError::LicenseRefused(refusal.code))
            }
            (result, _) => result,
        }
    }

    fn renew_or_reactivate(&mut self, token: &str) -> Result<(), AppError> {
        let body = json!({"machine_id": self.machine_id, "token": token});
        match self.renew("license-keys/heartbeat", &body, &[LICENSE_CODES]) {
            Err(AppError::Api { code: Some(code), .. }) if REACTIVATION_CODES.contains(&code.as_str()) => {
                self.activate()
            }
            result => result,
        }
    }

    /// Requests a token and stores it, or stores the refusal.
    fn renew(&mut self, path: &str, body: &Value, refusal_codes: &[&[&str]]) -> Result<(), AppError> {
        let refusal = self.verifier.stored_refusal();
        let token = match self.request_token(path, body) {
            Err(AppError::Api { code: Some(code), .. }) if refusal_codes.concat().contains(&code.as_str()) => {
                self.refused = true; // also if the refusal cannot be written to disk
                self.verifier.store_refusal(&code);
                return Err(AppError::LicenseRefused(code));
            }
            result => result?,
        };
        self.with_current_keys(|app| Ok(app.verifier.store_token(&token, refusal.as_ref())?))?;
        self.refused = false;
        Ok(())
    }

    fn request_token(&self, path: &str, body: &Value) -> Result<String, AppError> {
        let response = self.client.post(format!("{}/api/v1.0/{path}", self.issuer)).json(body).send()?;
        let status = response.status();
        if !status.is_success() {
            return Err(AppError::Api { message: format!("HTTP status {status}"), code: problem_code(response) });
        }
        Ok(response.json::<Value>()?["token"].as_str().unwrap_or_default().to_owned())
    }

    fn verify_stored_token(&self) -> Result<Value, AppError> {
        let Some(token) = self.verifier.stored_token() else {
            // Another process was refused.
            let code =
                self.verifier.stored_refusal().map_or_else(|| "not_activated".to_owned(), |refusal| refusal.code);
            return Err(AppError::LicenseRefused(code));
        };
        Ok(self.verifier.verify(&token, &self.machine_id, now())?)
    }

    fn with_current_keys<T>(&self, action: impl Fn(&Self) -> Result<T, AppError>) -> Result<T, AppError> {
        match action(self) {
            Err(AppError::Verify(VerifyError::UnknownKey)) => {
                self.fetch_keys();
                action(self)
            }
            result => result,
        }
    }
}

fn now() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// Returns the code of a problem document, or `None` for any other response, such as the HTML of a proxy.
fn problem_code(response: Response) -> Option<String> {
    let content_type = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let media_type = content_type.split(';').next()?.trim();
    if !response.status().is_client_error() || !media_type.eq_ignore_ascii_case("application/problem+json") {
        return None;
    }
    Some(response.json::<Value>().ok()?["code"].as_str()?.to_owned())
}

fn run() -> Result<Value, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [config, directory, command @ ..] = arguments.as_slice() else {
        return Err("usage: MACHINE_ID=... LICENSE_KEY=... verify-example CONFIG.json DIR \
                    licensed|heartbeat|fetch-keys|import-license-file FILE"
            .into());
    };
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let config = serde_json::from_str(&fs::read_to_string(config)?)?;
    let directory = PathBuf::from(directory);
    fs::create_dir_all(&directory)?;
    let mut app = App::new(config, directory, env::var("MACHINE_ID")?, env::var("LICENSE_KEY")?)?;
    Ok(match command.as_slice() {
        ["licensed"] => app.licensed()?,
        ["heartbeat"] => app.heartbeat()?.into(),
        ["fetch-keys"] => app.fetch_keys().into(),
        ["import-license-file", file] => app.import_license_file(file)?,
        _ => return Err(format!("unknown command: {}", command.join(" ")).into()),
    })
}

fn main() -> ExitCode {
    match run() {
        Ok(result) => {
            println!("{result}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

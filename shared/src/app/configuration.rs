//! The configuration, read once from environment variables. All missing and invalid variables are reported together.

use std::{env, fmt, path::PathBuf};

use jiff::SignedDuration;

use super::{middleware::cors::Origin, settings::Settings};
use crate::{
    auth::oidc::{self, OidcSettings},
    aws::{Aws, LoadCertificatesError, http_client},
    domain::{
        key_ring::RotationPolicy,
        rate_limit::{ActivationRateLimit, Limit, RateLimits},
        webhooks::AddressPolicy,
    },
    timeouts::Timeouts,
};

/// The configuration of a function.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// The name of the table.
    pub table: String,
    /// The name of the table to which sealed values and KMS keys are bound. It differs from `table` if that was
    /// restored from a backup, under a new name.
    pub original_table: String,
    /// The AWS region.
    pub region: String,
    /// The endpoints of AWS services.
    pub endpoints: Endpoints,
    /// The URL of the queue that wakes the function `webhooks-sender`; `None` in functions that do not use it.
    pub webhook_queue: Option<String>,
    /// The source of keys and secrets.
    pub keys: KeySource,
    /// The settings of the installation.
    pub settings: Settings,
}

/// Custom endpoints of AWS services, from the standard AWS variables. `None` stands for the regional endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// DynamoDB.
    pub dynamodb: Option<String>,
    /// KMS.
    pub kms: Option<String>,
    /// Secrets Manager.
    pub secrets_manager: Option<String>,
    /// SQS.
    pub sqs: Option<String>,
}

/// The source of keys and secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// KMS and Secrets Manager.
    Kms {
        /// The id, ARN or alias of the key that seals values.
        sealing_key: String,
        /// The ARNs of former sealing keys, which still open values.
        old_sealing_keys: Vec<String>,
        /// The name or ARN of the secret of cursors; `None` in functions without lists.
        cursor_secret: Option<String>,
        /// The name or ARN of the secret of sessions; `None` in all functions but the dashboard.
        session_secret: Option<String>,
        /// The name or ARN of the secret that CloudFront sends; `None` if CloudFront is not in front of the API, and in
        /// functions that are not behind it.
        origin_secret: Option<String>,
        /// The ids or ARNs of the root keys, the first of which signs; empty in functions that do not rotate keys.
        root_keys: Vec<String>,
        /// The key policy of new signing keys, a JSON document; `None` stands for the default key policy of KMS.
        signing_key_policy: Option<String>,
    },
    /// A directory of PEM files, for development.
    Directory(PathBuf),
}

/// The invalid variables of the environment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid configuration: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ConfigurationError(pub Vec<InvalidVariable>);

/// A missing or invalid variable. It does not include the value, which may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidVariable {
    /// The name of the variable.
    pub variable: &'static str,
    /// What is wrong, as a continuation of the name: `is not set`.
    pub reason: String,
}

impl fmt::Display for InvalidVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.variable, self.reason)
    }
}

impl Configuration {
    /// Reads the configuration from the environment variables.
    pub fn from_environment() -> Result<Self, ConfigurationError> {
        Self::read(|name| env::var(name).ok())
    }

    /// Reads the configuration with a function that looks up variables. An empty variable counts as not set, because a
    /// CloudFormation template cannot omit one conditionally.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigurationError> {
        let mut reader = Reader { variable: &variable, invalid: Vec::new() };
        let issuer = reader.required("SIGNET_ISSUER");
        if !issuer.is_empty() && !oidc::is_secure_url(&issuer) {
            reader.reject("SIGNET_ISSUER", "must be an https URL, or an http URL of this machine");
        }
        if issuer.len() > MAX_ISSUER_BYTES {
            reader.reject("SIGNET_ISSUER", "must be at most 500 bytes");
        }
        let issuer = issuer.trim_end_matches('/').to_owned();
        let table = table_name(&mut reader, "SIGNET_TABLE").unwrap_or_else(|| reader.required("SIGNET_TABLE"));
        let configuration = Self {
            original_table: table_name(&mut reader, "SIGNET_ORIGINAL_TABLE").unwrap_or_else(|| table.clone()),
            table,
            region: reader.required("AWS_REGION"),
            endpoints: endpoints(&reader),
            webhook_queue: reader.optional("SIGNET_WEBHOOK_QUEUE"),
            keys: keys(&mut reader),
            settings: Settings {
                base_url: issuer.clone(),
                issuer,
                clock_margin: SignedDuration::from_secs(300),
                rotation_policy: rotation_policy(&mut reader),
                oidc: oidc_settings(&mut reader),
                rate_limits: rate_limits(&mut reader),
                cors_origins: cors_origins(&mut reader),
                webhook_addresses: webhook_addresses(&mut reader),
                timeouts: Timeouts::default(),
            },
        };
        if reader.invalid.is_empty() { Ok(configuration) } else { Err(ConfigurationError(reader.invalid)) }
    }

    /// Creates the configuration of AWS clients. See [`http_client`] for the HTTP client.
    pub(crate) fn aws(&self) -> Result<Aws, LoadCertificatesError> {
        let http_client = http_client(&self.endpoints_in_use())?;
        Ok(Aws::new(&self.region, None, http_client, self.settings.timeouts))
    }

    /// Returns the endpoints of the services that this configuration uses. `None` stands for the regional endpoint.
    fn endpoints_in_use(&self) -> Vec<Option<&str>> {
        let Endpoints { dynamodb, kms, secrets_manager, sqs } = &self.endpoints;
        let mut used = match self.keys {
            KeySource::Kms { .. } => vec![dynamodb.as_deref(), kms.as_deref(), secrets_manager.as_deref()],
            KeySource::Directory(_) => vec![dynamodb.as_deref()],
        };
        used.extend(self.webhook_queue.as_ref().map(|_| sqs.as_deref()));
        used
    }
}

/// Reads variables and collects errors. The placeholder that it returns for an invalid variable is never used.
struct Reader<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    invalid: Vec<InvalidVariable>,
}

impl Reader<'_> {
    fn reject(&mut self, variable: &'static str, reason: impl Into<String>) {
        self.invalid.push(InvalidVariable { variable, reason: reason.into() });
    }

    fn optional(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    fn required(&mut self, name: &'static str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.reject(name, "is not set");
            String::new()
        })
    }

    /// Reads a comma-separated list.
    fn list(&self, name: &str) -> Vec<String> {
        let text = self.optional(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Reads a JSON object, as text.
    fn json(&mut self, name: &'static str) -> Option<String> {
        let text = self.optional(name)?;
        if serde_json::from_str::<serde_json::Map<_, serde_json::Value>>(&text).is_err() {
            self.reject(name, "must be a JSON object");
        }
        Some(text)
    }

    fn number(&mut self, name: &'static str, default: u32) -> u32 {
        let Some(text) = self.optional(name) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.reject(name, "must be a whole number");
            default
        })
    }

    fn seconds(&mut self, name: &'static str, default: SignedDuration) -> SignedDuration {
        let Some(text) = self.optional(name) else { return default };
        let seconds = text.parse::<u32>().ok().filter(|seconds| *seconds > 0);
        if seconds.is_none() {
            self.reject(name, "must be a positive whole number of seconds");
        }
        seconds.map_or(default, |seconds| SignedDuration::from_secs(seconds.into()))
    }

    fn flag(&mut self, name: &'static str) -> bool {
        match self.optional(name).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.reject(name, "must be true or false");
                false
            }
        }
    }
}

fn table_name(reader: &mut Reader<'_>, variable: &'static str) -> Option<String> {
    let name = reader.optional(variable)?;
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let is_valid = (3..=255).contains(&name.len()) && name.bytes().all(is_allowed);
    if !is_valid {
        reader.reject(variable, "must be the name of a table, not an ARN");
    }
    Some(name)
}

fn endpoints(reader: &Reader<'_>) -> Endpoints {
    let endpoint = |name: &str| reader.optional(name).or_else(|| reader.optional("AWS_ENDPOINT_URL"));
    Endpoints {
        dynamodb: endpoint("AWS_ENDPOINT_URL_DYNAMODB"),
        kms: endpoint("AWS_ENDPOINT_URL_KMS"),
        secrets_manager: endpoint("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
        sqs: endpoint("AWS_ENDPOINT_URL_SQS"),
    }
}

/// The maximum length of the issuer. Every token contains it, and tokens have limited room.
const MAX_ISSUER_BYTES: usize = 500;
const SEALING_KEY: &str = "SIGNET_SEALING_KEY";
const OLD_SEALING_KEYS: &str = "SIGNET_OLD_SEALING_KEYS";
const CURSOR_SECRET: &str = "SIGNET_CURSOR_SECRET";
const SESSION_SECRET: &str = "SIGNET_SESSION_SECRET";
const ORIGIN_SECRET: &str = "SIGNET_ORIGIN_SECRET";
const ROOT_KEYS: &str = "SIGNET_ROOT_KEYS";
const SIGNING_KEY_POLICY: &str = "SIGNET_SIGNING_KEY_POLICY";
const KEY_DIR: &str = "SIGNET_KEY_DIR";

/// Reads the key source. On Lambda, key files need explicit permission, because anyone who can read the deployment
/// package could read the private keys.
fn keys(reader: &mut Reader<'_>) -> KeySource {
    let directory = reader.optional(KEY_DIR);
    let is_allowed = reader.flag("SIGNET_ALLOW_LOCAL_KEYS");
    let Some(directory) = directory else {
        return KeySource::Kms {
            sealing_key: reader.required(SEALING_KEY),
            old_sealing_keys: reader.list(OLD_SEALING_KEYS),
            cursor_secret: reader.optional(CURSOR_SECRET),
            session_secret: reader.optional(SESSION_SECRET),
            origin_secret: reader.optional(ORIGIN_SECRET),
            root_keys: reader.list(ROOT_KEYS),
            signing_key_policy: reader.json(SIGNING_KEY_POLICY),
        };
    };
    let variables =
        [SEALING_KEY, OLD_SEALING_KEYS, CURSOR_SECRET, SESSION_SECRET, ORIGIN_SECRET, ROOT_KEYS, SIGNING_KEY_POLICY];
    for name in variables {
        if reader.optional(name).is_some() {
            reader.reject(name, "must not be set together with SIGNET_KEY_DIR: use either KMS or key files");
        }
    }
    if reader.optional("AWS_LAMBDA_FUNCTION_NAME").is_some() && !is_allowed {
        reader.reject(KEY_DIR, "is for development only: set SIGNET_ALLOW_LOCAL_KEYS=true to use it on Lambda");
    }
    KeySource::Directory(directory.into())
}

fn rotation_policy(reader: &mut Reader<'_>) -> RotationPolicy {
    let RotationPolicy { rotation, refresh } = RotationPolicy::default();
    RotationPolicy {
        rotation: reader.seconds("SIGNET_KEY_ROTATION_SECONDS", rotation),
        refresh: reader.seconds("SIGNET_KEY_REFRESH_SECONDS", refresh),
    }
}

/// Reads the rate limits; zero disables a limit.
fn rate_limits(reader: &mut Reader<'_>) -> RateLimits {
    let failed_auth = reader.number("SIGNET_FAILED_AUTH_LIMIT_PER_MINUTE", 60);
    let activations = ActivationRateLimit {
        per_seat: reader.number("SIGNET_ACTIVATION_RATE_LIMIT_PER_SEAT", 2),
        base: reader.number("SIGNET_ACTIVATION_RATE_LIMIT_BASE", 10),
    };
    RateLimits {
        failed_auth: (failed_auth > 0).then_some(Limit { max: failed_auth.into(), seconds: 60 }),
        activations: (activations != ActivationRateLimit { per_seat: 0, base: 0 }).then_some(activations),
    }
}

/// Reads the OIDC settings. Issuer and audiences must be set together.
fn oidc_settings(reader: &mut Reader<'_>) -> Option<OidcSettings> {
    const ISSUER: &str = "SIGNET_OIDC_ISSUER";
    const AUDIENCES: &str = "SIGNET_OIDC_AUDIENCES";
    let (issuer, audiences) = (reader.optional(ISSUER), reader.list(AUDIENCES));
    match (&issuer, audiences.is_empty()) {
        (None, true) => return None,
        (Some(_), true) => reader.reject(AUDIENCES, "is not set, but SIGNET_OIDC_ISSUER is"),
        (None, false) => reader.reject(ISSUER, "is not set, but SIGNET_OIDC_AUDIENCES is"),
        (Some(_), false) => {}
    }
    let issuer = issuer?;
    if !oidc::is_secure_url(&issuer) {
        reader.reject(ISSUER, "must be an https URL, or an http URL of this machine");
    }
    let roles_claim =
        reader.optional("SIGNET_OIDC_ROLES_CLAIM").unwrap_or_else(|| oidc::DEFAULT_ROLES_CLAIM.to_owned());
    Some(OidcSettings { issuer, audiences, roles_claim })
}

/// Loopback is for development: on Lambda, it has the runtime interface of the function.
fn webhook_addresses(reader: &mut Reader<'_>) -> AddressPolicy {
    if reader.flag("SIGNET_ALLOW_LOOPBACK_WEBHOOKS") { AddressPolicy::PublicAndLoopback } else { AddressPolicy::Public }
}

fn cors_origins(reader: &mut Reader<'_>) -> Vec<Origin> {
    const ORIGINS: &str = "SIGNET_CORS_ORIGINS";
    let origins: Result<Vec<Origin>, _> = reader.list(ORIGINS).iter().map(|origin| origin.parse()).collect();
    origins.unwrap_or_else(|error| {
        reader.reject(ORIGINS, format!("must be a comma-separated list of origins, each of which {error}"));
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a complete configuration with some variables changed; an empty value removes one.
    fn read(changes: &[(&str, &str)]) -> Result<Configuration, String> {
        let complete = [
            ("SIGNET_TABLE", "signet"),
            ("SIGNET_ISSUER", "https://licenses.example.com"),
            ("AWS_REGION", "eu-west-1"),
            ("SIGNET_SEALING_KEY", "alias/signet"),
        ];
        let find = |name: &str| {
            let mut all = changes.iter().chain(&complete);
            all.find(|(variable, _)| *variable == name).map(|(_, value)| (*value).to_owned())
        };
        Configuration::read(find).map_err(|error| error.to_string())
    }

    /// Asserts that `variable` alone is invalid.
    #[track_caller]
    fn assert_invalid(changes: &[(&str, &str)], variable: &str) {
        let message = read(changes).unwrap_err();
        assert!(message.starts_with(&format!("invalid configuration: {variable} ")), "{message}");
        assert!(!message.contains(';'), "{message}");
    }

    #[test]
    fn optional_variables_have_defaults() {
        let minimal = read(&[]).unwrap();
        let settings = minimal.settings;
        assert_eq!((minimal.table.as_str(), minimal.region.as_str()), ("signet", "eu-west-1"));
        assert_eq!(minimal.original_table, minimal.table);
        assert_eq!(read(&[("SIGNET_ORIGINAL_TABLE", "signet-before")]).unwrap().original_table, "signet-before");
        assert_eq!((minimal.endpoints, settings.oidc), (Endpoints::default(), None));
        assert_eq!((settings.rate_limits, settings.cors_origins.len()), (RateLimits::default(), 0));
        let keys = KeySource::Kms {
            sealing_key: "alias/signet".to_owned(),
            old_sealing_keys: Vec::new(),
            cursor_secret: None,
            session_secret: None,
            origin_secret: None,
            root_keys: Vec::new(),
            signing_key_policy: None,
        };
        assert_eq!(minimal.keys, keys);
        assert_eq!(settings.rotation_policy, RotationPolicy::default());
    }

    #[test]
    fn all_invalid_variables_are_reported_together() {
        let error =
            Configuration::read(|name| (name == "SIGNET_ACTIVATION_RATE_LIMIT_BASE").then(|| "hunter2".to_owned()));
        let error = error.unwrap_err();
        let variables: Vec<_> = error.0.iter().map(|invalid| invalid.variable).collect();
        let expected =
            ["SIGNET_ISSUER", "SIGNET_TABLE", "AWS_REGION", "SIGNET_SEALING_KEY", "SIGNET_ACTIVATION_RATE_LIMIT_BASE"];
        assert_eq!(variables, expected);
        assert!(!error.to_string().contains("hunter2"), "values are not reported");
        for name in ["SIGNET_ISSUER", "SIGNET_TABLE", "AWS_REGION", "SIGNET_SEALING_KEY"] {
            assert_invalid(&[(name, "")], name);
        }
    }

    #[test]
    fn issuer_and_table_names_are_validated() {
        let slash = read(&[("SIGNET_ISSUER", "https://licenses.example.com/")]).unwrap().settings;
        assert_eq!((slash.issuer.as_str(), slash.base_url), ("https://licenses.example.com", slash.issuer.clone()));
        let long = format!("https://a.example/{}", "a".repeat(MAX_ISSUER_BYTES));
        for invalid in ["licenses.example.com", "http://licenses.example.com", "https://a?b", &long] {
            assert_invalid(&[("SIGNET_ISSUER", invalid)], "SIGNET_ISSUER");
        }
        for invalid in ["ab", "arn:aws:dynamodb:eu-west-1:1:table/signet", "a b c"] {
            assert_invalid(&[("SIGNET_TABLE", invalid)], "SIGNET_TABLE");
            assert_invalid(&[("SIGNET_ORIGINAL_TABLE", invalid)], "SIGNET_ORIGINAL_TABLE");
        }
    }

    #[test]
    fn signing_key_policy_must_be_a_json_object() {
        let policy = r#"{"Version": "2012-10-17"}"#;
        let keys = read(&[("SIGNET_SIGNING_KEY_POLICY", policy)]).unwrap().keys;
        assert!(matches!(keys, KeySource::Kms { signing_key_policy: Some(read), .. } if read == policy));
        for invalid in ["arn:aws:iam::111122223333:role/a", "[]", "{"] {
            assert_invalid(&[("SIGNET_SIGNING_KEY_POLICY", invalid)], "SIGNET_SIGNING_KEY_POLICY");
        }
    }

    #[test]
    fn key_files_on_lambda_need_permission() {
        let old = read(&[("SIGNET_OLD_SEALING_KEYS", "arn:a, arn:b,")]).unwrap().keys;
        assert!(matches!(old, KeySource::Kms { old_sealing_keys, .. } if old_sealing_keys == ["arn:a", "arn:b"]));

        let files = [("SIGNET_KEY_DIR", "/keys"), ("SIGNET_SEALING_KEY", "")];
        assert_eq!(read(&files).unwrap().keys, KeySource::Directory("/keys".into()));
        let lambda = ("AWS_LAMBDA_FUNCTION_NAME", "signet-licenses");
        let files_with = |more: &[(&'static str, &'static str)]| [&files[..], &[lambda], more].concat();
        assert_invalid(&files_with(&[]), "SIGNET_KEY_DIR");
        assert_invalid(&files_with(&[("SIGNET_ALLOW_LOCAL_KEYS", "false")]), "SIGNET_KEY_DIR");
        read(&files_with(&[("SIGNET_ALLOW_LOCAL_KEYS", "true")])).unwrap();
        assert_invalid(&[("SIGNET_ALLOW_LOCAL_KEYS", "yes")], "SIGNET_ALLOW_LOCAL_KEYS");
        assert_invalid(&files[..1], "SIGNET_SEALING_KEY");
        for secret in ["SIGNET_CURSOR_SECRET", "SIGNET_SESSION_SECRET", "SIGNET_ORIGIN_SECRET"] {
            assert_invalid(&[files[0], files[1], (secret, "signet")], secret);
        }
    }

    #[test]
    fn key_rotation_is_configured_in_seconds() {
        let set = read(&[("SIGNET_KEY_ROTATION_SECONDS", "3600"), ("SIGNET_KEY_REFRESH_SECONDS", "60")]).unwrap();
        let policy = RotationPolicy { rotation: SignedDuration::from_hours(1), refresh: SignedDuration::from_mins(1) };
        assert_eq!(set.settings.rotation_policy, policy);
        for invalid in ["0", "-1", "1h", "99999999999"] {
            assert_invalid(&[("SIGNET_KEY_ROTATION_SECONDS", invalid)], "SIGNET_KEY_ROTATION_SECONDS");
        }
    }

    #[test]
    fn endpoints_apply_to_one_service_or_to_all() {
        let all = read(&[("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_DYNAMODB", "http://one")]).unwrap();
        let (one, default) = (Some("http://one".to_owned()), Some("http://all".to_owned()));
        let expected =
            Endpoints { dynamodb: one, kms: default.clone(), secrets_manager: default.clone(), sqs: default };
        assert_eq!(all.endpoints, expected);
    }

    #[test]
    fn webhooks_are_sent_to_public_addresses_unless_loopback_is_allowed() {
        let policy =
            |value| read(&[("SIGNET_ALLOW_LOOPBACK_WEBHOOKS", value)]).map(|read| read.settings.webhook_addresses);
        assert_eq!(policy("").unwrap(), AddressPolicy::Public);
        assert_eq!(policy("true").unwrap(), AddressPolicy::PublicAndLoopback);
        assert_invalid(&[("SIGNET_ALLOW_LOOPBACK_WEBHOOKS", "1")], "SIGNET_ALLOW_LOOPBACK_WEBHOOKS");
    }

    #[test]
    fn cors_origins_are_a_comma_separated_list() {
        let count = |value| read(&[("SIGNET_CORS_ORIGINS", value)]).map(|read| read.settings.cors_origins.len());
        assert_eq!(count("https://a.example"), Ok(1));
        assert_eq!(count("https://a.example, http://localhost:5173,"), Ok(2));
        for invalid in ["*", "https://a.example/", "https://a.example;https://b.example", "null"] {
            assert!(count(invalid).unwrap_err().contains("SIGNET_CORS_ORIGINS must be a"), "{invalid}");
        }
    }

    #[test]
    fn oidc_issuer_and_audiences_are_set_together() {
        let (issuer, audiences) =
            (("SIGNET_OIDC_ISSUER", "https://a.example/pool"), ("SIGNET_OIDC_AUDIENCES", "web, cli"));
        let settings = OidcSettings {
            issuer: "https://a.example/pool".to_owned(),
            audiences: vec!["web".to_owned(), "cli".to_owned()],
            roles_claim: "roles".to_owned(),
        };
        assert_eq!(read(&[issuer, audiences]).unwrap().settings.oidc, Some(settings.clone()));
        let by_groups = read(&[issuer, audiences, ("SIGNET_OIDC_ROLES_CLAIM", "cognito:groups")]).unwrap();
        let settings = OidcSettings { roles_claim: "cognito:groups".to_owned(), ..settings };
        assert_eq!(by_groups.settings.oidc, Some(settings));
        assert_invalid(&[issuer], "SIGNET_OIDC_AUDIENCES");
        assert_invalid(&[audiences], "SIGNET_OIDC_ISSUER");
    }

    #[test]
    fn the_oidc_issuer_must_use_https_or_be_local() {
        for valid in
            ["https://a.example", "https://a.example/", "http://127.0.0.1:1/x", "http://[::1]:1", "http://localhost"]
        {
            assert!(read(&[("SIGNET_OIDC_ISSUER", valid), ("SIGNET_OIDC_AUDIENCES", "web")]).is_ok(), "{valid}");
        }
        for invalid in [
            "http://a.example",
            "http://localhost.example",
            "ftp://a",
            "a",
            "https://a?b",
            "https://a b",
            "https://u@a",
        ] {
            assert_invalid(&[("SIGNET_OIDC_ISSUER", invalid), ("SIGNET_OIDC_AUDIENCES", "web")], "SIGNET_OIDC_ISSUER");
        }
    }

    #[test]
    fn zero_disables_a_rate_limit() {
        let limits = |values: &[(&'static str, &'static str)]| read(values).map(|read| read.settings.rate_limits);
        let none = [
            ("SIGNET_FAILED_AUTH_LIMIT_PER_MINUTE", "0"),
            ("SIGNET_ACTIVATION_RATE_LIMIT_PER_SEAT", "0"),
            ("SIGNET_ACTIVATION_RATE_LIMIT_BASE", "0"),
        ];
        assert_eq!(limits(&none), Ok(RateLimits::UNLIMITED));
        let some =
            limits(&[("SIGNET_FAILED_AUTH_LIMIT_PER_MINUTE", "5"), ("SIGNET_ACTIVATION_RATE_LIMIT_PER_SEAT", "0")])
                .unwrap();
        assert_eq!(some.failed_auth, Some(Limit { max: 5, seconds: 60 }));
        assert_eq!(some.activations, Some(ActivationRateLimit { per_seat: 0, base: 10 }));
        for invalid in ["-1", "many", "1.5"] {
            assert_invalid(&[("SIGNET_ACTIVATION_RATE_LIMIT_BASE", invalid)], "SIGNET_ACTIVATION_RATE_LIMIT_BASE");
        }
    }
}

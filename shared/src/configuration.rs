//! What a function is told by its environment, read once. What is missing or wrong is told all at once.

use std::{env, fmt, path::PathBuf};

use jiff::SignedDuration;

use crate::{
    Patience, Settings,
    auth::oidc::{self, OidcSettings},
    domain::{
        rate::{Churn, Limit, RateLimits},
        ring::Rules,
    },
    http::edge::cors::Origin,
};

/// Everything that an operator sets. `README.md` lists the variables.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// The table's name.
    pub table: String,
    /// The name of the table that the keys of KMS are for: another than the table's own where that was restored from a
    /// backup, which gives it a new name, while all that is sealed in it is bound to the old one.
    pub keys_table: String,
    /// The AWS region.
    pub region: String,
    /// Where AWS's services answer, if not where the region has them.
    pub endpoints: Endpoints,
    /// Who holds the keys.
    pub keys: KeySource,
    /// The rest.
    pub settings: Settings,
}

/// Where AWS's services answer, by the variables of AWS's own tools; none is the region's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// DynamoDB.
    pub dynamodb: Option<String>,
    /// KMS.
    pub kms: Option<String>,
    /// Secrets Manager.
    pub secrets_manager: Option<String>,
}

/// Who holds the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// KMS, and Secrets Manager for what must be secret and shared.
    Kms {
        /// The key that seals: its id, ARN or alias.
        sealing_key: String,
        /// Keys that sealed before, and still open.
        old_sealing_keys: Vec<String>,
        /// The secret: its name or ARN.
        secret: String,
        /// The root keys: their ids or ARNs, the one that signs first. None where others look after the signing keys.
        root_keys: Vec<String>,
    },
    /// Files, for development.
    Folder(PathBuf),
}

/// What is missing or wrong: all of it, one variable a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the configuration is not complete: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct ConfigurationInvalid(pub Vec<Fault>);

/// What is wrong with one variable. Its value is not told: someone may have put a secret there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its name.
    pub variable: &'static str,
    /// What is wrong.
    pub fault: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.variable, self.fault)
    }
}

impl Configuration {
    /// Reads it from the environment's variables.
    pub fn from_environment() -> Result<Self, ConfigurationInvalid> {
        Self::read(|name| env::var(name).ok())
    }

    /// Reads it from variables. An empty one counts as one that is not set, as a template can't leave one out.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigurationInvalid> {
        let mut reader = Reader { variable: &variable, faults: Vec::new() };
        let issuer = reader.required("SIGNET_ISSUER");
        if !issuer.is_empty() && !oidc::is_trustworthy(&issuer) {
            reader.fault("SIGNET_ISSUER", "must be an https URL, or one of this machine");
        }
        if issuer.len() > MOST_ISSUER_BYTES {
            // It stands in every token, which has room for the features besides.
            reader.fault("SIGNET_ISSUER", "must be 500 bytes at most");
        }
        let issuer = issuer.trim_end_matches('/').to_owned();
        let table = table_name(&mut reader, "SIGNET_TABLE").unwrap_or_else(|| reader.required("SIGNET_TABLE"));
        let configuration = Self {
            keys_table: table_name(&mut reader, "SIGNET_ORIGINAL_TABLE").unwrap_or_else(|| table.clone()),
            table,
            region: reader.required("AWS_REGION"),
            endpoints: endpoints(&reader),
            keys: keys(&mut reader),
            settings: Settings {
                base_url: issuer.clone(),
                issuer,
                clock_margin: SignedDuration::from_secs(300),
                ring: ring_rules(&mut reader),
                oidc: oidc_settings(&mut reader),
                rate_limits: rate_limits(&mut reader),
                cors_origins: cors_origins(&mut reader),
                patience: Patience::default(),
            },
        };
        if reader.faults.is_empty() { Ok(configuration) } else { Err(ConfigurationInvalid(reader.faults)) }
    }

    /// Where the services answer that are asked for anything; none is the region's own.
    pub(crate) fn endpoints_in_use(&self) -> Vec<Option<&str>> {
        let Endpoints { dynamodb, kms, secrets_manager } = &self.endpoints;
        match self.keys {
            KeySource::Kms { .. } => vec![dynamodb.as_deref(), kms.as_deref(), secrets_manager.as_deref()],
            KeySource::Folder(_) => vec![dynamodb.as_deref()],
        }
    }
}

/// Reads variables and notes what is wrong with them. What it gives in place of one that is wrong is never used.
struct Reader<'a> {
    variable: &'a dyn Fn(&str) -> Option<String>,
    faults: Vec<Fault>,
}

impl Reader<'_> {
    fn fault(&mut self, variable: &'static str, fault: impl Into<String>) {
        self.faults.push(Fault { variable, fault: fault.into() });
    }

    fn optional(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    fn required(&mut self, name: &'static str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.fault(name, "is not set");
            String::new()
        })
    }

    /// The parts of a list with commas between them.
    fn list(&self, name: &str) -> Vec<String> {
        let text = self.optional(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    fn number(&mut self, name: &'static str, default: u32) -> u32 {
        let Some(text) = self.optional(name) else { return default };
        text.parse().unwrap_or_else(|_| {
            self.fault(name, "must be a whole number");
            default
        })
    }

    fn seconds(&mut self, name: &'static str, default: SignedDuration) -> SignedDuration {
        let Some(text) = self.optional(name) else { return default };
        let seconds = text.parse::<u32>().ok().filter(|seconds| *seconds > 0);
        if seconds.is_none() {
            self.fault(name, "must be a whole number of seconds, and more than none");
        }
        seconds.map_or(default, |seconds| SignedDuration::from_secs(seconds.into()))
    }

    fn flag(&mut self, name: &'static str) -> bool {
        match self.optional(name).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.fault(name, "must be true or false");
                false
            }
        }
    }
}

fn table_name(reader: &mut Reader<'_>, variable: &'static str) -> Option<String> {
    let name = reader.optional(variable)?;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let is_name = (3..=255).contains(&name.len()) && name.bytes().all(is_letter);
    if !is_name {
        reader.fault(variable, "must be the name of a table, not an ARN");
    }
    Some(name)
}

fn endpoints(reader: &Reader<'_>) -> Endpoints {
    let of = |name: &str| reader.optional(name).or_else(|| reader.optional("AWS_ENDPOINT_URL"));
    Endpoints {
        dynamodb: of("AWS_ENDPOINT_URL_DYNAMODB"),
        kms: of("AWS_ENDPOINT_URL_KMS"),
        secrets_manager: of("AWS_ENDPOINT_URL_SECRETS_MANAGER"),
    }
}

/// The longest `iss` of a token.
const MOST_ISSUER_BYTES: usize = 500;
const SEALING_KEY: &str = "SIGNET_SEALING_KEY";
const OLD_SEALING_KEYS: &str = "SIGNET_OLD_SEALING_KEYS";
const SECRETS: &str = "SIGNET_SECRETS";
const ROOT_KEYS: &str = "SIGNET_ROOT_KEYS";
const KEY_DIR: &str = "SIGNET_KEY_DIR";

/// KMS, or else files. A function on Lambda takes no files unless it is told twice: a private key that can be read out
/// of a deployment is no one's to hold.
fn keys(reader: &mut Reader<'_>) -> KeySource {
    let folder = reader.optional(KEY_DIR);
    let allowed = reader.flag("SIGNET_ALLOW_LOCAL_KEYS");
    let Some(folder) = folder else {
        return KeySource::Kms {
            sealing_key: reader.required(SEALING_KEY),
            old_sealing_keys: reader.list(OLD_SEALING_KEYS),
            secret: reader.required(SECRETS),
            root_keys: reader.list(ROOT_KEYS),
        };
    };
    for name in [SEALING_KEY, OLD_SEALING_KEYS, SECRETS, ROOT_KEYS] {
        if reader.optional(name).is_some() {
            reader.fault(name, "is set, but so is SIGNET_KEY_DIR: keys are in KMS or in files");
        }
    }
    if reader.optional("AWS_LAMBDA_FUNCTION_NAME").is_some() && !allowed {
        let fault = "is for development: a function that is only tried out takes it with SIGNET_ALLOW_LOCAL_KEYS=true";
        reader.fault(KEY_DIR, fault);
    }
    KeySource::Folder(folder.into())
}

/// How the signing key ring turns.
fn ring_rules(reader: &mut Reader<'_>) -> Rules {
    let Rules { rotation, refresh } = Rules::default();
    Rules {
        rotation: reader.seconds("SIGNET_KEY_ROTATION_SECONDS", rotation),
        refresh: reader.seconds("SIGNET_KEY_REFRESH_SECONDS", refresh),
    }
}

/// What is slowed down; zero is no limit.
fn rate_limits(reader: &mut Reader<'_>) -> RateLimits {
    let guesses = reader.number("SIGNET_FAILED_AUTH_LIMIT_PER_MINUTE", 60);
    let churn = Churn {
        per_seat: reader.number("SIGNET_ACTIVATION_RATE_LIMIT_PER_SEAT", 2),
        extra: reader.number("SIGNET_ACTIVATION_RATE_LIMIT_BASE", 10),
    };
    RateLimits {
        guesses: (guesses > 0).then_some(Limit { most: guesses.into(), seconds: 60 }),
        churn: (churn != Churn { per_seat: 0, extra: 0 }).then_some(churn),
    }
}

/// Whose bearer tokens are taken: all of it is set, or nothing.
fn oidc_settings(reader: &mut Reader<'_>) -> Option<OidcSettings> {
    const ISSUER: &str = "SIGNET_OIDC_ISSUER";
    const AUDIENCES: &str = "SIGNET_OIDC_AUDIENCES";
    let (issuer, audiences) = (reader.optional(ISSUER), reader.list(AUDIENCES));
    match (&issuer, audiences.is_empty()) {
        (None, true) => return None,
        (Some(_), true) => reader.fault(AUDIENCES, "is not set, but SIGNET_OIDC_ISSUER is"),
        (None, false) => reader.fault(ISSUER, "is not set, but SIGNET_OIDC_AUDIENCES is"),
        (Some(_), false) => {}
    }
    let issuer = issuer?;
    if !oidc::is_trustworthy(&issuer) {
        reader.fault(ISSUER, "must be an https URL, or one of this machine");
    }
    let roles_claim = reader.optional("SIGNET_OIDC_ROLES_CLAIM").unwrap_or_else(|| oidc::ROLES_CLAIM.to_owned());
    Some(OidcSettings { issuer, audiences, roles_claim })
}

/// Whose web pages may call the API.
fn cors_origins(reader: &mut Reader<'_>) -> Vec<Origin> {
    const ORIGINS: &str = "SIGNET_CORS_ORIGINS";
    let origins: Result<Vec<Origin>, _> = reader.list(ORIGINS).iter().map(|origin| origin.parse()).collect();
    origins.unwrap_or_else(|wrong| {
        reader.fault(ORIGINS, format!("is a list of origins with commas between them; each is {wrong}"));
        Vec::new()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration that is complete, with these variables changed; an empty value takes one away.
    fn read(changes: &[(&str, &str)]) -> Result<Configuration, String> {
        let complete = [
            ("SIGNET_TABLE", "signet"),
            ("SIGNET_ISSUER", "https://licenses.example.com"),
            ("AWS_REGION", "eu-west-1"),
            ("SIGNET_SEALING_KEY", "alias/signet"),
            ("SIGNET_SECRETS", "signet"),
        ];
        let find = |name: &str| {
            let all = changes.iter().chain(&complete);
            all.into_iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned())
        };
        Configuration::read(find).map_err(|error| error.to_string())
    }

    /// What is told of one variable that is wrong, and of no other.
    #[track_caller]
    fn fault(changes: &[(&str, &str)], variable: &str) {
        let told = read(changes).unwrap_err();
        assert!(told.starts_with(&format!("the configuration is not complete: {variable} ")), "{told}");
        assert!(!told.contains(';'), "{told}");
    }

    #[test]
    fn the_least_that_is_needed_has_defaults_for_the_rest() {
        let least = read(&[]).unwrap();
        let settings = least.settings;
        assert_eq!((least.table.as_str(), least.region.as_str()), ("signet", "eu-west-1"));
        assert_eq!(least.keys_table, least.table);
        assert_eq!(read(&[("SIGNET_ORIGINAL_TABLE", "signet-before")]).unwrap().keys_table, "signet-before");
        assert_eq!((least.endpoints, settings.oidc), (Endpoints::default(), None));
        assert_eq!((settings.rate_limits, settings.cors_origins.len()), (RateLimits::default(), 0));
        let (sealing_key, secret) = ("alias/signet".to_owned(), "signet".to_owned());
        let (old_sealing_keys, root_keys) = (Vec::new(), Vec::new());
        assert_eq!(least.keys, KeySource::Kms { sealing_key, old_sealing_keys, secret, root_keys });
        assert_eq!(settings.ring, Rules::default());
    }

    #[test]
    fn all_that_is_missing_or_wrong_is_told_at_once() {
        let told =
            Configuration::read(|name| (name == "SIGNET_ACTIVATION_RATE_LIMIT_BASE").then(|| "hunter2".to_owned()));
        let told = told.unwrap_err();
        let variables: Vec<_> = told.0.iter().map(|fault| fault.variable).collect();
        let all = [
            "SIGNET_ISSUER",
            "SIGNET_TABLE",
            "AWS_REGION",
            "SIGNET_SEALING_KEY",
            "SIGNET_SECRETS",
            "SIGNET_ACTIVATION_RATE_LIMIT_BASE",
        ];
        assert_eq!(variables, all);
        assert!(!told.to_string().contains("hunter2"), "a value is not told");
        for name in ["SIGNET_ISSUER", "SIGNET_TABLE", "AWS_REGION", "SIGNET_SEALING_KEY", "SIGNET_SECRETS"] {
            fault(&[(name, "")], name);
        }
    }

    #[test]
    fn an_issuer_and_a_table_are_what_they_should_be() {
        let slash = read(&[("SIGNET_ISSUER", "https://licenses.example.com/")]).unwrap().settings;
        assert_eq!((slash.issuer.as_str(), slash.base_url), ("https://licenses.example.com", slash.issuer.clone()));
        let long = format!("https://a.example/{}", "a".repeat(MOST_ISSUER_BYTES));
        for wrong in ["licenses.example.com", "http://licenses.example.com", "https://a?b", &long] {
            fault(&[("SIGNET_ISSUER", wrong)], "SIGNET_ISSUER");
        }
        for wrong in ["ab", "arn:aws:dynamodb:eu-west-1:1:table/signet", "a b c"] {
            fault(&[("SIGNET_TABLE", wrong)], "SIGNET_TABLE");
            fault(&[("SIGNET_ORIGINAL_TABLE", wrong)], "SIGNET_ORIGINAL_TABLE");
        }
    }

    #[test]
    fn keys_are_in_kms_or_in_files_that_lambda_must_be_allowed() {
        let old = read(&[("SIGNET_OLD_SEALING_KEYS", "arn:a, arn:b,")]).unwrap().keys;
        assert!(matches!(old, KeySource::Kms { old_sealing_keys, .. } if old_sealing_keys == ["arn:a", "arn:b"]));

        let files = [("SIGNET_KEY_DIR", "/keys"), ("SIGNET_SEALING_KEY", ""), ("SIGNET_SECRETS", "")];
        assert_eq!(read(&files).unwrap().keys, KeySource::Folder("/keys".into()));
        let lambda = ("AWS_LAMBDA_FUNCTION_NAME", "signet-licenses");
        let with = |more: &[(&'static str, &'static str)]| [&files[..], &[lambda], more].concat();
        fault(&with(&[]), "SIGNET_KEY_DIR");
        fault(&with(&[("SIGNET_ALLOW_LOCAL_KEYS", "false")]), "SIGNET_KEY_DIR");
        read(&with(&[("SIGNET_ALLOW_LOCAL_KEYS", "true")])).unwrap();
        fault(&[("SIGNET_ALLOW_LOCAL_KEYS", "yes")], "SIGNET_ALLOW_LOCAL_KEYS");
        fault(&[files[0], files[1]], "SIGNET_SECRETS");
        fault(&[files[0], files[2]], "SIGNET_SEALING_KEY");
    }

    #[test]
    fn the_ring_turns_in_whole_seconds() {
        let set = read(&[("SIGNET_KEY_ROTATION_SECONDS", "3600"), ("SIGNET_KEY_REFRESH_SECONDS", "60")]).unwrap();
        let rules = Rules { rotation: SignedDuration::from_hours(1), refresh: SignedDuration::from_mins(1) };
        assert_eq!(set.settings.ring, rules);
        for wrong in ["0", "-1", "1h", "99999999999"] {
            fault(&[("SIGNET_KEY_ROTATION_SECONDS", wrong)], "SIGNET_KEY_ROTATION_SECONDS");
        }
    }

    #[test]
    fn an_endpoint_is_for_one_service_or_for_all() {
        let all = read(&[("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_DYNAMODB", "http://one")]).unwrap();
        let (one, all_of_them) = (Some("http://one".to_owned()), Some("http://all".to_owned()));
        let expected = Endpoints { dynamodb: one, kms: all_of_them.clone(), secrets_manager: all_of_them };
        assert_eq!(all.endpoints, expected);
    }

    #[test]
    fn origins_are_listed_with_commas() {
        let count = |value| read(&[("SIGNET_CORS_ORIGINS", value)]).map(|read| read.settings.cors_origins.len());
        assert_eq!(count("https://a.example"), Ok(1));
        assert_eq!(count("https://a.example, http://localhost:5173,"), Ok(2));
        for wrong in ["*", "https://a.example/", "https://a.example;https://b.example", "null"] {
            assert!(count(wrong).unwrap_err().contains("SIGNET_CORS_ORIGINS is a list"), "{wrong}");
        }
    }

    #[test]
    fn an_oidc_issuer_is_set_whole_or_not_at_all() {
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
        fault(&[issuer], "SIGNET_OIDC_AUDIENCES");
        fault(&[audiences], "SIGNET_OIDC_ISSUER");
    }

    #[test]
    fn an_oidc_issuer_is_reached_over_tls_or_is_on_this_machine() {
        for good in
            ["https://a.example", "https://a.example/", "http://127.0.0.1:1/x", "http://[::1]:1", "http://localhost"]
        {
            assert!(read(&[("SIGNET_OIDC_ISSUER", good), ("SIGNET_OIDC_AUDIENCES", "web")]).is_ok(), "{good}");
        }
        for bad in [
            "http://a.example",
            "http://localhost.example",
            "ftp://a",
            "a",
            "https://a?b",
            "https://a b",
            "https://u@a",
        ] {
            fault(&[("SIGNET_OIDC_ISSUER", bad), ("SIGNET_OIDC_AUDIENCES", "web")], "SIGNET_OIDC_ISSUER");
        }
    }

    #[test]
    fn rate_limits_have_defaults_and_zero_is_none() {
        let limits = |values: &[(&'static str, &'static str)]| read(values).map(|read| read.settings.rate_limits);
        let none = [
            ("SIGNET_FAILED_AUTH_LIMIT_PER_MINUTE", "0"),
            ("SIGNET_ACTIVATION_RATE_LIMIT_PER_SEAT", "0"),
            ("SIGNET_ACTIVATION_RATE_LIMIT_BASE", "0"),
        ];
        assert_eq!(limits(&none), Ok(RateLimits::NONE));
        let some =
            limits(&[("SIGNET_FAILED_AUTH_LIMIT_PER_MINUTE", "5"), ("SIGNET_ACTIVATION_RATE_LIMIT_PER_SEAT", "0")])
                .unwrap();
        assert_eq!(some.guesses, Some(Limit { most: 5, seconds: 60 }));
        assert_eq!(some.churn, Some(Churn { per_seat: 0, extra: 10 }));
        for wrong in ["-1", "many", "1.5"] {
            fault(&[("SIGNET_ACTIVATION_RATE_LIMIT_BASE", wrong)], "SIGNET_ACTIVATION_RATE_LIMIT_BASE");
        }
    }
}

//! What a request may touch besides its own input, made once when a process starts.

use std::{env, io, path::Path, sync::Arc};

use jiff::SignedDuration;

use crate::{
    Aws, Clock, NoCertificates, Patience,
    auth::oidc::{self, Oidc, OidcSettings, OidcSettingsInvalid},
    domain::{
        rate::{Churn, Limit, RateLimits},
        ring::Rules,
    },
    http::edge::cors::{Origin, OriginInvalid},
    http_client,
    store::{StoreError, Table, catalog::CatalogCopy, listing::CursorKey, rates::FullBuckets},
    tokens::{KeepError, Keeper, KeyRing, Sealer, SignError, Signer, Tokens, local::LocalKeys},
};

/// What an operator sets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The URL that tokens name as `iss`, without a slash at its end.
    pub issuer: String,
    /// Where the API answers, without a slash at its end. It is the issuer's URL, except on one machine, where the
    /// issuer stays when the port changes.
    pub base_url: String,
    /// By how much clocks may differ: a lease is over only when it has been for so long.
    pub clock_margin: SignedDuration,
    /// How the signing key ring turns.
    pub ring: Rules,
    /// Whose bearer tokens are taken; none takes API keys alone.
    pub oidc: Option<OidcSettings>,
    /// What is slowed down.
    pub rate_limits: RateLimits,
    /// Whose web pages may call the API. Its public documents may be read by all.
    pub cors_origins: Vec<Origin>,
    /// How long a request waits for what it needs.
    pub patience: Patience,
}

/// All of it. Cheap to clone; a use case takes only the parts that it needs.
#[derive(Debug, Clone)]
pub struct Services {
    /// The one table.
    pub table: Table,
    /// A copy of the catalog.
    pub catalog: CatalogCopy,
    /// Signs and verifies license tokens.
    pub tokens: Tokens,
    /// Looks after the signing keys; none where that is another function's task.
    pub keeper: Option<Keeper>,
    /// Seals what lies in the table.
    pub sealer: Arc<dyn Sealer>,
    /// Verifies bearer tokens; none takes API keys alone.
    pub oidc: Option<Oidc>,
    /// Makes cursors.
    pub cursor_key: CursorKey,
    /// What was asked for too often.
    pub full_buckets: FullBuckets,
    /// The time.
    pub clock: Clock,
    /// What an operator sets.
    pub settings: Arc<Settings>,
}

/// Who holds the keys.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Signs license tokens.
    pub signer: Arc<dyn Signer>,
    /// Seals what lies in the table.
    pub sealer: Arc<dyn Sealer>,
    /// Makes cursors.
    pub cursor_key: CursorKey,
    /// The handles of the root keys, for whoever looks after the signing keys; the first signs.
    pub root_keys: Vec<String>,
}

impl From<LocalKeys> for Keys {
    fn from(LocalKeys { signer, sealer, cursor_key, root_keys }: LocalKeys) -> Self {
        Self { signer, sealer, cursor_key, root_keys }
    }
}

/// Why a process did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The environment lacks a variable, or has one that is wrong.
    #[error("{variable} {fault}")]
    Environment {
        /// Its name.
        variable: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// Nobody can be reached over TLS.
    #[error(transparent)]
    NoCertificates(#[from] NoCertificates),
    /// A key file can't be read or written.
    #[error("the key files: {0}")]
    Keys(#[from] io::Error),
    /// The table gives no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No key could be made.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// No bearer token can be verified with these settings.
    #[error(transparent)]
    Oidc(#[from] OidcSettingsInvalid),
}

impl From<KeepError> for StartError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Sign(error) => error.into(),
            KeepError::Store(error) => error.into(),
        }
    }
}

impl Services {
    /// Puts the parts together.
    pub fn new(table: Table, keys: Keys, clock: Clock, settings: Settings) -> Result<Self, OidcSettingsInvalid> {
        let oidc = settings.oidc.as_ref().map(Oidc::new).transpose()?;
        let ring = KeyRing::new(table.clone(), settings.ring.refresh);
        let Keys { signer, sealer, cursor_key, root_keys } = keys;
        let keeper = Keeper::new(table.clone(), Arc::clone(&signer), settings.ring, &root_keys, &settings.issuer);
        let keeper = (!root_keys.is_empty()).then_some(keeper);
        let tokens = Tokens::new(&settings.issuer, ring, signer);
        let (catalog, full_buckets, settings) = (CatalogCopy::default(), FullBuckets::default(), Arc::new(settings));
        Ok(Self { table, catalog, tokens, keeper, sealer, oidc, cursor_key, full_buckets, clock, settings })
    }

    /// The issuer's URL.
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// For a function on Lambda or under `cargo lambda watch`: `SIGNET_TABLE` and `SIGNET_ISSUER`, the region and
    /// credentials as AWS names them, `AWS_ENDPOINT_URL_DYNAMODB` for another DynamoDB, and in `SIGNET_KEY_DIR` the
    /// folder of the key files. `SIGNET_OIDC_ISSUER` and `SIGNET_OIDC_AUDIENCES` (commas between them) say whose bearer
    /// tokens are taken, and `SIGNET_OIDC_ROLES_CLAIM` where they name the roles, if not in `roles`.
    /// `SIGNET_GUESSES_PER_MINUTE` (60), `SIGNET_CHURN_PER_SEAT` (2) and `SIGNET_CHURN_EXTRA` (10) are the rate limits;
    /// no guesses at all can't be asked for, so 0 guesses, and 0 and 0 of churn, mean that there is no limit.
    /// `SIGNET_CORS_ORIGINS` (commas between them) says whose web pages may call the API, none if it is left out.
    pub async fn from_environment() -> Result<Self, StartError> {
        let (endpoint, patience) = (optional("AWS_ENDPOINT_URL_DYNAMODB"), Patience::default());
        let http_client = http_client(&[endpoint.as_deref()])?;
        let aws = Aws::new(&variable("AWS_REGION")?, None, http_client, patience);
        let table = Table::connect(&aws, &variable("SIGNET_TABLE")?, endpoint);
        let keys = LocalKeys::in_folder(Path::new(&variable("SIGNET_KEY_DIR")?))?;
        let issuer = variable("SIGNET_ISSUER")?.trim_end_matches('/').to_owned();
        let settings = Settings {
            base_url: issuer.clone(),
            issuer,
            clock_margin: SignedDuration::from_secs(300),
            ring: ring_rules(optional)?,
            oidc: oidc_settings(optional)?,
            rate_limits: rate_limits(optional)?,
            cors_origins: cors_origins(optional)?,
            patience,
        };
        let services = Self::new(table, keys.into(), Clock::System, settings)?;
        let now = services.clock.now();
        // The connection, the key ring and the catalog are there before the first request asks for them.
        services.tokens.ring().read(now).await?;
        services.catalog.read(&services.table, now).await?;
        if let Some(oidc) = &services.oidc {
            // Without its issuer, a function still answers whoever has an API key or a license token.
            let _ = oidc.discovery(now).await;
        }
        Ok(services)
    }

    /// Does what is due of the signing keys, if that is this process's task: makes the first, too.
    pub async fn keep_ring(&self) -> Result<(), KeepError> {
        let Some(keeper) = &self.keeper else { return Ok(()) };
        let kept = keeper.keep(self.clock.now()).await;
        self.tokens.ring().forget();
        kept
    }
}

fn variable(name: &'static str) -> Result<String, StartError> {
    let value =
        env::var(name).map_err(|_| StartError::Environment { variable: name, fault: "is not set".to_owned() })?;
    if value.is_empty() {
        return Err(StartError::Environment { variable: name, fault: "is empty".to_owned() });
    }
    Ok(value)
}

/// A variable that may be left out; an empty one counts as that, as a template can't leave one out.
fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// How the signing key ring turns.
fn ring_rules(read: impl Fn(&str) -> Option<String>) -> Result<Rules, StartError> {
    let seconds = |variable: &'static str, default: SignedDuration| {
        let Some(text) = read(variable) else { return Ok(default) };
        let number = text.parse().ok().filter(|seconds| *seconds > 0).map(SignedDuration::from_secs);
        let fault = || StartError::Environment { variable, fault: "must be a whole number of seconds".to_owned() };
        number.ok_or_else(fault)
    };
    Ok(Rules {
        rotation: seconds("SIGNET_KEY_ROTATION_SECONDS", Rules::default().rotation)?,
        refresh: seconds("SIGNET_KEY_REFRESH_SECONDS", Rules::default().refresh)?,
    })
}

/// What is slowed down; zero is no limit.
fn rate_limits(read: impl Fn(&str) -> Option<String>) -> Result<RateLimits, StartError> {
    let number = |variable: &'static str, default: u32| {
        let Some(text) = read(variable) else { return Ok(default) };
        text.parse().map_err(|_| StartError::Environment { variable, fault: "must be a whole number".to_owned() })
    };
    let guesses = number("SIGNET_GUESSES_PER_MINUTE", 60)?;
    let churn = Churn { per_seat: number("SIGNET_CHURN_PER_SEAT", 2)?, extra: number("SIGNET_CHURN_EXTRA", 10)? };
    Ok(RateLimits {
        guesses: (guesses > 0).then_some(Limit { most: guesses.into(), seconds: 60 }),
        churn: (churn != Churn { per_seat: 0, extra: 0 }).then_some(churn),
    })
}

/// Whose bearer tokens are taken: all of it is set, or nothing.
fn oidc_settings(read: impl Fn(&str) -> Option<String>) -> Result<Option<OidcSettings>, StartError> {
    const ISSUER: &str = "SIGNET_OIDC_ISSUER";
    const AUDIENCES: &str = "SIGNET_OIDC_AUDIENCES";
    let wrong = |variable, fault: &str| Err(StartError::Environment { variable, fault: fault.to_owned() });
    let (issuer, audiences) = match (read(ISSUER), read(AUDIENCES)) {
        (None, None) => return Ok(None),
        (Some(_), None) => return wrong(AUDIENCES, "is not set, but SIGNET_OIDC_ISSUER is"),
        (None, Some(_)) => return wrong(ISSUER, "is not set, but SIGNET_OIDC_AUDIENCES is"),
        (Some(issuer), Some(audiences)) => (issuer, audiences),
    };
    if !oidc::is_trustworthy(&issuer) {
        return wrong(ISSUER, "must be an https URL, or one of this machine");
    }
    Ok(Some(OidcSettings {
        issuer,
        audiences: audiences.split(',').map(|audience| audience.trim().to_owned()).collect(),
        roles_claim: read("SIGNET_OIDC_ROLES_CLAIM").unwrap_or_else(|| oidc::ROLES_CLAIM.to_owned()),
    }))
}

/// Whose web pages may call the API.
fn cors_origins(read: impl Fn(&str) -> Option<String>) -> Result<Vec<Origin>, StartError> {
    const ORIGINS: &str = "SIGNET_CORS_ORIGINS";
    let text = read(ORIGINS).unwrap_or_default();
    let all = text.split(',').map(str::trim).filter(|origin| !origin.is_empty()).map(str::parse);
    all.collect::<Result<_, OriginInvalid>>().map_err(|wrong| StartError::Environment {
        variable: ORIGINS,
        fault: format!("is a list of origins with commas between them; each is {wrong}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_listed_with_commas() {
        let read = |value: Option<&str>| cors_origins(|_| value.map(str::to_owned)).map(|origins| origins.len());
        assert_eq!(read(None).unwrap(), 0);
        assert_eq!(read(Some("https://a.example")).unwrap(), 1);
        assert_eq!(read(Some("https://a.example, http://localhost:5173,")).unwrap(), 2);
        for wrong in ["*", "https://a.example/", "https://a.example;https://b.example", "null"] {
            assert!(read(Some(wrong)).unwrap_err().to_string().starts_with("SIGNET_CORS_ORIGINS is a list"), "{wrong}");
        }
    }

    fn read(
        issuer: Option<&str>,
        audiences: Option<&str>,
        claim: Option<&str>,
    ) -> Result<Option<OidcSettings>, String> {
        let values =
            [("SIGNET_OIDC_ISSUER", issuer), ("SIGNET_OIDC_AUDIENCES", audiences), ("SIGNET_OIDC_ROLES_CLAIM", claim)];
        let find = |name: &str| values.iter().find(|(own, _)| *own == name)?.1.map(str::to_owned);
        oidc_settings(find).map_err(|error| error.to_string())
    }

    #[test]
    fn an_oidc_issuer_is_set_whole_or_not_at_all() {
        let settings = OidcSettings {
            issuer: "https://a.example/pool".to_owned(),
            audiences: vec!["web".to_owned(), "cli".to_owned()],
            roles_claim: "roles".to_owned(),
        };
        assert_eq!(read(None, None, None), Ok(None));
        assert_eq!(read(Some("https://a.example/pool"), Some("web, cli"), None), Ok(Some(settings.clone())));
        let by_groups = OidcSettings { roles_claim: "cognito:groups".to_owned(), ..settings };
        assert_eq!(read(Some("https://a.example/pool"), Some("web,cli"), Some("cognito:groups")), Ok(Some(by_groups)));
        assert!(read(Some("https://a.example"), None, None).is_err());
        assert!(read(None, Some("web"), None).is_err());
    }

    #[test]
    fn rate_limits_have_defaults_and_zero_is_none() {
        let read = |values: &[(&str, &str)]| {
            let find = |name: &str| values.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
            rate_limits(find).map_err(|error| error.to_string())
        };
        assert_eq!(read(&[]), Ok(RateLimits::default()));
        let none = [("SIGNET_GUESSES_PER_MINUTE", "0"), ("SIGNET_CHURN_PER_SEAT", "0"), ("SIGNET_CHURN_EXTRA", "0")];
        assert_eq!(read(&none), Ok(RateLimits::NONE));
        let some = read(&[("SIGNET_GUESSES_PER_MINUTE", "5"), ("SIGNET_CHURN_PER_SEAT", "0")]).unwrap();
        assert_eq!(some.guesses, Some(Limit { most: 5, seconds: 60 }));
        assert_eq!(some.churn, Some(Churn { per_seat: 0, extra: 10 }));
        for wrong in ["", "-1", "many", "1.5"] {
            let fault = read(&[("SIGNET_CHURN_EXTRA", wrong)]).unwrap_err();
            assert!(fault.starts_with("SIGNET_CHURN_EXTRA"), "{fault}");
        }
    }

    #[test]
    fn an_oidc_issuer_is_reached_over_tls_or_is_on_this_machine() {
        for good in
            ["https://a.example", "https://a.example/", "http://127.0.0.1:1/x", "http://[::1]:1", "http://localhost"]
        {
            assert!(read(Some(good), Some("web"), None).is_ok(), "{good}");
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
            assert!(read(Some(bad), Some("web"), None).is_err(), "{bad}");
        }
    }
}

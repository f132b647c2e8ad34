//! A machine takes a seat. A machine that has its seat renews it and takes none.
//!
//! Seats are exact because there is no count: a machine lives on a license only if one transaction wrote its seat, a
//! numbered item below the limit, on condition that nobody holds it. Whatever goes wrong, everything begins again from
//! reading.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response as HttpResponse},
};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use shared::{
    AppState,
    auth::AppCredential,
    domain::{
        Activation, ActivationId, Actor, ActorKind, Catalog, Claims, Code, EncryptionKey, EncryptionKeyError, Event,
        EventType, IdGenerator, License, MachineHash, Product, PublicKeyInput, SeatStatus, Secret, Tier,
        ValidationErrors,
        rate_limit::{ActivationRateLimit, Bucket},
        seat::{choose_free, is_machine_id, is_machine_name, lease, windows},
    },
    http::{
        Metric, Problem, RequestContext, StrictJson,
        problem::not_in_catalog,
        resources::{ActivationResource, seconds},
        responses::{JsonBody, LicenseToken, LicenseUsable, PathLookup, ServerErrors, Throttled},
    },
    store::{
        Backoff, Table,
        activations::{RenewOutcome, Renewal},
        rate_limiter::{self, CountError},
        seats::{ActivationOutcome, NewActivation},
    },
    tokens::EncodedToken,
};
use tokio::sync::OnceCell;
use utoipa::ToSchema;

/// A credential, and the machine.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ActivateRequest)]
pub struct Request {
    /// The secret that a person types; or else a token.
    #[schema(value_type = Option<String>, example = "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT")]
    pub license_key: Option<Secret>,
    /// A license token, also one that names no machine and one past its `exp`; or else a license key.
    #[schema(value_type = Option<String>)]
    pub token: Option<Secret>,
    /// What tells this machine from others, byte by byte: 1 to 256 of them, no control characters. Two forms of one
    /// accented letter are two machines.
    #[schema(example = "machine-1", min_length = 1, max_length = 256, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub machine_id: String,
    /// What people call it: 1 to 100 bytes, no control or invisible characters.
    #[schema(example = "build-07", min_length = 1, max_length = 100)]
    pub machine_name: Option<String>,
    /// The app's RSA public key, 2048 to 4096 bits, as a JWK or as PEM text (SPKI or PKCS#1): tokens of this activation
    /// are then encrypted to it, now and at every heartbeat (`RSA-OAEP`, `A256CBC-HS512`, `cty: JWT`). A machine that
    /// has its seat keeps the key that it gave before if it gives none, and replaces it if it gives another.
    pub public_key: Option<PublicKeyInput>,
}

/// The seat, and a token that proves it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivateResponse)]
pub struct Response {
    /// The machine, with its seat.
    pub activation: ActivationResource,
    /// A token for this machine; encrypted, if its app has given a public key.
    #[schema(
        example = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl"
    )]
    pub token: String,
    /// `JWT`, or `JWE` for one that is encrypted: the app decrypts it, and sends the token that is in it.
    #[schema(example = "JWT")]
    pub token_type: &'static str,
    /// The token's `exp`.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T13:00:00Z")]
    pub token_expires_at: Timestamp,
    /// How often to send a heartbeat.
    #[schema(example = 900)]
    pub heartbeat_interval_seconds: u32,
    /// When to send the first.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T12:15:00Z")]
    pub next_heartbeat_at: Timestamp,
}

shared::problems! {
    /// Errors specific to this endpoint.
    Errors: SeatLimitReached PublicKeyInvalid;
}

/// Activates a machine.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-activations/activate",
    tag = "consuming apps",
    summary = "Take a seat for a machine",
    request_body(
        content = Request,
        examples(
            ("by_license_key" = (summary = "A machine that is new", value = json!({"license_key": "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT", "machine_id": "machine-1", "machine_name": "build-07"}))),
            ("encrypted" = (summary = "A machine whose tokens are encrypted", value = json!({"license_key": "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT", "machine_id": "machine-1", "public_key": {"kty": "RSA", "n": "rOqpUGDgeaVONkXmiwVAokYCptFSzezrWX8aEHg1FmYuhfeqlBKNUtFjbcfgkw5_5gE0RSb47GC9meyRbFAUePXPzgyYhHbPBh_gfcyHHx2n62vWbxVjOZUgA0_Gm4X4apx5nthicg_U974rjuBGneBWoN49ivqZoyzJQPgenzYyKlenqFef8EtrZataogBrwvZWnoFPMCEHc9ntNCCbfSCAWut4RFFpYuxW_XlhOURS_zCFFEPjxngPPhTfTNHZjaU9a1awiNig9FiCKt-22Mzw3vW9ZdPHUmLBnXtydcDkNIpEGdDHWhb69oY-q6br91nJcu2p8Du7IAKX2tCruQ", "e": "AQAB"}}))),
            ("by_token" = (summary = "A machine that has, or had, a token", value = json!({"token": "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl", "machine_id": "machine-1"}))),
        ),
    ),
    responses(
        (status = 200, body = Response, description = "The machine has its seat already"),
        (status = 201, body = Response, description = "The machine took a seat"),
        Errors,
        LicenseToken,
        LicenseUsable,
        PathLookup,
        Throttled,
        JsonBody,
        ServerErrors,
    ),
)]
pub async fn handler(
    State(app): State<AppState>,
    ctx: RequestContext,
    StrictJson(request): StrictJson<Request>,
) -> Result<HttpResponse, Problem> {
    let (is_new, body) = activate(&app, &request, &ctx).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, axum::Json(body)).into_response())
}

/// Gives a machine a seat, or renews the one that it has; tells whether it is new.
pub async fn activate(app: &AppState, request: &Request, ctx: &RequestContext) -> Result<(bool, Response), Problem> {
    let public_key = check(request)?;
    let (license_key, token) = (request.license_key.as_ref(), request.token.as_ref());
    let credential = AppCredential::read(app, license_key, token, ctx).await?;
    let machine = Machine {
        hash: MachineHash::of(&request.machine_id),
        id: &request.machine_id,
        name: request.machine_name.as_deref(),
        public_key: public_key.as_ref(),
    };
    let churned = Churned::default();
    let mut backoff = Backoff::default();
    loop {
        let (license, found) = read(&app.table, &credential, machine.hash).await?;
        let catalog =
            app.catalog.read_with(&app.table, ctx.now, |catalog| catalog.product_and_tier(&license).is_some()).await?;
        let sold = catalog.product_and_tier(&license).ok_or_else(|| not_in_catalog(&license))?;
        if let Some(refusal) = license.refusal(sold.0.is_active, credential.generation, ctx.now) {
            return Err(refusal.into());
        }
        let attempt_at = Attempt { app, ctx, license: &license, tier: sold.1, machine, churned: &churned };
        match attempt_at.seat(found.as_ref()).await? {
            Outcome::New(activation) => {
                ctx.metrics.count(Metric::Activated);
                return Ok((true, attempt_at.answer(&catalog, sold.0, &activation).await?));
            }
            Outcome::Renewed(activation) => {
                return Ok((false, attempt_at.answer(&catalog, sold.0, &activation).await?));
            }
            Outcome::Full => {
                return Err(Problem::new(Code::SeatLimitReached, "every seat of this license is taken"));
            }
            Outcome::Again => backoff.retry().await?,
        }
    }
}

/// The app's public key, if it gives one and nothing is wrong with the request.
fn check(request: &Request) -> Result<Option<EncryptionKey>, ValidationErrors> {
    let mut invalid = ValidationErrors::default();
    invalid.check(is_machine_id(&request.machine_id), "/machine_id", "1 to 256 bytes, no control characters");
    let name = request.machine_name.as_deref().is_none_or(is_machine_name);
    invalid.check(name, "/machine_name", "1 to 100 bytes, no control or invisible characters");
    AppCredential::check(&mut invalid, request.license_key.as_ref(), request.token.as_ref());
    let public_key = request.public_key.as_ref().and_then(|given| {
        let refused = |why: EncryptionKeyError| invalid.push("/public_key", Code::PublicKeyInvalid, why.to_string());
        given.read().map_err(refused).ok()
    });
    invalid.into_result().map(|()| public_key)
}

/// The license and what is known of the machine: both read after the credential, and consistently.
async fn read(
    table: &Table,
    credential: &AppCredential,
    machine: MachineHash,
) -> Result<(License, Option<Activation>), Problem> {
    let (license, found) =
        tokio::try_join!(table.license(credential.license_id), table.activation(credential.license_id, machine))?;
    Ok((license.ok_or_else(Problem::not_found)?, found))
}

#[derive(Clone, Copy)]
struct Machine<'a> {
    hash: MachineHash,
    id: &'a str,
    name: Option<&'a str>,
    public_key: Option<&'a EncryptionKey>,
}

/// One attempt, on what was read for it.
struct Attempt<'a> {
    app: &'a AppState,
    ctx: &'a RequestContext,
    license: &'a License,
    tier: &'a Tier,
    machine: Machine<'a>,
    churned: &'a Churned,
}

/// What a request adds to its license's rate buckets: each is counted once, however often it begins again.
#[derive(Default)]
struct Churned {
    search: OnceCell<()>,
    activation: OnceCell<()>,
}

enum Outcome {
    /// A new life, in a seat of its own where there is a limit.
    New(Box<Activation>),
    /// The life that the machine had.
    Renewed(Box<Activation>),
    /// Every seat is taken, and none has lapsed.
    Full,
    /// Something moved: begin again from reading.
    Again,
}

fn too_often(limited: rate_limiter::RateLimitExceeded) -> Problem {
    Problem::rate_limited(limited.seconds, "the machines of this license changed too often: ask again later")
}

impl Attempt<'_> {
    async fn seat(&self, found: Option<&Activation>) -> Result<Outcome, Problem> {
        match found.map(|found| (found, found.seat_status(self.license))) {
            Some((found, SeatStatus::Live)) => self.renew(found).await,
            Some((_, SeatStatus::Newer)) => Ok(Outcome::Again),
            Some((dead, SeatStatus::Dead)) => self.begin(Some(dead)).await,
            None => self.begin(None).await,
        }
    }

    fn lease(&self) -> Timestamp {
        lease(self.ctx.now, self.tier.token_ttl_seconds, self.tier.grace_period_seconds)
    }

    async fn renew(&self, live: &Activation) -> Result<Outcome, Problem> {
        let renewal = Renewal {
            id: live.id,
            generation: self.license.generation,
            lease_expires_at: self.lease(),
            at: self.ctx.now,
            ip: &self.ctx.ip,
            machine_name: self.machine.name,
            public_key: self.machine.public_key,
        };
        Ok(match self.app.table.renew(&renewal).await? {
            RenewOutcome::Done(activation) => Outcome::Renewed(activation),
            RenewOutcome::NotLive => Outcome::Again,
        })
    }

    async fn begin(&self, dead: Option<&Activation>) -> Result<Outcome, Problem> {
        let Some(max_users) = self.license.max_users else { return self.take(None, dead).await };
        // Before the first read of a seat, so that an app in a loop can't use up what the license's partition can give.
        self.count_search().await?;
        let scans = self.churn().and_then(|churn| churn.full_scans(self.license));
        if let Some(scans) = &scans {
            self.app.rate_limiter.admit(scans, self.ctx.now).map_err(too_often)?;
        }
        let windows = windows(max_users, &mut rand::rng());
        for window in windows {
            let taken = self.app.table.taken_seats(self.license, &window).await?;
            let free = choose_free(&window, &taken, &mut rand::rng());
            if let Some(number) = free {
                return self.take(Some(number), dead).await;
            }
        }
        // Every number was seen taken.
        let outcome = self.take_over(dead).await?;
        if let (Outcome::Full, Some(scans)) = (&outcome, &scans) {
            // This one was answered by its look at the seats; those above the limit are told before theirs.
            match self.app.rate_limiter.count(&self.app.table, scans, self.ctx.now).await {
                Ok(()) | Err(CountError::RateLimitExceeded(_)) => {}
                Err(CountError::Store(error)) => return Err(error.into()),
            }
        }
        Ok(outcome)
    }

    fn churn(&self) -> Option<ActivationRateLimit> {
        self.app.settings.rate_limits.churn
    }

    async fn count_search(&self) -> Result<(), Problem> {
        let ttl = self.tier.token_ttl_seconds;
        let bucket = self.churn().and_then(|churn| churn.searches(self.license, self.machine.hash, ttl));
        self.count(&self.churned.search, bucket).await
    }

    async fn count_activation(&self) -> Result<(), Problem> {
        let ttl = self.tier.token_ttl_seconds;
        let bucket = self.churn().and_then(|churn| churn.activations(self.license, self.machine.hash, ttl));
        self.count(&self.churned.activation, bucket).await
    }

    async fn count(&self, counted: &OnceCell<()>, bucket: Option<Bucket>) -> Result<(), Problem> {
        let Some(bucket) = bucket else { return Ok(()) };
        let count = || self.app.rate_limiter.count(&self.app.table, &bucket, self.ctx.now);
        counted.get_or_try_init(count).await.map_err(|error| match error {
            CountError::RateLimitExceeded(limited) => too_often(limited),
            CountError::Store(error) => error.into(),
        })?;
        Ok(())
    }

    async fn take(&self, seat: Option<u32>, dead: Option<&Activation>) -> Result<Outcome, Problem> {
        self.count_activation().await?;
        let activation = self.new_life(seat);
        let event = self.event(EventType::Activated, &activation, None);
        let begun =
            self.app.table.take_free_seat(NewActivation { activation: &activation, dead, event: &event }).await?;
        Ok(outcome(begun))
    }

    async fn take_over(&self, dead: Option<&Activation>) -> Result<Outcome, Problem> {
        let lapsed_before = self.ctx.now.checked_sub(self.app.settings.clock_margin).unwrap_or(Timestamp::MIN);
        let start = MachineHash(rand::rng().random());
        let lapsed = self.app.table.sample_lapsed(self.license, lapsed_before, start).await?;
        if lapsed.is_empty() {
            return self.full().await;
        }
        let lapsed = &lapsed[rand::rng().random_range(0..lapsed.len())];
        if lapsed.id.machine == self.machine.hash {
            return Ok(Outcome::Again);
        }
        self.count_activation().await?;
        let activation = self.new_life(lapsed.seat);
        let event = self.event(EventType::TakenOver, &activation, Some(lapsed));
        let begin = NewActivation { activation: &activation, dead, event: &event };
        Ok(outcome(self.app.table.take_over(begin, lapsed, lapsed_before).await?))
    }

    /// Refuses only what was refused under the license as it still is, and a machine that still has no seat: the limit
    /// may have grown meanwhile, and what took the last seat may have been this machine's own other request.
    async fn full(&self) -> Result<Outcome, Problem> {
        let table = &self.app.table;
        let (license, own) =
            tokio::try_join!(table.license(self.license.id), table.activation(self.license.id, self.machine.hash))?;
        let unmoved = license.is_some_and(|license| {
            (license.generation, license.max_users) == (self.license.generation, self.license.max_users)
        });
        let is_in = own.is_some_and(|own| own.seat_status(self.license) == SeatStatus::Live);
        Ok(if unmoved && !is_in { Outcome::Full } else { Outcome::Again })
    }

    fn new_life(&self, seat: Option<u32>) -> Activation {
        let now = self.ctx.now;
        Activation {
            id: ActivationId::generate(self.license.id, self.machine.hash, &mut rand::rng()),
            seat,
            generation: self.license.generation,
            machine_id: self.machine.id.to_owned(),
            machine_name: self.machine.name.map(str::to_owned),
            ip: self.ctx.ip.clone(),
            last_ip: self.ctx.ip.clone(),
            activated_at: now,
            last_heartbeat_at: now,
            lease_expires_at: self.lease(),
            public_key: self.machine.public_key.cloned(),
            ended_at: None,
        }
    }

    fn event(&self, kind: EventType, activation: &Activation, taken_from: Option<&Activation>) -> Event {
        let id = activation.id.to_string();
        let mut data = serde_json::json!({
            "activation_id": id,
            "machine_id": activation.machine_id,
            "machine_name": activation.machine_name,
            "seat": activation.seat,
        });
        if let Some(lapsed) = taken_from {
            data["taken_from"] =
                serde_json::json!({ "activation_id": lapsed.id.to_string(), "machine_id": lapsed.machine_id });
        }
        let actor = Actor { kind: ActorKind::App, id };
        self.ctx.event(&mut IdGenerator::new(self.ctx.now), kind, self.license.id, &actor, data)
    }

    /// Signs, now that the seat is written: a refusal signs nothing, and if signing fails, the repeat is a renewal.
    async fn answer(&self, catalog: &Catalog, product: &Product, activation: &Activation) -> Result<Response, Problem> {
        let now = self.ctx.now;
        let machine = Some((&activation.id, self.machine.id));
        let jti = IdGenerator::new(now).text();
        let claims = Claims::new(self.app.issuer(), jti, self.license, (catalog, product, self.tier), machine, now);
        let token = self.ctx.sign(&self.app.tokens, &claims).await?;
        let handed = EncodedToken::to(activation.public_key.as_ref(), &token)?;
        let interval = SignedDuration::from_secs(i64::from(self.tier.heartbeat_interval_seconds));
        let margin = self.app.settings.clock_margin;
        Ok(Response {
            activation: ActivationResource::new(activation, self.license, margin, now),
            token: handed.token.expose().to_owned(),
            token_type: handed.token_type,
            token_expires_at: seconds(claims.exp),
            heartbeat_interval_seconds: self.tier.heartbeat_interval_seconds,
            next_heartbeat_at: now.checked_add(interval).unwrap_or(Timestamp::MAX),
        })
    }
}

fn outcome(begun: ActivationOutcome) -> Outcome {
    match begun {
        ActivationOutcome::Done(activation) => Outcome::New(activation),
        ActivationOutcome::Lost => Outcome::Again,
    }
}

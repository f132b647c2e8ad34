//! Activates a machine: assigns a seat to it, or renews its activation if it already holds a seat.
//!
//! The seat limit is exact because seats are not counted. A seat is an item with a number below `max_users`. One
//! transaction writes the activation and its seat, on condition that the seat is free. If a condition fails, the
//! request starts again from reading the license. `docs/explanation/seat-protocol.md` explains the conditions.

use axum::{
    extract::{FromRef, State},
    http::StatusCode,
    response::{IntoResponse, Response as HttpResponse},
};
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use serde::{Deserialize, Serialize};
use shared::{
    AppState,
    auth::{AppAuthenticator, AppCredential},
    domain::{
        Activation, ActivationId, Actor, ActorKind, Catalog, Claims, EncryptionKey, EncryptionKeyError, Event,
        EventType, FieldErrorCode, IdGenerator, License, MachineHash, Product, PublicKeyInput, SeatStatus, Secret,
        Tier, ValidationErrors,
        rate_limit::{ActivationRateLimit, Bucket},
        seat::{choose_free_seat, is_machine_id, is_machine_name, lease_end, seat_windows},
    },
    http::{
        Code, Metric, Problem, RequestContext, StrictJson,
        problem::not_in_catalog,
        resources::{ActivationResource, numeric_date},
        responses::{LicenseTokenErrors, ThrottlingErrors, UnusableLicenseErrors},
    },
    store::{
        Backoff, Table,
        activations::{RenewOutcome, Renewal},
        rate_limiter::{self, RateLimitError},
        seats::{ActivationOutcome, NewActivation},
    },
    tokens::EncodedToken,
};
use tokio::sync::OnceCell;
use utoipa::ToSchema;

/// Request to activate a machine: a credential and the machine.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ActivateRequest)]
pub struct Request {
    /// The key string of a license key. Required unless `token` is set.
    #[schema(value_type = Option<String>, example = "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT")]
    pub license_key: Option<Secret>,
    /// A license token, which may be expired or not bound to a machine. Required unless `license_key` is set.
    #[schema(value_type = Option<String>)]
    pub token: Option<Secret>,
    /// Identifier of the machine: 1 to 256 bytes, no control characters. Compared byte by byte, so different Unicode
    /// normalization forms are different machines.
    #[schema(example = "machine-1", min_length = 1, max_length = 256, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub machine_id: String,
    /// Display name of the machine: 1 to 100 bytes, no control or invisible characters.
    #[schema(example = "build-07", min_length = 1, max_length = 100)]
    pub machine_name: Option<String>,
    /// RSA public key of the app, 2048 to 4096 bits, as a JWK or in PEM format (SPKI or PKCS#1). If set, this response
    /// and every heartbeat return tokens encrypted to it (`RSA-OAEP`, `A256CBC-HS512`, `cty: JWT`). If a machine that
    /// already holds a seat omits it, its previous public key stays in use.
    pub public_key: Option<PublicKeyInput>,
}

/// An activation and its license token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ActivateResponse)]
pub struct Response {
    /// The activation.
    pub activation: ActivationResource,
    /// License token for this machine, encrypted if the app sent a public key.
    #[schema(
        example = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl"
    )]
    pub token: String,
    /// `JWT`, or `JWE` for an encrypted token. The app decrypts a JWE and sends the nested JWT in later requests.
    #[schema(example = "JWT")]
    pub token_type: &'static str,
    /// When the token expires (its `exp` claim).
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T13:00:00Z")]
    pub token_expires_at: Timestamp,
    /// How often to send a heartbeat, in seconds.
    #[schema(example = 900)]
    pub heartbeat_interval_seconds: u32,
    /// When to send the first heartbeat.
    #[schema(value_type = String, format = DateTime, example = "2026-01-15T12:15:00Z")]
    pub next_heartbeat_at: Timestamp,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: NotFound SeatLimitReached PublicKeyInvalid;
}

/// Activates a machine.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-activations/activate",
    tag = "consuming apps",
    summary = "Activate a machine",
    description = "Assigns a seat of the license key to the machine and returns a license token. If the machine already holds \
        a seat, renews its activation instead. If every seat is taken, reassigns one whose lease has lapsed.",
    request_body(
        content = Request,
        examples(
            ("by_license_key" = (summary = "With a license key", value = json!({"license_key": "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT", "machine_id": "machine-1", "machine_name": "build-07"}))),
            ("encrypted" = (summary = "With a public key for encrypted tokens", value = json!({"license_key": "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT", "machine_id": "machine-1", "public_key": {"kty": "RSA", "n": "rOqpUGDgeaVONkXmiwVAokYCptFSzezrWX8aEHg1FmYuhfeqlBKNUtFjbcfgkw5_5gE0RSb47GC9meyRbFAUePXPzgyYhHbPBh_gfcyHHx2n62vWbxVjOZUgA0_Gm4X4apx5nthicg_U974rjuBGneBWoN49ivqZoyzJQPgenzYyKlenqFef8EtrZataogBrwvZWnoFPMCEHc9ntNCCbfSCAWut4RFFpYuxW_XlhOURS_zCFFEPjxngPPhTfTNHZjaU9a1awiNig9FiCKt-22Mzw3vW9ZdPHUmLBnXtydcDkNIpEGdDHWhb69oY-q6br91nJcu2p8Du7IAKX2tCruQ", "e": "AQAB"}}))),
            ("by_token" = (summary = "With a license token", value = json!({"token": "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl", "machine_id": "machine-1"}))),
        ),
    ),
    responses(
        (status = 200, body = Response, description = "The machine already holds a seat; its activation is renewed"),
        (status = 201, body = Response, description = "The machine is activated"),
        Errors,
        LicenseTokenErrors,
        UnusableLicenseErrors,
        ThrottlingErrors,
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

/// Activates a machine or renews its activation. Returns whether the activation is new.
///
/// # Errors
///
/// The reason why the license key cannot be used, `seat_limit_reached`, `rate_limited` if the license key's activation
/// rate limit is exceeded, or `unavailable` if concurrent changes exhaust all attempts.
pub async fn activate(app: &AppState, request: &Request, ctx: &RequestContext) -> Result<(bool, Response), Problem> {
    let public_key = check(request)?;
    let (license_key, token) = (request.license_key.as_ref(), request.token.as_ref());
    let credential = AppAuthenticator::from_ref(app).authenticate(license_key, token, ctx).await?;
    let machine = Machine {
        hash: MachineHash::from_machine_id(&request.machine_id),
        id: &request.machine_id,
        name: request.machine_name.as_deref(),
        public_key: public_key.as_ref(),
    };
    let counted = CountedRateLimits::default();
    let mut backoff = Backoff::default();
    loop {
        let (license, found) = read(&app.table, &credential, machine.hash).await?;
        let catalog = app
            .catalog
            .read_containing(&app.table, ctx.now, |catalog| catalog.product_and_tier(&license).is_some())
            .await?;
        let (product, tier) = catalog.product_and_tier(&license).ok_or_else(|| not_in_catalog(&license))?;
        if let Some(refusal) = license.refusal(product.is_active, credential.generation, ctx.now) {
            return Err(refusal.into());
        }
        let attempt = Attempt { app, ctx, license: &license, tier, machine, counted: &counted };
        match attempt.run(found.as_ref()).await? {
            AttemptOutcome::New(activation) => {
                ctx.metrics.count(Metric::Activated);
                return Ok((true, attempt.response(&catalog, product, &activation).await?));
            }
            AttemptOutcome::Renewed(activation) => {
                return Ok((false, attempt.response(&catalog, product, &activation).await?));
            }
            AttemptOutcome::Full => {
                return Err(Problem::new(
                    Code::SeatLimitReached,
                    "every seat of this license key is taken: deactivate a machine first",
                ));
            }
            AttemptOutcome::Retry => backoff.retry().await?,
        }
    }
}

/// Validates the request. Returns the public key of the app, if it sent one.
fn check(request: &Request) -> Result<Option<EncryptionKey>, ValidationErrors> {
    let mut errors = ValidationErrors::default();
    errors.check(
        is_machine_id(&request.machine_id),
        "/machine_id",
        "must be 1 to 256 bytes without control characters",
    );
    let is_valid_name = request.machine_name.as_deref().is_none_or(is_machine_name);
    let detail = "must be 1 to 100 bytes without control or invisible characters";
    errors.check(is_valid_name, "/machine_name", detail);
    AppCredential::check(&mut errors, request.license_key.as_ref(), request.token.as_ref());
    let public_key = request.public_key.as_ref().and_then(|input| {
        let push =
            |error: EncryptionKeyError| errors.push("/public_key", FieldErrorCode::PublicKeyInvalid, error.to_string());
        input.read().map_err(push).ok()
    });
    errors.into_result().map(|()| public_key)
}

/// Reads the license and the machine's activation with consistent reads. Must run after the credential was read: its
/// generation is compared with that of the license.
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

/// One attempt to activate a machine, based on one read of the license and the catalog.
struct Attempt<'a> {
    app: &'a AppState,
    ctx: &'a RequestContext,
    license: &'a License,
    tier: &'a Tier,
    machine: Machine<'a>,
    counted: &'a CountedRateLimits,
}

/// Records which rate limits of the license key have counted this request. Each counts it once, even if the request
/// makes several attempts.
#[derive(Default)]
struct CountedRateLimits {
    search: OnceCell<()>,
    activation: OnceCell<()>,
}

enum AttemptOutcome {
    /// A new activation, with a seat if the license key has a seat limit.
    New(Box<Activation>),
    /// The machine's existing activation, renewed.
    Renewed(Box<Activation>),
    /// Every seat is taken, and no lease has lapsed.
    Full,
    /// A concurrent change: try again from the start.
    Retry,
}

fn rate_limited(exceeded: rate_limiter::RateLimitExceeded) -> Problem {
    Problem::rate_limited(exceeded.seconds, "too many activations of this license key: retry later")
}

impl Attempt<'_> {
    async fn run(&self, found: Option<&Activation>) -> Result<AttemptOutcome, Problem> {
        match found.map(|found| (found, found.seat_status(self.license))) {
            Some((found, SeatStatus::Live)) => self.renew(found).await,
            Some((_, SeatStatus::Newer)) => Ok(AttemptOutcome::Retry),
            Some((previous, SeatStatus::NotLive)) => self.find_seat(Some(previous)).await,
            None => self.find_seat(None).await,
        }
    }

    fn lease_end(&self) -> Timestamp {
        lease_end(self.ctx.now, self.tier.token_ttl_seconds, self.tier.grace_period_seconds)
    }

    async fn renew(&self, live: &Activation) -> Result<AttemptOutcome, Problem> {
        let renewal = Renewal {
            id: live.id,
            generation: self.license.generation,
            lease_expires_at: self.lease_end(),
            at: self.ctx.now,
            ip: &self.ctx.ip,
            machine_name: self.machine.name,
            public_key: self.machine.public_key,
        };
        Ok(match self.app.table.renew(&renewal).await? {
            RenewOutcome::Done(activation) => AttemptOutcome::Renewed(activation),
            RenewOutcome::NotLive => AttemptOutcome::Retry,
        })
    }

    /// Finds a seat for a new activation and takes it. `previous` is the machine's earlier activation, which is no
    /// longer live.
    async fn find_seat(&self, previous: Option<&Activation>) -> Result<AttemptOutcome, Problem> {
        let Some(max_users) = self.license.max_users else { return self.take(None, previous).await };
        // Counted before the first read of a seat, so that an app that retries in a loop cannot exhaust the read
        // capacity of the license's partition.
        self.count_search().await?;
        let scans = self.rate_limit().and_then(|limit| limit.full_scan_bucket(self.license));
        if let Some(scans) = &scans {
            self.app.rate_limiter.check(scans, self.ctx.now).map_err(rate_limited)?;
        }
        let windows = seat_windows(max_users, &mut rand::rng());
        for window in windows {
            let taken = self.app.table.taken_seats(self.license, &window).await?;
            let free = choose_free_seat(&window, &taken, &mut rand::rng());
            if let Some(number) = free {
                return self.take(Some(number), previous).await;
            }
        }
        // Every seat number has been read and is taken.
        let outcome = self.take_over(previous).await?;
        if let (AttemptOutcome::Full, Some(scans)) = (&outcome, &scans) {
            // Counted after the scan: this request has its outcome. `check` above rejects later ones before they scan.
            match self.app.rate_limiter.count(&self.app.table, scans, self.ctx.now).await {
                Ok(()) | Err(RateLimitError::RateLimitExceeded(_)) => {}
                Err(RateLimitError::Store(error)) => return Err(error.into()),
            }
        }
        Ok(outcome)
    }

    fn rate_limit(&self) -> Option<ActivationRateLimit> {
        self.app.settings.rate_limits.activations
    }

    async fn count_search(&self) -> Result<(), Problem> {
        let ttl = self.tier.token_ttl_seconds;
        let bucket = self.rate_limit().and_then(|limit| limit.search_bucket(self.license, self.machine.hash, ttl));
        self.count(&self.counted.search, bucket).await
    }

    async fn count_activation(&self) -> Result<(), Problem> {
        let ttl = self.tier.token_ttl_seconds;
        let bucket = self.rate_limit().and_then(|limit| limit.activation_bucket(self.license, self.machine.hash, ttl));
        self.count(&self.counted.activation, bucket).await
    }

    async fn count(&self, counted: &OnceCell<()>, bucket: Option<Bucket>) -> Result<(), Problem> {
        let Some(bucket) = bucket else { return Ok(()) };
        let count = || self.app.rate_limiter.count(&self.app.table, &bucket, self.ctx.now);
        counted.get_or_try_init(count).await.map_err(|error| match error {
            RateLimitError::RateLimitExceeded(exceeded) => rate_limited(exceeded),
            RateLimitError::Store(error) => error.into(),
        })?;
        Ok(())
    }

    async fn take(&self, seat: Option<u32>, previous: Option<&Activation>) -> Result<AttemptOutcome, Problem> {
        self.count_activation().await?;
        let activation = self.new_activation(seat);
        let event = self.event(EventType::Activated, &activation, None);
        let new = NewActivation { activation: &activation, previous, event: &event };
        Ok(attempt_outcome(self.app.table.take_free_seat(new).await?))
    }

    /// Takes over a seat whose lease has lapsed, chosen at random so that concurrent requests rarely choose the same
    /// one.
    async fn take_over(&self, previous: Option<&Activation>) -> Result<AttemptOutcome, Problem> {
        let lapsed_before = self.ctx.now.checked_sub(self.app.settings.clock_margin).unwrap_or(Timestamp::MIN);
        let start = MachineHash(rand::rng().random());
        let lapsed = self.app.table.sample_lapsed(self.license, lapsed_before, start).await?;
        if lapsed.is_empty() {
            return self.recheck_full().await;
        }
        let lapsed = &lapsed[rand::rng().random_range(0..lapsed.len())];
        if lapsed.id.machine == self.machine.hash {
            return Ok(AttemptOutcome::Retry);
        }
        self.count_activation().await?;
        let activation = self.new_activation(lapsed.seat);
        let event = self.event(EventType::TakenOver, &activation, Some(lapsed));
        let new = NewActivation { activation: &activation, previous, event: &event };
        Ok(attempt_outcome(self.app.table.take_over(new, lapsed, lapsed_before).await?))
    }

    /// Decides between `Full` and `Retry` after no seat was found. The request is refused only if the license still has
    /// the generation and seat limit that the attempt was based on, and the machine still has no seat: a concurrent
    /// request of the same machine may have taken the last one.
    async fn recheck_full(&self) -> Result<AttemptOutcome, Problem> {
        let table = &self.app.table;
        let (license, own) =
            tokio::try_join!(table.license(self.license.id), table.activation(self.license.id, self.machine.hash))?;
        let is_unchanged = license.is_some_and(|license| {
            (license.generation, license.max_users) == (self.license.generation, self.license.max_users)
        });
        let holds_seat = own.is_some_and(|own| own.seat_status(self.license) == SeatStatus::Live);
        Ok(if is_unchanged && !holds_seat { AttemptOutcome::Full } else { AttemptOutcome::Retry })
    }

    fn new_activation(&self, seat: Option<u32>) -> Activation {
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
            lease_expires_at: self.lease_end(),
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

    /// Signs the token and builds the response. Runs after the activation is written, so that a refused request costs
    /// no signature. If signing fails, a retry of the request renews the activation.
    async fn response(
        &self,
        catalog: &Catalog,
        product: &Product,
        activation: &Activation,
    ) -> Result<Response, Problem> {
        let now = self.ctx.now;
        let machine = Some((&activation.id, self.machine.id));
        let jti = IdGenerator::new(now).text();
        let claims = Claims::new(self.app.issuer(), jti, self.license, (catalog, product, self.tier), machine, now);
        let token = self.ctx.sign(&self.app.tokens, &claims).await?;
        let encoded = EncodedToken::new(activation.public_key.as_ref(), &token)?;
        let interval = SignedDuration::from_secs(i64::from(self.tier.heartbeat_interval_seconds));
        let margin = self.app.settings.clock_margin;
        Ok(Response {
            activation: ActivationResource::new(activation, self.license, margin, now),
            token: encoded.token.expose().to_owned(),
            token_type: encoded.token_type,
            token_expires_at: numeric_date(claims.exp),
            heartbeat_interval_seconds: self.tier.heartbeat_interval_seconds,
            next_heartbeat_at: now.checked_add(interval).unwrap_or(Timestamp::MAX),
        })
    }
}

fn attempt_outcome(outcome: ActivationOutcome) -> AttemptOutcome {
    match outcome {
        ActivationOutcome::Done(activation) => AttemptOutcome::New(activation),
        ActivationOutcome::Conflict => AttemptOutcome::Retry,
    }
}

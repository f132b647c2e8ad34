//! Activates a machine: assigns a seat to it, or renews its activation if it already holds a seat.
//!
//! The seat limit is exact because seats are not counted. A seat is an item with a number below `max_users`. One
//! transaction writes the activation and its seat, on condition that the seat is free. If a condition fails, the
//! request starts again from reading the license. `docs/explanation/seat-protocol.md` explains the conditions.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response as HttpResponse},
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::{
    auth::{AppAuthenticator, AppCredential, AppCredentialError},
    domain::{
        Activation, Actor, ActorKind, Catalog, Claims, DescribedActivation, EncryptionKey, IdGenerator, License,
        MachineHash, NotInCatalogError, Product, PublicKeyInput, Refusal, ReportedFacts, SeatStatus, Secret, Tier,
        ValidationErrors,
        seat::{MAX_PROCESS_ID_BYTES, check_instance_id, check_machine_id, check_machine_name, is_instance_id},
    },
    http::{
        Problem, RequestContext, StrictJson,
        extractors::optional_time,
        resources::ActivationResource,
        responses::{LicenseTokenErrors, ThrottlingErrors, UnusableLicenseErrors},
    },
    store::{
        Backoff, StoreError, Table,
        catalog::CatalogCache,
        rate_limiter::{RateLimitError, RateLimitExceeded},
    },
    tokens::{EncodedToken, EncryptError, TokenError, Tokens},
};
use utoipa::ToSchema;

use crate::{
    attempt::{ActivatedBy, Attempt, AttemptOutcome, CountedActivation, Machine, Seats},
    borrow::{BorrowNotAllowedError, BorrowRequest},
};

/// Why a machine was not activated.
#[derive(Debug, thiserror::Error)]
pub enum ActivateError {
    /// The request has invalid values.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// The key string or the token was not accepted.
    #[error(transparent)]
    Credential(#[from] AppCredentialError),
    /// The license key cannot be used.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Every seat is taken, and no lease has lapsed.
    #[error("every seat of this license key is taken: deactivate a machine first")]
    SeatLimitReached {
        /// When the first of the leases that were read lapses; `None` if none was read.
        retry_at: Option<Timestamp>,
    },
    /// The seat cannot be borrowed.
    #[error(transparent)]
    Borrow(#[from] BorrowNotAllowedError),
    /// The rate limit of the license key is exceeded.
    #[error("too many activations of this license key: retry later")]
    TooManyActivations(#[from] RateLimitExceeded),
    /// The tier of the license key is not in the catalog.
    #[error(transparent)]
    NotInCatalog(#[from] NotInCatalogError),
    /// The token could not be signed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The token could not be encrypted.
    #[error(transparent)]
    Encrypt(#[from] EncryptError),
    /// The store failed, or concurrent changes exhausted all attempts.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<RateLimitError> for ActivateError {
    fn from(error: RateLimitError) -> Self {
        match error {
            RateLimitError::RateLimitExceeded(exceeded) => exceeded.into(),
            RateLimitError::Store(error) => error.into(),
        }
    }
}

impl From<ActivateError> for Problem {
    fn from(error: ActivateError) -> Self {
        match error {
            ActivateError::Invalid(errors) => errors.into(),
            ActivateError::Credential(error) => error.into(),
            ActivateError::Refused(refusal) => refusal.into(),
            ActivateError::SeatLimitReached { retry_at } => Self::seat_limit_reached(error.to_string(), retry_at),
            ActivateError::Borrow(error) => error.into(),
            ActivateError::TooManyActivations(exceeded) => {
                Self::rate_limited(exceeded.0.reset_seconds, error.to_string())
            }
            ActivateError::NotInCatalog(error) => error.into(),
            ActivateError::Token(error) => error.into(),
            ActivateError::Encrypt(error) => error.into(),
            ActivateError::Store(error) => error.into(),
        }
    }
}

/// Request to activate a machine: a credential and the machine.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ActivateRequest)]
pub struct Request {
    /// The key string of a license key. Exactly one of `license_key` and `token` is required.
    #[schema(value_type = Option<String>, example = "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT")]
    pub license_key: Option<Secret>,
    /// A license token, which may be expired or not bound to a machine. Exactly one of `license_key` and `token` is
    /// required.
    #[schema(value_type = Option<String>)]
    pub token: Option<Secret>,
    /// Identifier of the machine: 1 to 256 bytes, no control characters. Compared byte by byte, so different Unicode
    /// normalization forms are different machines.
    #[schema(example = "machine-1", min_length = 1, max_length = 256, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub machine_id: String,
    /// Identifier of the running process, unique among the processes on the machine: 1 to 64 bytes, no control characters, and
    /// together with `machine_id` at most 256 bytes. Required if processes hold the seats of the pricing tier, and else not
    /// allowed.
    #[schema(example = "4711-1", min_length = 1, max_length = 64, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub instance_id: Option<String>,
    /// Borrows the seat until then: until then, all tokens are valid, also offline. At most the tier's `max_borrow_seconds` from
    /// now, and no later than the license key expires. An earlier time than that of the present borrow changes nothing.
    #[schema(value_type = Option<String>, format = DateTime, example = "2026-01-22T12:00:00Z")]
    #[serde(default, deserialize_with = "optional_time")]
    pub borrow_until: Option<Timestamp>,
    /// Display name of the machine: 1 to 100 bytes, no control or invisible characters.
    #[schema(example = "build-07", min_length = 1, max_length = 100)]
    pub machine_name: Option<String>,
    /// Version of the app: 1 to 32 bytes, no control or invisible characters. If omitted, the last one stays.
    #[schema(example = "4.2.1", min_length = 1, max_length = 32)]
    pub app_version: Option<String>,
    /// Operating system: 1 to 64 bytes, no control or invisible characters. If omitted, the last one stays.
    #[schema(example = "Windows 11", min_length = 1, max_length = 64)]
    pub os: Option<String>,
    /// Name of the machine in its network: 1 to 64 bytes, no control or invisible characters. If omitted, the last one stays.
    #[schema(example = "build-07.example.com", min_length = 1, max_length = 64)]
    pub hostname: Option<String>,
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
    /// Whether the license key is past its expiry and still honoured.
    #[schema(example = false)]
    pub in_grace: bool,
    /// When a license key that is in grace stops being honoured; null if it is not in grace.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub grace_ends_at: Option<Timestamp>,
}

impl Response {
    fn new(activated: &Activated, clock_margin: SignedDuration, now: Timestamp) -> Self {
        let Activated { license, activation, token, .. } = activated;
        let grace_ends_at = license.grace_ends_at(now);
        Self {
            activation: ActivationResource::new(activation, license, clock_margin, now),
            token: token.token.expose().to_owned(),
            token_type: token.token_type,
            token_expires_at: activated.token_expires_at,
            heartbeat_interval_seconds: activated.heartbeat_interval_seconds,
            next_heartbeat_at: activated.next_heartbeat_at,
            in_grace: grace_ends_at.is_some(),
            grace_ends_at,
        }
    }
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: NotFound SeatLimitReached PublicKeyInvalid BorrowNotAllowed;
}

/// Activates a machine.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-activations/activate",
    operation_id = "activate_machine",
    tag = "apps",
    summary = "Activate a machine",
    description = "Assigns a seat of the license key to the machine and returns a license token. If the machine already holds \
        a seat, renews its activation instead. If every seat is taken, reassigns one whose lease has lapsed. If processes hold \
        the seats of the pricing tier, each process sends an `instance_id` of its own and holds a seat of its own.",
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
pub(crate) async fn handler(
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    State(tokens): State<Tokens>,
    State(authenticator): State<AppAuthenticator>,
    State(seats): State<Seats>,
    ctx: RequestContext,
    StrictJson(request): StrictJson<Request>,
) -> Result<HttpResponse, Problem> {
    let activated = activate(&table, &catalog, &tokens, &authenticator, &seats, &request, &ctx).await?;
    let status = if activated.is_new { StatusCode::CREATED } else { StatusCode::OK };
    let body = Response::new(&activated, seats.clock_margin, ctx.now);
    Ok((status, axum::Json(body)).into_response())
}

/// A machine that holds a seat, and its license token.
#[derive(Debug)]
pub struct Activated {
    /// Whether the activation is new. If false, it is renewed.
    pub is_new: bool,
    /// The license key.
    pub license: License,
    /// The activation and the facts about the machine.
    pub activation: DescribedActivation,
    /// The token, encrypted if the app has a public key.
    pub token: EncodedToken,
    /// When the token expires.
    pub token_expires_at: Timestamp,
    /// How often to send a heartbeat, in seconds.
    pub heartbeat_interval_seconds: u32,
    /// When to send the first heartbeat.
    pub next_heartbeat_at: Timestamp,
}

/// Activates a machine or renews its activation.
pub async fn activate(
    table: &Table,
    catalog: &CatalogCache,
    tokens: &Tokens,
    authenticator: &AppAuthenticator,
    seats: &Seats,
    request: &Request,
    ctx: &RequestContext,
) -> Result<Activated, ActivateError> {
    let public_key = check(request, ctx.now)?;
    let (license_key, token) = (request.license_key.as_ref(), request.token.as_ref());
    let credential = authenticator.authenticate(license_key, token, ctx).await?;
    let ids = (&*request.machine_id, request.instance_id.as_deref());
    let (name, reported) = (request.machine_name.as_deref(), request.reported_facts());
    let machine = Machine { reported, ..Machine::new(ids, name, public_key.as_ref()) };
    let borrow = request.borrow();
    let counted = CountedActivation::default();
    let mut is_new = false;
    let mut backoff = Backoff::default();
    loop {
        let (license, found) = read(table, &credential, machine.hash).await?;
        let catalog = catalog.read_containing(table, ctx.now, |catalog| catalog.covers(&license)).await?;
        let (product, tier) = catalog.product_and_tier(&license).ok_or(NotInCatalogError(license.id))?;
        if let Some(refusal) = license.refusal(product.is_active, credential.generation, ctx.now) {
            return Err(refusal.into());
        }
        let mut errors = ValidationErrors::default();
        check_instance_id(&mut errors, tier.seat_unit, request.instance_id.as_deref());
        errors.into_result()?;
        let live = found.as_ref().filter(|found| found.seat_status(&license) == SeatStatus::Live);
        if let Some(borrow) = borrow.filter(|borrow| live.is_none_or(|live| borrow.extends(live))) {
            borrow.check(tier, &license, live, ctx.now)?;
        }
        let by = ActivatedBy::App;
        let attempt = Attempt { seats, ctx, license: &license, tier, machine, counted: &counted, by };
        let DescribedActivation { activation, facts } = match attempt.run(found.as_ref()).await? {
            AttemptOutcome::New(activation) => {
                is_new = true;
                *activation
            }
            AttemptOutcome::Renewed(activation) => *activation,
            AttemptOutcome::Full(retry_at) => return Err(ActivateError::SeatLimitReached { retry_at }),
            AttemptOutcome::Retry => {
                backoff.retry().await?;
                continue;
            }
        };
        let activation = match borrow.filter(|borrow| borrow.extends(&activation)) {
            None => activation,
            Some(borrow) => {
                let actor = Actor { kind: ActorKind::App, id: activation.id.to_string() };
                let Some(borrowed) = borrow.borrow(table, (&license, tier), &activation, (&actor, ctx)).await? else {
                    backoff.retry().await?;
                    continue;
                };
                *borrowed
            }
        };
        let (token, token_expires_at) = sign(tokens, &license, (&catalog, product, tier), &activation, ctx).await?;
        return Ok(Activated {
            is_new,
            token,
            token_expires_at,
            heartbeat_interval_seconds: tier.heartbeat_interval_seconds,
            next_heartbeat_at: tier.next_heartbeat_at(ctx.now),
            license,
            activation: DescribedActivation { activation, facts },
        });
    }
}

/// Validates the request. Returns the public key of the app, if it sent one.
fn check(request: &Request, now: Timestamp) -> Result<Option<EncryptionKey>, ValidationErrors> {
    let mut errors = ValidationErrors::default();
    check_machine_id(&mut errors, &request.machine_id);
    if let Some(instance_id) = &request.instance_id {
        let detail = "must be 1 to 64 bytes without control characters, and at most 256 bytes with machine_id";
        let length = instance_id.len() + request.machine_id.len();
        errors.check(is_instance_id(instance_id) && length <= MAX_PROCESS_ID_BYTES, "/instance_id", detail);
    }
    if let Some(borrow) = request.borrow() {
        borrow.check_time(&mut errors, now);
    }
    check_machine_name(&mut errors, request.machine_name.as_deref());
    request.reported_facts().check(&mut errors);
    AppCredential::check(&mut errors, request.license_key.as_ref(), request.token.as_ref());
    let public_key = request.public_key.as_ref().and_then(|input| input.check(&mut errors));
    errors.into_result().map(|()| public_key)
}

impl Request {
    fn reported_facts(&self) -> ReportedFacts<'_> {
        ReportedFacts::new([&self.app_version, &self.os, &self.hostname].map(Option::as_deref))
    }

    fn borrow(&self) -> Option<BorrowRequest> {
        self.borrow_until.map(|until| BorrowRequest { pointer: "/borrow_until", until, is_for_license_file: false })
    }
}

/// Reads the license and the machine's activation with consistent reads. Must run after the credential was read: its
/// generation is compared with that of the license.
async fn read(
    table: &Table,
    credential: &AppCredential,
    machine: MachineHash,
) -> Result<(License, Option<Activation>), ActivateError> {
    let (license, found) =
        tokio::try_join!(table.license(credential.license_id), table.activation(credential.license_id, machine))?;
    Ok((license.ok_or(AppCredentialError::NotFound)?, found))
}

/// Signs the token of an activation. Returns it and its expiry. Runs after the activation is written, so that a refused
/// request costs no signature. If signing fails, a retry of the request renews the activation.
async fn sign(
    tokens: &Tokens,
    license: &License,
    product_and_tier: (&Catalog, &Product, &Tier),
    activation: &Activation,
    ctx: &RequestContext,
) -> Result<(EncodedToken, Timestamp), ActivateError> {
    let jti = IdGenerator::new(ctx.now).text();
    let claims = Claims::new(tokens.issuer(), jti, license, product_and_tier, Some(activation), ctx.now);
    let token = ctx.sign(tokens, &claims).await?;
    Ok((EncodedToken::new(activation.public_key.as_ref(), &token)?, claims.expires_at()))
}

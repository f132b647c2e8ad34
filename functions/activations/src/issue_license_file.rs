//! Activates a machine that never reaches the API, and issues a license file for it: a token and the keys to verify it.

use axum::{
    extract::{FromRef, State},
    http::{HeaderValue, StatusCode, header::CONTENT_DISPOSITION},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use shared::{
    AppState,
    auth::{Caller, LicenseAccess},
    domain::{
        Activation, Actor, Catalog, Claims, EncryptionKey, IdGenerator, License, LicenseFile, LicenseFileFormat,
        LicenseId, NotInCatalogError, Product, PublicKeyInput, Scope, SeatStatus, SeatUnit, Tier, Timestamp,
        TokenTimes, ValidationErrors,
        seat::{check_machine_id, check_machine_name, whole_second},
    },
    http::{PathId, Problem, RequestContext, StrictJson, extractors::time, responses::UnusableLicenseErrors},
    store::{
        Backoff, StoreError, Table,
        catalog::CatalogCache,
        renewals::{RenewOutcome, Renewal},
    },
    tokens::{EncodedToken, Tokens},
};
use utoipa::ToSchema;

use crate::{
    activate::ActivateError,
    attempt::{ActivatedBy, Attempt, AttemptOutcome, CountedActivation, Machine, Seats},
    borrow::BorrowRequest,
};

/// Request for a license file of a machine.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = LicenseFileRequest)]
pub struct Request {
    /// Identifier of the machine, as in an activation.
    #[schema(example = "machine-1", min_length = 1, max_length = 256, pattern = r"^[^\x00-\x1f\x7f-\x9f]*$")]
    pub machine_id: String,
    /// Display name of the machine: 1 to 100 bytes, no control or invisible characters.
    #[schema(example = "press-3", min_length = 1, max_length = 100)]
    pub machine_name: Option<String>,
    /// Until when the license file can be used: at most the tier's `max_borrow_seconds` from now, and no later than the license
    /// key expires.
    #[serde(deserialize_with = "time")]
    #[schema(value_type = String, format = DateTime, example = "2026-07-15T12:00:00Z")]
    pub valid_until: Timestamp,
    /// RSA public key of the app, to which the token in the file is encrypted; see activating a machine.
    pub public_key: Option<PublicKeyInput>,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: SeatLimitReached PublicKeyInvalid BorrowNotAllowed RateLimited;
}

/// The parts of the application that issuing a license file uses. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Tools {
    table: Table,
    catalog: CatalogCache,
    tokens: Tokens,
    seats: Seats,
}

impl FromRef<AppState> for Tools {
    fn from_ref(app: &AppState) -> Self {
        Self {
            table: app.table.clone(),
            catalog: CatalogCache::from_ref(app),
            tokens: Tokens::from_ref(app),
            seats: Seats::from_ref(app),
        }
    }
}

/// Activates a machine offline.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/{id}/offline-activations",
    operation_id = "create_offline_activation",
    tag = "activations",
    summary = "Activate a machine offline",
    description = "Assigns a seat of the license key to a machine that never reaches the API, borrows it, and returns a license \
        file. If the machine holds a seat already, renews its activation. Until `valid_until`, only an operator can deactivate the \
        machine.",
    params(("id" = LicenseId, Path, description = "`lic_…`")),
    request_body(
        content = Request,
        example = json!({"machine_id": "machine-1", "machine_name": "press-3", "valid_until": "2026-07-15T12:00:00Z"}),
    ),
    responses(
        (
            status = 200, body = LicenseFile, headers(("Content-Disposition" = String)),
            description = "The machine already holds a seat; its license file is renewed",
        ),
        (
            status = 201, body = LicenseFile, headers(("Content-Disposition" = String)),
            description = "The machine is activated",
        ),
        Errors,
        UnusableLicenseErrors,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(tools): State<Tools>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<Response, Problem> {
    let table = &tools.table;
    let access = caller.license_access(table, Scope::LicensesWrite).await?;
    if access != LicenseAccess::All && !table.license(id).await?.is_some_and(|license| access.includes(&license)) {
        return Err(Problem::not_found());
    }
    let StrictJson(request) = body?;
    let Tools { catalog, tokens, seats, .. } = &tools;
    let by = Issuer { table, catalog, tokens, seats, actor: &caller.actor(), ctx: &ctx };
    // Boxed, because the future is large.
    let (is_new, file) = Box::pin(by.issue(access, id, &request)).await?.ok_or_else(Problem::not_found)?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    // The code of a product has no characters that a file name or a quoted string cannot have.
    let disposition = format!("attachment; filename=\"{}\"", file.file_name());
    let disposition = HeaderValue::try_from(disposition).map_err(|error| Problem::internal(error.to_string()))?;
    Ok((status, [(CONTENT_DISPOSITION, disposition)], axum::Json(file)).into_response())
}

/// What issuing a license file uses.
struct Issuer<'a> {
    table: &'a Table,
    catalog: &'a CatalogCache,
    tokens: &'a Tokens,
    seats: &'a Seats,
    actor: &'a Actor,
    ctx: &'a RequestContext,
}

impl Issuer<'_> {
    /// Activates the machine and issues the file. Returns whether the activation is new, and the file; `None` if there is no
    /// such license key that the caller may access.
    async fn issue(
        &self,
        access: LicenseAccess,
        id: LicenseId,
        request: &Request,
    ) -> Result<Option<(bool, LicenseFile)>, Problem> {
        let public_key = check(request)?;
        let ids = (&*request.machine_id, None);
        let machine = Machine::new(ids, request.machine_name.as_deref(), public_key.as_ref());
        let borrow = BorrowRequest { pointer: "/valid_until", until: request.valid_until, is_for_license_file: true };
        let counted = CountedActivation::default();
        let mut backoff = Backoff::default();
        let mut is_new = false;
        loop {
            let (license, found) = tokio::try_join!(self.table.license(id), self.table.activation(id, machine.hash))?;
            let Some(license) = license.filter(|license| access.includes(license)) else { return Ok(None) };
            let has_tier = |catalog: &Catalog| catalog.product_and_tier(&license).is_some();
            let catalog = self.catalog.read_containing(self.table, self.ctx.now, has_tier).await?;
            let (product, tier) = catalog.product_and_tier(&license).ok_or(NotInCatalogError(license.id))?;
            if let Some(refusal) = license.refusal(product.is_active, license.generation, self.ctx.now) {
                return Err(refusal.into());
            }
            let live = found.as_ref().filter(|found| found.seat_status(&license) == SeatStatus::Live);
            let mut errors = ValidationErrors::default();
            borrow.check_time(&mut errors, self.ctx.now);
            errors.into_result()?;
            if tier.seat_unit == SeatUnit::Process || live.is_none_or(|live| borrow.extends(live)) {
                borrow.check(tier, &license, live, self.ctx.now)?;
            }
            let by = ActivatedBy::Manager(self.actor);
            let (seats, ctx) = (self.seats, self.ctx);
            let attempt = Attempt { seats, ctx, license: &license, tier, machine, counted: &counted, by };
            let activation = match attempt.run(found.as_ref()).await.map_err(ActivateError::from)? {
                AttemptOutcome::New(activation) => {
                    is_new = true;
                    Some(activation.activation)
                }
                AttemptOutcome::Renewed(activation) => Some(activation.activation),
                AttemptOutcome::Full(retry_at) => return Err(ActivateError::SeatLimitReached { retry_at }.into()),
                AttemptOutcome::Retry => None,
            };
            let lent = match &activation {
                Some(activation) => self.lend(&borrow, (&license, tier), activation).await?,
                None => None,
            };
            let Some(lent) = lent else {
                backoff.retry().await?;
                continue;
            };
            let product_and_tier = (&*catalog, product, tier);
            let token = self.sign(&license, product_and_tier, &lent).await?;
            return Ok(Some((is_new, self.file(&product.code, token).await?)));
        }
    }

    /// Borrows the seat, or marks an activation that is borrowed long enough as one with a license file. Returns `None` if it was
    /// changed since it was read.
    async fn lend(
        &self,
        borrow: &BorrowRequest,
        (license, tier): (&License, &Tier),
        activation: &Activation,
    ) -> Result<Option<Box<Activation>>, StoreError> {
        if borrow.extends(activation) {
            return borrow.borrow(self.table, (license, tier), activation, (self.actor, self.ctx)).await;
        }
        let borrowed_until = activation.borrow.map(|borrow| borrow.until);
        let times = TokenTimes::new(whole_second(self.ctx.now), tier, license, borrowed_until);
        let lease = times.lease().max(activation.lease_expires_at);
        let renewal = Renewal {
            id: activation.id,
            generation: activation.generation,
            lease_expires_at: lease,
            at: self.ctx.now,
            ip: &self.ctx.ip,
            public_key: None,
            is_seatless_process: false,
            offline_file_until: borrowed_until,
        };
        Ok(match self.table.renew(&renewal).await? {
            RenewOutcome::Done(activation) => Some(activation),
            RenewOutcome::NotLive => None,
        })
    }

    /// Signs the token of a license file. It ends with the borrow: a machine that never reaches the API has no other end.
    async fn sign(
        &self,
        license: &License,
        product_and_tier: (&Catalog, &Product, &Tier),
        lent: &Activation,
    ) -> Result<String, ActivateError> {
        let (issuer, jti) = (self.tokens.issuer(), IdGenerator::new(self.ctx.now).text());
        let claims = Claims::new(issuer, jti, license, product_and_tier, Some(lent), self.ctx.now);
        let claims = match lent.borrow {
            Some(borrow) => claims.until(borrow.until),
            None => claims,
        };
        let token = self.ctx.sign(self.tokens, &claims).await?;
        Ok(EncodedToken::new(lent.public_key.as_ref(), &token)?.token.expose().to_owned())
    }

    async fn file(&self, product: &str, token: String) -> Result<LicenseFile, Problem> {
        let ring = self.tokens.ring().read_for_publication(self.ctx.now).await?;
        let set = ring.value.valid_signed_set(self.ctx.now);
        let set = set.ok_or_else(|| Problem::unavailable("there is no valid signed key set"))?;
        Ok(LicenseFile {
            format: LicenseFileFormat::V1,
            issuer: self.tokens.issuer().to_owned(),
            product: product.to_owned(),
            token,
            signed_jwks: set.jwt.clone(),
        })
    }
}

/// Validates the request. Returns the public key of the app, if it has one.
fn check(request: &Request) -> Result<Option<EncryptionKey>, ValidationErrors> {
    let mut errors = ValidationErrors::default();
    check_machine_id(&mut errors, &request.machine_id);
    check_machine_name(&mut errors, request.machine_name.as_deref());
    let public_key = request.public_key.as_ref().and_then(|input| input.check(&mut errors));
    errors.into_result().map(|()| public_key)
}

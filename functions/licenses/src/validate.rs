//! Validates a license key or a token. The response is 200 whatever the result. The endpoint only reads.

use std::sync::Arc;

use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::{
    app::Settings,
    auth::{AppAuthenticator, AppCredential, AppCredentialError},
    domain::{
        Activation, ActivationId, Catalog, Claims, License, MachineHash, Refusal, SeatStatus, SeatUnit, Secret,
        ValidationErrors,
        seat::{self, whole_second},
    },
    http::{Problem, RequestContext, StrictJson, resources::LicenseResource, responses::ThrottlingErrors},
    store::{StoreError, Table, catalog::CatalogCache},
};
use utoipa::ToSchema;

use crate::heartbeat::check_instance_id;

/// Why a license key or a token was not validated.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// The request has invalid values.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// The license key or the token could not be read.
    #[error(transparent)]
    Credential(#[from] AppCredentialError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ValidateError> for Problem {
    fn from(error: ValidateError) -> Self {
        match error {
            ValidateError::Invalid(errors) => errors.into(),
            ValidateError::Credential(error) => error.into(),
            ValidateError::Store(error) => error.into(),
        }
    }
}

/// Request to validate a license key or a license token.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ValidateRequest)]
pub struct Request {
    /// The key string of a license key. Exactly one of `license_key` and `token` is required.
    #[schema(value_type = Option<String>, example = "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT")]
    pub license_key: Option<Secret>,
    /// A license token. Exactly one of `license_key` and `token` is required.
    #[schema(value_type = Option<String>)]
    pub token: Option<Secret>,
    /// Identifier of a machine that must hold a seat.
    #[schema(example = "machine-1")]
    pub machine_id: Option<String>,
    /// Identifier of the process on the machine that must hold a seat. With `machine_id`, required if the token is that of a process
    /// or, with a license key, if processes hold the seats of the pricing tier. Else not allowed.
    #[schema(example = "4711-1", min_length = 1, max_length = 64)]
    pub instance_id: Option<String>,
    /// Code of the product that the license must be for.
    #[schema(example = "atlas")]
    pub product: Option<String>,
}

/// The result of a validation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ValidateResponse)]
pub struct Response {
    /// Whether `code` is `valid`.
    #[schema(example = true)]
    pub valid: bool,
    /// `valid`, or the first reason why the license is not valid.
    pub code: Verdict,
    /// Human-readable explanation of `code`.
    #[schema(example = "the license is valid")]
    pub detail: String,
    /// The license without information about the customer; null if it was not found.
    #[schema(required)]
    pub license: Option<LicenseResource>,
    /// Whether the license key is past its expiry and still honoured.
    #[schema(example = false)]
    pub in_grace: bool,
    /// When a license key that is in grace stops being honoured; null if it is not in grace.
    #[schema(value_type = Option<String>, format = DateTime, required)]
    pub grace_ends_at: Option<Timestamp>,
    /// The claims of the token; null without a token with a valid signature.
    #[schema(required)]
    pub claims: Option<Claims>,
}

impl Response {
    fn new(validation: Validation, now: Timestamp) -> Self {
        let Validation { verdict, license, claims } = validation;
        let grace_ends_at = license.as_ref().and_then(|license| license.grace_ends_at(now));
        Self {
            valid: verdict == Verdict::Valid,
            code: verdict,
            detail: verdict.detail().to_owned(),
            in_grace: grace_ends_at.is_some(),
            grace_ends_at,
            license: license.map(|license| LicenseResource::new(&license, None, now).without_customer()),
            claims,
        }
    }
}

/// Result codes, in the order in which they are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ValidationCode, example = "valid")]
pub enum Verdict {
    /// The license key does not exist.
    NotFound,
    /// The token is not a license token of this issuer, or its signature is invalid.
    TokenInvalid,
    /// The license is for another product.
    ProductMismatch,
    /// The license key is revoked.
    Revoked,
    /// The license key is superseded by a newer one.
    Superseded,
    /// The license key is suspended.
    Suspended,
    /// The license key has expired.
    Expired,
    /// The product is not active.
    ProductInactive,
    /// The license key was regenerated after the key string or token was issued.
    GenerationOutdated,
    /// The token has expired.
    TokenExpired,
    /// The machine holds no seat.
    NotActivated,
    /// The token belongs to another machine.
    MachineMismatch,
    /// The lease has lapsed, so another machine can take the seat.
    HeartbeatLapsed,
    /// The license is valid.
    Valid,
}

impl Verdict {
    fn detail(self) -> &'static str {
        match self {
            Self::NotFound => "license key not found",
            Self::TokenInvalid => "invalid license token: not signed by this issuer, or altered",
            Self::ProductMismatch => "the license is for another product",
            Self::Revoked => "license key is revoked",
            Self::Superseded => "license key is superseded by a newer license key",
            Self::Suspended => "license key is suspended",
            Self::Expired => "license key has expired",
            Self::ProductInactive => "product is not active",
            Self::GenerationOutdated => "license key was regenerated; activate again with the new key string",
            Self::TokenExpired => "the token has expired: send a heartbeat to renew it",
            Self::NotActivated => "this machine holds no seat: activate it",
            Self::MachineMismatch => "the token belongs to another machine",
            Self::HeartbeatLapsed => "the lease has lapsed: send a heartbeat before another machine takes the seat",
            Self::Valid => "the license is valid",
        }
    }
}

impl From<Refusal> for Verdict {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Revoked => Self::Revoked,
            Refusal::Superseded => Self::Superseded,
            Refusal::Suspended => Self::Suspended,
            Refusal::Expired => Self::Expired,
            Refusal::ProductInactive => Self::ProductInactive,
            Refusal::GenerationOutdated => Self::GenerationOutdated,
        }
    }
}

/// Validates a license key or a token.
#[utoipa::path(
    post,
    path = "/api/v1.0/license-keys/validate",
    operation_id = "validate_license",
    tag = "apps",
    summary = "Validate a license key or a license token",
    description = "Changes nothing: it does not activate a machine or extend a lease. The status is 200 also if the license is not \
        valid; check `valid`.",
    request_body(
        content = Request,
        examples(
            ("license_key" = (summary = "A license key for a product", value = json!({"license_key": "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT", "product": "atlas"}))),
            ("token" = (summary = "A license token on its machine", value = json!({"token": "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl", "machine_id": "machine-1"}))),
        ),
    ),
    responses(
        (status = 200, description = "The result, also if the license is not valid", body = Response),
        ThrottlingErrors,
    ),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    State(authenticator): State<AppAuthenticator>,
    State(settings): State<Arc<Settings>>,
    ctx: RequestContext,
    StrictJson(request): StrictJson<Request>,
) -> Result<axum::Json<Response>, Problem> {
    let validation = validate(&table, &catalog, &authenticator, settings.clock_margin, &request, &ctx).await?;
    Ok(axum::Json(Response::new(validation, ctx.now)))
}

/// The result of a validation.
#[derive(Debug)]
pub struct Validation {
    /// `Valid`, or the first reason why the license is not valid.
    pub verdict: Verdict,
    /// The license, if it was found.
    pub license: Option<License>,
    /// The claims of a token with a valid signature.
    pub claims: Option<Claims>,
}

/// Validates a license key or a token.
pub async fn validate(
    table: &Table,
    catalog: &CatalogCache,
    authenticator: &AppAuthenticator,
    clock_margin: SignedDuration,
    request: &Request,
    ctx: &RequestContext,
) -> Result<Validation, ValidateError> {
    let (license_key, token) = (request.license_key.as_ref(), request.token.as_ref());
    let mut errors = ValidationErrors::default();
    AppCredential::check(&mut errors, license_key, token);
    errors.into_result()?;
    let without_license = |verdict| Ok(Validation { verdict, license: None, claims: None });
    let credential = match authenticator.authenticate(license_key, token, ctx).await {
        Ok(credential) => credential,
        Err(AppCredentialError::NotFound) => return without_license(Verdict::NotFound),
        Err(AppCredentialError::Token(_) | AppCredentialError::Condemned) => {
            return without_license(Verdict::TokenInvalid);
        }
        Err(error) => return Err(error.into()),
    };
    check_token_instance(&credential, request)?;
    let target = target_machine(&credential, request);
    let (license, activation) = tokio::join!(table.license(credential.license_id), async {
        match target {
            Some((machine, _)) => table.activation(credential.license_id, machine).await,
            None => Ok(None),
        }
    });
    let Some(license) = license? else { return without_license(Verdict::NotFound) };
    let catalog =
        catalog.read_containing(table, ctx.now, |catalog| catalog.product_and_tier(&license).is_some()).await?;
    check_key_instance(&credential, request, catalog.product_and_tier(&license).map(|(_, tier)| tier.seat_unit))?;
    let activation = activation?.filter(|found| target.is_some_and(|(_, id)| id.is_none_or(|id| id == found.id)));
    let check = Check { request, credential: &credential, now: ctx.now, clock_margin };
    let verdict = check.verdict(&catalog, &license, activation.as_ref());
    Ok(Validation { verdict, license: Some(license), claims: credential.claims })
}

/// Returns the machine whose activation is checked, and the id of the activation if a token names it.
fn target_machine(credential: &AppCredential, request: &Request) -> Option<(MachineHash, Option<ActivationId>)> {
    match &credential.claims {
        None => {
            let machine_id = request.machine_id.as_deref()?;
            Some((MachineHash::from_ids(machine_id, request.instance_id.as_deref()), None))
        }
        Some(claims) => {
            let id: ActivationId = claims.activation.as_ref()?.id.parse().ok()?;
            Some((id.machine, Some(id)))
        }
    }
}

/// Rejects an id of a process that the token or a missing machine id does not allow, and a machine without it if the token is that
/// of a process.
fn check_token_instance(credential: &AppCredential, request: &Request) -> Result<(), ValidationErrors> {
    let named = credential.claims.as_ref().and_then(|claims| claims.activation.as_ref());
    let instance_id = request.instance_id.as_deref();
    let mut errors = ValidationErrors::default();
    let detail = "must be 1 to 64 bytes without control characters";
    errors.check(instance_id.is_none_or(seat::is_instance_id), "/instance_id", detail);
    errors.into_result()?;
    match named {
        Some(named) if request.machine_id.is_some() => check_instance_id(named, instance_id),
        None if request.machine_id.is_some() => Ok(()),
        _ => {
            let mut errors = ValidationErrors::default();
            errors.check(instance_id.is_none(), "/instance_id", "requires machine_id");
            errors.into_result()
        }
    }
}

/// Rejects a machine with or without the id of a process, whichever the pricing tier does not allow. With a token of an activation,
/// the token decides.
fn check_key_instance(
    credential: &AppCredential,
    request: &Request,
    unit: Option<SeatUnit>,
) -> Result<(), ValidationErrors> {
    let is_decided = credential.claims.as_ref().is_some_and(|claims| claims.activation.is_some());
    let (false, Some(_), Some(unit)) = (is_decided, &request.machine_id, unit) else { return Ok(()) };
    let mut errors = ValidationErrors::default();
    seat::check_instance_id(&mut errors, unit, request.instance_id.as_deref());
    errors.into_result()
}

struct Check<'a> {
    request: &'a Request,
    credential: &'a AppCredential,
    now: Timestamp,
    clock_margin: SignedDuration,
}

impl Check<'_> {
    /// Checks the reasons in the documented order; the first that applies is returned.
    fn verdict(&self, catalog: &Catalog, license: &License, activation: Option<&Activation>) -> Verdict {
        let product = catalog.products.get(&license.product_id);
        if self.request.product.as_deref().is_some_and(|code| product.is_none_or(|product| product.code != code)) {
            return Verdict::ProductMismatch;
        }
        let is_active = product.is_some_and(|product| product.is_active);
        if let Some(refusal) = license.refusal(is_active, self.credential.generation, self.now) {
            return refusal.into();
        }
        let claims = self.credential.claims.as_ref();
        if claims.is_some_and(|claims| claims.exp <= whole_second(self.now)) {
            return Verdict::TokenExpired;
        }
        let named = claims.and_then(|claims| claims.activation.as_ref());
        if self.request.machine_id.is_none() && named.is_none() {
            return Verdict::Valid;
        }
        let Some(live) = activation.filter(|activation| activation.seat_status(license) == SeatStatus::Live) else {
            return Verdict::NotActivated;
        };
        let is_other = |machine_id: &String| {
            named.is_some_and(|named| named.machine_id != *machine_id || named.instance_id != self.request.instance_id)
        };
        if self.request.machine_id.as_ref().is_some_and(is_other) {
            return Verdict::MachineMismatch;
        }
        if live.is_lapsed(self.clock_margin, self.now) { Verdict::HeartbeatLapsed } else { Verdict::Valid }
    }
}

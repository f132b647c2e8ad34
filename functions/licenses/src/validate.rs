//! Is this license key, or token, good? Always answered with 200, and by reads alone.

use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use shared::{
    AppState,
    auth::{AppCredential, AppCredentialError},
    domain::{
        Activation, ActivationId, Catalog, Claims, License, MachineHash, Refusal, SeatStatus, Secret, ValidationErrors,
        seat::whole_second,
    },
    http::{
        Problem, RequestContext, StrictJson,
        resources::LicenseResource,
        responses::{JsonBody, ServerErrors, Throttled},
    },
};
use utoipa::ToSchema;

/// A license key or a token, and what it should be good for.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ValidateRequest)]
pub struct Request {
    /// The secret that a person types; or else a token.
    #[schema(value_type = Option<String>, example = "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT")]
    pub license_key: Option<Secret>,
    /// A license token; or else a license key.
    #[schema(value_type = Option<String>)]
    pub token: Option<Secret>,
    /// The machine that should hold a seat.
    #[schema(example = "machine-1")]
    pub machine_id: Option<String>,
    /// The code of the product that it should be for.
    #[schema(example = "atlas")]
    pub product: Option<String>,
}

/// The answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ValidateResponse)]
pub struct Response {
    /// Whether `code` is `valid`.
    #[schema(example = true)]
    pub valid: bool,
    /// `valid`, or the first reason that it is not.
    #[schema(example = json!("valid"))]
    pub code: Verdict,
    /// The same for a person.
    #[schema(example = "this license is good")]
    pub detail: String,
    /// The license, where there is one, without what it says of the customer.
    #[schema(required)]
    pub license: Option<LicenseResource>,
    /// What the token says, where its signature holds.
    #[schema(required)]
    pub claims: Option<Claims>,
}

/// What is found, in the order in which reasons are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is no such license key.
    NotFound,
    /// The token's signature does not hold.
    TokenInvalid,
    /// It is for another product.
    ProductMismatch,
    /// It was ended for good.
    Revoked,
    /// Another key took its place.
    Superseded,
    /// It is suspended.
    Suspended,
    /// Its time is over.
    Expired,
    /// The product is switched off.
    ProductInactive,
    /// The key string or token is of an older generation.
    GenerationOutdated,
    /// The token is past its `exp`.
    TokenExpired,
    /// The machine holds no seat.
    NotActivated,
    /// The token belongs to another machine.
    MachineMismatch,
    /// The lease is over: the seat may go to another machine.
    HeartbeatLapsed,
    /// It is good.
    Valid,
}

impl Verdict {
    fn detail(self) -> &'static str {
        match self {
            Self::NotFound => "there is no such license key",
            Self::TokenInvalid => "this is not a license token of this issuer, or its signature does not hold",
            Self::ProductMismatch => "this license is for another product",
            Self::Revoked => "this license key was revoked",
            Self::Superseded => "a newer license key took this one's place",
            Self::Suspended => "this license key is suspended",
            Self::Expired => "this license key has expired",
            Self::ProductInactive => "the product of this license key is not active",
            Self::GenerationOutdated => "this license key was regenerated since",
            Self::TokenExpired => "the token is past its exp: a heartbeat renews it",
            Self::NotActivated => "this machine holds no seat",
            Self::MachineMismatch => "this token was made for another machine",
            Self::HeartbeatLapsed => {
                "the machine's lease is over: a heartbeat extends it while the seat is still its own"
            }
            Self::Valid => "this license is good",
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
    tag = "consuming apps",
    summary = "Ask whether a license key or a token is good",
    request_body(
        content = Request,
        examples(
            ("license_key" = (summary = "A license key, for a product", value = json!({"license_key": "ATLAS-7K3QM-0V2ND-4W8XT-6RJ5H-1CBYE-9QXZT", "product": "atlas"}))),
            ("token" = (summary = "A token, on its machine", value = json!({"token": "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl", "machine_id": "machine-1"}))),
        ),
    ),
    responses(
        (status = 200, description = "The answer, also where it is no", body = Response),
        Throttled,
        JsonBody,
        ServerErrors,
    ),
)]
pub async fn handler(
    State(app): State<AppState>,
    ctx: RequestContext,
    StrictJson(request): StrictJson<Request>,
) -> Result<axum::Json<Response>, Problem> {
    validate(&app, &request, &ctx).await.map(axum::Json)
}

/// Finds the first reason that a license key or a token is not good, if there is one.
pub async fn validate(app: &AppState, request: &Request, ctx: &RequestContext) -> Result<Response, Problem> {
    let (license_key, token) = (request.license_key.as_ref(), request.token.as_ref());
    let mut invalid = ValidationErrors::default();
    AppCredential::check(&mut invalid, license_key, token);
    invalid.into_result()?;
    let credential = match AppCredential::read(app, license_key, token, ctx).await {
        Ok(credential) => credential,
        Err(AppCredentialError::NotFound) => return Ok(answer(Verdict::NotFound, None, None)),
        Err(AppCredentialError::Token(_) | AppCredentialError::Condemned) => {
            return Ok(answer(Verdict::TokenInvalid, None, None));
        }
        Err(error) => return Err(error.into()),
    };
    let looked_at = looked_at(&credential, request.machine_id.as_deref());
    let (license, activation) = tokio::join!(app.table.license(credential.license_id), async {
        match looked_at {
            Some((machine, _)) => app.table.activation(credential.license_id, machine).await,
            None => Ok(None),
        }
    });
    let Some(license) = license? else { return Ok(answer(Verdict::NotFound, None, None)) };
    let catalog = app
        .catalog
        .read_with(&app.table, ctx.now, |catalog| catalog.products.contains_key(&license.product_id))
        .await?;
    let activation = activation?.filter(|found| looked_at.is_some_and(|(_, id)| id.is_none_or(|id| id == found.id)));
    let asked = Asked { request, credential: &credential, now: ctx.now, margin: app.settings.clock_margin };
    let verdict = asked.verdict(&catalog, &license, activation.as_ref());
    let shown = LicenseResource::new(&license, None, ctx.now).without_customer();
    Ok(answer(verdict, Some(shown), credential.claims))
}

/// The machine whose activation decides, and the activation's id where a token names it.
fn looked_at(credential: &AppCredential, machine_id: Option<&str>) -> Option<(MachineHash, Option<ActivationId>)> {
    match &credential.claims {
        None => machine_id.map(|machine_id| (MachineHash::of(machine_id), None)),
        Some(claims) => {
            let id: ActivationId = claims.activation.as_ref()?.id.parse().ok()?;
            Some((id.machine, Some(id)))
        }
    }
}

struct Asked<'a> {
    request: &'a Request,
    credential: &'a AppCredential,
    now: Timestamp,
    margin: SignedDuration,
}

impl Asked<'_> {
    /// The reasons, in their order.
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
        let other = |machine_id: &String| named.is_some_and(|named| named.machine_id != *machine_id);
        if self.request.machine_id.as_ref().is_some_and(other) {
            return Verdict::MachineMismatch;
        }
        if live.is_lapsed(self.margin, self.now) { Verdict::HeartbeatLapsed } else { Verdict::Valid }
    }
}

fn answer(code: Verdict, license: Option<LicenseResource>, claims: Option<Claims>) -> Response {
    Response { valid: code == Verdict::Valid, code, detail: code.detail().to_owned(), license, claims }
}

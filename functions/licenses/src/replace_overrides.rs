//! Replaces the overrides of a license key: exceptions to the features of its tier.

use std::collections::BTreeSet;

use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{
        Actor, Catalog, EntitlementKind, EventData, FeatureId, Grant, IdGenerator, License, LicenseId,
        NotInCatalogError, Override, Scope, Subject, ValidationErrors, catalog::check_limit,
        entitlements::MAX_OVERRIDES, event::payload::LicenseOverridden, license::StateConflict,
    },
    http::{
        IfMatch, IfMatchParams, PathId, PreconditionError, Problem, RequestContext, StrictJson, WithEtag,
        extractors::{JsonObject, nullable, optional_time},
        resources::LicenseResource,
    },
    store::{Backoff, StoreError, Table, license_writes::TransitionOutcome},
};
use utoipa::ToSchema;

/// Why the overrides of a license key were not replaced.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceOverridesError {
    /// The license key does not exist.
    #[error("license key not found")]
    NotFound,
    /// Overrides are invalid.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// The license key is revoked or superseded.
    #[error(transparent)]
    State(#[from] StateConflict),
    /// The tier of the license key is not in the catalog.
    #[error(transparent)]
    NotInCatalog(#[from] NotInCatalogError),
    /// `If-Match` does not match.
    #[error(transparent)]
    Precondition(#[from] PreconditionError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReplaceOverridesError> for Problem {
    fn from(error: ReplaceOverridesError) -> Self {
        match error {
            ReplaceOverridesError::NotFound => Self::not_found(),
            ReplaceOverridesError::Invalid(errors) => errors.into(),
            ReplaceOverridesError::State(error) => error.into(),
            ReplaceOverridesError::NotInCatalog(error) => error.into(),
            ReplaceOverridesError::Precondition(error) => error.into(),
            ReplaceOverridesError::Store(error) => error.into(),
        }
    }
}

/// Request to replace the overrides of a license key.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = ReplaceLicenseOverridesRequest)]
pub struct Request {
    /// All overrides, at most one for each feature. An empty list removes them.
    #[schema(max_items = 20, value_type = Vec<OverrideInput>)]
    pub overrides: Vec<JsonObject<OverrideInput>>,
}

/// An override to set.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = LicenseOverrideInput)]
pub struct OverrideInput {
    /// A feature of the product.
    pub feature_id: FeatureId,
    /// Whether the feature is on. Required for a flag; not allowed for a limit.
    #[schema(nullable = false, example = true)]
    pub enabled: Option<bool>,
    /// The number of the feature, where null means unlimited. Required for a limit; not allowed for a flag.
    #[serde(default, deserialize_with = "nullable")]
    #[schema(value_type = Option<u64>, minimum = 0, maximum = 9_007_199_254_740_991_i64)]
    pub limit: Option<Option<u64>>,
    /// When the override ends, in the future. Then the tier applies again. Null means never.
    #[serde(default, deserialize_with = "optional_time")]
    #[schema(value_type = Option<String>, format = DateTime, example = "2027-01-15T12:00:00Z")]
    pub expires_at: Option<Timestamp>,
    /// A note for operators, of at most 200 bytes in UTF-8. Null means none.
    #[schema(min_length = 1, max_length = 200, example = "Until the new contract is signed")]
    pub note: Option<String>,
}

/// The maximum length of a note, in bytes.
const MAX_NOTE_BYTES: usize = 200;

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: StateConflict FeatureOfOtherProduct;
}

/// Replaces the overrides of a license key.
#[utoipa::path(
    put,
    path = "/api/v1.0/license-keys/{id}/overrides",
    operation_id = "replace_license_overrides",
    tag = "licenses",
    summary = "Replace the overrides of a license key",
    description = "An override is a value of a feature that applies to this license key in place of that of the tier, until it ends. \
        Apps receive it with the next heartbeat. The license key must be active, suspended or expired. Overrides stay if the license \
        key is changed to another tier.",
    params(("id" = LicenseId, Path, description = "`lic_…`"), IfMatchParams),
    request_body(
        content = Request,
        examples(
            ("limit" = (summary = "Raise a limit for some time", value = json!({"overrides": [{
                "feature_id": "feat_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "limit": 5000, "expires_at": "2027-01-15T12:00:00Z",
                "note": "Until the new contract is signed",
            }]}))),
            ("flag" = (summary = "Switch a flag on", value = json!({"overrides": [{
                "feature_id": "feat_01JD8W0V5XK6Q3R7T2N4M8P9ZB", "enabled": true,
            }]}))),
            ("none" = (summary = "Remove all overrides", value = json!({"overrides": []}))),
        ),
    ),
    responses(
        (status = 200, description = "The license key", body = LicenseResource, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["licenses:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<LicenseId>,
    if_match: IfMatch,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<WithEtag<LicenseResource>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let StrictJson(request) = body?;
    Ok(WithEtag(replace_overrides(&table, id, &request, &if_match, &caller.actor(), &ctx).await?))
}

/// Replaces the overrides of a license key if `If-Match` is absent or matches its current version.
pub async fn replace_overrides(
    table: &Table,
    id: LicenseId,
    request: &Request,
    if_match: &IfMatch,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<LicenseResource, ReplaceOverridesError> {
    let catalog = table.catalog().await?.catalog;
    let mut ids = IdGenerator::new(ctx.now);
    let mut backoff = Backoff::default();
    loop {
        let read = table.license_with_metadata(id).await?.ok_or(ReplaceOverridesError::NotFound)?;
        let seats_used = table.seats_used(&read).await?;
        let resource = |license: &License| LicenseResource::new(license, Some(seats_used), ctx.now);
        if_match.check(&resource(&read))?;
        let overrides = check(request, &catalog, &read, ctx.now)?;
        let (_, tier) = catalog.product_and_tier(&read).ok_or(NotInCatalogError(id))?;
        catalog.check_token_size_for_overrides(tier, &overrides).map_err(ValidationErrors::from)?;
        let next = read.clone().override_features(overrides)?;
        let data = EventData::LicenseOverridden(LicenseOverridden::between(&read, &next));
        let event = ctx.event(&mut ids, actor, Subject::License(id), data);
        if table.replace_overrides((&read, &next), &event).await? == TransitionOutcome::Done {
            return Ok(resource(&next));
        }
        backoff.retry().await?;
    }
}

fn check(
    request: &Request,
    catalog: &Catalog,
    license: &License,
    now: Timestamp,
) -> Result<Vec<Override>, ValidationErrors> {
    let mut errors = ValidationErrors::default();
    let count = request.overrides.len();
    errors.check(count <= MAX_OVERRIDES, "/overrides", format!("must have at most {MAX_OVERRIDES} items"));
    errors.into_result()?;
    let mut errors = ValidationErrors::default();
    let mut seen = BTreeSet::new();
    let mut overrides = Vec::new();
    for (index, JsonObject(input)) in request.overrides.iter().enumerate() {
        let at = format!("/overrides/{index}");
        let feature = match catalog.feature_of(license.product_id, input.feature_id) {
            Ok(feature) => feature,
            Err((code, detail)) => {
                errors.push(&format!("{at}/feature_id"), code, detail);
                continue;
            }
        };
        errors.check(seen.insert(feature.id), &format!("{at}/feature_id"), "duplicate feature");
        let is_in_future = input.expires_at.is_none_or(|end| end > now);
        errors.check(is_in_future, &format!("{at}/expires_at"), "must be in the future, or null for never");
        errors.check_short_text(&format!("{at}/note"), input.note.as_deref(), MAX_NOTE_BYTES);
        if let Some(grant) = check_value(&mut errors, &at, feature.kind, input) {
            let OverrideInput { feature_id, expires_at, note, .. } = input.clone();
            overrides.push(Override { feature_id, grant, expires_at, note });
        }
    }
    errors.into_result().map(|()| overrides)
}

/// Returns the value of an override, which must be that of the kind of the feature.
fn check_value(errors: &mut ValidationErrors, at: &str, kind: EntitlementKind, input: &OverrideInput) -> Option<Grant> {
    let (enabled, limit) = (format!("{at}/enabled"), format!("{at}/limit"));
    match kind {
        EntitlementKind::Flag => {
            errors.check(input.limit.is_none(), &limit, "not allowed: the feature is a flag");
            errors.check(input.enabled.is_some(), &enabled, "required: the feature is a flag");
            input.enabled.map(Grant::Flag)
        }
        EntitlementKind::Limit => {
            errors.check(input.enabled.is_none(), &enabled, "not allowed: the feature is a limit");
            errors.check(input.limit.is_some(), &limit, "required: the feature is a limit, where null means unlimited");
            check_limit(errors, &limit, input.limit.flatten());
            input.limit.map(Grant::Limit)
        }
    }
}

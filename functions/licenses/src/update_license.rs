//! Updates the name, the external id and the metadata of a license key.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{
        Actor, EventType, FieldError, FieldErrorCode, IdGenerator, License, LicenseId, Metadata, Scope,
        ValidationErrors, metadata::check_external_id,
    },
    http::{
        Changes, IfMatch, IfMatchParams, MergePatch, MergePatchError, PathId, PreconditionError, Problem,
        RequestContext, UpdateInput, UpdateSchema, WithEtag, resources::LicenseResource,
    },
    store::{Backoff, StoreError, Table, license_writes::UpdateLicenseOutcome},
};
use utoipa::ToSchema;

/// Why a license key was not updated.
#[derive(Debug, thiserror::Error)]
pub enum UpdateLicenseError {
    /// The license key does not exist.
    #[error("license key not found")]
    NotFound,
    /// Fields are invalid.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// The merge patch is invalid.
    #[error(transparent)]
    MergePatch(#[from] MergePatchError),
    /// Another license key has the external id.
    #[error("already used by another license key")]
    ExternalIdTaken,
    /// `If-Match` does not match.
    #[error(transparent)]
    Precondition(#[from] PreconditionError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<UpdateLicenseError> for Problem {
    fn from(error: UpdateLicenseError) -> Self {
        match error {
            UpdateLicenseError::NotFound => Self::not_found(),
            UpdateLicenseError::Invalid(errors) => errors.into(),
            UpdateLicenseError::MergePatch(error) => error.into(),
            UpdateLicenseError::ExternalIdTaken => external_id_taken(&error).into(),
            UpdateLicenseError::Precondition(error) => error.into(),
            UpdateLicenseError::Store(error) => error.into(),
        }
    }
}

/// Returns the field error of an external id that another license key has.
pub(crate) fn external_id_taken(error: &impl ToString) -> FieldError {
    FieldError::at("/external_id", FieldErrorCode::ExternalIdTaken, error.to_string())
}

/// Request to update a license key.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = LicenseKeyRequest, description = "Request to update a license key.")]
pub struct Input {
    /// Display name, of at most 200 bytes in UTF-8. Null means none.
    #[schema(example = "Berlin office", min_length = 1, max_length = 200)]
    name: Option<String>,
    /// The id in another system, 1 to 255 printable ASCII characters; unique among license keys. Null means none.
    #[schema(example = "order-4711", min_length = 1, max_length = 255, pattern = "^[ -~]{1,255}$")]
    external_id: Option<String>,
    /// Values that your programs store with the license key. Null means none.
    #[schema(value_type = Option<Metadata>)]
    metadata: Option<Metadata>,
}

impl UpdateInput for Input {}

/// The schema of the request.
type Request = UpdateSchema<Input>;

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: ExternalIdTaken;
}

/// Updates a license key.
#[utoipa::path(
    patch,
    path = "/api/v1.0/license-keys/{id}",
    operation_id = "update_license_key",
    tag = "licenses",
    summary = "Update a license key",
    description = "Changes the name, the external id and the metadata that are given and keeps all others (JSON Merge Patch, \
        RFC 7396), in any state of the license key. Null clears a field. Tokens contain none of them.",
    params(("id" = LicenseId, Path, description = "`lic_…`"), IfMatchParams),
    request_body(content(
        (Request = "application/merge-patch+json", example = json!({"name": "Berlin office", "metadata": {"order": "A-1042"}})),
        (Request = "application/json", example = json!({"name": "Berlin office", "metadata": {"order": "A-1042"}})),
    )),
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
    body: Result<MergePatch<Input>, Problem>,
) -> Result<WithEtag<LicenseResource>, Problem> {
    caller.require(Scope::LicensesWrite)?;
    let changes = Changes::Merge(body?);
    Ok(WithEtag(update_license(&table, id, &changes, &if_match, &caller.actor(), &ctx).await?))
}

/// Updates a license key if `If-Match` is absent or matches its current version, and if no other license key has the
/// external id.
pub async fn update_license(
    table: &Table,
    id: LicenseId,
    changes: &Changes<Input>,
    if_match: &IfMatch,
    actor: &Actor,
    ctx: &RequestContext,
) -> Result<LicenseResource, UpdateLicenseError> {
    let mut ids = IdGenerator::new(ctx.now);
    let mut backoff = Backoff::default();
    loop {
        let read = table.license_with_metadata(id).await?.ok_or(UpdateLicenseError::NotFound)?;
        let seats_used = table.seats_used(&read).await?;
        let resource = |license: &License| LicenseResource::new(license, Some(seats_used), ctx.now);
        let current = resource(&read);
        if_match.check(&current)?;
        let Input { name, external_id, metadata } = changes.apply(&current)?.into_owned();
        let mut errors = ValidationErrors::default();
        check_labels(&mut errors, name.as_deref(), external_id.as_deref(), metadata.as_ref());
        errors.into_result()?;
        let metadata = Some(metadata.unwrap_or_default());
        let next = License { name, external_id, metadata, ..read.clone() };
        let changed = [
            ("name", read.name != next.name),
            ("external_id", read.external_id != next.external_id),
            ("metadata", read.metadata != next.metadata),
        ];
        // Names of fields only: the values can be personal data, and events are never deleted.
        let changed: Vec<&str> = changed.iter().filter(|(_, is_changed)| *is_changed).map(|(name, _)| *name).collect();
        let event = ctx.event(&mut ids, EventType::Updated, id, actor, serde_json::json!({ "fields": changed }));
        match table.update_license((&read, &next), &event).await? {
            UpdateLicenseOutcome::Done => return Ok(resource(&next)),
            UpdateLicenseOutcome::ExternalIdTaken => return Err(UpdateLicenseError::ExternalIdTaken),
            UpdateLicenseOutcome::Conflict => backoff.retry().await?,
        }
    }
}

/// Checks the name, the external id and the metadata of a license key.
pub(crate) fn check_labels(
    errors: &mut ValidationErrors,
    name: Option<&str>,
    external_id: Option<&str>,
    metadata: Option<&Metadata>,
) {
    if let Some(name) = name {
        let max = License::MAX_NAME_BYTES;
        if name.len() <= max {
            errors.check_name("/name", name, max);
        } else {
            errors.push("/name", FieldErrorCode::InvalidValue, format!("must be at most {max} bytes in UTF-8"));
        }
    }
    check_external_id(errors, external_id);
    if let Some(metadata) = metadata {
        metadata.check(errors);
    }
}

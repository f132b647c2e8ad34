//! Updates the name, the external id and the metadata of a license key, and gives one without a customer to one.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::Caller,
    domain::{
        Actor, CustomerId, EventData, FieldErrorCode, IdGenerator, License, LicenseId, Metadata, NotInCatalogError,
        Scope, Subject, ValidationErrors,
        event::payload::{ChangedFields, LicenseSuperseded},
        license::StateConflict,
    },
    http::{
        Changes, IfMatch, IfMatchParams, MergePatch, MergePatchError, PathId, PreconditionError, Problem,
        RequestContext, UpdateInput, UpdateSchema, WithEtag, resources::LicenseResource,
    },
    store::{Backoff, StoreError, Table, license_writes::UpdateLicenseOutcome},
};
use utoipa::ToSchema;

use crate::{
    assign::{Assignment, assign},
    labels::{check_labels, external_id_taken},
};

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
    /// A license key in this state can't be given to a customer.
    #[error(transparent)]
    State(#[from] StateConflict),
    /// The license key belongs to a product that is not in the catalog.
    #[error(transparent)]
    NotInCatalog(#[from] NotInCatalogError),
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
            UpdateLicenseError::State(error) => error.into(),
            UpdateLicenseError::NotInCatalog(error) => error.into(),
            UpdateLicenseError::ExternalIdTaken => external_id_taken(&error).into(),
            UpdateLicenseError::Precondition(error) => error.into(),
            UpdateLicenseError::Store(error) => error.into(),
        }
    }
}

/// Request to update a license key.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = LicenseKeyRequest, description = "Request to update a license key.")]
pub struct Input {
    /// The customer, for a license key that belongs to none. It becomes the customer's current license key for the product,
    /// as if it were issued now. Immutable once it is set.
    customer_id: Option<CustomerId>,
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
    Errors: ExternalIdTaken StateConflict;
}

/// Updates a license key.
#[utoipa::path(
    patch,
    path = "/api/v1.0/license-keys/{id}",
    operation_id = "update_license_key",
    tag = "licenses",
    summary = "Update a license key",
    description = "Changes the fields that are given and keeps all others (JSON Merge Patch, RFC 7396), in any state of the license \
        key. Null clears a field. Tokens contain none of them but `customer_id`, which can be set once: then the license key must \
        be active or suspended, and supersedes the customer's current one if the product has `one_key_per_customer`.",
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
        let Input { customer_id, name, external_id, metadata } = changes.apply(&current)?.into_owned();
        let mut errors = ValidationErrors::default();
        let customer = check_customer(&mut errors, table, &read, customer_id).await?;
        check_labels(&mut errors, name.as_deref(), external_id.as_deref(), metadata.as_ref());
        errors.into_result()?;
        let metadata = Some(metadata.unwrap_or_default());
        let assigned = match customer {
            Some(customer) => read.clone().assign(customer, ctx.now)?,
            None => read.clone(),
        };
        let next = License { name, external_id, metadata, ..assigned };
        let data = EventData::LicenseUpdated(ChangedFields::new(read.changed_fields(&next)));
        let event = ctx.event(&mut ids, actor, Subject::License(id), data);
        let written = match customer {
            None => table.update_license((&read, &next), None, &event, None).await?,
            Some(customer) => {
                let catalog = table.catalog().await?.catalog;
                let product = catalog.products.get(&read.product_id).ok_or(NotInCatalogError(id))?;
                let data = EventData::LicenseSuperseded(LicenseSuperseded { superseded_by: id });
                let superseded = |old| ctx.event(&mut ids, actor, Subject::License(old), data);
                let assignment = Assignment { read: &read, next: &next, customer, product };
                assign(table, assignment, &event, superseded, None).await?
            }
        };
        match written {
            UpdateLicenseOutcome::Done => return Ok(resource(&next)),
            UpdateLicenseOutcome::ExternalIdTaken => return Err(UpdateLicenseError::ExternalIdTaken),
            // Read again, to report it with the other errors.
            UpdateLicenseOutcome::CustomerErased | UpdateLicenseOutcome::Conflict => backoff.retry().await?,
        }
    }
}

/// Returns the customer that a license key gets, if any. The customer must exist, and cannot be changed.
async fn check_customer(
    errors: &mut ValidationErrors,
    table: &Table,
    read: &License,
    customer: Option<CustomerId>,
) -> Result<Option<CustomerId>, StoreError> {
    if read.customer_id == customer {
        return Ok(None);
    }
    if read.customer_id.is_some() {
        let detail = "the license key belongs to a customer, which cannot be changed".to_owned();
        errors.push("/customer_id", FieldErrorCode::Immutable, detail);
        return Ok(None);
    }
    if let Some(id) = customer
        && table.customer(id).await?.is_none_or(|found| found.customer.erased_at.is_some())
    {
        errors.push("/customer_id", FieldErrorCode::InvalidValue, "customer not found".to_owned());
    }
    Ok(customer)
}

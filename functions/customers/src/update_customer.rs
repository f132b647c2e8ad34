//! Replaces or updates the writable fields of a customer.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{
        Customer, CustomerId, EventData, EventSource, IdGenerator, Scope, Subject, event::payload::ChangedFields,
    },
    http::{
        Changes, IfMatch, IfMatchParams, MergePatch, PathId, Problem, RequestContext, StrictJson, UpdateSchema,
        WithEtag,
    },
    store::{Backoff, Table, customers::ReplaceCustomerOutcome},
};

use crate::customer::{CustomerError, CustomerInput};

/// The schema of the PATCH request.
type UpdateRequest = UpdateSchema<CustomerInput>;

shared::error_responses! {
    /// Errors specific to these endpoints.
    Errors: EmailTaken ExternalIdTaken StateConflict;
}

/// Replaces the writable fields of a customer.
#[utoipa::path(
    put,
    path = "/api/v1.0/customers/{id}",
    operation_id = "replace_customer",
    tag = "customers",
    summary = "Replace a customer",
    description = "Replaces all writable fields. An omitted optional field is reset to null.",
    params(
        ("id" = CustomerId, Path, description = "`cus_…`"),
        IfMatchParams,
    ),
    request_body = CustomerInput,
    responses(
        (status = 200, description = "The customer", body = Customer, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["customers:write"]), ("bearer" = [])),
)]
pub(crate) async fn replace(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<CustomerId>,
    if_match: IfMatch,
    body: Result<StrictJson<CustomerInput>, Problem>,
) -> Result<WithEtag<Customer>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let StrictJson(input) = body?;
    Ok(WithEtag(
        update_customer(&table, id, &Changes::Replace(input), &if_match, &ctx.event_source(caller.actor())).await?,
    ))
}

/// Updates some fields of a customer.
#[utoipa::path(
    patch,
    path = "/api/v1.0/customers/{id}",
    operation_id = "update_customer",
    tag = "customers",
    summary = "Update a customer",
    description = "Changes the given fields and keeps all others (JSON Merge Patch, RFC 7396). Null clears a nullable field.",
    params(
        ("id" = CustomerId, Path, description = "`cus_…`"),
        IfMatchParams,
    ),
    request_body(content(
        (UpdateRequest = "application/merge-patch+json", example = json!({"company": "Analytical Engines"})),
        (UpdateRequest = "application/json", example = json!({"company": "Analytical Engines"})),
    )),
    responses(
        (status = 200, description = "The customer", body = Customer, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["customers:write"]), ("bearer" = [])),
)]
pub(crate) async fn update(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<CustomerId>,
    if_match: IfMatch,
    body: Result<MergePatch<CustomerInput>, Problem>,
) -> Result<WithEtag<Customer>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let changes = Changes::Merge(body?);
    Ok(WithEtag(update_customer(&table, id, &changes, &if_match, &ctx.event_source(caller.actor())).await?))
}

/// Changes a customer if `If-Match` is absent or matches its current version and no other customer has the email
/// address or the external id.
pub async fn update_customer(
    table: &Table,
    id: CustomerId,
    changes: &Changes<CustomerInput>,
    if_match: &IfMatch,
    source: &EventSource,
) -> Result<Customer, CustomerError> {
    let mut ids = IdGenerator::new(source.at);
    let mut backoff = Backoff::default();
    loop {
        let read = table.customer_with_metadata(id).await?.ok_or(CustomerError::NotFound)?;
        if_match.check(&read.customer)?;
        if read.customer.erased_at.is_some() {
            return Err(CustomerError::Erased);
        }
        let input = changes.apply(&read.customer)?;
        input.check()?;
        let customer = Customer {
            name: Some(input.name.clone()),
            email: Some(input.email.clone()),
            company: input.company.clone(),
            external_id: input.external_id.clone(),
            metadata: Some(input.metadata.clone().unwrap_or_default()),
            updated_at: source.at,
            ..read.customer.clone()
        };
        let data = EventData::CustomerUpdated(ChangedFields::new(read.customer.changed_fields(&customer)));
        let event = source.event(&mut ids, Subject::Customer(id), data);
        match table.replace_customer(&read, &customer, &event).await? {
            ReplaceCustomerOutcome::Done => return Ok(customer),
            ReplaceCustomerOutcome::EmailTaken => return Err(CustomerError::EmailTaken),
            ReplaceCustomerOutcome::ExternalIdTaken => return Err(CustomerError::ExternalIdTaken),
            ReplaceCustomerOutcome::Conflict => backoff.retry().await?,
        }
    }
}

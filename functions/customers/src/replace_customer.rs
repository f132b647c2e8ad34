//! Replaces the writable fields of a customer.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{Customer, CustomerId, Scope, Timestamp},
    http::{IfMatch, PathId, Problem, RequestContext, StrictJson, WithEtag},
    store::{Backoff, Table, customers::ReplaceCustomerOutcome},
};

use crate::customer::{CustomerError, CustomerInput};

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: EmailTaken;
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
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to replace. If it is not the current one, nothing is written"),
    ),
    request_body = CustomerInput,
    responses(
        (status = 200, description = "The customer", body = Customer, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["customers:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<CustomerId>,
    if_match: IfMatch,
    body: Result<StrictJson<CustomerInput>, Problem>,
) -> Result<WithEtag<Customer>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let StrictJson(input) = body?;
    Ok(WithEtag(replace_customer(&table, id, &input, &if_match, ctx.now).await?))
}

/// Replaces a customer if `If-Match` is absent or matches its current version and no other customer has the email
/// address.
pub async fn replace_customer(
    table: &Table,
    id: CustomerId,
    input: &CustomerInput,
    if_match: &IfMatch,
    now: Timestamp,
) -> Result<Customer, CustomerError> {
    let mut backoff = Backoff::default();
    loop {
        let read = table.customer(id).await?.ok_or(CustomerError::NotFound)?;
        if_match.check(&read.customer)?;
        input.check()?;
        let customer = Customer {
            name: input.name.clone(),
            email: input.email.clone(),
            company: input.company.clone(),
            updated_at: now,
            ..read.customer.clone()
        };
        match table.replace_customer(&read, &customer).await? {
            ReplaceCustomerOutcome::Done => return Ok(customer),
            ReplaceCustomerOutcome::EmailTaken => return Err(CustomerError::EmailTaken),
            ReplaceCustomerOutcome::Conflict => backoff.retry().await?,
        }
    }
}

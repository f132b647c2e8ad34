//! Replaces the writable fields of a customer.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Customer, CustomerId, Scope, Timestamp, ValidationErrors},
    http::{IfMatch, PathId, Problem, RequestContext, StrictJson, WithEtag},
    store::{Backoff, Table, customers::ReplaceCustomerOutcome},
};
use utoipa::ToSchema;

use crate::create_customer::email_taken;

/// Request to replace a customer.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = ReplaceCustomerRequest)]
pub struct Request {
    /// Name of the person or organization.
    #[schema(example = "Ada Lovelace", min_length = 1, max_length = 200)]
    pub name: String,
    /// Email address; unique among customers, ignoring case.
    #[schema(
        example = "ada@example.com",
        max_length = 254,
        pattern = r"^[!#-\x27*+./0-9:;=?A-Z\[\\\]^_`a-z{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"
    )]
    pub email: String,
    /// Company of the customer.
    #[schema(example = "Analytical Engines", min_length = 1, max_length = 200)]
    pub company: Option<String>,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: EmailTaken;
}

/// Replaces the writable fields of a customer.
#[utoipa::path(
    put,
    path = "/api/v1.0/customers/{id}",
    tag = "customers",
    summary = "Replace a customer",
    description = "Replaces all writable fields. An omitted optional field is reset to null.",
    params(
        ("id" = CustomerId, Path, description = "`cus_…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of the version to replace. If it is not the current one, nothing is written"),
    ),
    request_body = Request,
    responses(
        (status = 200, description = "The customer", body = Customer, headers(("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["customers:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    PathId(id): PathId<CustomerId>,
    if_match: IfMatch,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<WithEtag<Customer>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let StrictJson(request) = body?;
    replace_customer(&app.table, ctx.now, id, &request, &if_match).await.map(WithEtag)
}

/// Replaces a customer if `If-Match` is absent or matches its current version and no other customer has the email
/// address.
pub async fn replace_customer(
    table: &Table,
    now: Timestamp,
    id: CustomerId,
    request: &Request,
    if_match: &IfMatch,
) -> Result<Customer, Problem> {
    let mut backoff = Backoff::default();
    loop {
        let read = table.customer(id).await?.ok_or_else(Problem::not_found)?;
        if_match.check(&read.customer)?;
        let mut errors = ValidationErrors::default();
        Customer::check(&mut errors, &request.name, &request.email, request.company.as_deref());
        errors.into_result()?;
        let customer = Customer {
            name: request.name.clone(),
            email: request.email.clone(),
            company: request.company.clone(),
            updated_at: now,
            ..read.customer.clone()
        };
        match table.replace_customer(&read, &customer).await? {
            ReplaceCustomerOutcome::Done => return Ok(customer),
            ReplaceCustomerOutcome::EmailTaken => return Err(email_taken()),
            ReplaceCustomerOutcome::Conflict => backoff.retry().await?,
        }
    }
}

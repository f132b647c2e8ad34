//! Replaces a customer.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    Services,
    auth::Caller,
    domain::{Customer, CustomerId, Invalid, Scope, Timestamp},
    http::{
        Body, Call, IfMatch, PathId, Problem, Tagged,
        documented::{Always, ById, Known, Matched, Scoped, WithBody},
    },
    store::{Race, Table, customers::Replaced},
};
use utoipa::ToSchema;

use crate::create_customer::email_taken;

/// The customer as it is to be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = ReplaceCustomerRequest)]
pub struct Request {
    /// A person or an organisation.
    #[schema(example = "Ada Lovelace", min_length = 1, max_length = 200)]
    pub name: String,
    /// Unique among customers, whatever its case.
    #[schema(
        example = "ada@example.com",
        max_length = 254,
        pattern = r"^[!#-\x27*+./0-9:;=?A-Z\[\\\]^_`a-z{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"
    )]
    pub email: String,
    /// Where they work.
    #[schema(example = "Analytical Engines", min_length = 1, max_length = 200)]
    pub company: Option<String>,
}

shared::problems! {
    /// What this alone refuses.
    Refused: EmailTaken;
}

/// Replaces a customer.
#[utoipa::path(
    put,
    path = "/api/v1.0/customers/{id}",
    tag = "customers",
    summary = "Replace every writable field of a customer",
    params(
        ("id" = CustomerId, Path, description = "`cus_…`"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` of what is to be replaced"),
    ),
    request_body = Request,
    responses(
        (status = 200, description = "The customer", body = Customer, headers(("ETag" = String))),
        Refused,
        Known,
        Scoped,
        ById,
        Matched,
        WithBody,
        Always,
    ),
    security(("api_key" = ["customers:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    PathId(id): PathId<CustomerId>,
    if_match: IfMatch,
    body: Result<Body<Request>, Problem>,
) -> Result<Tagged<Customer>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let Body(request) = body?;
    replace_customer(&services.table, call.now, id, &request, &if_match).await.map(Tagged)
}

/// Replaces the customer, if it is still what the caller has seen and no other has the e-mail address.
pub async fn replace_customer(
    table: &Table,
    now: Timestamp,
    id: CustomerId,
    request: &Request,
    if_match: &IfMatch,
) -> Result<Customer, Problem> {
    let mut race = Race::default();
    loop {
        let read = table.customer(id).await?.ok_or_else(Problem::not_found)?;
        if_match.check(&read.customer)?;
        let mut invalid = Invalid::default();
        Customer::check(&mut invalid, &request.name, &request.email, request.company.as_deref());
        invalid.finish()?;
        let customer = Customer {
            name: request.name.clone(),
            email: request.email.clone(),
            company: request.company.clone(),
            updated_at: now,
            ..read.customer.clone()
        };
        match table.replace_customer(&read, &customer).await? {
            Replaced::Done => return Ok(customer),
            Replaced::EmailTaken => return Err(email_taken()),
            Replaced::Moved => race.lost().await?,
        }
    }
}

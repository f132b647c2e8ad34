//! Creates a customer.

use axum::extract::State;
use shared::{
    auth::Caller,
    domain::{
        Customer, EventData, EventSource, IdGenerator, Scope, Subject,
        event::payload::{CustomerCreated, CustomerOrigin},
    },
    http::{Problem, Replay, RequestContext, StoredResponse, StrictJson},
    store::{Table, customers::AddCustomerOutcome},
};

use crate::customer::{CustomerError, CustomerInput};

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: EmailTaken ExternalIdTaken;
}

/// Creates a customer.
#[utoipa::path(
    post,
    path = "/api/v1.0/customers",
    operation_id = "create_customer",
    tag = "customers",
    summary = "Create a customer",
    request_body = CustomerInput,
    responses(
        (status = 201, description = "The customer", body = Customer, headers(("Location" = String), ("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["customers:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(table): State<Table>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<CustomerInput>, Problem>,
) -> Result<StoredResponse, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let StrictJson(input) = body?;
    let path = |customer: &Customer| format!("/api/v1.0/customers/{}", customer.id);
    let replay = ctx.idempotency.replay(|customer: &Customer| StoredResponse::created(path(customer), customer));
    let customer = create_customer(&table, input, &ctx.event_source(caller.actor()), &replay).await?;
    replay.response(&customer)
}

/// Creates a customer if no other customer has the email address or the external id.
pub async fn create_customer(
    table: &Table,
    input: CustomerInput,
    source: &EventSource,
    replay: &Replay<'_, Customer>,
) -> Result<Customer, CustomerError> {
    input.check()?;
    let customer = input.into_customer(source.at);
    let data = EventData::CustomerCreated(CustomerCreated { origin: CustomerOrigin::Operator });
    let event = source.event(&mut IdGenerator::new(source.at), Subject::Customer(customer.id), data);
    let completion = replay.completion(&customer).await?;
    match table.add_customer(&customer, &event, completion.as_ref()).await? {
        AddCustomerOutcome::Done => Ok(customer),
        AddCustomerOutcome::EmailTaken => Err(CustomerError::EmailTaken),
        AddCustomerOutcome::ExternalIdTaken => Err(CustomerError::ExternalIdTaken),
    }
}

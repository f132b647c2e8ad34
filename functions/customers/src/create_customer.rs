//! Creates a customer.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    AppState,
    auth::Caller,
    domain::{Customer, FieldError, FieldErrorCode, IdGenerator, Scope, ValidationErrors},
    http::{Created, Problem, RequestContext, StrictJson},
    store::{Table, customers::AddCustomerOutcome},
};
use utoipa::ToSchema;

/// The error for an email address that another customer has. Addresses are unique because registration links users to
/// customers by address.
pub(crate) fn email_taken() -> Problem {
    FieldError::at("/email", FieldErrorCode::EmailTaken, "already used by another customer").into()
}

/// Request to create a customer.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreateCustomerRequest)]
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

/// Creates a customer.
#[utoipa::path(
    post,
    path = "/api/v1.0/customers",
    tag = "customers",
    summary = "Create a customer",
    request_body = Request,
    responses(
        (status = 201, description = "The customer", body = Customer, headers(("Location" = String), ("ETag" = String))),
        Errors,
    ),
    security(("api_key" = ["customers:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    caller: Caller,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<Created<Customer>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let StrictJson(request) = body?;
    let customer = create_customer(&app.table, &ctx, request).await?;
    Ok(Created { location: path_of(&customer), body: customer })
}

/// Creates a customer if no other customer has the email address.
pub async fn create_customer(table: &Table, ctx: &RequestContext, request: Request) -> Result<Customer, Problem> {
    let mut errors = ValidationErrors::default();
    Customer::check(&mut errors, &request.name, &request.email, request.company.as_deref());
    errors.into_result()?;
    let customer = Customer {
        id: IdGenerator::new(ctx.now).generate(),
        name: request.name,
        email: request.email,
        company: request.company,
        subject: None,
        created_at: ctx.now,
        updated_at: ctx.now,
    };
    let completion = ctx.idempotency.created(path_of(&customer), &customer).await?;
    match table.add_customer(&customer, completion.as_ref()).await? {
        AddCustomerOutcome::Done => Ok(customer),
        AddCustomerOutcome::EmailTaken => Err(email_taken()),
    }
}

fn path_of(customer: &Customer) -> String {
    format!("/api/v1.0/customers/{}", customer.id)
}

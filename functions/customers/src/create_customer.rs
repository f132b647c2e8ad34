//! Adds a customer.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    Services,
    auth::Caller,
    domain::{Code, Customer, FieldError, Ids, Invalid, Scope},
    http::{
        Body, Call, Created, Problem,
        documented::{Always, Known, Scoped, WithBody},
    },
    store::{Table, customers::Added},
};
use utoipa::ToSchema;

/// Why there is no such customer: each address belongs to one, as it is how a person is known again.
pub(crate) fn email_taken() -> Problem {
    FieldError::at("/email", Code::EmailTaken, "another customer has this e-mail address").into()
}

/// The customer that is to be.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CreateCustomerRequest)]
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

/// Adds a customer.
#[utoipa::path(
    post,
    path = "/api/v1.0/customers",
    tag = "customers",
    summary = "Add a customer",
    request_body = Request,
    responses(
        (status = 201, description = "The customer", body = Customer, headers(("Location" = String), ("ETag" = String))),
        Refused,
        Known,
        Scoped,
        WithBody,
        Always,
    ),
    security(("api_key" = ["customers:write"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(services): State<Services>,
    caller: Caller,
    call: Call,
    body: Result<Body<Request>, Problem>,
) -> Result<Created<Customer>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let Body(request) = body?;
    let customer = create_customer(&services.table, &call, request).await?;
    Ok(Created { location: path_of(&customer), body: customer })
}

/// Adds a customer, if no other has the e-mail address.
pub async fn create_customer(table: &Table, call: &Call, request: Request) -> Result<Customer, Problem> {
    let mut invalid = Invalid::default();
    Customer::check(&mut invalid, &request.name, &request.email, request.company.as_deref());
    invalid.finish()?;
    let customer = Customer {
        id: Ids::new(call.now).make(),
        name: request.name,
        email: request.email,
        company: request.company,
        subject: None,
        created_at: call.now,
        updated_at: call.now,
    };
    let done = call.once.created(path_of(&customer), &customer).await?;
    match table.add_customer(&customer, done.as_ref()).await? {
        Added::Done => Ok(customer),
        Added::EmailTaken => Err(email_taken()),
    }
}

fn path_of(customer: &Customer) -> String {
    format!("/api/v1.0/customers/{}", customer.id)
}

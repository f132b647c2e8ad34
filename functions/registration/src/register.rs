//! Makes a signed-in user a customer. Again gives the same customer.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response as HttpResponse},
};
use serde::Deserialize;
use shared::{
    AppState,
    auth::{AuthenticatedUser, User},
    domain::{Code, Customer, FieldError, IdGenerator, ValidationErrors},
    http::{
        Created, Problem, RequestContext, StrictJson, WithEtag,
        responses::{Authenticated, Authorized, JsonBody, ServerErrors},
    },
    store::{
        Backoff,
        customers::{RegisterOutcome, VersionedCustomer},
    },
};
use utoipa::ToSchema;

/// What a user says of themselves; the e-mail address is the issuer's word.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RegisterRequest)]
pub struct Request {
    /// A person or an organisation; left out, as the issuer knows the user.
    #[schema(example = "Ada Lovelace", min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// Where they work.
    #[schema(example = "Analytical Engines", min_length = 1, max_length = 200)]
    pub company: Option<String>,
}

shared::problems! {
    /// Errors specific to this endpoint.
    Errors: EmailTaken;
}

/// Registers a user.
#[utoipa::path(
    post,
    path = "/api/v1.0/register",
    tag = "users",
    summary = "Register as a customer; again gives the same customer",
    description = "Only whose e-mail address the issuer has verified is registered. A customer whom an operator made \
                   is linked if nobody is linked yet.",
    request_body = Request,
    responses(
        (status = 200, description = "The user is a customer already, or is now one whom an operator made", body = Customer, headers(("ETag" = String))),
        (status = 201, description = "The customer", body = Customer, headers(("Location" = String), ("ETag" = String))),
        Errors,
        Authenticated,
        Authorized,
        JsonBody,
        ServerErrors,
    ),
    security(("bearer" = [])),
)]
pub(crate) async fn handler(
    State(app): State<AppState>,
    AuthenticatedUser(user): AuthenticatedUser,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<HttpResponse, Problem> {
    let StrictJson(request) = body?;
    let (status, customer) = register(&app, user, &request, &ctx).await?;
    Ok(match status {
        StatusCode::CREATED => Created { location: path_of(&customer), body: customer }.into_response(),
        _ => WithEtag(customer).into_response(),
    })
}

/// The customer whom a user is, made where there is none: 201, else 200. Two registrations at once give one customer.
pub async fn register(
    app: &AppState,
    user: User,
    request: &Request,
    ctx: &RequestContext,
) -> Result<(StatusCode, Customer), Problem> {
    let subject = user.key();
    if let Some(known) = app.table.customer_by_subject(&subject).await? {
        return Ok((StatusCode::OK, known.customer));
    }
    let user = complete(app, user, ctx).await?;
    let new = customer(&user, request, ctx)?;
    let mut backoff = Backoff::default();
    loop {
        // The address first: whoever took it in another registration of this user has the subject as well by then.
        let owner = app.table.customer_by_email(&new.email).await?;
        if let Some(known) = app.table.customer_by_subject(&subject).await? {
            return Ok((StatusCode::OK, known.customer));
        }
        let (status, written, customer) = if let Some(found) = owner {
            link(app, &user, found, ctx).await?
        } else if !user.email_verified {
            return Err(unverified());
        } else {
            let done = ctx.idempotency.created(path_of(&new), &new).await?;
            let written = app.table.register(&new, &subject, done.as_ref()).await?;
            (StatusCode::CREATED, written, new.clone())
        };
        if written == RegisterOutcome::Done {
            return Ok((status, customer));
        }
        backoff.retry().await?;
    }
}

fn path_of(customer: &Customer) -> String {
    format!("/api/v1.0/customers/{}", customer.id)
}

/// Who says an address is theirs, and nobody has looked, must not keep its owner out: an address has one customer.
fn unverified() -> Problem {
    Problem::new(
        Code::Forbidden,
        "the issuer has not verified this e-mail address: verify it there, then sign in again",
    )
}

/// E-mail address and name, where the token has them not.
async fn complete(app: &AppState, user: User, ctx: &RequestContext) -> Result<User, Problem> {
    match &app.oidc {
        Some(oidc) => Ok(oidc.complete(user, ctx.now).await?),
        None => Ok(user),
    }
}

fn customer(user: &User, request: &Request, ctx: &RequestContext) -> Result<Customer, Problem> {
    let Some(email) = user.email.clone() else {
        let detail = "neither the token nor the issuer's userinfo names an e-mail address";
        return Err(FieldError::parameter("Authorization", Code::InvalidValue, detail).into());
    };
    let name = request.name.clone().or_else(|| user.name.clone()).unwrap_or_default();
    let mut invalid = ValidationErrors::default();
    Customer::check(&mut invalid, &name, &email, request.company.as_deref());
    // The address is not in the body: its fault is the token's.
    for error in &mut invalid.0 {
        if error.pointer.as_deref() == Some("/email") {
            (error.pointer, error.parameter) = (None, Some("Authorization".to_owned()));
        }
    }
    invalid.into_result()?;
    Ok(Customer {
        id: IdGenerator::new(ctx.now).make(),
        name,
        email,
        company: request.company.clone(),
        subject: Some(user.subject.clone()),
        created_at: ctx.now,
        updated_at: ctx.now,
    })
}

/// Makes the user the customer who has the address: only if the issuer has verified that it is the user's, and nobody
/// else is this customer.
async fn link(
    app: &AppState,
    user: &User,
    found: VersionedCustomer,
    ctx: &RequestContext,
) -> Result<(StatusCode, RegisterOutcome, Customer), Problem> {
    if !user.email_verified || found.customer.subject.is_some() {
        return Err(Problem::new(Code::EmailTaken, "another customer has this e-mail address"));
    }
    let customer = Customer { subject: Some(user.subject.clone()), updated_at: ctx.now, ..found.customer.clone() };
    let done = ctx.idempotency.ok(&customer).await?;
    let written = app.table.link_subject(&found, &customer, &user.key(), done.as_ref()).await?;
    Ok((StatusCode::OK, written, customer))
}

//! Registers the signed-in user as a customer. Idempotent.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response as HttpResponse},
};
use serde::Deserialize;
use shared::{
    AppState,
    auth::{AuthenticatedUser, User},
    domain::{Customer, IdGenerator, ValidationErrors},
    http::{Code, Created, InputError, Problem, RequestContext, StrictJson, WithEtag},
    store::{
        Backoff,
        customers::{RegisterOutcome, VersionedCustomer},
    },
};
use utoipa::ToSchema;

/// Request to register as a customer. The email address comes from the identity provider.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RegisterRequest)]
pub struct Request {
    /// Name of the person or organization. If omitted, the name from the identity provider.
    #[schema(example = "Ada Lovelace", min_length = 1, max_length = 200)]
    pub name: Option<String>,
    /// Company of the customer.
    #[schema(example = "Analytical Engines", min_length = 1, max_length = 200)]
    pub company: Option<String>,
}

shared::error_responses! {
    /// Errors specific to this endpoint.
    Errors: EmailTaken;
}

/// Registers the signed-in user.
#[utoipa::path(
    post,
    path = "/api/v1.0/register",
    tag = "users",
    summary = "Register as a customer",
    description = "Creates a customer for the signed-in user, or links the user to an existing customer with the same email address \
        that has no user yet. The identity provider must have verified the address. Idempotent: returns the customer of the \
        user if there is one.",
    request_body = Request,
    responses(
        (status = 200, description = "The existing customer that the user is linked to", body = Customer, headers(("ETag" = String))),
        (status = 201, description = "The new customer", body = Customer, headers(("Location" = String), ("ETag" = String))),
        Errors,
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

/// Returns the customer of a user, creating or linking it if necessary. The status is 201 for a new customer, otherwise
/// 200. Concurrent registrations of a user return the same customer.
///
/// # Errors
///
/// `email_taken`, `forbidden` for an unverified email address, or `invalid_value` if the identity provider has no
/// usable name or address.
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
    let new = new_customer(&user, request, ctx)?;
    let mut backoff = Backoff::default();
    loop {
        // The address is read before the subject: a concurrent registration of this user writes both at once, so if it
        // has taken the address, the subject is found too.
        let owner = app.table.customer_by_email(&new.email).await?;
        if let Some(known) = app.table.customer_by_subject(&subject).await? {
            return Ok((StatusCode::OK, known.customer));
        }
        let (status, written, customer) = if let Some(found) = owner {
            link(app, &user, found, ctx).await?
        } else if !user.email_verified {
            return Err(unverified());
        } else {
            let completion = ctx.idempotency.created(path_of(&new), &new).await?;
            let written = app.table.register(&new, &subject, completion.as_ref()).await?;
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

/// The error for an email address that the identity provider has not verified. An unverified address must not block the
/// registration of its owner, because each address belongs to one customer.
fn unverified() -> Problem {
    Problem::new(
        Code::Forbidden,
        "email address not verified: verify it with the identity provider, then sign in again",
    )
}

/// Adds the email address and the name from the userinfo endpoint if the token does not contain them.
async fn complete(app: &AppState, user: User, ctx: &RequestContext) -> Result<User, Problem> {
    match &app.oidc {
        Some(oidc) => Ok(oidc.complete_profile(user, ctx.now).await?),
        None => Ok(user),
    }
}

fn new_customer(user: &User, request: &Request, ctx: &RequestContext) -> Result<Customer, Problem> {
    let Some(email) = user.email.clone() else {
        let detail = "no email address in the token or in the userinfo response of the identity provider";
        return Err(InputError::parameter("Authorization", Code::InvalidValue, detail).into());
    };
    let name = request.name.clone().or_else(|| user.name.clone()).unwrap_or_default();
    let mut errors = ValidationErrors::default();
    Customer::check(&mut errors, &name, &email, request.company.as_deref());
    // The address is not part of the body, so an error of it is reported for the token.
    errors.into_result().map_err(|errors| {
        let mut problem = Problem::from(errors);
        for error in problem.errors.iter_mut().filter(|error| error.pointer.as_deref() == Some("/email")) {
            (error.pointer, error.parameter) = (None, Some("Authorization".to_owned()));
        }
        problem
    })?;
    Ok(Customer {
        id: IdGenerator::new(ctx.now).generate(),
        name,
        email,
        company: request.company.clone(),
        subject: Some(user.subject.clone()),
        created_at: ctx.now,
        updated_at: ctx.now,
    })
}

/// Links the user to the customer that has the email address. Requires a verified address and a customer without a
/// user.
async fn link(
    app: &AppState,
    user: &User,
    found: VersionedCustomer,
    ctx: &RequestContext,
) -> Result<(StatusCode, RegisterOutcome, Customer), Problem> {
    if !user.email_verified || found.customer.subject.is_some() {
        return Err(Problem::new(Code::EmailTaken, "another customer has this email address"));
    }
    let customer = Customer { subject: Some(user.subject.clone()), updated_at: ctx.now, ..found.customer.clone() };
    let completion = ctx.idempotency.ok(&customer).await?;
    let written = app.table.link_subject(&found, &customer, &user.key(), completion.as_ref()).await?;
    Ok((StatusCode::OK, written, customer))
}

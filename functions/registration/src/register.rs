//! Registers the signed-in user as a customer. Idempotent.

use axum::extract::State;
use serde::Deserialize;
use shared::{
    auth::{AuthenticatedUser, Oidc, User, oidc::OidcError},
    domain::{
        Actor, ActorKind, Customer, EventData, EventSource, IdGenerator, Subject, ValidationErrors,
        event::payload::{ChangedFields, CustomerCreated, CustomerOrigin},
    },
    http::{Code, CompletionError, InputError, Problem, Replay, RequestContext, StoredResponse, StrictJson},
    store::{
        Backoff, StoreError, Table,
        customers::{RegisterOutcome, VersionedCustomer},
    },
};
use utoipa::ToSchema;

/// Why a user was not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// The request or the user's profile has invalid values.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// The user's profile has no email address.
    #[error("no email address in the token or in the userinfo response of the identity provider")]
    NoEmail,
    /// A customer has the email address, and the user cannot be linked to it.
    #[error("another customer has this email address")]
    EmailTaken,
    /// The identity provider has not verified the email address. An unverified address must not block the registration
    /// of its owner, because each address belongs to one customer.
    #[error("email address not verified: verify it with the identity provider, then sign in again")]
    EmailUnverified,
    /// The identity provider did not return the user's profile.
    #[error(transparent)]
    Profile(#[from] OidcError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
}

impl From<RegisterError> for Problem {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Invalid(errors) => invalid(errors),
            RegisterError::NoEmail => {
                InputError::parameter("Authorization", Code::InvalidValue, error.to_string()).into()
            }
            RegisterError::EmailTaken => Self::new(Code::EmailTaken, error.to_string()),
            RegisterError::EmailUnverified => Self::new(Code::Forbidden, error.to_string()),
            RegisterError::Profile(error) => error.into(),
            RegisterError::Store(error) => error.into(),
            RegisterError::Completion(error) => error.into(),
        }
    }
}

/// The response to invalid values. The email address is not part of the body, so an error of it is reported for the
/// token.
fn invalid(errors: ValidationErrors) -> Problem {
    let mut problem = Problem::from(errors);
    for error in problem.errors.iter_mut().filter(|error| error.pointer.as_deref() == Some("/email")) {
        (error.pointer, error.parameter) = (None, Some("Authorization".to_owned()));
    }
    problem
}

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
    operation_id = "register_customer",
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
    State(table): State<Table>,
    State(oidc): State<Option<Oidc>>,
    AuthenticatedUser(user): AuthenticatedUser,
    ctx: RequestContext,
    body: Result<StrictJson<Request>, Problem>,
) -> Result<StoredResponse, Problem> {
    let StrictJson(request) = body?;
    let replay = ctx.idempotency.replay(|Registration { customer, is_new }| {
        if *is_new {
            StoredResponse::created(format!("/api/v1.0/customers/{}", customer.id), customer)
        } else {
            StoredResponse::ok(customer)
        }
    });
    replay.response(&register(&table, oidc.as_ref(), user, &request, &ctx, &replay).await?)
}

/// The customer of a user.
#[derive(Debug)]
pub struct Registration {
    /// The customer.
    pub customer: Customer,
    /// Whether the customer is new. If false, the user was or is now linked to it.
    pub is_new: bool,
}

/// Returns the customer of a user, creating or linking it if necessary. Concurrent registrations of a user return the
/// same customer.
pub async fn register(
    table: &Table,
    oidc: Option<&Oidc>,
    user: User,
    request: &Request,
    ctx: &RequestContext,
    replay: &Replay<'_, Registration>,
) -> Result<Registration, RegisterError> {
    let subject = user.key();
    let existing = |customer| Registration { customer, is_new: false };
    if let Some(known) = table.customer_by_subject(&subject).await? {
        return Ok(existing(known.customer));
    }
    // Adds the email address and the name from the userinfo endpoint if the token does not contain them.
    let user = match oidc {
        Some(oidc) => oidc.complete_profile(user, ctx.now).await?,
        None => user,
    };
    let new = new_customer(&user, request, ctx)?;
    let source = ctx.event_source(Actor { kind: ActorKind::User, id: user.subject.clone() });
    let mut backoff = Backoff::default();
    loop {
        // The address is read before the subject: a concurrent registration of this user writes both at once, so if it
        // has taken the address, the subject is found too.
        let owner = table.customer_by_email(new.email.as_deref().unwrap_or_default()).await?;
        if let Some(known) = table.customer_by_subject(&subject).await? {
            return Ok(existing(known.customer));
        }
        let (written, registration) = if let Some(found) = owner {
            link(table, &user, found, &source, replay).await?
        } else if !user.email_verified {
            return Err(RegisterError::EmailUnverified);
        } else {
            let registration = Registration { customer: new.clone(), is_new: true };
            let completion = replay.completion(&registration).await?;
            let data = EventData::CustomerCreated(CustomerCreated { origin: CustomerOrigin::Registration });
            let event = source.event(&mut IdGenerator::new(ctx.now), Subject::Customer(new.id), data);
            (table.register(&new, &subject, &event, completion.as_ref()).await?, registration)
        };
        if written == RegisterOutcome::Done {
            return Ok(registration);
        }
        backoff.retry().await?;
    }
}

fn new_customer(user: &User, request: &Request, ctx: &RequestContext) -> Result<Customer, RegisterError> {
    let email = user.email.clone().ok_or(RegisterError::NoEmail)?;
    let name = request.name.clone().or_else(|| user.name.clone()).unwrap_or_default();
    let mut errors = ValidationErrors::default();
    Customer::check(&mut errors, &name, &email, request.company.as_deref());
    errors.into_result()?;
    Ok(Customer {
        id: IdGenerator::new(ctx.now).generate(),
        name: Some(name),
        email: Some(email),
        company: request.company.clone(),
        subject: Some(user.subject.clone()),
        external_id: None,
        metadata: None,
        created_at: ctx.now,
        updated_at: ctx.now,
        erased_at: None,
    })
}

/// Links the user to the customer that has the email address. Requires a verified address and a customer without a
/// user.
async fn link(
    table: &Table,
    user: &User,
    found: VersionedCustomer,
    source: &EventSource,
    replay: &Replay<'_, Registration>,
) -> Result<(RegisterOutcome, Registration), RegisterError> {
    if !user.email_verified || found.customer.subject.is_some() {
        return Err(RegisterError::EmailTaken);
    }
    let customer = Customer { subject: Some(user.subject.clone()), updated_at: source.at, ..found.customer.clone() };
    let registration = Registration { customer, is_new: false };
    let completion = replay.completion(&registration).await?;
    let changed = found.customer.changed_fields(&registration.customer);
    let data = EventData::CustomerUpdated(ChangedFields::new(changed));
    let event = source.event(&mut IdGenerator::new(source.at), Subject::Customer(found.customer.id), data);
    let states = (&found, &registration.customer);
    let written = table.link_subject(states, &user.key(), &event, completion.as_ref()).await?;
    Ok((written, registration))
}

//! The input of customers and the errors of their commands.

use serde::Deserialize;
use shared::{
    domain::{
        Customer, FieldError, FieldErrorCode, IdGenerator, Metadata, Timestamp, ValidationErrors,
        metadata::check_external_id,
    },
    http::{Code, CompletionError, MergePatchError, PreconditionError, Problem, UpdateInput},
    store::StoreError,
};
use utoipa::ToSchema;

/// Request to create or replace a customer.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[schema(as = CustomerRequest)]
pub struct CustomerInput {
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
    /// The id of the customer in another system, 1 to 255 printable ASCII characters; unique among customers. Null means
    /// none.
    #[schema(example = "crm-4711", min_length = 1, max_length = 255, pattern = "^[ -~]{1,255}$")]
    pub external_id: Option<String>,
    /// Values that your programs store with the customer. Null means none.
    #[schema(value_type = Option<Metadata>)]
    pub metadata: Option<Metadata>,
}

impl UpdateInput for CustomerInput {}

impl CustomerInput {
    /// Returns a new customer with these values, who is no user yet.
    pub fn into_customer(self, now: Timestamp) -> Customer {
        Customer {
            id: IdGenerator::new(now).generate(),
            name: Some(self.name),
            email: Some(self.email),
            company: self.company,
            subject: None,
            external_id: self.external_id,
            metadata: Some(self.metadata.unwrap_or_default()),
            created_at: now,
            updated_at: now,
            erased_at: None,
        }
    }

    /// Checks the fields.
    pub fn check(&self) -> Result<(), ValidationErrors> {
        let mut errors = ValidationErrors::default();
        Customer::check(&mut errors, &self.name, &self.email, self.company.as_deref());
        check_external_id(&mut errors, self.external_id.as_deref());
        if let Some(metadata) = &self.metadata {
            metadata.check(&mut errors);
        }
        errors.into_result()
    }
}

/// Why a customer was not written.
#[derive(Debug, thiserror::Error)]
pub enum CustomerError {
    /// The customer does not exist.
    #[error("not found")]
    NotFound,
    /// Fields are invalid.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// Another customer has the email address. Addresses are unique because registration links users to customers by
    /// address.
    #[error("already used by another customer")]
    EmailTaken,
    /// Another customer has the external id.
    #[error("already used by another customer")]
    ExternalIdTaken,
    /// The customer was erased.
    #[error("the customer was erased and cannot be changed")]
    Erased,
    /// The merge patch is invalid.
    #[error(transparent)]
    MergePatch(#[from] MergePatchError),
    /// `If-Match` does not match.
    #[error(transparent)]
    Precondition(#[from] PreconditionError),
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<CustomerError> for Problem {
    fn from(error: CustomerError) -> Self {
        match error {
            CustomerError::NotFound => Self::not_found(),
            CustomerError::Invalid(errors) => errors.into(),
            CustomerError::EmailTaken => FieldError::at("/email", FieldErrorCode::EmailTaken, error.to_string()).into(),
            CustomerError::ExternalIdTaken => {
                FieldError::at("/external_id", FieldErrorCode::ExternalIdTaken, error.to_string()).into()
            }
            CustomerError::Erased => Self::new(Code::StateConflict, error.to_string()),
            CustomerError::MergePatch(error) => error.into(),
            CustomerError::Precondition(error) => error.into(),
            CustomerError::Completion(error) => error.into(),
            CustomerError::Store(error) => error.into(),
        }
    }
}

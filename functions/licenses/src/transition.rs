//! The common part of revoking, suspending, reinstating, renewing and changing a license key.

use shared::{
    domain::{
        Actor, EventData, IdGenerator, License, LicenseId, NotInCatalogError, Subject, ValidationErrors,
        license::StateConflict,
    },
    http::{Code, CompletionError, Problem, Replay, RequestContext, StoredResponse, resources::LicenseResource},
    store::{
        Backoff, StoreError, Table,
        license_writes::{Transition, TransitionOutcome},
    },
};

/// Why a license key was not suspended, reinstated, renewed or changed.
#[derive(Debug, thiserror::Error)]
pub enum TransitionError {
    /// The license key does not exist.
    #[error("license key not found")]
    NotFound,
    /// The request has invalid values.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// The state of the license key does not allow the transition.
    #[error(transparent)]
    State(#[from] StateConflict),
    /// Borrowed seats would be outside of the new limit.
    #[error("borrowed seats that would be outside of the new limit: {0}")]
    SeatsBorrowed(usize),
    /// The tier of the license key is not in the catalog.
    #[error(transparent)]
    NotInCatalog(#[from] NotInCatalogError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The response could not be stored for replays.
    #[error(transparent)]
    Completion(#[from] CompletionError),
}

impl From<TransitionError> for Problem {
    fn from(error: TransitionError) -> Self {
        match error {
            TransitionError::NotFound => Self::not_found(),
            TransitionError::Invalid(errors) => errors.into(),
            TransitionError::State(conflict) => conflict.into(),
            TransitionError::SeatsBorrowed(_) => Self::new(Code::SeatsBorrowed, error.to_string()),
            TransitionError::NotInCatalog(error) => error.into(),
            TransitionError::Store(error) => error.into(),
            TransitionError::Completion(error) => error.into(),
        }
    }
}

/// A transition and its result, decided from the license that was read.
pub(crate) struct Decision {
    /// The license after the transition.
    pub(crate) next: License,
    pub(crate) transition: Transition,
    /// The data of the event.
    pub(crate) data: EventData,
}

/// Reads a license, decides on a transition, and writes it on condition that the license is unchanged. Retries if it
/// was changed concurrently. Returns the license after the transition.
pub(crate) async fn apply(
    table: &Table,
    id: LicenseId,
    (actor, ctx): (&Actor, &RequestContext),
    replay: &Replay<'_, License>,
    decide: impl Fn(License) -> Result<Decision, TransitionError>,
) -> Result<License, TransitionError> {
    let mut ids = IdGenerator::new(ctx.now);
    let mut backoff = Backoff::default();
    loop {
        let read = table.license_with_metadata(id).await?.ok_or(TransitionError::NotFound)?;
        let Decision { next, transition, data } = decide(read.clone())?;
        let event = ctx.event(&mut ids, actor, Subject::License(id), data);
        let completion = replay.completion(&next).await?;
        if table.transition(transition, (&read, &next), &event, completion.as_ref()).await? == TransitionOutcome::Done {
            return Ok(next);
        }
        backoff.retry().await?;
    }
}

/// Composes the response to the new state of a license key.
pub(crate) fn license_replay(ctx: &RequestContext) -> Replay<'_, License> {
    ctx.idempotency.replay(|license| StoredResponse::ok(&LicenseResource::new(license, None, ctx.now)))
}

/// Checks the reason of a transition.
pub(crate) fn check_reason(reason: Option<&str>) -> Result<(), ValidationErrors> {
    let mut errors = ValidationErrors::default();
    errors.check_text("/reason", reason, 500);
    errors.into_result()
}

//! The common part of suspending, reinstating, renewing and changing a license key.

use shared::{
    domain::{Actor, EventType, IdGenerator, License, LicenseId},
    http::{Problem, RequestContext, resources::LicenseResource},
    store::{
        Backoff, Table,
        license_writes::{Transition, TransitionOutcome},
    },
};

/// A transition and its result, decided from the license that was read.
pub(crate) struct Decision {
    /// The license after the transition.
    pub(crate) next: License,
    pub(crate) transition: Transition,
    /// The `data` of the event.
    pub(crate) data: serde_json::Value,
}

/// Reads a license, decides on a transition, and writes it on condition that the license is unchanged. Retries if it
/// was changed concurrently.
pub(crate) async fn apply(
    table: &Table,
    id: LicenseId,
    kind: EventType,
    (actor, ctx): (&Actor, &RequestContext),
    decide: impl Fn(License) -> Result<Decision, Problem>,
) -> Result<LicenseResource, Problem> {
    let mut ids = IdGenerator::new(ctx.now);
    let mut backoff = Backoff::default();
    loop {
        let read = table.license(id).await?.ok_or_else(Problem::not_found)?;
        let Decision { next, transition, data } = decide(read.clone())?;
        let event = ctx.event(&mut ids, kind, id, actor, data);
        let response = LicenseResource::new(&next, None, ctx.now);
        let completion = ctx.idempotency.ok(&response).await?;
        if table.transition(transition, (&read, &next), &event, completion.as_ref()).await? == TransitionOutcome::Done {
            return Ok(response);
        }
        backoff.retry().await?;
    }
}

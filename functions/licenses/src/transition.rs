//! What suspending, reinstating, renewing and changing have in common.

use shared::{
    domain::{Actor, EventType, IdGenerator, License, LicenseId},
    http::{Problem, RequestContext, resources::LicenseResource},
    store::{
        Backoff, Table,
        license_writes::{Transition, TransitionOutcome},
    },
};

/// A step, decided on a license as it was read.
pub(crate) struct Decision {
    /// The license as it will be.
    pub(crate) next: License,
    pub(crate) transition: Transition,
    /// What the event says of it.
    pub(crate) data: serde_json::Value,
}

/// Reads a license, decides, and writes on condition that the decision still holds; else begins again.
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
        let answer = LicenseResource::new(&next, None, ctx.now);
        let done = ctx.idempotency.ok(&answer).await?;
        if table.transition(transition, (&read, &next), &event, done.as_ref()).await? == TransitionOutcome::Done {
            return Ok(answer);
        }
        backoff.retry().await?;
    }
}

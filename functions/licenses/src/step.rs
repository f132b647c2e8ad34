//! What suspending, reinstating, renewing and changing have in common.

use shared::{
    domain::{Actor, EventType, Ids, License, LicenseId},
    http::{Call, Problem, resources::LicenseResource},
    store::{
        StoreError, Table,
        license_writes::{Step, Stepped},
    },
};

/// How often others may come first.
const TRIES: usize = 10;

/// A step, decided on a license as it was read.
pub(crate) struct Decided {
    /// The license as it will be.
    pub(crate) next: License,
    pub(crate) step: Step,
    /// What the event says of it.
    pub(crate) data: serde_json::Value,
}

/// Reads a license, decides, and writes on condition that the decision still holds; else begins again.
pub(crate) async fn take(
    table: &Table,
    id: LicenseId,
    kind: EventType,
    (actor, call): (&Actor, &Call),
    decide: impl Fn(License) -> Result<Decided, Problem>,
) -> Result<LicenseResource, Problem> {
    let mut ids = Ids::new(call.now);
    for _ in 0..TRIES {
        let read = table.license(id).await?.ok_or_else(Problem::not_found)?;
        let Decided { next, step, data } = decide(read.clone())?;
        let event = call.event(&mut ids, kind, id, actor, data);
        let answer = LicenseResource::new(&next, None, call.now);
        let done = call.once.ok(&answer).await?;
        if table.step(step, (&read, &next), &event, done.as_ref()).await? == Stepped::Done {
            return Ok(answer);
        }
    }
    Err(StoreError::Contended.into())
}

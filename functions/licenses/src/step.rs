//! What suspending, reinstating, renewing and changing have in common.

use shared::{
    domain::{Actor, EventType, Ids, License, LicenseId},
    http::{Call, Problem, resources::LicenseResource},
    store::{
        Race, Table,
        license_writes::{Step, Stepped},
    },
};

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
    let mut race = Race::default();
    loop {
        let read = table.license(id).await?.ok_or_else(Problem::not_found)?;
        let Decided { next, step, data } = decide(read.clone())?;
        let event = call.event(&mut ids, kind, id, actor, data);
        let answer = LicenseResource::new(&next, None, call.now);
        let done = call.once.ok(&answer).await?;
        if table.step(step, (&read, &next), &event, done.as_ref()).await? == Stepped::Done {
            return Ok(answer);
        }
        race.lost().await?;
    }
}

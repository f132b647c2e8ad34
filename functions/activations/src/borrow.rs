//! Borrows the seat of an activation: until the borrow ends, all tokens of the activation are valid, also offline.

use jiff::Timestamp;
use shared::{
    domain::{
        Activation, Actor, Borrow, EventData, IdGenerator, License, SeatUnit, Subject, Tier, TokenTimes,
        ValidationErrors, event::payload::ActivationBorrowed, seat::whole_second,
    },
    http::{Code, Problem, RequestContext},
    store::{
        StoreError, Table,
        borrows::{BorrowOutcome, NewBorrow},
    },
};

/// Why the pricing tier, the license key or the activation does not allow a borrow.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BorrowNotAllowedError(String);

impl From<BorrowNotAllowedError> for Problem {
    fn from(BorrowNotAllowedError(detail): BorrowNotAllowedError) -> Self {
        Self::new(Code::BorrowNotAllowed, detail)
    }
}

/// A seat to borrow.
#[derive(Debug, Clone, Copy)]
pub struct BorrowRequest {
    /// The field of the request that has the time, as a JSON pointer.
    pub pointer: &'static str,
    /// When the borrow ends.
    pub until: Timestamp,
    /// Whether a license file is issued, which works until the borrow ends and which only an operator can end.
    pub is_for_license_file: bool,
}

impl BorrowRequest {
    /// Rejects a time that is not in the future.
    pub fn check_time(&self, errors: &mut ValidationErrors, now: Timestamp) {
        errors.check(self.until > now, self.pointer, "must be in the future");
    }

    /// Returns whether an activation is not borrowed as long.
    pub fn extends(&self, activation: &Activation) -> bool {
        activation.borrow.is_none_or(|borrow| whole_second(borrow.until) < whole_second(self.until))
    }

    /// Rejects a borrow that the pricing tier, the expiry of the license key or the present activation does not allow: a process
    /// keeps its seat after a change to a tier of seats by machine. The time must have been checked.
    pub fn check(
        &self,
        tier: &Tier,
        license: &License,
        live: Option<&Activation>,
        now: Timestamp,
    ) -> Result<(), BorrowNotAllowedError> {
        let max = i64::from(tier.max_borrow_seconds);
        let is_process = live.is_some_and(|live| live.instance_id.is_some());
        let detail = if is_process {
            "a seat that a process holds cannot be borrowed".to_owned()
        } else if tier.seat_unit == SeatUnit::Process || max == 0 {
            "seats of this pricing tier cannot be borrowed".to_owned()
        } else if whole_second(self.until) > whole_second(now) + max {
            format!("seats of this pricing tier can be borrowed for at most {max} seconds")
        } else if license.expires_at.is_some_and(|end| self.until > end) {
            "a seat can be borrowed until the license key expires, and no longer".to_owned()
        } else {
            return Ok(());
        };
        Err(BorrowNotAllowedError(detail))
    }

    /// Starts or extends the borrow of a live activation. The request must have been checked, and must extend the borrow. Returns
    /// `None` if the license key or the activation was changed since it was read.
    pub async fn borrow(
        &self,
        table: &Table,
        (license, tier): (&License, &Tier),
        activation: &Activation,
        (actor, ctx): (&Actor, &RequestContext),
    ) -> Result<Option<Box<Activation>>, StoreError> {
        let until = Timestamp::from_second(whole_second(self.until)).unwrap_or(self.until);
        let times = TokenTimes::new(whole_second(ctx.now), tier, license, Some(until));
        let lease_expires_at = times.lease().max(activation.lease_expires_at);
        let data = EventData::ActivationBorrowed(ActivationBorrowed {
            activation_id: activation.id,
            machine_id: activation.machine_id.clone(),
            borrowed_until: until,
            license_file: self.is_for_license_file,
        });
        let event = ctx.event(&mut IdGenerator::new(ctx.now), actor, Subject::Activation(activation.id), data);
        let new = NewBorrow {
            license,
            activation,
            borrow: Borrow { until, max_seconds: tier.max_borrow_seconds },
            lease_expires_at,
            offline_file_until: self.is_for_license_file.then_some(until),
            ip: &ctx.ip,
            event: &event,
        };
        Ok(match table.borrow(&new).await? {
            BorrowOutcome::Done(activation) => Some(activation),
            BorrowOutcome::Conflict => None,
        })
    }
}

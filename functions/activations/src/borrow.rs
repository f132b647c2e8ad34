//! Borrows the seat of an activation: until the borrow ends, all tokens of the activation are valid, also offline.

use jiff::Timestamp;
use shared::{
    domain::{
        Activation, Actor, Borrow, EventType, FieldErrorCode, IdGenerator, License, SeatUnit, Tier, TokenTimes,
        ValidationErrors, seat::whole_second,
    },
    http::{Code, Problem, RequestContext},
    store::{
        StoreError, Table,
        borrows::{BorrowOutcome, NewBorrow},
    },
};

/// Why a seat cannot be borrowed.
#[derive(Debug, thiserror::Error)]
pub enum BorrowError {
    /// The time is not in the future.
    #[error(transparent)]
    Invalid(#[from] ValidationErrors),
    /// The pricing tier or the license key does not allow it.
    #[error("{0}")]
    NotAllowed(String),
}

impl From<BorrowError> for Problem {
    fn from(error: BorrowError) -> Self {
        match error {
            BorrowError::Invalid(errors) => errors.into(),
            BorrowError::NotAllowed(detail) => Self::new(Code::BorrowNotAllowed, detail),
        }
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
    pub fn check_time(&self, now: Timestamp) -> Result<(), ValidationErrors> {
        let mut errors = ValidationErrors::default();
        if self.until <= now {
            errors.push(self.pointer, FieldErrorCode::InvalidValue, "must be in the future");
        }
        errors.into_result()
    }

    /// Returns whether an activation is not borrowed as long.
    pub fn extends(&self, activation: &Activation) -> bool {
        activation.borrow.is_none_or(|borrow| whole_second(borrow.until) < whole_second(self.until))
    }

    /// Rejects a borrow that the pricing tier, the expiry of the license key or the present activation does not allow: a process
    /// keeps its seat after a change to a tier of seats by machine.
    pub fn check(
        &self,
        tier: &Tier,
        license: &License,
        live: Option<&Activation>,
        now: Timestamp,
    ) -> Result<(), BorrowError> {
        self.check_time(now)?;
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
        Err(BorrowError::NotAllowed(detail))
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
        let data = serde_json::json!({
            "activation_id": activation.id.to_string(), "machine_id": activation.machine_id, "borrowed_until": until,
            "license_file": self.is_for_license_file,
        });
        let event = ctx.event(&mut IdGenerator::new(ctx.now), EventType::Borrowed, license.id, actor, data);
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

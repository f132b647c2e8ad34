//! Machines, the seats that they hold, and the leases that keep them.

use std::{borrow::Cow, fmt, str::FromStr};

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, RngExt};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::{
    encryption_key::EncryptionKey,
    id::{Id, LicenseId},
    license::License,
    secret::sha256,
    text::has_invisible_chars,
};

/// SHA-256 of a machine id: names a machine in the table's keys, whatever characters its id is made of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MachineHash(pub [u8; 32]);

/// Whether an app may call a machine so. It is the app's own name for it, which nobody reads aloud: look-alikes, and
/// forms of one letter that differ in their bytes, are different machines.
pub fn is_machine_id(text: &str) -> bool {
    (1..=256).contains(&text.len()) && !text.contains(char::is_control)
}

/// Whether people may call a machine so.
pub fn is_machine_name(text: &str) -> bool {
    (1..=100).contains(&text.len()) && !has_invisible_chars(text)
}

impl MachineHash {
    /// The hash of a machine id.
    pub fn of(machine_id: &str) -> Self {
        Self(sha256(machine_id.as_bytes()))
    }
}

impl fmt::Display for MachineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for MachineHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MachineHash {
    type Err = ParseActivationIdError;

    fn from_str(text: &str) -> Result<Self, ParseActivationIdError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| ParseActivationIdError)?;
        bytes.try_into().map(Self).map_err(|_| ParseActivationIdError)
    }
}

/// The random part of an activation's id: tells two lives of one machine apart, and lets a retry recognise its own
/// success.
pub type ActivationNonce = [u8; 10];

/// The id of an activation, `act_…`: the license, the machine's hash and a random part. It finds the item without a
/// look-up, and an id of an earlier life never names a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivationId {
    /// The license whose seat is held.
    pub license: LicenseId,
    /// The machine that holds it.
    pub machine: MachineHash,
    /// Drawn when the activation began.
    pub life: ActivationNonce,
}

/// A text that is no activation's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no activation id")]
pub struct ParseActivationIdError;

impl ActivationId {
    /// A new life of a machine on a license.
    pub fn generate(license: LicenseId, machine: MachineHash, random: &mut impl Rng) -> Self {
        Self { license, machine, life: random.random() }
    }
}

/// For the documentation: the id of `machine-1`.
const EXAMPLE: &str = "act_01JD8W0V5XK6Q3R7T2N4M8P9ZB_f7a7266df8b420793d51b92561955db28792ce00570593d47d44d954189b3685_\
                       5f2b8c1d9e3a4706b81c";

impl PartialSchema for ActivationId {
    fn schema() -> RefOr<Schema> {
        // What is in it is nobody's business: an id is for sending back.
        let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^act_[0-9A-Za-z_]+$"));
        text.examples([EXAMPLE]).into()
    }
}

impl ToSchema for ActivationId {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ActivationId")
    }
}

impl fmt::Display for ActivationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "act_{}_{}_{}", self.license.ulid(), self.machine, HEXLOWER.encode(&self.life))
    }
}

impl FromStr for ActivationId {
    type Err = ParseActivationIdError;

    /// Takes only the one spelling that `Display` gives.
    fn from_str(text: &str) -> Result<Self, ParseActivationIdError> {
        let mut parts = text.split('_');
        let (Some("act"), Some(license), Some(machine), Some(life), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseActivationIdError);
        };
        let life = HEXLOWER.decode(life.as_bytes()).map_err(|_| ParseActivationIdError)?;
        let id = Self {
            license: Id::of(ulid::Ulid::from_string(license).map_err(|_| ParseActivationIdError)?),
            machine: machine.parse()?,
            life: life.try_into().map_err(|_| ParseActivationIdError)?,
        };
        if id.to_string() == text { Ok(id) } else { Err(ParseActivationIdError) }
    }
}

/// One machine that holds a seat, or held one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// `act_…`
    pub id: ActivationId,
    /// The seat's number; none where the license had no limit.
    pub seat: Option<u32>,
    /// The license's generation when it began.
    pub generation: u32,
    /// What the app calls the machine.
    pub machine_id: String,
    /// What people call it.
    pub machine_name: Option<String>,
    /// Where it was when it activated.
    pub ip: String,
    /// Where it last was.
    pub last_ip: String,
    /// When this life began.
    pub activated_at: Timestamp,
    /// When it last gave a sign of life.
    pub last_heartbeat_at: Timestamp,
    /// Until when no other machine may have the seat.
    pub lease_expires_at: Timestamp,
    /// What its tokens are encrypted to, if the app gave a key.
    pub public_key: Option<EncryptionKey>,
    /// When it ended, if it did.
    pub ended_at: Option<Timestamp>,
}

/// What an activation item means for a request that read its license.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatStatus {
    /// It holds its seat.
    Live,
    /// It holds none: ended, of a lower generation, or by the limit.
    Dead,
    /// It is of a higher generation than the license that was read: what was read is old.
    Newer,
}

impl Activation {
    /// What this item means under `license`. A lapsed one is live until another machine has taken its seat.
    pub fn seat_status(&self, license: &License) -> SeatStatus {
        if self.ended_at.is_none() && self.generation > license.generation {
            SeatStatus::Newer
        } else if self.ended_at.is_none() && self.generation == license.generation && license.seat_counts(self.seat) {
            SeatStatus::Live
        } else {
            SeatStatus::Dead
        }
    }

    /// Whether another machine may have the seat: the lease has ended, by more than clocks may differ.
    pub fn is_lapsed(&self, clock_margin: SignedDuration, now: Timestamp) -> bool {
        is_lapsed(self.lease_expires_at, clock_margin, now)
    }
}

/// Whether a lease has ended, by more than clocks may differ.
pub fn is_lapsed(lease_expires_at: Timestamp, clock_margin: SignedDuration, now: Timestamp) -> bool {
    lease_expires_at.checked_add(clock_margin).is_ok_and(|end| end <= now)
}

/// The whole second that `now` is in: what a token's `iat` is, and what its `exp` and its lease count from.
pub fn whole_second(now: Timestamp) -> i64 {
    now.as_millisecond().div_euclid(1000)
}

/// The lease that covers a token made now: its `exp`, had the license no end, plus the grace period.
pub fn lease(now: Timestamp, token_ttl_seconds: u32, grace_period_seconds: u32) -> Timestamp {
    let seconds = whole_second(now) + i64::from(token_ttl_seconds) + i64::from(grace_period_seconds);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

/// A window of seat numbers, `start..end`.
pub type SeatWindow = std::ops::Range<u32>;

/// How many seats are read at once: about four read units, so that a license of ten thousand seats is not read whole
/// to find one that is free.
pub const WINDOW: u32 = 128;

/// All seat numbers below `max_users`, as windows from a random start, so that machines that activate at once look in
/// different places.
pub fn windows(max_users: u32, random: &mut impl Rng) -> Vec<SeatWindow> {
    let start = if max_users <= WINDOW { 0 } else { random.random_range(0..max_users) };
    let cut = |from: u32, to: u32| {
        (from..to).step_by(WINDOW as usize).map(move |start| start..to.min(start.saturating_add(WINDOW)))
    };
    cut(start, max_users).chain(cut(0, start)).collect()
}

/// One of the numbers of a window that nobody in `taken` holds, at random.
pub fn choose_free(window: &SeatWindow, taken: &[u32], random: &mut impl Rng) -> Option<u32> {
    let free: Vec<u32> = window.clone().filter(|number| !taken.contains(number)).collect();
    (!free.is_empty()).then(|| free[random.random_range(0..free.len())])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    proptest! {
        #[test]
        fn windows_hold_every_number_once(max_users in 1..2000_u32, seed in any::<u64>()) {
            let windows = windows(max_users, &mut StdRng::seed_from_u64(seed));
            let mut numbers: Vec<u32> = windows.into_iter().flatten().collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..max_users).collect::<Vec<_>>());
        }

        #[test]
        fn a_chosen_seat_is_free_and_there_is_one_unless_all_are_taken(
            taken in proptest::collection::vec(0..40_u32, 0..60), start in 0..40_u32, seed in any::<u64>(),
        ) {
            let window = start..40;
            match choose_free(&window, &taken, &mut StdRng::seed_from_u64(seed)) {
                Some(number) => prop_assert!(window.contains(&number) && !taken.contains(&number)),
                None => prop_assert!(window.clone().all(|number| taken.contains(&number))),
            }
        }

        /// No token that was covered by a lease can still be honoured when the lease has lapsed.
        #[test]
        fn a_lease_covers_its_token_and_its_grace(
            millis in 0..4_000_000_000_000_i64, ttl in 1..31_536_000_u32, grace in 0..2_592_000_u32, later in 0..40_000_000_i64,
        ) {
            let now = Timestamp::from_millisecond(millis).unwrap();
            let lease = lease(now, ttl, grace);
            let exp = whole_second(now) + i64::from(ttl);
            prop_assert!(exp + i64::from(grace) <= lease.as_second());
            let then = now + SignedDuration::from_secs(later);
            if is_lapsed(lease, SignedDuration::ZERO, then) {
                prop_assert!(then.as_second() >= exp + i64::from(grace));
            }
            prop_assert!(lease <= super::lease(then, ttl, grace), "a lease never shrinks as time goes on");
        }

        #[test]
        fn an_activation_id_is_read_as_it_was_written(seed in any::<u64>(), machine in ".{1,40}") {
            let id = ActivationId::generate(Id::of(ulid::Ulid::from_parts(seed >> 16, 7)), MachineHash::of(&machine),
                &mut StdRng::seed_from_u64(seed));
            let text = id.to_string();
            prop_assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            prop_assert_eq!(text.parse::<ActivationId>(), Ok(id));
        }

        #[test]
        fn what_is_taken_for_an_activation_id_is_how_it_is_written(
            text in prop_oneof![any::<String>(), "act_[0-8][0-9A-Za-z]{25}_[0-9a-fA-F]{64}_[0-9a-f]{19,21}"],
        ) {
            if let Ok(id) = text.parse::<ActivationId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn two_machine_ids_are_two_machines(one in any::<String>(), other in any::<String>()) {
            prop_assert_eq!(MachineHash::of(&one) == MachineHash::of(&other), one == other);
            prop_assert_eq!(MachineHash::of(&one).to_string().parse(), Ok(MachineHash::of(&one)));
            if is_machine_id(&one) {
                prop_assert!(!one.is_empty() && one.len() <= 256 && !one.chars().any(|letter| letter < ' '));
            }
            if is_machine_name(&one) {
                prop_assert!(one.len() <= 100 && is_machine_id(&one));
            }
        }
    }
}

//! Machines, activations, seats and leases.

use std::{borrow::Cow, fmt, str::FromStr};

use data_encoding::HEXLOWER;
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, RngExt};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::{
    catalog::{SeatUnit, Tier},
    encryption_key::EncryptionKey,
    id::{Id, LicenseId},
    license::License,
    machine_facts::FactsDigest,
    secret::sha256,
    text::has_invisible_chars,
    validation::ValidationErrors,
};

/// The SHA-256 hash that identifies what holds a seat: a machine, or a process on a machine. Table keys contain the hash, so that
/// the ids can use any characters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MachineHash(pub [u8; 32]);

/// Returns whether `text` is a valid machine id: 1 to 256 bytes without control characters.
///
/// Apps choose machine ids. They are compared byte by byte, so differently normalized Unicode strings are different
/// machines.
pub fn is_machine_id(text: &str) -> bool {
    (1..=256).contains(&text.len()) && !text.contains(char::is_control)
}

/// Returns whether `text` is a valid machine name: 1 to 100 bytes without control or invisible characters.
pub fn is_machine_name(text: &str) -> bool {
    (1..=100).contains(&text.len()) && !has_invisible_chars(text)
}

/// Checks a machine id, `/machine_id`.
pub fn check_machine_id(errors: &mut ValidationErrors, id: &str) {
    errors.check(is_machine_id(id), "/machine_id", "must be 1 to 256 bytes without control characters");
}

/// Checks an optional display name of a machine, `/machine_name`.
pub fn check_machine_name(errors: &mut ValidationErrors, name: Option<&str>) {
    let detail = "must be 1 to 100 bytes without control or invisible characters";
    errors.check(name.is_none_or(is_machine_name), "/machine_name", detail);
}

/// Returns whether `text` is a valid id of a running process: 1 to 64 bytes without control characters.
pub fn is_instance_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && !text.contains(char::is_control)
}

/// Rejects a request without the id of the process if processes hold the seats of the tier, and one with it if machines do.
pub fn check_instance_id(errors: &mut ValidationErrors, unit: SeatUnit, instance_id: Option<&str>) {
    let (is_valid, detail) = match unit {
        SeatUnit::Process => (instance_id.is_some(), "is required: processes hold the seats of this pricing tier"),
        SeatUnit::Machine => (instance_id.is_none(), "must be omitted: machines hold the seats of this pricing tier"),
    };
    errors.check(is_valid, "/instance_id", detail);
}

/// The maximum length of a machine id and an instance id together, in bytes.
pub const MAX_PROCESS_ID_BYTES: usize = 256;

impl MachineHash {
    /// Hashes a machine id.
    pub fn from_machine_id(machine_id: &str) -> Self {
        Self(sha256(machine_id.as_bytes()))
    }

    /// Hashes the ids of what holds a seat: a machine, or a process if there is an instance id.
    ///
    /// The text that is hashed for a process starts with a control character, which no machine id contains, and has the length
    /// of each id before it. So no two different holders have the same text.
    pub fn from_ids(machine_id: &str, instance_id: Option<&str>) -> Self {
        let Some(instance_id) = instance_id else { return Self::from_machine_id(machine_id) };
        let (machine, instance) = (machine_id.len(), instance_id.len());
        Self(sha256(format!("\0process:{machine}:{machine_id}:{instance}:{instance_id}").as_bytes()))
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

/// The random part of an activation id. It distinguishes successive activations of the same machine, and lets a
/// retried request recognize its own write.
pub type ActivationNonce = [u8; 10];

/// The id of an activation, `act_…`. It contains the license id, the machine hash and a nonce: the item is found
/// without a lookup, and the id of an ended activation never refers to a later activation of the same machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActivationId {
    /// The license key that is activated.
    pub license: LicenseId,
    /// The machine that is activated.
    pub machine: MachineHash,
    /// Generated when the activation is created.
    pub nonce: ActivationNonce,
}

/// The text is not an activation id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid activation id")]
pub struct ParseActivationIdError;

impl ActivationId {
    /// Generates the id of a new activation.
    pub fn generate(license: LicenseId, machine: MachineHash, random: &mut impl Rng) -> Self {
        Self { license, machine, nonce: random.random() }
    }
}

/// An example for the OpenAPI document: the id of `machine-1`.
const EXAMPLE: &str = "act_01JD8W0V5XK6Q3R7T2N4M8P9ZB_f7a7266df8b420793d51b92561955db28792ce00570593d47d44d954189b3685_\
                       5f2b8c1d9e3a4706b81c";

impl PartialSchema for ActivationId {
    fn schema() -> RefOr<Schema> {
        // Clients must treat the id as opaque, so the pattern does not describe its parts.
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
        write!(f, "act_{}_{}_{}", self.license.ulid(), self.machine, HEXLOWER.encode(&self.nonce))
    }
}

impl FromStr for ActivationId {
    type Err = ParseActivationIdError;

    /// Accepts only the canonical form that `Display` writes.
    fn from_str(text: &str) -> Result<Self, ParseActivationIdError> {
        let mut parts = text.split('_');
        let (Some("act"), Some(license), Some(machine), Some(nonce), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ParseActivationIdError);
        };
        let nonce = HEXLOWER.decode(nonce.as_bytes()).map_err(|_| ParseActivationIdError)?;
        let id = Self {
            license: Id::from_ulid(ulid::Ulid::from_string(license).map_err(|_| ParseActivationIdError)?),
            machine: machine.parse()?,
            nonce: nonce.try_into().map_err(|_| ParseActivationIdError)?,
        };
        if id.to_string() == text { Ok(id) } else { Err(ParseActivationIdError) }
    }
}

impl Serialize for ActivationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ActivationId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A machine that holds or held a seat of a license key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// `act_…`
    pub id: ActivationId,
    /// The seat number; `None` if the license key had no seat limit.
    pub seat: Option<u32>,
    /// The generation of the license key when the activation was created.
    pub generation: u32,
    /// The machine id that the app chose.
    pub machine_id: String,
    /// The id of the process that holds the seat; `None` if the machine holds it.
    pub instance_id: Option<String>,
    /// The client address of the latest heartbeat or renewal.
    pub last_ip: String,
    /// When the machine last sent a heartbeat or renewed its activation.
    pub last_heartbeat_at: Timestamp,
    /// Until then, no other machine can take the seat.
    pub lease_expires_at: Timestamp,
    /// The app's public key that tokens are encrypted to, if any.
    pub public_key: Option<EncryptionKey>,
    /// The borrow of the seat, if there is or was one.
    pub borrow: Option<Borrow>,
    /// Until then, a license file that was issued for the machine can be used, so only an operator can end the activation.
    pub offline_file_until: Option<Timestamp>,
    /// The digest of the facts that the app has reported last, if any.
    pub facts_digest: Option<FactsDigest>,
    /// When the facts about the machine are deleted; `None` unless this is the activation of a process without a seat.
    pub facts_until: Option<Timestamp>,
    /// When the activation ended, if it did.
    pub ended_at: Option<Timestamp>,
}

/// A borrow of a seat: until it ends, all tokens of the activation are valid, also offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Borrow {
    /// When it ends.
    pub until: Timestamp,
    /// The longest time for which the seat could be borrowed when it was, in seconds.
    pub max_seconds: u32,
}

/// The status of an activation relative to a license key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeatStatus {
    /// The activation holds its seat.
    Live,
    /// The activation holds no seat: it has ended, is of a lower generation, or its seat is not within the seat limit.
    NotLive,
    /// The activation is of a higher generation than the license key, so the license key must be read again.
    Newer,
}

impl Activation {
    /// Returns the status under `license`. An activation whose lease has lapsed is live until another machine takes
    /// its seat.
    pub fn seat_status(&self, license: &License) -> SeatStatus {
        if self.ended_at.is_none() && self.generation > license.generation {
            SeatStatus::Newer
        } else if self.ended_at.is_none()
            && self.generation == license.generation
            && license.is_within_seat_limit(self.seat)
        {
            SeatStatus::Live
        } else {
            SeatStatus::NotLive
        }
    }

    /// Returns whether this is the activation of a process under a license key without a seat limit.
    pub fn is_seatless_process(&self) -> bool {
        self.instance_id.is_some() && self.seat.is_none()
    }

    /// Returns the hash of the machine's id, which is the activation's own one unless a process holds the seat.
    pub fn machine(&self) -> MachineHash {
        match self.instance_id {
            Some(_) => MachineHash::from_machine_id(&self.machine_id),
            None => self.id.machine,
        }
    }

    /// Returns when the borrow of the seat ends; `None` if it is not borrowed at `now`.
    pub fn borrowed_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.borrow.map(|borrow| borrow.until).filter(|until| *until > now)
    }

    /// Returns until when a license file of the machine can be used; `None` if none can be used at `now`.
    pub fn license_file_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.offline_file_until.filter(|until| *until > now)
    }

    /// Returns whether another machine may take the seat; see [`is_lapsed`].
    pub fn is_lapsed(&self, clock_margin: SignedDuration, now: Timestamp) -> bool {
        is_lapsed(self.lease_expires_at, clock_margin, now)
    }
}

/// Returns whether a lease ended at least `clock_margin` ago. The margin covers clock differences between servers.
pub fn is_lapsed(lease_expires_at: Timestamp, clock_margin: SignedDuration, now: Timestamp) -> bool {
    lease_expires_at.checked_add(clock_margin).is_ok_and(|end| end <= now)
}

/// Returns the Unix time of `now` in whole seconds, rounded down. `iat`, `exp` and leases are computed from it.
pub fn whole_second(now: Timestamp) -> i64 {
    now.as_millisecond().div_euclid(1000)
}

/// Returns the end of the lease that covers a token issued at `now`: its lifetime plus the time for which the app may continue
/// offline, regardless of when the license key expires.
pub fn lease_end(now: Timestamp, tier: &Tier) -> Timestamp {
    let seconds = whole_second(now) + i64::from(tier.token_ttl_seconds) + i64::from(tier.offline_grace_seconds);
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

/// A range of seat numbers.
pub type SeatWindow = std::ops::Range<u32>;

/// The number of seats that are read per query. Such a query costs about four read units, so that finding a free seat
/// of a license with ten thousand seats does not require reading all of them.
pub const SEAT_WINDOW_SIZE: u32 = 128;

/// The number of seats that are counted per query. Seats are less than 200 bytes, so that one response of DynamoDB, of at
/// most 1 MB, covers them.
pub const SEAT_RANGE_SIZE: u32 = 2048;

/// Splits the seat numbers below `max_users` into ranges that are counted, starting at a random number so that concurrent
/// activations search different seats first.
pub fn seat_ranges(max_users: u32, random: &mut impl Rng) -> Vec<SeatWindow> {
    let start = if max_users <= SEAT_WINDOW_SIZE { 0 } else { random.random_range(0..max_users) };
    split(start..max_users, SEAT_RANGE_SIZE).chain(split(0..start, SEAT_RANGE_SIZE)).collect()
}

/// Splits a range of seat numbers into windows that are read.
pub fn seat_windows(range: &SeatWindow) -> impl Iterator<Item = SeatWindow> + use<> {
    split(range.clone(), SEAT_WINDOW_SIZE)
}

fn split(range: SeatWindow, size: u32) -> impl Iterator<Item = SeatWindow> {
    let end = range.end;
    range.step_by(size as usize).map(move |start| start..end.min(start.saturating_add(size)))
}

/// Chooses a random seat number of `window` that is not in `taken`.
pub fn choose_free_seat(window: &SeatWindow, taken: &[u32], random: &mut impl Rng) -> Option<u32> {
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
        fn windows_contain_every_seat_number_once(max_users in 1..10_000_u32, seed in any::<u64>()) {
            let ranges = seat_ranges(max_users, &mut StdRng::seed_from_u64(seed));
            prop_assert!(ranges.iter().all(|range| range.len() <= SEAT_RANGE_SIZE as usize));
            let windows: Vec<SeatWindow> = ranges.iter().flat_map(seat_windows).collect();
            prop_assert!(windows.iter().all(|window| window.len() <= SEAT_WINDOW_SIZE as usize));
            let mut numbers: Vec<u32> = windows.into_iter().flatten().collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..max_users).collect::<Vec<_>>());
        }

        #[test]
        fn choose_free_returns_a_free_seat_unless_all_are_taken(
            taken in proptest::collection::vec(0..40_u32, 0..60), start in 0..40_u32, seed in any::<u64>(),
        ) {
            let window = start..40;
            match choose_free_seat(&window, &taken, &mut StdRng::seed_from_u64(seed)) {
                Some(number) => prop_assert!(window.contains(&number) && !taken.contains(&number)),
                None => prop_assert!(window.clone().all(|number| taken.contains(&number))),
            }
        }

        #[test]
        fn activation_id_round_trips(seed in any::<u64>(), machine in ".{1,40}") {
            let license = Id::from_ulid(ulid::Ulid::from_parts(seed >> 16, 7));
            let machine = MachineHash::from_machine_id(&machine);
            let id = ActivationId::generate(license, machine, &mut StdRng::seed_from_u64(seed));
            let text = id.to_string();
            prop_assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            prop_assert_eq!(text.parse::<ActivationId>(), Ok(id));
        }

        #[test]
        fn parsed_activation_id_is_canonical(
            text in prop_oneof![any::<String>(), "act_[0-8][0-9A-Za-z]{25}_[0-9a-fA-F]{64}_[0-9a-f]{19,21}"],
        ) {
            if let Ok(id) = text.parse::<ActivationId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }

        #[test]
        fn different_holders_have_different_hashes(
            machine in "[a:0-9]{1,6}", other in "[a:0-9]{1,6}", instance in proptest::option::of("[a:0-9]{1,4}"),
            other_instance in proptest::option::of("[a:0-9]{1,4}"),
        ) {
            let one = MachineHash::from_ids(&machine, instance.as_deref());
            let two = MachineHash::from_ids(&other, other_instance.as_deref());
            prop_assert_eq!(one == two, (&machine, &instance) == (&other, &other_instance));
            prop_assert_eq!(MachineHash::from_ids(&machine, None), MachineHash::from_machine_id(&machine));
        }

        #[test]
        fn different_machine_ids_have_different_hashes(one in any::<String>(), other in any::<String>()) {
            let [first, second] = [&one, &other].map(|id| MachineHash::from_machine_id(id));
            prop_assert_eq!(first == second, one == other);
            prop_assert_eq!(first.to_string().parse(), Ok(first));
            if is_machine_id(&one) {
                prop_assert!(!one.is_empty() && one.len() <= 256 && !one.chars().any(|letter| letter < ' '));
            }
            if is_machine_name(&one) {
                prop_assert!(one.len() <= 100 && is_machine_id(&one));
            }
        }
    }
}

//! The items of a license key, as they are in the table.

use std::collections::BTreeMap;

use signet_tests::{Stack, Value, json, text};

use super::names::Names;

/// The license key, its seats and its machines.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct TableState {
    /// The license key.
    pub(super) license: LicenseItem,
    /// The seat items by number.
    pub(super) seats: BTreeMap<u64, SeatItem>,
    /// The activation items by the hash of the machine.
    pub(super) machines: BTreeMap<String, MachineItem>,
}

/// The attributes of a license item on which seats depend.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LicenseItem {
    pub(super) generation: u64,
    pub(super) max_users: u64,
    pub(super) status: String,
    /// Unix time in milliseconds.
    pub(super) honoured_until: Option<i64>,
}

/// A seat item.
#[derive(Debug, Clone, Hash)]
pub(super) struct SeatItem {
    /// The name of the nonce of the activation that holds the seat.
    pub(super) holder: String,
    pub(super) generation: u64,
}

/// An activation item.
#[derive(Debug, Clone, Hash)]
pub(super) struct MachineItem {
    /// The name of its nonce.
    pub(super) name: String,
    pub(super) seat: Option<u64>,
    pub(super) generation: u64,
    /// Unix time.
    pub(super) lease_expires_at: i64,
    pub(super) has_ended: bool,
    /// Unix time.
    pub(super) borrowed_until: Option<i64>,
}

impl MachineItem {
    /// Returns whether the activation holds a seat of a license key that is in use.
    pub(super) fn is_live(&self, license: &LicenseItem) -> bool {
        self.holds_seat(license) && license.status == "active"
    }

    /// Returns whether the activation holds a seat.
    pub(super) fn holds_seat(&self, license: &LicenseItem) -> bool {
        !self.has_ended && self.is_within(license)
    }

    /// Returns whether the activation could get a token of a license key in this state before it ended.
    pub(super) fn could_be_live(&self, license: &LicenseItem) -> bool {
        self.is_within(license) && license.status == "active"
    }

    /// Returns whether the activation has the generation of the license key and a seat below its limit.
    fn is_within(&self, license: &LicenseItem) -> bool {
        self.generation == license.generation && self.seat.is_some_and(|seat| seat < license.max_users)
    }
}

/// The items of a license key by their sort keys, in DynamoDB's JSON.
pub(super) type Items = BTreeMap<String, Value>;

/// Reads the items of a license key.
pub(super) async fn read_items(stack: &Stack, license_id: &str) -> Items {
    read_from(stack, license_id, "").await
}

/// Reads the items of a license key without its events, which come before the others.
pub(super) async fn read_without_events(stack: &Stack, license_id: &str) -> Items {
    read_from(stack, license_id, "LICENSE").await
}

async fn read_from(stack: &Stack, license_id: &str, sort_key: &str) -> Items {
    let condition = if sort_key.is_empty() { "PK = :pk" } else { "PK = :pk AND SK >= :from" };
    let mut values = json!({":pk": {"S": format!("LICENSE#{license_id}")}});
    if !sort_key.is_empty() {
        values[":from"] = json!({"S": sort_key});
    }
    let input = json!({"KeyConditionExpression": condition, "ExpressionAttributeValues": values});
    let Value::Array(items) = stack.call_dynamodb("Query", input).await["Items"].take() else { panic!("no items") };
    items.into_iter().map(|item| (text(&item["SK"]["S"]).to_owned(), item)).collect()
}

impl TableState {
    pub(super) fn parse(items: &Items, names: &Names) -> Self {
        let mut state = Self::default();
        for (sort_key, item) in items {
            let number = |name: &str| item[name]["N"].as_str().and_then(|number| number.parse::<u64>().ok());
            let generation = || number("generation").expect("a generation");
            if sort_key == "LICENSE" {
                state.license = LicenseItem {
                    generation: generation(),
                    max_users: number("max_users").expect("a seat limit"),
                    status: text(&item["status"]["S"]).to_owned(),
                    honoured_until: number("honoured_until").and_then(|end| i64::try_from(end).ok()),
                };
            } else if let Some(seat) = sort_key.strip_prefix("SEAT#") {
                let holder = names.of(text(&item["life"]["B"]));
                let seat = seat.parse().expect("a number");
                state.seats.insert(seat, SeatItem { holder, generation: generation() });
            } else if let Some(hash) = sort_key.strip_prefix("MACHINE#") {
                let machine = MachineItem {
                    name: names.of(text(&item["life"]["B"])),
                    seat: number("seat"),
                    generation: generation(),
                    lease_expires_at: number("lease_expires_at")
                        .and_then(|end| i64::try_from(end).ok())
                        .expect("a lease"),
                    has_ended: item["ended_at"].is_object(),
                    borrowed_until: number("borrowed_until").and_then(|end| i64::try_from(end).ok()),
                };
                state.machines.insert(hash.to_owned(), machine);
            }
        }
        state
    }

    /// Returns a copy in which activations have the hashes of their machines as names. The seats and the activations of a
    /// checked table refer to each other, so nothing but their ids is lost.
    pub(super) fn without_names(&self) -> Self {
        let mut copy = self.clone();
        for seat in copy.seats.values_mut() {
            let holder = self.machines.iter().find(|(_, machine)| machine.name == seat.holder);
            seat.holder = holder.map(|(hash, _)| hash.clone()).unwrap_or_default();
        }
        for machine in copy.machines.values_mut() {
            machine.name.clear();
        }
        copy
    }

    /// Returns whether every seat is held by an activation whose lease has not lapsed at this time.
    pub(super) fn is_full(&self, time: i64) -> bool {
        let has_lease = |machine: &&MachineItem| machine.holds_seat(&self.license) && machine.lease_expires_at > time;
        self.machines.values().filter(has_lease).count() as u64 >= self.license.max_users
    }

    /// Checks that each seat that counts has its activation, each activation that holds a seat has its item, and that there
    /// are no more of them than seats. A borrowed seat is within the limit, and its lease covers the borrow.
    pub(super) fn check(&self, now: i64) -> Result<(), String> {
        for machine in
            self.machines.values().filter(|one| !one.has_ended && one.borrowed_until.is_some_and(|end| end > now))
        {
            let is_outside = machine.seat.is_none_or(|seat| seat >= self.license.max_users);
            if machine.generation == self.license.generation && is_outside {
                return Err(format!("a borrowed seat is outside of the limit: {self:?}"));
            }
            if machine.borrowed_until > Some(machine.lease_expires_at) {
                return Err(format!("a lease ends before the borrow: {self:?}"));
            }
        }

        let holders: Vec<_> = self.machines.values().filter(|machine| machine.holds_seat(&self.license)).collect();
        if holders.len() as u64 > self.license.max_users {
            return Err(format!("{} live activations: {self:?}", holders.len()));
        }
        for (number, seat) in &self.seats {
            let is_held = |machine: &&MachineItem| machine.name == seat.holder && machine.seat == Some(*number);
            if seat.generation > self.license.generation {
                return Err(format!("seat {number} is of a future generation: {self:?}"));
            }
            let counts = seat.generation == self.license.generation && *number < self.license.max_users;
            if counts && !holders.iter().copied().any(|machine| is_held(&machine)) {
                return Err(format!("seat {number} is lost: its activation does not exist: {self:?}"));
            }
        }
        for machine in holders {
            let seat = machine.seat.and_then(|number| self.seats.get(&number));
            if !seat.is_some_and(|seat| seat.holder == machine.name && seat.generation == machine.generation) {
                return Err(format!("the activation {} does not hold its seat: {self:?}", machine.name));
            }
        }
        Ok(())
    }
}

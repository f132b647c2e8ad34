//! Which items a step reads and writes. Two steps that touch different items can be made in either order with the same
//! result, so only one order has to be tried.

use signet_tests::{ScheduledCall, Value, text};

use super::scenario::{Command, MACHINES};

/// Sets of items, as bits.
type Set = u32;

const LICENSE: Set = 1;
const SEATS: Set = 1 << 1;
/// The number of faults that are left.
const FAULTS: Set = 1 << 2;
const CLOCK: Set = 1 << 3;
/// The window in which early returns of borrowed seats are counted.
const RETURNS: Set = 1 << 4;
const ALL_MACHINES: Set = ((1 << MACHINES) - 1) << 8;
const ALL_CLIENTS: Set = ((1 << MACHINES) - 1) << 16;
const EVERYTHING: Set = Set::MAX;

fn machine(number: usize) -> Set {
    1 << (8 + number)
}

/// The last token of a machine, which it sends with its next request.
fn client(number: usize) -> Set {
    1 << (16 + number)
}

/// The items that a step reads or writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footprint {
    reads: Set,
    writes: Set,
}

impl Footprint {
    /// Returns the footprint of the start of a command. What the request may return depends on what is true when it starts.
    pub(super) fn of_start(command: Command) -> Self {
        match command.machine() {
            Some(number) => Self { reads: LICENSE | CLOCK | machine(number) | client(number), writes: 0 },
            None if command.is_clock() => Self { reads: 0, writes: EVERYTHING },
            None => Self { reads: LICENSE | CLOCK, writes: 0 },
        }
    }

    /// Returns the footprint of a call. `machines` are the hashes of the machines, and of their processes.
    pub(super) fn of_call(call: &ScheduledCall, command: Option<Command>, machines: &[String]) -> Self {
        let mut items = 0;
        let mut add = |sort_key: &str| {
            items |= match sort_key.split('#').next() {
                Some("LICENSE") => LICENSE,
                Some("RETURNS") => RETURNS,
                Some("SEAT") => SEATS,
                Some("MACHINE") => {
                    let hash = machines.iter().position(|hash| sort_key.ends_with(hash.as_str()));
                    hash.map_or(ALL_MACHINES, |position| machine(position % MACHINES))
                }
                _ => 0,
            }
        };
        let input = &call.input;
        for item in [&input["Key"], &input["Item"]] {
            if let Some(sort_key) = item["SK"]["S"].as_str() {
                add(sort_key);
            }
        }
        if call.operation == "Query" {
            add(text(&input["ExpressionAttributeValues"][":query_from"]["S"]));
        }
        for write in input["TransactItems"].as_array().into_iter().flatten() {
            for write in write.as_object().into_iter().flat_map(serde_json::Map::values) {
                let keys = [&write["Key"], &write["Item"]];
                keys.into_iter().filter_map(|item| item["SK"]["S"].as_str()).for_each(&mut add);
            }
        }
        let own = command.and_then(Command::machine).map_or(0, client);
        if is_write(&call.operation) {
            Self { reads: items, writes: items | own }
        } else {
            Self { reads: items, writes: own }
        }
    }

    /// Adds that the step uses up a fault.
    pub(super) fn with_fault(self) -> Self {
        Self { writes: self.writes | FAULTS, ..self }
    }

    /// Returns whether the steps give the same result in either order.
    pub(super) fn is_independent_of(self, other: Self) -> bool {
        self.writes & (other.reads | other.writes) == 0 && other.writes & self.reads == 0
    }

    /// Returns what a command that runs may still write.
    pub(super) fn of_rest(command: Command, can_lapse: bool) -> Self {
        let writes = match command {
            Command::Activate(number) if !can_lapse => SEATS | machine(number) | client(number),
            Command::Activate(number) => SEATS | ALL_MACHINES | client(number),
            Command::ActivateAndBorrow(number) if !can_lapse => LICENSE | SEATS | machine(number) | client(number),
            Command::ActivateAndBorrow(number) => LICENSE | SEATS | ALL_MACHINES | client(number),
            Command::Borrow(number) => LICENSE | machine(number) | client(number),
            Command::Heartbeat(number) | Command::OldHeartbeat(number) => machine(number) | client(number),
            Command::Deactivate(number) => RETURNS | SEATS | machine(number) | client(number),
            Command::SetSeats(_) | Command::SetTier(_) | Command::Regenerate | Command::Revoke => LICENSE,
            Command::Advance(_) => CLOCK,
        };
        Self { reads: 0, writes }
    }

    /// Returns what a command that has not started may read at its start and write.
    pub(super) fn of_future(command: Command, can_lapse: bool) -> Self {
        let rest = Self::of_rest(command, can_lapse);
        if command.is_clock() { rest } else { Self { reads: Self::of_start(command).reads, ..rest } }
    }

    /// Removes the last tokens of machines, unless one of these commands sends it.
    pub(super) fn without_unsent_tokens(self, future: impl Iterator<Item = Command>) -> Self {
        let sent = future.fold(0, |sent, command| match command {
            Command::Heartbeat(number)
            | Command::OldHeartbeat(number)
            | Command::Borrow(number)
            | Command::Deactivate(number) => sent | client(number),
            _ => sent,
        });
        let mask = !ALL_CLIENTS | sent;
        Self { reads: self.reads & mask, writes: self.writes & mask }
    }
}

/// Returns whether an operation writes.
pub(super) fn is_write(operation: &str) -> bool {
    matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems")
}

/// Returns the sort keys at which a query starts and ends.
pub(super) fn query_range(input: &Value) -> Option<(&str, &str)> {
    let values = &input["ExpressionAttributeValues"];
    Some((values[":query_from"]["S"].as_str()?, values[":query_to"]["S"].as_str()?))
}

//! What runs at the same time: commands of machines and of the operator, and steps of the clock, after a preparation.

use std::fmt;

use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};

/// The token lifetime of the tier that the license key is issued for, in seconds.
pub(super) const TOKEN_TTL: i64 = 3600;
/// The token lifetime of the other tier.
pub(super) const LONG_TOKEN_TTL: i64 = 7200;
/// How long past the expiry of a token an app may run offline, in both tiers.
pub(super) const OFFLINE_GRACE: i64 = 600;
/// How long a license key is honoured past its expiry, in the tier that it is issued for.
pub(super) const EXPIRY_GRACE: i64 = 300;
/// The same in the other tier.
pub(super) const LONG_EXPIRY_GRACE: i64 = 900;
/// The time in which every lease of the first tier lapses.
pub(super) const LEASE: i64 = TOKEN_TTL + OFFLINE_GRACE;
/// The time after which a token is no longer reused by a heartbeat.
pub(super) const RENEW_AFTER: i64 = 2000;
/// The seats of the license key.
pub(super) const SEATS: u64 = 2;
/// The number of machines, besides those that activate at the end.
pub(super) const MACHINES: usize = 3;
/// When the license key of a scenario with an expiry expires, after its issue. Before that, no lease lapses.
pub(super) const EXPIRES_AFTER: i64 = 3000;

/// For how long a seat is borrowed: longer than a lease.
pub(super) const BORROW: i64 = 10_000;
/// For how long a seat can be borrowed.
pub(super) const MAX_BORROW: i64 = 20_000;

/// The license key of a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LicenseKind {
    /// Machines hold its seats.
    Machines,
    /// Machines hold its seats, and it expires after [`EXPIRES_AFTER`].
    Expiring,
    /// Processes hold its seats, one on each machine.
    Processes,
}

/// A pricing tier of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tier {
    /// With tokens of [`TOKEN_TTL`].
    Short,
    /// With tokens of [`LONG_TOKEN_TTL`].
    Long,
}

/// A request, or a step of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command {
    /// A machine activates with the newest key string.
    Activate(usize),
    /// A machine sends a heartbeat with its last token.
    Heartbeat(usize),
    /// A machine activates, and borrows its seat.
    ActivateAndBorrow(usize),
    /// A machine borrows its seat with a heartbeat.
    Borrow(usize),
    /// A copy of a machine sends a heartbeat with the last token of the activation before the last.
    OldHeartbeat(usize),
    /// A machine deactivates its last activation, with its token.
    Deactivate(usize),
    /// The operator changes the number of seats.
    SetSeats(u64),
    /// The operator changes the tier, and keeps the number of seats.
    SetTier(Tier),
    /// The operator regenerates the key string.
    Regenerate,
    /// The operator revokes the license key.
    Revoke,
    /// The clock advances by this many seconds.
    Advance(i64),
}

impl Command {
    /// Returns the machine that sends the request.
    pub(super) fn machine(self) -> Option<usize> {
        match self {
            Self::Activate(machine)
            | Self::ActivateAndBorrow(machine)
            | Self::Borrow(machine)
            | Self::Heartbeat(machine)
            | Self::OldHeartbeat(machine)
            | Self::Deactivate(machine) => Some(machine),
            Self::SetSeats(_) | Self::SetTier(_) | Self::Regenerate | Self::Revoke | Self::Advance(_) => None,
        }
    }

    /// Returns whether it is a step of the clock.
    pub(super) fn is_clock(self) -> bool {
        matches!(self, Self::Advance(_))
    }
}

/// A preparation, and the processes that run after it.
#[derive(Debug, Clone)]
pub(super) struct Scenario {
    /// The name of the preparation.
    pub(super) prepared: &'static str,
    /// Commands that run one after another before the exploration.
    pub(super) preparation: Vec<Command>,
    pub(super) kind: LicenseKind,
    /// The processes. The commands of each run one after another.
    pub(super) processes: Vec<Vec<Command>>,
}

impl Scenario {
    /// Returns whether a machine can lose its seat because its lease has lapsed.
    pub(super) fn can_lapse(&self) -> bool {
        self.preparation.iter().chain(self.processes.iter().flatten()).any(|command| command.is_clock())
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.prepared)?;
        for (index, process) in self.processes.iter().enumerate() {
            let commands: Vec<_> = process.iter().map(|command| format!("{command:?}")).collect();
            write!(f, "{} {}", if index == 0 { "" } else { " ∥" }, commands.join(", "))?;
        }
        Ok(())
    }
}

use Command::{
    Activate, ActivateAndBorrow, Advance, Borrow, Deactivate, Heartbeat, OldHeartbeat, Regenerate, Revoke, SetSeats,
    SetTier,
};

/// A state in which processes start.
struct Prepared {
    name: &'static str,
    commands: &'static [Command],
    kind: LicenseKind,
}

impl Prepared {
    fn scenario(&self, processes: Vec<Vec<Command>>) -> Scenario {
        Scenario { prepared: self.name, preparation: self.commands.to_vec(), kind: self.kind, processes }
    }

    /// Returns whether these commands show what other sets do not show, too. A machine that was never activated has no token.
    /// Such machines are interchangeable, so the second one is used only beside the first. Changes of the license key alone are tried
    /// in one state.
    fn allows(&self, commands: &[Command]) -> bool {
        let is_prepared = |machine| {
            self.commands.iter().any(|one| matches!(one, Activate(of) | ActivateAndBorrow(of) if *of == machine))
        };
        let is_used = |machine| {
            let is_activated = |one: &Command| matches!(one, Activate(of) | ActivateAndBorrow(of) if *of == machine);
            is_prepared(machine) || commands.iter().any(is_activated)
        };
        let machines = self.kind == LicenseKind::Machines;
        let is_long = self.commands.contains(&SetTier(Tier::Long));
        let has_effect = |command: &Command| match *command {
            Heartbeat(machine) | Deactivate(machine) => is_prepared(machine),
            Borrow(machine) => machines && is_prepared(machine),
            ActivateAndBorrow(machine) => machines && is_used(machine) && (0..machine).all(is_used),
            OldHeartbeat(machine) => self.commands.iter().filter(|command| **command == Activate(machine)).count() > 1,
            Activate(machine) => is_used(machine) && (0..machine).all(is_used),
            SetTier(tier) => self.kind != LicenseKind::Processes && (tier == Tier::Short) == is_long,
            SetSeats(SEATS) => self.commands.contains(&SetSeats(1)) || commands.contains(&SetSeats(1)),
            Advance(_) => self.kind != LicenseKind::Processes,
            SetSeats(_) | Regenerate | Revoke => true,
        };
        let has_machine = commands.iter().any(|command| command.machine().is_some());
        let has_clock = commands.iter().any(|command| command.is_clock());
        commands.iter().all(has_effect)
            && (has_machine || self.name == "one machine")
            && (has_clock || self.kind != LicenseKind::Expiring)
    }
}

/// The states in which processes start. Machines take the lowest free seat.
const PREPARED: [Prepared; 14] = [
    prepared("all seats free", &[]),
    prepared("one machine", &[Activate(0), Advance(RENEW_AFTER)]),
    prepared("all seats taken", &[Activate(0), Advance(RENEW_AFTER), Activate(1)]),
    prepared("one seat lapsed, one free", &[Activate(0), Advance(LEASE)]),
    prepared("one seat lapsed, one taken", &[Activate(0), Advance(LEASE), Activate(1)]),
    prepared("both seats lapsed", &[Activate(0), Activate(1), Advance(LEASE)]),
    prepared("a machine deactivated", &[Activate(0), Activate(1), Deactivate(0)]),
    prepared("a machine activated again", &[Activate(0), Deactivate(0), Activate(0)]),
    prepared("a seat above the limit", &[Activate(1), Activate(0), Deactivate(1), SetSeats(1)]),
    prepared("a lapsed seat above the limit", &[Activate(1), Activate(0), Deactivate(1), SetSeats(1), Advance(LEASE)]),
    prepared("regenerated", &[Activate(0), Activate(1), Regenerate]),
    prepared("a longer tier", &[Activate(0), SetTier(Tier::Long)]),
    prepared("a borrowed seat", &[Activate(1), ActivateAndBorrow(0), Advance(RENEW_AFTER)]),
    prepared("a borrowed seat was returned", &[Activate(0), Borrow(0), Deactivate(0), Activate(1)]),
];

/// States of a license key that expires, and of one whose seats processes hold.
const OTHERS: [Prepared; 4] = [
    Prepared {
        name: "expiring, one machine",
        commands: &[Activate(0), Advance(RENEW_AFTER)],
        kind: LicenseKind::Expiring,
    },
    Prepared {
        name: "expiring, all seats taken",
        commands: &[Activate(0), Activate(1), Advance(RENEW_AFTER)],
        kind: LicenseKind::Expiring,
    },
    Prepared { name: "processes, all seats free", commands: &[], kind: LicenseKind::Processes },
    Prepared {
        name: "processes, one seat lapsed, one taken",
        commands: &[Activate(0), Advance(LEASE), Activate(1)],
        kind: LicenseKind::Processes,
    },
];

const fn prepared(name: &'static str, commands: &'static [Command]) -> Prepared {
    Prepared { name, commands, kind: LicenseKind::Machines }
}

/// The commands of which the processes are made.
const COMMANDS: [Command; 17] = [
    Activate(0),
    Activate(1),
    Activate(2),
    Heartbeat(0),
    Heartbeat(1),
    OldHeartbeat(0),
    Borrow(0),
    ActivateAndBorrow(2),
    Deactivate(0),
    Deactivate(1),
    SetSeats(1),
    SetSeats(2),
    SetSeats(3),
    SetTier(Tier::Short),
    SetTier(Tier::Long),
    Regenerate,
    Revoke,
];

/// Steps of the clock: it runs in one process.
const CLOCK: [Command; 1] = [Advance(LEASE)];

/// Returns all multisets of this many concurrent commands, of which one at most is a step of the clock, in every prepared
/// state.
pub(super) fn generated(size: usize) -> Vec<Scenario> {
    let commands: Vec<Command> = COMMANDS.into_iter().chain(CLOCK).collect();
    let sets = multisets(&commands, size);
    let clocks = |set: &[Command]| set.iter().filter(|command| command.is_clock()).count();
    let mut scenarios = Vec::new();
    for state in PREPARED.iter().chain(&OTHERS) {
        for set in sets.iter().filter(|set| clocks(set) <= 1 && state.allows(set)) {
            scenarios.push(state.scenario(set.iter().map(|command| vec![*command]).collect()));
        }
    }
    scenarios
}

/// Returns the multisets of `size` elements.
fn multisets(of: &[Command], size: usize) -> Vec<Vec<Command>> {
    if size == 0 {
        return vec![Vec::new()];
    }
    let mut sets = Vec::new();
    for (index, first) in of.iter().enumerate() {
        for rest in multisets(&of[index..], size - 1) {
            sets.push([&[*first], rest.as_slice()].concat());
        }
    }
    sets
}

/// Returns random scenarios of one command beside a sequence of up to four others: what one request reads is outdated by all
/// that happens before it writes.
pub(super) fn sequences(count: usize, rng: &mut StdRng) -> Vec<Scenario> {
    let commands: Vec<Command> = COMMANDS.into_iter().chain(CLOCK).collect();
    let states: Vec<_> = PREPARED.iter().chain(&OTHERS).collect();
    let random = || {
        let state = states.choose(rng).expect("a state");
        let length = rng.random_range(2..=4);
        let slow = *COMMANDS.choose(rng).expect("a command");
        let sequence: Vec<Command> = (0..length).filter_map(|_| commands.choose(rng).copied()).collect();
        let all = [&[slow], sequence.as_slice()].concat();
        state.allows(&all).then(|| state.scenario(vec![vec![slow], sequence]))
    };
    std::iter::repeat_with(random).flatten().take(count).collect()
}

/// Returns the scenario of these processes in a prepared state.
fn scenario(name: &str, processes: &[&[Command]]) -> Scenario {
    let state = PREPARED.iter().chain(&OTHERS).find(|state| state.name == name).expect("a prepared state");
    state.scenario(processes.iter().map(|process| process.to_vec()).collect())
}

/// Returns a few scenarios of two processes, in which most conditions of the protocol decide.
pub(super) fn short() -> Vec<Scenario> {
    vec![
        scenario("all seats free", &[&[Activate(0)], &[Activate(1)]]),
        scenario("all seats free", &[&[Activate(0)], &[Activate(0)]]),
        scenario("one machine", &[&[Heartbeat(0)], &[SetTier(Tier::Long)]]),
        scenario("one seat lapsed, one taken", &[&[Activate(2)], &[Heartbeat(0)]]),
        scenario("one seat lapsed, one taken", &[&[Activate(2), Heartbeat(2)], &[Deactivate(0)]]),
        scenario("one seat lapsed, one taken", &[&[Borrow(0)], &[Activate(2)]]),
        scenario("processes, one seat lapsed, one taken", &[&[Activate(2)], &[Heartbeat(0)]]),
        scenario("a machine deactivated", &[&[Activate(0)], &[Deactivate(0)]]),
        scenario("a seat above the limit", &[&[Activate(0)], &[SetSeats(2)]]),
        scenario("regenerated", &[&[Activate(2)], &[Deactivate(0)]]),
        scenario("a longer tier", &[&[Activate(0)], &[SetTier(Tier::Short)]]),
        scenario("expiring, one machine", &[&[Heartbeat(0)], &[Advance(EXPIRES_AFTER)]]),
    ]
}

/// Returns the scenario in which an activation whose response was lost ends before it is repeated.
pub(super) fn ended_before_its_repeat() -> Scenario {
    scenario("all seats free", &[&[Activate(0)], &[Activate(0), Deactivate(0)]])
}

/// Returns scenarios of three processes, or of processes with several commands, which show what two concurrent commands
/// cannot.
pub(super) fn chosen() -> Vec<Scenario> {
    vec![
        scenario("all seats free", &[&[Activate(0)], &[Activate(1)], &[Activate(2)]]),
        scenario("all seats free", &[&[ActivateAndBorrow(0)], &[Activate(0)], &[Activate(1)]]),
        scenario("all seats taken", &[&[Borrow(1)], &[Deactivate(0), SetSeats(1)]]),
        scenario("all seats taken", &[&[Borrow(0)], &[Deactivate(0), Activate(2)], &[Revoke]]),
        scenario("all seats taken", &[&[Borrow(0)], &[Regenerate, Activate(0)]]),
        scenario("one seat lapsed, one taken", &[&[Borrow(0)], &[Activate(2)], &[Heartbeat(0)]]),
        scenario("a borrowed seat", &[&[Deactivate(0), Activate(2)], &[Borrow(0)], &[Heartbeat(0)]]),
        scenario("a borrowed seat", &[&[Deactivate(0)], &[Advance(LEASE), ActivateAndBorrow(2)], &[Deactivate(1)]]),
        scenario("processes, all seats free", &[&[Activate(0)], &[Activate(1)], &[Activate(2)]]),
        scenario("processes, one seat lapsed, one taken", &[&[Activate(2)], &[Heartbeat(0)], &[Activate(0)]]),
        scenario("processes, one seat lapsed, one taken", &[&[Activate(2)], &[Deactivate(0)], &[Deactivate(1)]]),
        scenario("all seats free", &[&[Activate(0)], &[Activate(0)], &[Activate(1)]]),
        scenario("one machine", &[&[Activate(1)], &[Deactivate(0)], &[Heartbeat(0)]]),
        scenario("all seats taken", &[&[Deactivate(0), Activate(0)], &[Activate(2)]]),
        scenario("one seat lapsed, one taken", &[&[Activate(2)], &[Heartbeat(0)], &[Activate(0)]]),
        scenario("one seat lapsed, one taken", &[&[Activate(2), Heartbeat(2)], &[Deactivate(0)]]),
        scenario("both seats lapsed", &[&[Activate(2)], &[Heartbeat(0)], &[Heartbeat(1)]]),
        scenario("a lapsed seat above the limit", &[&[Activate(0)], &[SetSeats(2)], &[Activate(1)]]),
        scenario(
            "a lapsed seat above the limit",
            &[&[Activate(0)], &[SetSeats(2), Activate(2), Activate(1), Deactivate(2)]],
        ),
        scenario("one seat lapsed, one taken", &[&[Activate(2)], &[Deactivate(1), Heartbeat(0)]]),
        scenario("all seats taken", &[&[Deactivate(0)], &[Deactivate(0), Activate(0)]]),
        scenario("a machine deactivated", &[&[Activate(0)], &[Activate(0)], &[Deactivate(0)]]),
        scenario("one machine", &[&[Activate(0)], &[Regenerate], &[Activate(0)]]),
        scenario("regenerated", &[&[Activate(2)], &[Deactivate(0)], &[Activate(1)]]),
        scenario("a longer tier", &[&[Activate(0)], &[SetTier(Tier::Short)], &[Activate(0)]]),
        scenario("one machine", &[&[Heartbeat(0), Advance(LEASE)], &[SetTier(Tier::Long)], &[Activate(1)]]),
        scenario("all seats taken", &[&[SetSeats(1), SetSeats(2)], &[Heartbeat(0)], &[Activate(1)]]),
        scenario("expiring, one machine", &[&[Heartbeat(0)], &[Activate(1)], &[Advance(EXPIRES_AFTER)]]),
        scenario("one machine", &[&[Activate(1)], &[Activate(1)], &[Advance(LEASE)]]),
    ]
}

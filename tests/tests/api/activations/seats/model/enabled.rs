//! What can happen next in an execution.

use std::sync::Arc;

use signet_tests::ScheduledCall;

use super::{
    execution::Execution,
    footprint::{Footprint, is_write},
    replies::{self, Variant},
    scenario::Command,
};

/// What happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Action {
    /// The process in which it happens.
    pub(super) process: usize,
    pub(super) kind: ActionKind,
}

/// A step of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum ActionKind {
    /// The next command starts, or the clock advances.
    Start,
    /// The call with this number takes effect.
    Call(usize, Variant),
    /// A call whose attempt timed out takes effect late: the call with this number of the command with this number.
    Late(usize, usize),
}

impl Execution<'_> {
    fn footprint_of_call(&self, call: &ScheduledCall) -> Footprint {
        Footprint::of_call(call, self.present(call.process), &self.world.machine_hashes)
    }

    /// Returns what can happen next, in a fixed order, with what each step touches. If one step commutes with everything
    /// that others can do, it is the only one.
    pub(super) fn enabled(&self) -> Vec<(Action, Footprint)> {
        let calls = self.world.scheduler.waiting();
        for process in 0..self.processes.len() {
            if self.processes[process].request.is_none()
                && let Some(next) = self.future(process).first()
            {
                let action = Action { process, kind: ActionKind::Start };
                let footprint = self.relevant(Footprint::of_start(*next));
                if !next.is_clock() && self.is_independent_of_others(process, footprint) {
                    return vec![(action, footprint)];
                }
            }
        }
        for call in &calls {
            let footprint = self.relevant(self.footprint_of_call(call));
            let variants = self.variants(call, 0);
            if !is_write(&call.operation)
                && variants.len() == 1
                && self.is_independent_of_others(call.process, footprint)
            {
                let kind = ActionKind::Call(call.ordinal, variants[0]);
                return vec![(Action { process: call.process, kind }, footprint)];
            }
        }
        self.all_enabled(&calls)
    }

    fn all_enabled(&self, calls: &[Arc<ScheduledCall>]) -> Vec<(Action, Footprint)> {
        let mut actions = Vec::new();
        for call in calls {
            let footprint = self.relevant(self.footprint_of_call(call));
            for variant in self.variants(call, self.faults_left) {
                let footprint = if variant.is_fault() { footprint.with_fault() } else { footprint };
                let kind = ActionKind::Call(call.ordinal, variant);
                actions.push((Action { process: call.process, kind }, footprint));
            }
        }
        for process in 0..self.processes.len() {
            if self.processes[process].request.is_none()
                && let Some(next) = self.future(process).first()
            {
                actions.push((Action { process, kind: ActionKind::Start }, self.relevant(Footprint::of_start(*next))));
            }
        }
        for (command, call) in &self.late {
            let kind = ActionKind::Late(*command, call.ordinal);
            let footprint = Footprint::of_call(call, None, &self.world.machine_hashes);
            actions.push((Action { process: call.process, kind }, footprint));
        }
        actions
    }

    /// Returns what can happen to a call. Free seats that nothing distinguishes are interchangeable, so one of them is tried.
    fn variants(&self, call: &ScheduledCall, faults: usize) -> Vec<Variant> {
        let is_limit_changed = self.scenario.processes.iter().flatten().any(|one| matches!(one, Command::SetSeats(_)));
        let waiting = self.world.scheduler.waiting();
        let others = waiting.iter().chain(self.late.iter().map(|(_, call)| call)).map(|call| replies::describe(call));
        let others: Vec<_> = others.collect();
        let mut is_first = true;
        let start = self.processes[call.process].seen.start;
        let mut variants = replies::variants(&self.world.scheduler, call, faults, start);
        variants.retain(|variant| {
            let Variant::Choice(seat) = variant else { return true };
            let is_distinct = is_limit_changed
                || !replies::chooses_seat(call)
                || self.table.seats.contains_key(&u64::from(*seat))
                || others
                    .iter()
                    .any(|call| call.starts_with("Transact") && call.contains(&replies::seat_sort_key(*seat)));
            is_distinct || std::mem::take(&mut is_first)
        });
        variants
    }

    /// Removes the tokens that no later command sends.
    fn relevant(&self, footprint: Footprint) -> Footprint {
        let future = (0..self.processes.len()).flat_map(|process| self.future(process)).copied();
        footprint.without_unsent_tokens(future)
    }

    /// Returns whether nothing that other processes can do touches the same items.
    fn is_independent_of_others(&self, process: usize, footprint: Footprint) -> bool {
        let can_lapse = self.scenario.can_lapse();
        let others = (0..self.processes.len()).filter(|other| *other != process).flat_map(|other| {
            let running = self.processes[other].request.as_ref().and_then(|_| self.present(other));
            let running = running.map(|command| Footprint::of_rest(command, can_lapse));
            let future = self.future(other).iter().map(|command| Footprint::of_future(*command, can_lapse));
            running.into_iter().chain(future).map(|footprint| self.relevant(footprint))
        });
        let late = self.late.iter().map(|(_, call)| Footprint::of_call(call, None, &self.world.machine_hashes));
        others.chain(late).all(|other| footprint.is_independent_of(other))
    }
}

//! Explores every order of the steps of a scenario.
//!
//! A state cannot be copied, as it is partly in the futures of the requests. Each schedule is therefore executed from the
//! start. A state that was reached before is not continued, and of steps that touch different items only one order is tried
//! ("sleep sets", Godefroid 1996, with the extension for states that are remembered). What is continued next is random, so
//! that a scenario with too many schedules is explored in all its parts.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    rc::Rc,
    time::Instant,
};

use rand::{RngExt, rngs::StdRng};

use super::{
    enabled::Action,
    execution::{Execution, Record},
    footprint::Footprint,
    scenario::Scenario,
    world::{Snapshot, World},
};

/// How much is explored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// The number of faults in one execution.
    pub(super) faults: usize,
    /// The number of executions of a scenario.
    pub(super) schedules: usize,
    /// When the exploration ends.
    pub(super) deadline: Option<Instant>,
}

/// What was explored.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) scenarios: usize,
    /// Scenarios that reached the bound of executions.
    pub(super) incomplete: usize,
    pub(super) schedules: usize,
    pub(super) states: usize,
    pub(super) steps: usize,
    pub(super) max_depth: usize,
    /// The largest number of activations that were ended explicitly while their tokens are valid.
    pub(super) most_ended: usize,
}

impl Counts {
    /// Adds other counts.
    pub(super) fn add(&mut self, other: Self) {
        self.scenarios += other.scenarios;
        self.incomplete += other.incomplete;
        self.schedules += other.schedules;
        self.states += other.states;
        self.steps += other.steps;
        self.max_depth = self.max_depth.max(other.max_depth);
        self.most_ended = self.most_ended.max(other.most_ended);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenarios, incomplete, schedules, states, steps, max_depth, most_ended } = self;
        write!(
            f,
            "{schedules} schedules, {states} states, {steps} steps, at most {max_depth} in a schedule, at most \
             {most_ended} tokens of ended activations, in {scenarios} scenarios ({incomplete} incomplete)"
        )
    }
}

/// Steps that need not be made first, because an order with the same result was tried, with what they touch.
type Sleeping = Vec<(Action, Footprint)>;

/// A step that was not tried yet.
struct Branch {
    /// The steps before it.
    path: Rc<[Action]>,
    /// What was recorded before it.
    record: Rc<Record>,
    step: Action,
    /// The steps that need not be made after it.
    sleeping: Sleeping,
}

/// Returns the steps that need not be made after the one at this position: those that need not be made before it, and those
/// that are tried instead of it, as far as they commute with it.
fn sleeping_after(steps: &[(Action, Footprint)], position: usize, sleeping: &Sleeping) -> Sleeping {
    let (action, footprint) = steps[position];
    let commutes = |(other, of_other): &&(Action, Footprint)| {
        other.process != action.process && of_other.is_independent_of(footprint)
    };
    sleeping.iter().chain(&steps[..position]).filter(commutes).copied().collect()
}

/// Explores a scenario. Returns the first violation with the steps that lead to it.
pub(super) async fn explore(
    world: &World,
    scenario: &Scenario,
    bounds: Bounds,
    rng: &mut StdRng,
) -> Result<Counts, String> {
    let start = prepare(world, scenario).await?;
    let (seen, counts) = (HashMap::new(), Counts { scenarios: 1, ..Counts::default() });
    let mut explorer = Explorer { world, scenario, start, bounds, seen, branches: Vec::new(), counts };
    explorer.execute(None).await?;
    while !explorer.branches.is_empty() {
        let is_late = bounds.deadline.is_some_and(|deadline| deadline < Instant::now());
        if explorer.counts.schedules >= bounds.schedules || is_late {
            explorer.counts.incomplete = 1;
            break;
        }
        let next = rng.random_range(0..explorer.branches.len());
        let branch = explorer.branches.swap_remove(next);
        explorer.execute(Some(branch)).await?;
    }
    explorer.counts.states = explorer.seen.len();
    Ok(explorer.counts)
}

/// Issues a license key and runs the preparation, or returns the state that an earlier scenario has prepared.
async fn prepare(world: &World, scenario: &Scenario) -> Result<Snapshot, String> {
    if let Some(prepared) = world.prepared.borrow().get(scenario.prepared) {
        return Ok(prepared.clone());
    }
    let issued = world.issue(scenario.kind).await;
    let preparation = Scenario { processes: vec![scenario.preparation.clone()], ..scenario.clone() };
    let mut execution = Execution::new(world, &preparation, &issued, 0).await;
    let prepared = execution.run_one_after_another().await;
    prepared.map_err(|violation| format!("{execution}{violation}"))?;
    let prepared = execution.snapshot().await;
    world.prepared.borrow_mut().insert(scenario.prepared, prepared.clone());
    Ok(prepared)
}

struct Explorer<'a> {
    world: &'a World,
    scenario: &'a Scenario,
    start: Snapshot,
    bounds: Bounds,
    /// The states that were reached, with the steps that were asleep then.
    seen: HashMap<u64, BTreeSet<Action>>,
    branches: Vec<Branch>,
    counts: Counts,
}

impl Explorer<'_> {
    /// Executes a branch, and continues until nothing is left to do or a state is reached that was reached before.
    async fn execute(&mut self, branch: Option<Branch>) -> Result<(), String> {
        let mut execution = Execution::new(self.world, self.scenario, &self.start, self.bounds.faults).await;
        let outcome = self.run(&mut execution, branch).await;
        execution.cancel();
        self.counts.schedules += 1;
        self.counts.most_ended = self.counts.most_ended.max(execution.most_ended);
        outcome.map_err(|violation| format!("{execution}{violation}"))
    }

    async fn run(&mut self, execution: &mut Execution<'_>, branch: Option<Branch>) -> Result<(), String> {
        let (mut path, mut sleeping) = (Vec::new(), Sleeping::new());
        if let Some(branch) = branch {
            execution.repeat(&branch.path, &branch.record).await?;
            path.extend_from_slice(&branch.path);
            self.apply(execution, branch.step, &mut path).await?;
            sleeping = branch.sleeping;
        }
        loop {
            let enabled = execution.enabled();
            if enabled.is_empty() {
                let is_new = self.world.checked_ends.borrow_mut().insert(execution.final_state());
                return if is_new { execution.check_end().await } else { Ok(()) };
            }
            let steps = self.untried(execution.state(), &enabled, &sleeping);
            let Some((first, _)) = steps.first().copied() else { return Ok(()) };
            if steps.len() > 1 {
                let (path, record): (Rc<[Action]>, _) = (path.as_slice().into(), Rc::new(execution.record()));
                let branch = |position: usize| Branch {
                    path: Rc::clone(&path),
                    record: Rc::clone(&record),
                    step: steps[position].0,
                    sleeping: sleeping_after(&steps, position, &sleeping),
                };
                self.branches.extend((1..steps.len()).map(branch));
            }
            sleeping = sleeping_after(&steps, 0, &sleeping);
            self.apply(execution, first, &mut path).await?;
        }
    }

    async fn apply(
        &mut self,
        execution: &mut Execution<'_>,
        step: Action,
        path: &mut Vec<Action>,
    ) -> Result<(), String> {
        path.push(step);
        self.counts.steps += 1;
        self.counts.max_depth = self.counts.max_depth.max(path.len());
        execution.apply(step).await
    }

    /// Returns the steps that were not tried from a state, and remembers it.
    fn untried(
        &mut self,
        state: u64,
        enabled: &[(Action, Footprint)],
        sleeping: &Sleeping,
    ) -> Vec<(Action, Footprint)> {
        let asleep: BTreeSet<Action> = sleeping.iter().map(|(action, _)| *action).collect();
        let awake = enabled.iter().filter(|(action, _)| !asleep.contains(action)).copied();
        match self.seen.get_mut(&state) {
            None => {
                let awake = awake.collect();
                self.seen.insert(state, asleep);
                awake
            }
            Some(before) => {
                let untried = awake.filter(|(action, _)| before.contains(action)).collect();
                before.retain(|action| asleep.contains(action));
                untried
            }
        }
    }
}

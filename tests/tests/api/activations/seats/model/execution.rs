//! One execution of a scenario: what can happen next, and its effect.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use signet_tests::{Reply, ScheduledCall, TestResponse, Value};
use tokio::task::JoinHandle;

use super::{
    commands,
    enabled::{Action, ActionKind},
    ledger::{Ledger, Seen, Token},
    names::Names,
    replies::{self, Variant},
    scenario::{Command, Scenario},
    table::{Items, TableState, read_items, read_without_events},
    world::{Clients, Snapshot, World},
};

/// A process of the scenario.
#[derive(Default)]
pub(super) struct Process {
    /// The number of commands that have started.
    pub(super) started: usize,
    pub(super) request: Option<JoinHandle<TestResponse>>,
    /// What the calls of the present command returned, as hashes.
    replies: BTreeMap<usize, u64>,
    /// What was in the table at some moment of the present command.
    pub(super) seen: Seen,
    /// The hash of the outcomes of the commands that have ended.
    outcomes: u64,
}

/// What is recorded during an execution.
pub(super) struct Record {
    ledger: Ledger,
    seen: Vec<Seen>,
}

/// An execution of a scenario.
pub(super) struct Execution<'a> {
    pub(super) world: &'a World,
    pub(super) scenario: &'a Scenario,
    license_id: String,
    pub(super) processes: Vec<Process>,
    /// Calls whose attempt timed out, with the number of their command.
    pub(super) late: Vec<(usize, Arc<ScheduledCall>)>,
    clients: Clients,
    ledger: Ledger,
    names: Names,
    items: Items,
    pub(super) table: TableState,
    pub(super) faults_left: usize,
    /// A prefix of the names of nonces.
    phase: &'static str,
    is_repeat: bool,
    /// What has happened, for a message.
    log: Vec<String>,
    /// The largest number of activations that were ended explicitly while their tokens are valid.
    pub(super) most_ended: usize,
}

impl<'a> Execution<'a> {
    /// Restores the table and the clock. Nothing has started.
    pub(super) async fn new(world: &'a World, scenario: &'a Scenario, snapshot: &Snapshot, faults: usize) -> Self {
        world.restore(snapshot).await;
        Self {
            world,
            scenario,
            license_id: snapshot.license_id.clone(),
            processes: scenario.processes.iter().map(|_| Process::default()).collect(),
            late: Vec::new(),
            clients: snapshot.clients.clone(),
            ledger: snapshot.ledger.clone(),
            names: snapshot.names.clone(),
            items: snapshot.items.clone(),
            table: TableState::parse(&snapshot.items, &snapshot.names),
            faults_left: faults,
            phase: "",
            is_repeat: false,
            log: Vec::new(),
            most_ended: 0,
        }
    }

    /// Runs the processes one after another, without faults. Machines take the lowest free seat.
    pub(super) async fn run_one_after_another(&mut self) -> Result<(), String> {
        self.phase = "prepared ";
        loop {
            let enabled = self.enabled();
            let calls = enabled.iter().find(|(action, _)| matches!(action.kind, ActionKind::Call(..)));
            let Some((action, _)) = calls.or(enabled.first()) else { return Ok(()) };
            self.apply(*action).await?;
        }
    }

    /// Returns the state of everything after the last step, to which later executions return.
    pub(super) async fn snapshot(&self) -> Snapshot {
        Snapshot {
            license_id: self.license_id.clone(),
            items: read_items(&self.world.stack, &self.license_id).await,
            time: self.world.time(),
            clients: self.clients.clone(),
            ledger: self.ledger.clone(),
            names: self.names.clone(),
        }
    }

    /// Returns the command that a process executes.
    pub(super) fn present(&self, process: usize) -> Option<Command> {
        self.processes[process].started.checked_sub(1).map(|index| self.scenario.processes[process][index])
    }

    /// Returns the commands of a process that have not started.
    pub(super) fn future(&self, process: usize) -> &[Command] {
        &self.scenario.processes[process][self.processes[process].started..]
    }

    /// Returns what was recorded by [`Self::apply`] and is not by [`Self::repeat`].
    pub(super) fn record(&self) -> Record {
        Record { ledger: self.ledger.clone(), seen: self.processes.iter().map(|one| one.seen.clone()).collect() }
    }

    /// Makes steps that were made and checked in an earlier execution, with what was recorded after the last of them.
    pub(super) async fn repeat(&mut self, actions: &[Action], record: &Record) -> Result<(), String> {
        self.is_repeat = true;
        for action in actions {
            self.step(*action).await;
            for (process, response) in self.responses().await? {
                self.complete(process, &response)?;
            }
        }
        self.is_repeat = false;
        self.ledger = record.ledger.clone();
        for (process, seen) in self.processes.iter_mut().zip(&record.seen) {
            process.seen = seen.clone();
        }
        self.read_table().await;
        Ok(())
    }

    /// Makes a step, and checks everything afterwards.
    pub(super) async fn apply(&mut self, action: Action) -> Result<(), String> {
        self.step(action).await;
        self.observe().await?;
        for (process, response) in self.responses().await? {
            if let Some(token) = self.complete(process, &response)? {
                self.ledger.add(token, &self.processes[process].seen)?;
            }
        }
        let ended = self.ledger.check_tokens(self.table.license.max_users, self.world.now())?;
        self.most_ended = self.most_ended.max(ended);
        Ok(())
    }

    async fn step(&mut self, action: Action) {
        let description = self.describe(action);
        self.log.push(description);
        match action.kind {
            ActionKind::Start => self.start(action.process),
            ActionKind::Call(ordinal, variant) => self.call(action.process, ordinal, variant),
            ActionKind::Late(command, ordinal) => {
                let is_it = |(one, call): &(usize, Arc<ScheduledCall>)| {
                    (*one, call.process, call.ordinal) == (command, action.process, ordinal)
                };
                let index = self.late.iter().position(is_it).expect("a late call");
                let (_, call) = self.late.swap_remove(index);
                self.world.scheduler.execute(&call.operation, &call.input);
            }
        }
        settle().await;
        if let ActionKind::Call(ordinal, Variant::LoseResponseAndConflict) = action.kind {
            let calls = self.world.scheduler.waiting();
            let retry = calls.iter().find(|call| call.process == action.process && call.ordinal > ordinal);
            if let Some(retry) = retry {
                self.world.scheduler.reply(retry, replies::conflict());
                settle().await;
            }
        }
        for call in self.world.scheduler.waiting() {
            let name = format!("{}{}.{}", self.phase, call.process, self.processes[call.process].started);
            self.names.add(&call, &name);
        }
    }

    /// Returns the responses to requests that have ended.
    async fn responses(&mut self) -> Result<Vec<(usize, TestResponse)>, String> {
        let mut responses = Vec::new();
        for (number, process) in self.processes.iter_mut().enumerate() {
            if let Some(request) = process.request.take_if(|request| request.is_finished()) {
                let response = request.await.map_err(|error| format!("the request failed: {error}"))?;
                responses.push((number, response));
            }
        }
        Ok(responses)
    }

    fn start(&mut self, process: usize) {
        let command = self.future(process)[0];
        self.processes[process].started += 1;
        self.processes[process].replies.clear();
        let mut seen = Seen::from_start(self.world.now());
        seen.add(&self.table);
        self.processes[process].seen = seen;
        if let Command::Advance(seconds) = command {
            self.world.stack.advance(seconds);
        } else if let Some(request) =
            commands::request(self.world, (&self.clients, self.scenario.kind), &self.license_id, command)
        {
            let request = self.world.scheduler.scope(process, request);
            self.processes[process].request = Some(tokio::spawn(request));
        }
    }

    fn call(&mut self, process: usize, ordinal: usize, variant: Variant) {
        let world = self.world;
        let scheduler = &world.scheduler;
        let calls = scheduler.waiting();
        let call = calls.iter().find(|call| (call.process, call.ordinal) == (process, ordinal));
        let call = call.unwrap_or_else(|| panic!("{process} does not wait for {ordinal}: {:#?}", self.log));
        let mut reply = String::new();
        match variant {
            Variant::Normal | Variant::Choice(_) => {
                let (status, body) = replies::response(scheduler, call, variant, self.processes[process].seen.start);
                let value: Value = serde_json::from_str(&body).expect("JSON");
                reply = format!("{status} {}", self.names.canonical(&value));
                scheduler.reply(call, Reply::Response(status, body));
            }
            Variant::LoseResponse | Variant::LoseResponseAndConflict => {
                scheduler.execute(&call.operation, &call.input);
                scheduler.reply(call, Reply::Timeout);
            }
            Variant::Late => {
                self.late.push((self.processes[process].started, Arc::clone(call)));
                scheduler.reply(call, Reply::Timeout);
            }
            Variant::Crash => {
                scheduler.execute(&call.operation, &call.input);
                if let Some(request) = self.processes[process].request.take() {
                    request.abort();
                }
                self.processes[process].outcomes = hash(&(self.processes[process].outcomes, "crash"));
            }
        }
        if variant.is_fault() {
            self.faults_left -= 1;
        }
        self.processes[process].replies.insert(ordinal, hash(&(reply, variant)));
    }

    async fn read_table(&mut self) {
        self.items = read_without_events(&self.world.stack, &self.license_id).await;
        self.table = TableState::parse(&self.items, &self.names);
    }

    /// Reads the table, and checks everything that must be true at every moment.
    async fn observe(&mut self) -> Result<(), String> {
        self.read_table().await;
        self.ledger.observe(&self.table, self.world.now())?;
        for process in self.processes.iter_mut().filter(|process| process.request.is_some()) {
            process.seen.add(&self.table);
        }
        Ok(())
    }

    /// Checks the status of a response, and lets the clients know it. Returns the token in it.
    fn complete(&mut self, process: usize, response: &TestResponse) -> Result<Option<Token>, String> {
        let command = self.present(process).expect("a command");
        self.log.push(format!("{process} {command:?} returns {} {}", response.status, response.body["code"]));
        if response.body["code"] == "seat_limit_reached" && !self.processes[process].seen.was_full && !self.is_repeat {
            return Err("refused, although a seat was available at every moment of the request".to_owned());
        }
        let token = commands::token(command, response)?.map(|token| Token::parse(token, &self.names));
        commands::remember(&mut self.clients, command, response);
        let outcomes = (self.processes[process].outcomes, response.status, response.body["code"].to_string(), &token);
        self.processes[process].outcomes = hash(&outcomes);
        Ok(token)
    }

    /// Returns a hash of the state, in which random values do not count.
    pub(super) fn state(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.canonical_table().hash(&mut hasher);
        (self.world.time(), self.faults_left, &self.ledger, self.clients.license_key.0).hash(&mut hasher);
        let last = self.clients.machines.iter().map(|one| one.as_ref().map(|(_, token)| token));
        for token in last.chain(self.clients.old_tokens.iter().map(Option::as_ref)) {
            token.map(|token| Token::parse(token, &self.names)).hash(&mut hasher);
        }
        for process in &self.processes {
            let is_running = process.request.is_some();
            (process.started, is_running, process.outcomes).hash(&mut hasher);
            if is_running {
                (&process.replies, &process.seen).hash(&mut hasher);
            }
        }
        for call in self.world.scheduler.waiting() {
            (call.process, call.ordinal).hash(&mut hasher);
        }
        let mut late: Vec<_> = self.late.iter().map(|(command, call)| (call.process, command, call.ordinal)).collect();
        late.sort_unstable();
        late.hash(&mut hasher);
        hasher.finish()
    }

    /// Returns the items of the license key that decide what happens later.
    fn canonical_table(&self) -> Vec<String> {
        let counts = |key: &str| {
            ["LICENSE", "RETURNS"].contains(&key) || key.starts_with("SEAT#") || key.starts_with("MACHINE#")
        };
        self.items.iter().filter(|(key, _)| counts(key)).map(|(_, item)| self.names.canonical(item)).collect()
    }

    /// Returns a hash of what decides which machines can activate when nothing runs any more.
    pub(super) fn final_state(&self) -> u64 {
        hash(&(self.table.without_names(), self.world.time(), self.clients.license_key.0))
    }

    /// Checks, when nothing runs any more, that no seat is lost.
    pub(super) async fn check_end(&mut self) -> Result<(), String> {
        self.log.push("nothing runs any more".to_owned());
        commands::check_end(self.world, (&self.clients, self.scenario.kind), &self.license_id, &self.table).await
    }

    /// Ends all requests.
    pub(super) fn cancel(&mut self) {
        for process in &mut self.processes {
            if let Some(request) = process.request.take() {
                request.abort();
            }
        }
    }

    fn describe(&self, action: Action) -> String {
        let Action { process, kind } = action;
        match kind {
            ActionKind::Start => format!("{process} starts {:?}", self.future(process)[0]),
            ActionKind::Call(ordinal, variant) => {
                let calls = self.world.scheduler.waiting();
                let call = calls.iter().find(|call| (call.process, call.ordinal) == (process, ordinal));
                let operation = call.map_or_else(String::new, |call| replies::describe(call));
                format!("{process} {:?}: {operation} {variant}", self.present(process).expect("a command"))
            }
            ActionKind::Late(..) => format!("{process}: a call takes effect late"),
        }
    }
}

impl fmt::Display for Execution<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.scenario)?;
        self.log.iter().try_for_each(|line| writeln!(f, "  {line}"))
    }
}

/// Lets every request run until it waits for a call or ends: the clock of the runtime is paused, and the pauses before retries
/// are shorter.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(1)).await;
}

/// Returns the hash of a value.
pub(super) fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

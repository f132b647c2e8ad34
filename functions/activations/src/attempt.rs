//! One attempt to activate a machine: renews its activation, or finds a seat and takes it.

use axum::extract::FromRef;
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use shared::{
    AppState,
    domain::{
        Activation, ActivationId, Actor, ActorKind, DescribedActivation, EncryptionKey, Event, EventData, IdGenerator,
        License, MachineFacts, MachineHash, ReportedFacts, SeatStatus, Subject, Tier,
        event::payload::{ActivationCreated, ActivationTakenOver, LicenseSeatLimitReached, TakenOverActivation},
        machine_facts::seatless_process_facts_end,
        rate_limit::{ActivationRateLimit, Bucket},
        seat::{SEAT_WINDOW_SIZE, lease_end, seat_ranges},
    },
    http::{Metric, RequestContext},
    store::{
        StoreError, Table,
        lapsed::LapsedSearch,
        rate_limiter::{RateLimitError, RateLimitExceeded, RateLimiter},
        renewals::{RenewOutcome, Renewal},
        seats::{ActivationOutcome, NewActivation},
    },
};
use tokio::sync::OnceCell;

use crate::seat_search::{SearchOutcome, SeatSearch};

/// What assigning a seat uses. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Seats {
    table: Table,
    rate_limiter: RateLimiter,
    /// The rate limit of activations for each license key.
    rate_limit: Option<ActivationRateLimit>,
    /// A lease lapses this long after its expiry.
    pub(crate) clock_margin: SignedDuration,
}

impl FromRef<AppState> for Seats {
    fn from_ref(app: &AppState) -> Self {
        Self {
            table: app.table.clone(),
            rate_limiter: app.rate_limiter.clone(),
            rate_limit: app.settings.rate_limits.activations,
            clock_margin: app.settings.clock_margin,
        }
    }
}

impl Seats {
    /// Returns a copy that does not count activations or refused requests, for imports.
    #[must_use]
    pub fn without_rate_limits(&self) -> Self {
        Self { rate_limit: None, ..self.clone() }
    }
}

/// The machine or process, as the app describes it.
#[derive(Clone, Copy)]
pub(crate) struct Machine<'a> {
    pub(crate) hash: MachineHash,
    pub(crate) id: &'a str,
    /// The id of the process; `None` if the machine holds the seat.
    pub(crate) instance_id: Option<&'a str>,
    pub(crate) name: Option<&'a str>,
    pub(crate) reported: ReportedFacts<'a>,
    pub(crate) public_key: Option<&'a EncryptionKey>,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(
        (id, instance_id): (&'a str, Option<&'a str>),
        name: Option<&'a str>,
        public_key: Option<&'a EncryptionKey>,
    ) -> Self {
        let hash = MachineHash::from_ids(id, instance_id);
        Self { hash, id, instance_id, name, reported: ReportedFacts::default(), public_key }
    }
}

/// Who activates a machine.
#[derive(Clone, Copy)]
pub(crate) enum ActivatedBy<'a> {
    /// Its app.
    App,
    /// An operator who imports it.
    Import(&'a Actor),
    /// An operator or a customer, for a license file.
    Manager(&'a Actor),
}

/// One attempt to activate a machine, based on one read of the license and the catalog.
pub(crate) struct Attempt<'a> {
    pub(crate) seats: &'a Seats,
    pub(crate) ctx: &'a RequestContext,
    pub(crate) license: &'a License,
    pub(crate) tier: &'a Tier,
    pub(crate) machine: Machine<'a>,
    pub(crate) counted: &'a CountedActivation,
    pub(crate) by: ActivatedBy<'a>,
}

/// Records that the rate limit of the license key has counted this request. It counts a request once, even if the
/// request makes several attempts.
#[derive(Default)]
pub(crate) struct CountedActivation(OnceCell<()>);

pub(crate) enum AttemptOutcome {
    /// A new activation, with a seat if the license key has a seat limit.
    New(Box<DescribedActivation>),
    /// The machine's existing activation, renewed.
    Renewed(Box<DescribedActivation>),
    /// Every seat is taken, and no lease has lapsed. Contains when the first of the leases that were read lapses.
    Full(Option<Timestamp>),
    /// A concurrent change: try again from the start.
    Retry,
}

impl Attempt<'_> {
    pub(crate) async fn run(&self, found: Option<&Activation>) -> Result<AttemptOutcome, RateLimitError> {
        match found.map(|found| (found, found.seat_status(self.license))) {
            // Boxed, because the futures are large.
            Some((found, SeatStatus::Live)) => Ok(Box::pin(self.renew(found)).await?),
            Some((_, SeatStatus::Newer)) => Ok(AttemptOutcome::Retry),
            Some((previous, SeatStatus::NotLive)) => Box::pin(self.find_seat(Some(previous))).await,
            None => Box::pin(self.find_seat(None)).await,
        }
    }

    fn lease_end(&self) -> Timestamp {
        lease_end(self.ctx.now, self.tier)
    }

    /// Renews the activation, and records what has changed about the machine.
    async fn renew(&self, live: &Activation) -> Result<AttemptOutcome, StoreError> {
        let (table, Machine { name, reported, .. }) = (&self.seats.table, self.machine);
        let renewal = Renewal {
            id: live.id,
            generation: self.license.generation,
            lease_expires_at: self.lease_end(),
            at: self.ctx.now,
            ip: &self.ctx.ip,
            public_key: self.machine.public_key,
            is_seatless_process: live.is_seatless_process(),
            offline_file_until: None,
        };
        let (renewed, facts) = tokio::try_join!(table.renew(&renewal), table.machine_facts(&live.id))?;
        let RenewOutcome::Done(activation) = renewed else { return Ok(AttemptOutcome::Retry) };
        let known_name = facts.as_ref().and_then(|facts| facts.name.as_deref());
        table.record_facts(&activation, name.filter(|name| known_name != Some(name)), reported).await?;
        let facts = facts.map(|facts| facts.with(name, reported));
        Ok(AttemptOutcome::Renewed(Box::new(DescribedActivation { activation: *activation, facts })))
    }

    /// Finds a seat for a new activation and takes it. `previous` is the machine's earlier activation, which is no
    /// longer live.
    async fn find_seat(&self, previous: Option<&Activation>) -> Result<AttemptOutcome, RateLimitError> {
        let Some(max_users) = self.license.max_users else { return self.take(None, previous).await };
        self.check_rate_limits()?;
        let table = &self.seats.table;
        if table.is_known_full(self.license, self.ctx.now).await? {
            return Ok(AttemptOutcome::Full(None));
        }
        let search = SeatSearch::new(table, self.license, max_users);
        if let Some(number) = search.first_window().await? {
            return self.take(Some(number), previous).await;
        }
        self.check_license_refusals()?;
        let basis = match search.all().await? {
            SearchOutcome::Free(number) => return self.take(Some(number), previous).await,
            SearchOutcome::AllTaken(basis) => basis,
        };
        let outcome = Box::pin(self.take_over(previous, max_users)).await?;
        if let AttemptOutcome::Full(_) = outcome {
            self.count_refusal().await?;
            self.record_seat_limit(max_users).await;
            if let Some(basis) = basis {
                table.remember_full(self.license.id, basis, self.ctx.now);
            }
        }
        Ok(outcome)
    }

    /// Rejects the request before the first read of a seat if it is known to be above a limit, so that an app that
    /// retries in a loop cannot exhaust the read capacity of the license's partition.
    fn check_rate_limits(&self) -> Result<(), RateLimitExceeded> {
        let Some(limit) = self.seats.rate_limit else { return Ok(()) };
        let refusals = self.machine_refusals();
        // An earlier attempt of this request may have been counted as the last activation that is allowed.
        let activations = (!self.counted.0.initialized()).then(|| self.activation_bucket(limit));
        [&refusals]
            .into_iter()
            .chain(&activations)
            .try_for_each(|one| self.ctx.check_limit(&self.seats.rate_limiter, one))
    }

    /// Rejects the request before the reads that follow a first window without a free seat, if too many requests have
    /// made them in vain. A seat that is free in the first window is found nevertheless, so machines that cannot get a
    /// seat do not keep others from one that was freed.
    fn check_license_refusals(&self) -> Result<(), RateLimitExceeded> {
        if self.seats.rate_limit.is_none() {
            return Ok(());
        }
        self.ctx.check_limit(&self.seats.rate_limiter, &ActivationRateLimit::license_refusals(self.license))
    }

    /// Counts a search in which all seats were taken. It does not reject this request, which has its outcome; later ones
    /// are rejected before they search.
    async fn count_refusal(&self) -> Result<(), StoreError> {
        if self.seats.rate_limit.is_none() {
            return Ok(());
        }
        for bucket in [self.machine_refusals(), ActivationRateLimit::license_refusals(self.license)] {
            match self.count(&bucket).await {
                Ok(()) | Err(RateLimitError::RateLimitExceeded(_)) => {}
                Err(RateLimitError::Store(error)) => return Err(error),
            }
        }
        Ok(())
    }

    /// Records the event that every seat is taken, at most once an hour. A failure does not change the response.
    async fn record_seat_limit(&self, max_users: u32) {
        let (table, license) = (&self.seats.table, self.license.id);
        let machine = self.machine;
        let record = async {
            if self.is_import() || table.is_seat_limit_recorded(license, self.ctx.now).await? {
                return Ok(());
            }
            let data = LicenseSeatLimitReached {
                machine_id: machine.id.to_owned(),
                instance_id: machine.instance_id.map(str::to_owned),
                max_users,
            };
            let actor = match self.by {
                ActivatedBy::App => Actor { kind: ActorKind::App, id: license.to_string() },
                ActivatedBy::Import(actor) | ActivatedBy::Manager(actor) => actor.clone(),
            };
            let mut ids = IdGenerator::new(self.ctx.now);
            let data = EventData::LicenseSeatLimitReached(data);
            let event = self.ctx.event_source(actor).event(&mut ids, Subject::License(license), data);
            table.record_seat_limit(license, &event).await
        };
        let recorded: Result<(), StoreError> = Box::pin(record).await;
        if let Err(error) = recorded {
            tracing::warn!(%error, %license, "recording that every seat is taken failed");
        }
    }

    /// Returns the bucket of refusals, which all processes of a machine share.
    fn machine_refusals(&self) -> Bucket {
        ActivationRateLimit::machine_refusals(self.license, MachineHash::from_machine_id(self.machine.id))
    }

    fn activation_bucket(&self, limit: ActivationRateLimit) -> Bucket {
        limit.activation_bucket(self.license, self.machine.hash, self.tier)
    }

    /// Counts an activation, or rejects it. Counted before it takes effect: a limit that is counted afterwards can be
    /// exceeded.
    async fn count_activation(&self) -> Result<(), RateLimitError> {
        let Some(limit) = self.seats.rate_limit else { return Ok(()) };
        let bucket = self.activation_bucket(limit);
        self.counted.0.get_or_try_init(|| self.count(&bucket)).await.copied()
    }

    async fn count(&self, bucket: &Bucket) -> Result<(), RateLimitError> {
        self.ctx.count_request(&self.seats.rate_limiter, &self.seats.table, bucket).await
    }

    async fn take(&self, seat: Option<u32>, previous: Option<&Activation>) -> Result<AttemptOutcome, RateLimitError> {
        self.count_activation().await?;
        let (activation, facts) = (self.new_activation(seat), self.facts());
        let event = self.event(&activation, None);
        let new = self.new_write(&activation, &facts, previous, &event);
        Ok(self.outcome(self.seats.table.take_free_seat(new).await?, facts))
    }

    /// Takes over a seat whose lease has lapsed, chosen at random so that concurrent requests rarely choose the same
    /// one.
    async fn take_over(&self, previous: Option<&Activation>, max_users: u32) -> Result<AttemptOutcome, RateLimitError> {
        let lapsed_before = self.ctx.now.checked_sub(self.seats.clock_margin).unwrap_or(Timestamp::MIN);
        let LapsedSearch { lapsed, earliest_lease } = Box::pin(self.search_lapsed(max_users, lapsed_before)).await?;
        if lapsed.is_empty() {
            let retry_at = earliest_lease.and_then(|lease| lease.checked_add(self.seats.clock_margin).ok());
            return Ok(Box::pin(self.recheck_full(max_users, retry_at)).await?);
        }
        let lapsed = &lapsed[rand::rng().random_range(0..lapsed.len())];
        if lapsed.id.machine == self.machine.hash {
            return Ok(AttemptOutcome::Retry);
        }
        self.count_activation().await?;
        let (activation, facts) = (self.new_activation(lapsed.seat), self.facts());
        let event = self.event(&activation, Some(lapsed));
        let new = self.new_write(&activation, &facts, previous, &event);
        Ok(self.outcome(self.seats.table.take_over(new, lapsed, lapsed_before).await?, facts))
    }

    /// Searches for lapsed leases: of machines by their activations, of processes by the seats, because processes that have ended
    /// leave many activations.
    async fn search_lapsed(&self, max_users: u32, lapsed_before: Timestamp) -> Result<LapsedSearch, StoreError> {
        let table = &self.seats.table;
        if self.machine.instance_id.is_none() {
            let start = MachineHash(rand::rng().random());
            return table.search_lapsed_machines(self.license, lapsed_before, start).await;
        }
        let ranges = seat_ranges(max_users, &mut rand::rng());
        table.search_lapsed_seats(self.license, lapsed_before, &ranges).await
    }

    /// Decides between `Full` and `Retry` after no seat was found. The request is refused only if the license still has
    /// the generation and seat limit that the attempt was based on, the machine still has no seat, and all seats are still taken:
    /// a concurrent request of the same machine may have taken the last one, and a lapsed seat may have been freed between the two
    /// searches. Seats that are more than one window are not read again; see [`Table::remember_full`].
    async fn recheck_full(&self, max_users: u32, retry_at: Option<Timestamp>) -> Result<AttemptOutcome, StoreError> {
        let table = &self.seats.table;
        let seats = SeatSearch::new(table, self.license, max_users);
        let free = async { if max_users <= SEAT_WINDOW_SIZE { seats.first_window().await } else { Ok(None) } };
        let (license, own, free) = tokio::try_join!(
            table.license(self.license.id),
            table.activation(self.license.id, self.machine.hash),
            free
        )?;
        let is_unchanged = license.is_some_and(|license| {
            (license.generation, license.max_users) == (self.license.generation, self.license.max_users)
        });
        let holds_seat = own.is_some_and(|own| own.seat_status(self.license) == SeatStatus::Live);
        let is_full = is_unchanged && !holds_seat && free.is_none();
        Ok(if is_full { AttemptOutcome::Full(retry_at) } else { AttemptOutcome::Retry })
    }

    fn is_import(&self) -> bool {
        matches!(self.by, ActivatedBy::Import(_))
    }

    fn new_write<'a>(
        &self,
        activation: &'a Activation,
        facts: &'a MachineFacts,
        previous: Option<&'a Activation>,
        event: &'a Event,
    ) -> NewActivation<'a> {
        NewActivation { activation, facts, previous, event, is_import: self.is_import() }
    }

    fn new_activation(&self, seat: Option<u32>) -> Activation {
        let (now, lease_expires_at) = (self.ctx.now, self.lease_end());
        let activation = Activation {
            id: ActivationId::generate(self.license.id, self.machine.hash, &mut rand::rng()),
            seat,
            generation: self.license.generation,
            machine_id: self.machine.id.to_owned(),
            instance_id: self.machine.instance_id.map(str::to_owned),
            last_ip: self.ctx.ip.clone(),
            last_heartbeat_at: now,
            lease_expires_at,
            public_key: self.machine.public_key.cloned(),
            borrow: None,
            offline_file_until: None,
            facts_digest: self.machine.reported.digest(),
            facts_until: None,
            ended_at: None,
        };
        let facts_until = activation.is_seatless_process().then(|| seatless_process_facts_end(lease_expires_at));
        Activation { facts_until, ..activation }
    }

    /// Returns the facts about the machine of a new activation.
    fn facts(&self) -> MachineFacts {
        let (ip, activated_at) = (self.ctx.ip.clone(), self.ctx.now);
        let facts = MachineFacts { name: None, ip, activated_at, app_version: None, os: None, hostname: None };
        facts.with(self.machine.name, self.machine.reported)
    }

    fn outcome(&self, outcome: ActivationOutcome, facts: MachineFacts) -> AttemptOutcome {
        match outcome {
            ActivationOutcome::Done(activation) => {
                self.ctx.metrics.count(Metric::Activated);
                AttemptOutcome::New(Box::new(DescribedActivation { activation: *activation, facts: Some(facts) }))
            }
            ActivationOutcome::Conflict => AttemptOutcome::Retry,
        }
    }

    /// Creates the event of a new activation, in a free seat or in that of a lapsed activation.
    fn event(&self, activation: &Activation, taken_from: Option<&Activation>) -> Event {
        let created = ActivationCreated {
            activation_id: activation.id,
            machine_id: activation.machine_id.clone(),
            machine_name: self.machine.name.map(str::to_owned),
            app_version: self.machine.reported.app_version.map(str::to_owned),
            os: self.machine.reported.os.map(str::to_owned),
            seat: activation.seat,
            instance_id: activation.instance_id.clone(),
            imported: self.is_import().then_some(true),
        };
        let data = match taken_from {
            None => EventData::ActivationCreated(created),
            Some(lapsed) => EventData::ActivationTakenOver(ActivationTakenOver {
                activation: created,
                taken_from: TakenOverActivation { activation_id: lapsed.id, machine_id: lapsed.machine_id.clone() },
            }),
        };
        let actor = match self.by {
            ActivatedBy::App => Actor { kind: ActorKind::App, id: activation.id.to_string() },
            ActivatedBy::Import(actor) | ActivatedBy::Manager(actor) => actor.clone(),
        };
        self.ctx.event(&mut IdGenerator::new(self.ctx.now), &actor, Subject::Activation(activation.id), data)
    }
}

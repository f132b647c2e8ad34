//! One attempt to activate a machine: renews its activation, or finds a seat and takes it.

use axum::extract::FromRef;
use jiff::{SignedDuration, Timestamp};
use rand::RngExt;
use shared::{
    AppState,
    domain::{
        Activation, ActivationId, Actor, ActorKind, EncryptionKey, Event, EventType, IdGenerator, License, MachineHash,
        SeatStatus, Tier,
        rate_limit::{ActivationRateLimit, Bucket},
        seat::lease_end,
    },
    http::RequestContext,
    store::{
        StoreError, Table,
        activations::{RenewOutcome, Renewal},
        rate_limiter::{RateLimitError, RateLimitExceeded, RateLimiter},
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

/// The machine, as the app describes it.
#[derive(Clone, Copy)]
pub(crate) struct Machine<'a> {
    pub(crate) hash: MachineHash,
    pub(crate) id: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) public_key: Option<&'a EncryptionKey>,
}

/// One attempt to activate a machine, based on one read of the license and the catalog.
pub(crate) struct Attempt<'a> {
    pub(crate) seats: &'a Seats,
    pub(crate) ctx: &'a RequestContext,
    pub(crate) license: &'a License,
    pub(crate) tier: &'a Tier,
    pub(crate) machine: Machine<'a>,
    pub(crate) counted: &'a CountedActivation,
    /// Who imports the activation; `None` if the machine activates itself.
    pub(crate) imported_by: Option<&'a Actor>,
}

/// Records that the rate limit of the license key has counted this request. It counts a request once, even if the
/// request makes several attempts.
#[derive(Default)]
pub(crate) struct CountedActivation(OnceCell<()>);

pub(crate) enum AttemptOutcome {
    /// A new activation, with a seat if the license key has a seat limit.
    New(Box<Activation>),
    /// The machine's existing activation, renewed.
    Renewed(Box<Activation>),
    /// Every seat is taken, and no lease has lapsed.
    Full,
    /// A concurrent change: try again from the start.
    Retry,
}

impl Attempt<'_> {
    pub(crate) async fn run(&self, found: Option<&Activation>) -> Result<AttemptOutcome, RateLimitError> {
        match found.map(|found| (found, found.seat_status(self.license))) {
            Some((found, SeatStatus::Live)) => Ok(self.renew(found).await?),
            Some((_, SeatStatus::Newer)) => Ok(AttemptOutcome::Retry),
            Some((previous, SeatStatus::NotLive)) => self.find_seat(Some(previous)).await,
            None => self.find_seat(None).await,
        }
    }

    fn lease_end(&self) -> Timestamp {
        lease_end(self.ctx.now, self.tier)
    }

    async fn renew(&self, live: &Activation) -> Result<AttemptOutcome, StoreError> {
        let renewal = Renewal {
            id: live.id,
            generation: self.license.generation,
            lease_expires_at: self.lease_end(),
            at: self.ctx.now,
            ip: &self.ctx.ip,
            machine_name: self.machine.name,
            public_key: self.machine.public_key,
        };
        Ok(match self.seats.table.renew(&renewal).await? {
            RenewOutcome::Done(activation) => AttemptOutcome::Renewed(activation),
            RenewOutcome::NotLive => AttemptOutcome::Retry,
        })
    }

    /// Finds a seat for a new activation and takes it. `previous` is the machine's earlier activation, which is no
    /// longer live.
    async fn find_seat(&self, previous: Option<&Activation>) -> Result<AttemptOutcome, RateLimitError> {
        let Some(max_users) = self.license.max_users else { return self.take(None, previous).await };
        self.check_rate_limits()?;
        let table = &self.seats.table;
        if table.is_known_full(self.license, self.ctx.now).await? {
            return Ok(AttemptOutcome::Full);
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
        let outcome = self.take_over(previous).await?;
        if let AttemptOutcome::Full = outcome {
            self.count_refusal().await?;
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
        let refusals = ActivationRateLimit::machine_refusals(self.license, self.machine.hash);
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
        for bucket in [
            ActivationRateLimit::machine_refusals(self.license, self.machine.hash),
            ActivationRateLimit::license_refusals(self.license),
        ] {
            match self.count(&bucket).await {
                Ok(()) | Err(RateLimitError::RateLimitExceeded(_)) => {}
                Err(RateLimitError::Store(error)) => return Err(error),
            }
        }
        Ok(())
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
        let activation = self.new_activation(seat);
        let event = self.event(EventType::Activated, &activation, None);
        let is_import = self.imported_by.is_some();
        let new = NewActivation { activation: &activation, previous, event: &event, is_import };
        Ok(attempt_outcome(self.seats.table.take_free_seat(new).await?))
    }

    /// Takes over a seat whose lease has lapsed, chosen at random so that concurrent requests rarely choose the same
    /// one.
    async fn take_over(&self, previous: Option<&Activation>) -> Result<AttemptOutcome, RateLimitError> {
        let lapsed_before = self.ctx.now.checked_sub(self.seats.clock_margin).unwrap_or(Timestamp::MIN);
        let start = MachineHash(rand::rng().random());
        let lapsed = self.seats.table.sample_lapsed(self.license, lapsed_before, start).await?;
        if lapsed.is_empty() {
            return Ok(self.recheck_full().await?);
        }
        let lapsed = &lapsed[rand::rng().random_range(0..lapsed.len())];
        if lapsed.id.machine == self.machine.hash {
            return Ok(AttemptOutcome::Retry);
        }
        self.count_activation().await?;
        let activation = self.new_activation(lapsed.seat);
        let event = self.event(EventType::TakenOver, &activation, Some(lapsed));
        let is_import = self.imported_by.is_some();
        let new = NewActivation { activation: &activation, previous, event: &event, is_import };
        Ok(attempt_outcome(self.seats.table.take_over(new, lapsed, lapsed_before).await?))
    }

    /// Decides between `Full` and `Retry` after no seat was found. The request is refused only if the license still has
    /// the generation and seat limit that the attempt was based on, and the machine still has no seat: a concurrent
    /// request of the same machine may have taken the last one.
    async fn recheck_full(&self) -> Result<AttemptOutcome, StoreError> {
        let table = &self.seats.table;
        let (license, own) =
            tokio::try_join!(table.license(self.license.id), table.activation(self.license.id, self.machine.hash))?;
        let is_unchanged = license.is_some_and(|license| {
            (license.generation, license.max_users) == (self.license.generation, self.license.max_users)
        });
        let holds_seat = own.is_some_and(|own| own.seat_status(self.license) == SeatStatus::Live);
        Ok(if is_unchanged && !holds_seat { AttemptOutcome::Full } else { AttemptOutcome::Retry })
    }

    fn new_activation(&self, seat: Option<u32>) -> Activation {
        let now = self.ctx.now;
        Activation {
            id: ActivationId::generate(self.license.id, self.machine.hash, &mut rand::rng()),
            seat,
            generation: self.license.generation,
            machine_id: self.machine.id.to_owned(),
            machine_name: self.machine.name.map(str::to_owned),
            ip: self.ctx.ip.clone(),
            last_ip: self.ctx.ip.clone(),
            activated_at: now,
            last_heartbeat_at: now,
            lease_expires_at: self.lease_end(),
            public_key: self.machine.public_key.cloned(),
            ended_at: None,
        }
    }

    fn event(&self, kind: EventType, activation: &Activation, taken_from: Option<&Activation>) -> Event {
        let id = activation.id.to_string();
        let mut data = serde_json::json!({
            "activation_id": id,
            "machine_id": activation.machine_id,
            "machine_name": activation.machine_name,
            "seat": activation.seat,
        });
        if let Some(lapsed) = taken_from {
            data["taken_from"] =
                serde_json::json!({ "activation_id": lapsed.id.to_string(), "machine_id": lapsed.machine_id });
        }
        if self.imported_by.is_some() {
            data["imported"] = true.into();
        }
        let actor = self.imported_by.cloned().unwrap_or(Actor { kind: ActorKind::App, id });
        self.ctx.event(&mut IdGenerator::new(self.ctx.now), kind, self.license.id, &actor, data)
    }
}

fn attempt_outcome(outcome: ActivationOutcome) -> AttemptOutcome {
    match outcome {
        ActivationOutcome::Done(activation) => AttemptOutcome::New(activation),
        ActivationOutcome::Conflict => AttemptOutcome::Retry,
    }
}

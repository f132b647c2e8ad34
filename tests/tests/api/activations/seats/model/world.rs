//! An installation with a product and two tiers, and license keys that are reset between executions.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    time::Duration,
};

use jiff::SignedDuration;
use shared::Timeouts;
use shared::domain::{MachineHash, rate_limit::RateLimits};
use signet_local::Options;
use signet_tests::{START, Scheduler, Stack, Value, json, merged, random_word, text};

use super::{
    ledger::Ledger,
    names::Names,
    scenario::{
        EXPIRES_AFTER, EXPIRY_GRACE, LONG_EXPIRY_GRACE, LONG_TOKEN_TTL, LicenseKind, MACHINES, MAX_BORROW,
        OFFLINE_GRACE, SEATS, TOKEN_TTL, Tier,
    },
    table::{Items, read_items},
};

/// An installation without sockets or timeouts: a call to DynamoDB waits as long as the test wants.
pub(super) struct World {
    pub(super) stack: Stack,
    pub(super) scheduler: Scheduler,
    /// The hashes of the machines, then those of their processes.
    pub(super) machine_hashes: Vec<String>,
    /// The states at the end of an execution that were checked, as hashes.
    pub(super) checked_ends: RefCell<HashSet<u64>>,
    /// The prepared states, by their names.
    pub(super) prepared: RefCell<HashMap<&'static str, Snapshot>>,
    customer: Value,
    short: Value,
    long: Value,
    processes: Value,
}

/// What the clients know: the key string and their last tokens.
#[derive(Debug, Clone, Default)]
pub(super) struct Clients {
    /// The newest key string that a response reported, with its generation.
    pub(super) license_key: (u64, String),
    /// The last activation id and token of each machine.
    pub(super) machines: Vec<Option<(String, String)>>,
    /// The last token of each machine's activation before that.
    pub(super) old_tokens: Vec<Option<String>>,
}

/// A license key and everything that is known about it, to which executions return.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) license_id: String,
    pub(super) items: Items,
    /// Seconds since the start.
    pub(super) time: i64,
    pub(super) clients: Clients,
    pub(super) ledger: Ledger,
    pub(super) names: Names,
}

/// The id of the process on each machine.
pub(super) const INSTANCE_ID: &str = "process";

/// Returns the id of a machine.
pub(super) fn machine_id(number: usize) -> String {
    format!("m-{number}")
}

impl World {
    pub(super) async fn start() -> Self {
        let unlimited = Duration::from_hours(24 * 365);
        let timeouts = Timeouts { attempt: unlimited, operation: unlimited, request: unlimited, import: unlimited };
        let stack =
            Stack::start_with(Options { rate_limits: RateLimits::UNLIMITED, timeouts, ..Options::default() }).await;
        let scheduler = stack.scheduler.clone().expect("DynamoDB is called in process");
        let product = stack.operator.create_product().await;
        let tier = async |fields: Value| {
            let fields = merged(
                json!({"max_users": SEATS, "token_ttl_seconds": TOKEN_TTL, "offline_grace_seconds": OFFLINE_GRACE,
                    "expiry_grace_seconds": EXPIRY_GRACE, "heartbeat_interval_seconds": 900, "code": random_word("t")}),
                &fields,
            );
            stack.operator.create_tier(&product, &fields).await
        };
        let short = tier(json!({"max_borrow_seconds": MAX_BORROW})).await;
        let long = json!({"token_ttl_seconds": LONG_TOKEN_TTL, "expiry_grace_seconds": LONG_EXPIRY_GRACE,
            "max_borrow_seconds": MAX_BORROW});
        let long = tier(long).await;
        let processes = tier(json!({"seat_unit": "process"})).await;
        let customer = stack.operator.create_customer().await;
        let hash = |number, instance| MachineHash::from_ids(&machine_id(number), instance).to_string();
        let instances = [None, Some(INSTANCE_ID)].into_iter();
        let machine_hashes =
            instances.flat_map(|instance| (0..MACHINES).map(move |number| hash(number, instance))).collect();
        tokio::time::pause();
        Self {
            stack,
            scheduler,
            machine_hashes,
            checked_ends: RefCell::default(),
            prepared: RefCell::default(),
            customer,
            short,
            long,
            processes,
        }
    }

    /// Returns the id of a tier.
    pub(super) fn tier_id(&self, tier: Tier) -> &str {
        text(match tier {
            Tier::Short => &self.short["id"],
            Tier::Long => &self.long["id"],
        })
    }

    /// Issues a license key.
    pub(super) async fn issue(&self, kind: LicenseKind) -> Snapshot {
        self.set_time(0);
        let end = (START + SignedDuration::from_secs(EXPIRES_AFTER)).to_string();
        let expires_at = if kind == LicenseKind::Expiring { end.into() } else { Value::Null };
        let tier = if kind == LicenseKind::Processes { &self.processes } else { &self.short };
        let issued = self.stack.operator.issue(&self.customer, tier, &json!({"expires_at": expires_at})).await;
        let license_id = text(&issued["license"]["id"]).to_owned();
        Snapshot {
            items: read_items(&self.stack, &license_id).await,
            license_id,
            time: 0,
            clients: Clients {
                license_key: (1, text(&issued["license_key"]).to_owned()),
                machines: vec![None; MACHINES],
                old_tokens: vec![None; MACHINES],
            },
            ledger: Ledger::default(),
            names: Names::default(),
        }
    }

    /// Returns the seconds since the start.
    pub(super) fn time(&self) -> i64 {
        self.now() - START.as_second()
    }

    /// Returns the Unix time.
    pub(super) fn now(&self) -> i64 {
        self.stack.clock.now().as_second()
    }

    /// Restores the items of the license key and the time.
    pub(super) async fn restore(&self, snapshot: &Snapshot) {
        self.scheduler.clear();
        self.scheduler.watch(&format!("LICENSE#{}", snapshot.license_id));
        let present = read_items(&self.stack, &snapshot.license_id).await;
        let mut writes: Vec<Value> = Vec::new();
        for (sort_key, item) in &present {
            if !snapshot.items.contains_key(sort_key) {
                writes.push(json!({"DeleteRequest": {"Key": {"PK": item["PK"], "SK": item["SK"]}}}));
            }
        }
        let changed = snapshot.items.iter().filter(|(sort_key, item)| present.get(*sort_key) != Some(item));
        writes.extend(changed.map(|(_, item)| json!({"PutRequest": {"Item": item}})));
        for writes in writes.chunks(25) {
            let input = json!({"RequestItems": {self.stack.local.table.clone(): writes}});
            self.stack.call_dynamodb("BatchWriteItem", input).await;
        }
        self.set_time(snapshot.time);
    }

    fn set_time(&self, time: i64) {
        self.stack.advance(time - self.time());
    }
}

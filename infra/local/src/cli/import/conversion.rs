//! The result of reading the files of another system: the lines to import, in order, and what cannot be imported.

use std::collections::{BTreeMap, HashMap, HashSet};

use data_encoding::HEXLOWER;
use shared::domain::{Customer, Timestamp, secret::sha256};

use super::{
    lines::{ActivationLine, CustomerLine, ImportLine, LicenseKey, LicenseLine, Line, Record},
    object::FieldProblem,
    tiers::{Bought, CustomerIdSource, ImportMap},
};

/// A record that cannot be imported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// The record.
    pub(super) record: Record,
    /// The field and what is wrong with it.
    pub(super) problem: FieldProblem,
}

/// What the files contain.
#[derive(Debug)]
pub(super) struct Conversion<'a> {
    /// The file of `--map`.
    pub(super) map: &'a ImportMap,
    /// Files that cannot be read.
    pub(super) unreadable_files: Vec<Problem>,
    /// Records that cannot be imported.
    pub(super) problems: Vec<Problem>,
    /// What is not imported, or is changed, although nothing is wrong.
    pub(super) notices: Vec<String>,
    lines: Vec<ImportLine>,
    /// The machines, with the external ids of their license keys.
    activations: Vec<(String, ImportLine)>,
    /// The number of license keys without a pricing tier, by what their customers bought.
    missing_tiers: BTreeMap<Vec<Bought>, usize>,
    /// The customers by external id.
    customers: HashMap<String, CustomerLine>,
    /// The external ids of customers by email address in lower case.
    emails: HashMap<String, String>,
    /// The external ids of customers without an email address.
    without_email: HashSet<String>,
    /// The records and the lines of license keys by external id.
    licenses: HashMap<String, ImportLine>,
    /// The records of license keys by the hash of the key string.
    keys: HashMap<String, Record>,
    /// License key and machine id.
    machines: HashSet<(String, String)>,
    /// The external ids of license keys that no machine can activate.
    unusable: HashSet<String>,
    now: Timestamp,
}

impl<'a> Conversion<'a> {
    /// Starts without lines. License keys are expired or not at `now`.
    pub(super) fn new(map: &'a ImportMap, now: Timestamp) -> Self {
        Self {
            map,
            unreadable_files: Vec::new(),
            problems: Vec::new(),
            notices: Vec::new(),
            lines: Vec::new(),
            activations: Vec::new(),
            missing_tiers: BTreeMap::new(),
            customers: HashMap::new(),
            emails: HashMap::new(),
            without_email: HashSet::new(),
            licenses: HashMap::new(),
            keys: HashMap::new(),
            machines: HashSet::new(),
            unusable: HashSet::new(),
            now,
        }
    }

    /// Adds the machines of all license keys that can be used. The API would refuse those of the others.
    pub(super) fn finish(&mut self) {
        let (omitted, activations): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.activations).into_iter().partition(|(license, _)| self.unusable.contains(license));
        self.lines.extend(activations.into_iter().map(|(_, line)| line));
        self.note_omitted(omitted.len(), "machine", "of suspended, revoked or expired license keys");
    }

    /// Returns the lines, each after what it refers to.
    pub(super) fn into_lines(self) -> Vec<ImportLine> {
        let mut lines = self.lines;
        lines.sort_by_key(|line| line.line_type);
        lines
    }

    /// Returns the number of license keys without a pricing tier, by what their customers bought.
    pub(super) fn missing_tiers(&self) -> &BTreeMap<Vec<Bought>, usize> {
        &self.missing_tiers
    }

    /// Adds the problem of a record.
    pub(super) fn add_problem(&mut self, record: &Record, problem: FieldProblem) {
        self.problems.push(Problem { record: record.clone(), problem });
    }

    /// Adds the problem of a file of which records would be lost. They can't be skipped.
    pub(super) fn refuse_file(&mut self, record: Record, problem: FieldProblem) {
        self.unreadable_files.push(Problem { record, problem });
    }

    /// Adds the problem of a record, if there is one.
    pub(super) fn check(&mut self, record: &Record, result: Result<(), FieldProblem>) {
        if let Err(problem) = result {
            self.add_problem(record, problem);
        }
    }

    /// Adds a notice that things are not imported, unless there are none. `text` is appended to their number.
    pub(super) fn note_omitted(&mut self, count: usize, things: &str, text: &str) {
        if count > 0 {
            self.notices.push(format!("not imported: {} {text}", counted(count, things)));
        }
    }

    /// Adds a line that is already in the form of the API.
    pub(super) fn add_line(&mut self, line: ImportLine) {
        self.lines.push(line);
    }

    /// Removes and returns lines.
    pub(super) fn remove_lines(&mut self, is_removed: impl Fn(&ImportLine) -> bool) -> Vec<ImportLine> {
        self.lines.extract_if(.., |line| is_removed(line)).collect()
    }

    /// Adds a customer. Records of a customer that was added before, or has the same email address, add nothing. A customer without
    /// an email address cannot be imported, but its license keys can.
    pub(super) fn add_customer(&mut self, record: &Record, customer: PartialCustomer) {
        let PartialCustomer { external_id: id, name, email, company, metadata } = customer;
        let Some(email) = email else {
            if self.without_email.insert(id.clone()) {
                let text = "has no email address: the license keys are imported without a customer";
                self.notices.push(format!("{record}: customer {id} {text}"));
            }
            return;
        };
        let email_key = Customer::email_key(&email);
        let name = name.unwrap_or_else(|| email.clone());
        let external_id = match self.map.customer_id {
            CustomerIdSource::Id => id.clone(),
            CustomerIdSource::Email => email_external_id(&email),
        };
        let customer = CustomerLine { external_id, name, email, company, metadata };
        if let Some(known) = self.customers.get(&id) {
            if *known != customer {
                let text = "differs from an earlier record of the same customer, which is imported";
                self.notices.push(format!("{record}: {id} {text}"));
            }
            return;
        }
        if let Some(same) = self.emails.get(&email_key) {
            let text = format!("{record}: {id} has the email address of {same}; they are imported as one customer");
            self.notices.push(text);
        } else {
            self.lines.push(ImportLine::new(record, &Line::Customer(customer.clone())));
            self.emails.insert(email_key, customer.external_id.clone());
        }
        self.customers.insert(id, customer);
    }

    /// Adds the customer of a license key. Returns the external id by which the license key refers to it, if any.
    pub(super) fn add_owner(&mut self, record: &Record, customer: PartialCustomer) -> Option<String> {
        let external_id = customer.external_id.clone();
        self.add_customer(record, customer);
        self.customer_reference(external_id)
    }

    /// Returns the external id by which a license key refers to a customer. It is that of another customer with the same email
    /// address, if that one was added, and `None` for a customer without an email address. A customer that was not added can have
    /// been imported before.
    pub(super) fn customer_reference(&self, external_id: String) -> Option<String> {
        if self.without_email.contains(&external_id) && !self.customers.contains_key(&external_id) {
            return None;
        }
        let customer = self.customers.get(&external_id);
        let added = customer.and_then(|customer| self.emails.get(&Customer::email_key(&customer.email)));
        Some(added.cloned().unwrap_or(external_id))
    }

    /// Adds a license key. Without a pricing tier, it has the one of the map for what the customer bought, or is counted as one that
    /// needs an entry there. A record that was added before adds nothing.
    pub(super) fn add_license(&mut self, record: &Record, bought: Vec<Bought>, mut license: LicenseLine) {
        license.tier = license.tier.or_else(|| self.map.find(&bought).cloned());
        let has_tier = license.tier.is_some();
        let id = license.external_id.clone();
        let key = match &license.key {
            LicenseKey::Text(key) => HEXLOWER.encode(&sha256(key.expose().trim().as_bytes())),
            LicenseKey::Hash(hash) => hash.to_ascii_lowercase(),
        };
        let is_usable = license.is_usable(self.now);
        let line = ImportLine::new(record, &Line::License(Box::new(license)));
        if let Some(known) = self.licenses.get(&id) {
            // Pages that were requested one after the other can overlap.
            if known.text != line.text {
                let detail = format!("{id} is also the id of another license key, in {}", known.record);
                self.add_problem(record, FieldProblem::new("id", detail));
            }
            return;
        }
        if let Some(other) = self.keys.get(&key) {
            let detail = format!("is also the license key of {other}");
            self.add_problem(record, FieldProblem::new("license key", detail));
            return;
        }
        if !has_tier {
            *self.missing_tiers.entry(bought).or_default() += 1;
        }
        if !is_usable {
            self.unusable.insert(id.clone());
        }
        self.keys.insert(key, record.clone());
        self.licenses.insert(id, line.clone());
        self.lines.push(line);
    }

    /// Adds a machine. A machine that was added before for the same license key adds nothing.
    pub(super) fn add_activation(&mut self, record: &Record, activation: ActivationLine) {
        let machine = (activation.license_external_id.clone(), activation.machine_id.clone());
        if self.machines.insert(machine) {
            let license = activation.license_external_id.clone();
            self.activations.push((license, ImportLine::new(record, &Line::Activation(activation))));
        }
    }
}

/// A customer as another system has it.
#[derive(Debug)]
pub(super) struct PartialCustomer {
    pub(super) external_id: String,
    /// Without a name, the email address is the name.
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) company: Option<String>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// Returns the external id of a customer that is known by the email address.
pub(super) fn email_external_id(email: &str) -> String {
    format!("email:{}", Customer::email_key(email))
}

/// Returns `1 policy` or `2 policies`.
pub(super) fn counted(count: usize, singular: &str) -> String {
    match (count, singular.strip_suffix('y')) {
        (1, _) => format!("1 {singular}"),
        (_, Some(stem)) if !stem.ends_with(['a', 'e', 'o']) => format!("{count} {stem}ies"),
        _ => format!("{count} {singular}s"),
    }
}

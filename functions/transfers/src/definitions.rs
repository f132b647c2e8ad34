//! What the lines of a dry run would create: later lines of the same request can refer to it, and conflict with it.

use std::collections::HashMap;

use shared::{domain::Customer, http::Code, store::imports::LineHash};

use crate::{
    lines::{Line, line_hash},
    outcome::{LineOutcome, NumberedLine, used_outcome},
};

/// The first line that has a value, and its hash.
#[derive(Clone, Copy)]
struct Definition {
    line: usize,
    hash: LineHash,
}

/// What the lines of a body define.
#[derive(Default)]
pub(crate) struct Definitions<'a> {
    customers: HashMap<&'a str, Definition>,
    emails: HashMap<String, usize>,
    licenses: HashMap<&'a str, Definition>,
    keys: HashMap<[u8; 32], usize>,
    machines: HashMap<(&'a str, &'a str), usize>,
}

impl<'a> Definitions<'a> {
    /// Returns what these lines define.
    pub(crate) fn of(lines: &'a [NumberedLine]) -> Result<Self, serde_json::Error> {
        let mut all = Self::default();
        for NumberedLine { number, line } in lines {
            let line_number = *number;
            match line {
                Ok(Line::Customer(line)) => {
                    let definition = Definition { line: line_number, hash: line_hash(line)? };
                    all.customers.entry(&line.external_id).or_insert(definition);
                    all.emails.entry(Customer::email_key(&line.email)).or_insert(line_number);
                }
                Ok(Line::License(line)) => {
                    let definition = Definition { line: line_number, hash: line_hash(&**line)? };
                    all.licenses.entry(&line.external_id).or_insert(definition);
                    if let Some(hash) = line.key_sha256() {
                        all.keys.entry(hash).or_insert(line_number);
                    }
                }
                Ok(Line::Activation(line)) => {
                    all.machines.entry((&line.license_external_id, &line.machine_id)).or_insert(line_number);
                }
                Err(_) => {}
            }
        }
        Ok(all)
    }

    /// Returns whether a line before this one defines a customer.
    pub(crate) fn has_customer(&self, external_id: &str, line: usize) -> bool {
        self.customers.get(external_id).is_some_and(|definition| definition.line < line)
    }

    /// Returns whether a line before this one defines a license key.
    pub(crate) fn has_license(&self, external_id: &str, line: usize) -> bool {
        self.licenses.get(external_id).is_some_and(|definition| definition.line < line)
    }

    /// Returns the outcome of a line that repeats a value of an earlier line; `None` if the table decides.
    pub(crate) fn outcome(&self, number: usize, line: &Line) -> Option<LineOutcome> {
        let is_earlier = |line: Option<&usize>| line.is_some_and(|line| *line < number);
        let repeated = |definition: Option<&Definition>, hash: Option<LineHash>, kind| {
            let definition = definition.filter(|definition| definition.line < number)?;
            Some(used_outcome(Some(definition.hash), hash?, kind))
        };
        match line {
            Line::Customer(line) => {
                let email_taken = || {
                    let is_taken = is_earlier(self.emails.get(&Customer::email_key(&line.email)));
                    let detail = "already used by another customer";
                    is_taken.then(|| LineOutcome::failed("/email", Code::EmailTaken, detail))
                };
                let first = self.customers.get(&*line.external_id);
                repeated(first, line_hash(line).ok(), "customer").or_else(email_taken)
            }
            Line::License(line) => {
                let key_taken = || {
                    let is_taken = is_earlier(line.key_sha256().and_then(|hash| self.keys.get(&hash)));
                    is_taken.then(|| line.key_string_taken())
                };
                let first = self.licenses.get(&*line.external_id);
                repeated(first, line_hash(&**line).ok(), "license key").or_else(key_taken)
            }
            Line::Activation(line) => {
                let first = self.machines.get(&(&*line.license_external_id, &*line.machine_id));
                is_earlier(first).then_some(LineOutcome::Unchanged)
            }
        }
    }
}

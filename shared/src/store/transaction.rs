//! Writes as they are asked for: conditions, changes and transactions, and what became of them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::table::{Item, Key};

/// Attributes whose names are words of DynamoDB's condition language, and what a condition calls them.
const RESERVED: [(&str, &str); 2] = [("#status", "status"), ("#token", "token")];

/// What must hold for a write, in DynamoDB's condition language.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    pub(super) expression: String,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Condition {
    /// A condition; its `:names` are given by [`Condition::value`].
    pub fn new(expression: impl Into<String>) -> Self {
        Self { expression: expression.into(), values: HashMap::new() }
    }

    /// There is no such item.
    pub fn absent() -> Self {
        Self::new("attribute_not_exists(PK)")
    }

    /// There is such an item.
    pub fn present() -> Self {
        Self::new("attribute_exists(PK)")
    }

    /// This, and more.
    #[must_use]
    pub fn and(self, more: &str) -> Self {
        Self { expression: format!("({}) AND ({more})", self.expression), ..self }
    }

    /// This, or else that.
    #[must_use]
    pub fn or(self, other: &str) -> Self {
        Self { expression: format!("({}) OR ({other})", self.expression), ..self }
    }

    /// Gives a `:name` its value.
    #[must_use]
    pub fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }
}

/// Sets and removes attributes of one item that exists.
#[derive(Debug, Clone)]
pub struct Change {
    pub(super) key: Key,
    set: Vec<(String, AttributeValue)>,
    add: Vec<(String, AttributeValue)>,
    take: Vec<(String, AttributeValue)>,
    remove: Vec<String>,
    condition: Condition,
}

impl Change {
    /// A change of the item at `key`, on condition. That the item exists need not be said: nothing deleted comes back.
    pub fn new(key: Key, condition: Condition) -> Self {
        let (set, add, take, remove) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { key, set, add, take, remove, condition }
    }

    /// Sets an attribute.
    #[must_use]
    pub fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.set.push((name.to_owned(), value));
        self
    }

    /// Adds to a number, or members to a set.
    #[must_use]
    pub fn add(mut self, name: &str, value: AttributeValue) -> Self {
        self.add.push((name.to_owned(), value));
        self
    }

    /// Takes members out of a set.
    #[must_use]
    pub fn take(mut self, name: &str, members: AttributeValue) -> Self {
        self.take.push((name.to_owned(), members));
        self
    }

    /// Sets an attribute, or removes it where there is no value.
    #[must_use]
    pub fn set_or_remove(mut self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set.push((name.to_owned(), value)),
            None => self.remove.push(name.to_owned()),
        }
        self
    }

    /// The update expression, its names and its values. Each attribute has a `#name`, as some are reserved words.
    pub(super) fn expressions(&self) -> (String, String, HashMap<String, String>, HashMap<String, AttributeValue>) {
        let mut names = HashMap::new();
        let mut values = self.condition.values.clone();
        let mut clauses = Vec::new();
        for (word, between, written) in [("SET", " =", &self.set), ("ADD", "", &self.add), ("DELETE", "", &self.take)] {
            let mut parts = Vec::new();
            for (index, (name, value)) in written.iter().enumerate() {
                let place = format!("{}{index}", word.to_lowercase());
                names.insert(format!("#{place}"), name.clone());
                values.insert(format!(":{place}"), value.clone());
                parts.push(format!("#{place}{between} :{place}"));
            }
            if !parts.is_empty() {
                clauses.push(format!("{word} {}", parts.join(", ")));
            }
        }
        let mut removes = Vec::new();
        for (index, name) in self.remove.iter().enumerate() {
            names.insert(format!("#remove{index}"), name.clone());
            removes.push(format!("#remove{index}"));
        }
        if !removes.is_empty() {
            clauses.push(format!("REMOVE {}", removes.join(", ")));
        }
        for (place, name) in RESERVED.iter().filter(|(place, _)| self.condition.expression.contains(place)) {
            names.insert((*place).to_owned(), (*name).to_owned());
        }
        let condition = match self.condition.expression.as_str() {
            "" => "attribute_exists(PK)".to_owned(),
            more => format!("attribute_exists(PK) AND ({more})"),
        };
        (clauses.join(" "), condition, names, values)
    }
}

/// Writes that happen together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    items: Vec<TransactWriteItem>,
}

/// What became of a transaction.
#[derive(Debug)]
pub enum CommitOutcome {
    /// All of it was written.
    Done,
    /// None of it was written.
    Refused(ConditionFailures),
}

/// The conditions that did not hold, by the place of their write in the transaction.
#[derive(Debug)]
pub struct ConditionFailures(pub(super) Vec<Verdict>);

/// What became of the condition of one write.
#[derive(Debug)]
pub(super) enum Verdict {
    Held,
    Failed(Option<Item>),
}

impl ConditionFailures {
    /// Whether the condition of this write failed.
    pub fn failed(&self, index: usize) -> bool {
        matches!(self.0.get(index), Some(Verdict::Failed(_)))
    }

    /// The item that made the condition of this write fail, if there was one.
    pub fn old(&self, index: usize) -> Option<&Item> {
        match self.0.get(index)? {
            Verdict::Held => None,
            Verdict::Failed(old) => old.as_ref(),
        }
    }
}

impl Transaction {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many writes it has: the place of the next.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it has no writes yet.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Writes an item whole.
    pub fn put(&mut self, item: Item, condition: Condition) -> &mut Self {
        let put = Put::builder()
            .table_name("")
            .set_item(Some(item))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        self.push(TransactWriteItem::builder().put(built(put.build())).build())
    }

    /// Writes an item whole, whatever is there.
    pub fn put_always(&mut self, item: Item) -> &mut Self {
        let put = Put::builder().table_name("").set_item(Some(item));
        self.push(TransactWriteItem::builder().put(built(put.build())).build())
    }

    /// Changes attributes of an item.
    pub fn change(&mut self, change: &Change) -> &mut Self {
        let (update, condition, names, values) = change.expressions();
        let update = Update::builder()
            .table_name("")
            .set_key(Some(change.key.clone().into_item()))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_names(some(names))
            .set_expression_attribute_values(some(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        self.push(TransactWriteItem::builder().update(built(update.build())).build())
    }

    /// Deletes an item.
    pub fn delete(&mut self, key: Key, condition: Condition) -> &mut Self {
        let delete = Delete::builder()
            .table_name("")
            .set_key(Some(key.into_item()))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        self.push(TransactWriteItem::builder().delete(built(delete.build())).build())
    }

    /// Writes nothing, on condition.
    pub fn check(&mut self, key: Key, condition: Condition) -> &mut Self {
        let check = ConditionCheck::builder()
            .table_name("")
            .set_key(Some(key.into_item()))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(some(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        self.push(TransactWriteItem::builder().condition_check(built(check.build())).build())
    }

    fn push(&mut self, item: TransactWriteItem) -> &mut Self {
        self.items.push(item);
        self
    }

    /// The writes, for the table of this name.
    pub(super) fn for_table(&self, name: &str) -> Vec<TransactWriteItem> {
        let mut items = self.items.clone();
        for item in &mut items {
            let table_name = item
                .put
                .as_mut()
                .map(|write| &mut write.table_name)
                .or_else(|| item.update.as_mut().map(|write| &mut write.table_name))
                .or_else(|| item.delete.as_mut().map(|write| &mut write.table_name))
                .or_else(|| item.condition_check.as_mut().map(|write| &mut write.table_name));
            if let Some(table_name) = table_name {
                name.clone_into(table_name);
            }
        }
        items
    }
}

pub(super) fn some<K, V>(map: HashMap<K, V>) -> Option<HashMap<K, V>> {
    // DynamoDB refuses an empty map of names or values.
    (!map.is_empty()).then_some(map)
}

#[expect(clippy::expect_used, reason = "every field that the SDK requires is set right above each call")]
fn built<T, E: std::fmt::Debug>(built: Result<T, E>) -> T {
    built.expect("all required fields are set")
}

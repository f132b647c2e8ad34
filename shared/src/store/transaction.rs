//! Conditions, item updates and transactions, and the outcomes of transactions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::item::{Item, Key};

/// Attribute names that are reserved words in DynamoDB expressions, and the placeholders for them.
const RESERVED: [(&str, &str); 3] = [("#status", "status"), ("#token", "token"), ("#name", "name")];

/// A DynamoDB condition expression with its values.
#[derive(Debug, Clone, Default)]
pub struct Condition {
    pub(super) expression: String,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Condition {
    /// Creates a condition. Its `:placeholders` get their values from [`Condition::value`].
    pub fn new(expression: impl Into<String>) -> Self {
        Self { expression: expression.into(), values: HashMap::new() }
    }

    /// Requires that the item does not exist.
    pub fn absent() -> Self {
        Self::new("attribute_not_exists(PK)")
    }

    /// Requires that the item exists.
    pub fn present() -> Self {
        Self::new("attribute_exists(PK)")
    }

    /// Combines two conditions with AND.
    #[must_use]
    pub fn and(self, more: &str) -> Self {
        Self { expression: format!("({}) AND ({more})", self.expression), ..self }
    }

    /// Combines two conditions with OR.
    #[must_use]
    pub fn or(self, other: &str) -> Self {
        Self { expression: format!("({}) OR ({other})", self.expression), ..self }
    }

    /// Sets the value of a `:placeholder`.
    #[must_use]
    pub fn value(mut self, name: &str, value: AttributeValue) -> Self {
        self.values.insert(name.to_owned(), value);
        self
    }

    /// Returns the names of the attributes for which the condition has placeholders.
    fn reserved_names(&self) -> HashMap<String, String> {
        let used = RESERVED.iter().filter(|(placeholder, _)| self.expression.contains(placeholder));
        used.map(|(placeholder, name)| ((*placeholder).to_owned(), (*name).to_owned())).collect()
    }
}

/// A conditional update of attributes of one existing item.
#[derive(Debug, Clone)]
pub struct ItemUpdate {
    pub(super) key: Key,
    set: Vec<(String, AttributeValue)>,
    add: Vec<(String, AttributeValue)>,
    remove_members: Vec<(String, AttributeValue)>,
    remove: Vec<String>,
    condition: Condition,
}

impl ItemUpdate {
    /// Creates an update of the item at `key`. The existence of the item is always part of the condition, so that an
    /// update never recreates a deleted item.
    pub fn new(key: Key, condition: Condition) -> Self {
        let (set, add, remove_members, remove) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Self { key, set, add, remove_members, remove, condition }
    }

    /// Sets an attribute.
    #[must_use]
    pub fn set(mut self, name: &str, value: AttributeValue) -> Self {
        self.set.push((name.to_owned(), value));
        self
    }

    /// Adds to a number, or adds members to a set.
    #[must_use]
    pub fn add(mut self, name: &str, value: AttributeValue) -> Self {
        self.add.push((name.to_owned(), value));
        self
    }

    /// Removes members from a set.
    #[must_use]
    pub fn remove_members(mut self, name: &str, members: AttributeValue) -> Self {
        self.remove_members.push((name.to_owned(), members));
        self
    }

    /// Sets an attribute, or removes it if `value` is `None`.
    #[must_use]
    pub fn set_or_remove(mut self, name: &str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set.push((name.to_owned(), value)),
            None => self.remove.push(name.to_owned()),
        }
        self
    }

    /// Returns the update expression, the condition expression, and their names and values. Every attribute name is
    /// replaced by a placeholder, since some are reserved words.
    pub(super) fn expressions(&self) -> (String, String, HashMap<String, String>, HashMap<String, AttributeValue>) {
        let mut names = HashMap::new();
        let mut values = self.condition.values.clone();
        let mut clauses = Vec::new();
        for (clause, operator, attributes) in
            [("SET", " =", &self.set), ("ADD", "", &self.add), ("DELETE", "", &self.remove_members)]
        {
            let mut parts = Vec::new();
            for (index, (name, value)) in attributes.iter().enumerate() {
                let placeholder = format!("{}{index}", clause.to_lowercase());
                names.insert(format!("#{placeholder}"), name.clone());
                values.insert(format!(":{placeholder}"), value.clone());
                parts.push(format!("#{placeholder}{operator} :{placeholder}"));
            }
            if !parts.is_empty() {
                clauses.push(format!("{clause} {}", parts.join(", ")));
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
        names.extend(self.condition.reserved_names());
        let condition = match self.condition.expression.as_str() {
            "" => "attribute_exists(PK)".to_owned(),
            more => format!("attribute_exists(PK) AND ({more})"),
        };
        (clauses.join(" "), condition, names, values)
    }
}

/// Writes that take effect together or not at all.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    items: Vec<TransactWriteItem>,
}

/// The outcome of a transaction.
#[derive(Debug)]
pub enum CommitOutcome {
    /// All writes took effect.
    Done,
    /// No write took effect, since at least one condition failed.
    ConditionFailed(ConditionFailures),
}

/// The results of all conditions, in the order of the writes.
#[derive(Debug)]
pub struct ConditionFailures(pub(super) Vec<ConditionResult>);

/// The result of the condition of one write.
#[derive(Debug)]
pub(super) enum ConditionResult {
    /// The condition held, or was not evaluated.
    Passed,
    /// The condition failed. Contains the existing item, if any.
    Failed(Option<Item>),
}

impl ConditionFailures {
    /// Returns whether the condition of the write at `index` failed.
    pub fn failed(&self, index: usize) -> bool {
        matches!(self.0.get(index), Some(ConditionResult::Failed(_)))
    }

    /// Returns the existing item for which the condition of the write at `index` failed, if any.
    pub fn old(&self, index: usize) -> Option<&Item> {
        match self.0.get(index)? {
            ConditionResult::Passed => None,
            ConditionResult::Failed(old) => old.as_ref(),
        }
    }
}

impl Transaction {
    /// Creates an empty transaction.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the number of writes, which is the index of the next write.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns whether the transaction has no writes.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Adds a conditional write of a whole item.
    pub fn put(&mut self, item: Item, condition: Condition) -> &mut Self {
        let put = Put::builder()
            .table_name("")
            .set_item(Some(item))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(non_empty(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        self.push(TransactWriteItem::builder().put(built(put.build())).build())
    }

    /// Adds an unconditional write of a whole item.
    pub fn put_always(&mut self, item: Item) -> &mut Self {
        let put = Put::builder().table_name("").set_item(Some(item));
        self.push(TransactWriteItem::builder().put(built(put.build())).build())
    }

    /// Adds an update of attributes of an item.
    pub fn update(&mut self, update: &ItemUpdate) -> &mut Self {
        let (expression, condition, names, values) = update.expressions();
        let update = Update::builder()
            .table_name("")
            .set_key(Some(update.key.clone().into_item()))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names(non_empty(names))
            .set_expression_attribute_values(non_empty(values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        self.push(TransactWriteItem::builder().update(built(update.build())).build())
    }

    /// Adds a conditional deletion of an item.
    pub fn delete(&mut self, key: Key, condition: Condition) -> &mut Self {
        let delete = Delete::builder()
            .table_name("")
            .set_key(Some(key.into_item()))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(non_empty(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        self.push(TransactWriteItem::builder().delete(built(delete.build())).build())
    }

    /// Adds the deletion of an item, which need not exist.
    pub fn delete_always(&mut self, key: Key) -> &mut Self {
        let delete = Delete::builder().table_name("").set_key(Some(key.into_item()));
        self.push(TransactWriteItem::builder().delete(built(delete.build())).build())
    }

    /// Adds a condition on an item that the transaction does not write.
    pub fn check(&mut self, key: Key, condition: Condition) -> &mut Self {
        let check = ConditionCheck::builder()
            .table_name("")
            .set_key(Some(key.into_item()))
            .set_expression_attribute_names(non_empty(condition.reserved_names()))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(non_empty(condition.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        self.push(TransactWriteItem::builder().condition_check(built(check.build())).build())
    }

    fn push(&mut self, item: TransactWriteItem) -> &mut Self {
        self.items.push(item);
        self
    }

    /// Returns the writes with the table name set.
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

/// Converts an empty map to `None`, since DynamoDB rejects empty maps of names or values.
pub(super) fn non_empty<K, V>(map: HashMap<K, V>) -> Option<HashMap<K, V>> {
    (!map.is_empty()).then_some(map)
}

#[expect(clippy::expect_used, reason = "all fields that the SDK requires are set by the callers")]
fn built<T, E: std::fmt::Debug>(built: Result<T, E>) -> T {
    built.expect("all required fields are set")
}

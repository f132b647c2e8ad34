//! The schema of the table: creation without a template, and validation.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_dynamodb::{
    operation::{create_table::CreateTableError, describe_table::DescribeTableError},
    types::{
        AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
        ProjectionType, ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
    },
};

use super::{
    error::StoreError,
    indexes::{INDEXES, Index},
    item::TTL_ATTRIBUTE,
    table::{Table, store_error},
};

fn rejected(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Rejected(aws_sdk_dynamodb::error::DisplayErrorContext(error).to_string())
}

fn key_schema([partition, sort]: [&str; 2]) -> Result<Vec<KeySchemaElement>, StoreError> {
    let part = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    Ok(vec![part(partition, KeyType::Hash).map_err(rejected)?, part(sort, KeyType::Range).map_err(rejected)?])
}

fn index_definition(index: &Index) -> Result<GlobalSecondaryIndex, StoreError> {
    let projection = match index.attributes.names() {
        None => Projection::builder().projection_type(ProjectionType::All),
        Some(names) if names.is_empty() => Projection::builder().projection_type(ProjectionType::KeysOnly),
        Some(names) => Projection::builder()
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(names.into_iter().map(str::to_owned).collect())),
    };
    GlobalSecondaryIndex::builder()
        .index_name(index.name)
        .set_key_schema(Some(key_schema(index.keys)?))
        .projection(projection.build())
        .build()
        .map_err(rejected)
}

/// The maximum number of status checks while the table is created; with the interval, two minutes.
const MAX_STATUS_CHECKS: u32 = 600;
/// The time between status checks.
const STATUS_CHECK_INTERVAL: Duration = Duration::from_millis(200);

/// Returns how the schema of the table differs from the expected one; `None` if it matches.
fn schema_difference(table: &TableDescription) -> Option<String> {
    let has_keys = |keys: &[KeySchemaElement], names: [&str; 2]| {
        keys.iter().map(KeySchemaElement::attribute_name).eq(names)
            && table.attribute_definitions().iter().all(|attribute| {
                !names.contains(&attribute.attribute_name()) || *attribute.attribute_type() == ScalarAttributeType::S
            })
    };
    if !has_keys(table.key_schema(), ["PK", "SK"]) {
        return Some("its keys must be the strings PK and SK".to_owned());
    }
    let has_index = |index: &Index| {
        let found = table.global_secondary_indexes();
        found.iter().any(|found| found.index_name() == Some(index.name) && has_keys(found.key_schema(), index.keys))
    };
    let Index { name, keys: [partition, sort], .. } = INDEXES.into_iter().find(|index| !has_index(index))?;
    Some(format!("it must have an index {name} with the string keys {partition} and {sort}"))
}

impl Table {
    /// Returns an error if the table does not exist or has another schema.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let difference = match self.description().await? {
            None => Some("it does not exist in this account and region".to_owned()),
            Some(table) => schema_difference(&table),
        };
        difference.map_or(Ok(()), |reason| Err(StoreError::UnusableTable { table: self.name().to_owned(), reason }))
    }

    /// Creates the table if it does not exist, and waits until it is active. It has no stream: only deployments have
    /// consumers of one, and dynoxide keeps every record forever and reads all of them at each write.
    pub async fn create_if_missing(&self) -> Result<(), StoreError> {
        if self.has_indexes().await? {
            return self.enable_ttl().await;
        }
        match self.description().await? {
            None => self.create_table().await?,
            Some(_) => self.check_schema().await?,
        }
        for _ in 0..MAX_STATUS_CHECKS {
            let status = self.description().await?.and_then(|table| table.table_status);
            if let Some(TableStatus::Active | TableStatus::Updating) = status {
                // Also for an existing table: the process that created it may have stopped before enabling TTL.
                return self.enable_ttl().await;
            }
            tokio::time::sleep(STATUS_CHECK_INTERVAL).await;
        }
        Err(StoreError::Unavailable(format!("table {} does not become active", self.name())))
    }

    /// Returns whether the table is active and has all indexes. It takes the same time for any number of items;
    /// `DescribeTable` counts them in emulators.
    async fn has_indexes(&self) -> Result<bool, StoreError> {
        for Index { name, keys: [partition, _], .. } in INDEXES {
            let query = self.client().query().table_name(self.name()).index_name(name).limit(1);
            let query = query.key_condition_expression("#key = :none").expression_attribute_names("#key", partition);
            let Err(error) = query.expression_attribute_values(":none", AttributeValue::S("-".to_owned())).send().await
            else {
                continue;
            };
            match store_error(&error) {
                StoreError::Rejected(_) => return Ok(false),
                error => return Err(error),
            }
        }
        Ok(true)
    }

    async fn description(&self) -> Result<Option<TableDescription>, StoreError> {
        match self.client().describe_table().table_name(self.name()).send().await {
            Ok(response) => Ok(response.table),
            Err(error) => match error.as_service_error() {
                Some(DescribeTableError::ResourceNotFoundException(_)) => Ok(None),
                _ => Err(store_error(&error)),
            },
        }
    }

    async fn create_table(&self) -> Result<(), StoreError> {
        let names: BTreeSet<_> = ["PK", "SK"].into_iter().chain(INDEXES.iter().flat_map(|index| index.keys)).collect();
        let attributes = names.into_iter().map(|name| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
        });
        let attributes: Result<Vec<_>, _> = attributes.collect();
        let request = self
            .client()
            .create_table()
            .table_name(self.name())
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(attributes.map_err(rejected)?))
            .set_key_schema(Some(key_schema(["PK", "SK"])?))
            .set_global_secondary_indexes(Some(INDEXES.iter().map(index_definition).collect::<Result<_, _>>()?));
        let Err(error) = request.send().await else { return Ok(()) };
        match error.as_service_error() {
            // Another process created the table.
            Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
            _ => Err(store_error(&error)),
        }
    }

    async fn enable_ttl(&self) -> Result<(), StoreError> {
        let described = self.client().describe_time_to_live().table_name(self.name()).send().await;
        let described = described.map_err(|error| store_error(&error))?.time_to_live_description;
        let status = described.and_then(|ttl| ttl.time_to_live_status);
        if let Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling) = status {
            return Ok(());
        }
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(TTL_ATTRIBUTE).build();
        let request = self.client().update_time_to_live().table_name(self.name());
        request.time_to_live_specification(ttl.map_err(rejected)?).send().await.map_err(|error| store_error(&error))?;
        Ok(())
    }
}

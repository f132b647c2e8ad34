//! The table's schema: making it, where no template deploys it, and telling a table of another one.

use std::time::Duration;

use aws_sdk_dynamodb::{
    operation::{create_table::CreateTableError, describe_table::DescribeTableError},
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType, StreamSpecification, StreamViewType, TableDescription, TableStatus,
        TimeToLiveSpecification, TimeToLiveStatus,
    },
};

use super::table::{StoreError, Table, failure};

/// The attribute by whose epoch seconds DynamoDB deletes, some days late.
pub const TTL_ATTRIBUTE: &str = "expires_at_epoch";

fn rejected(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Rejected(aws_sdk_dynamodb::error::DisplayErrorContext(error).to_string())
}

fn key_schema(partition: &str, sort: &str) -> Result<Vec<KeySchemaElement>, StoreError> {
    let part = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    Ok(vec![part(partition, KeyType::Hash).map_err(rejected)?, part(sort, KeyType::Range).map_err(rejected)?])
}

/// The indexes. Each has the keys that are named like it.
const INDEXES: [&str; 2] = ["GSI1", "GSI2"];

fn index(name: &str) -> Result<GlobalSecondaryIndex, StoreError> {
    // The lists show the whole of what they list, and only listed items have an index's keys: seats and activations,
    // which change often, are in none.
    let all = Projection::builder().projection_type(ProjectionType::All).build();
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .set_key_schema(Some(key_schema(&format!("{name}PK"), &format!("{name}SK"))?))
        .projection(all)
        .build()
        .map_err(rejected)
}

/// How often, and after what pause, a table that is being made is looked at: two minutes in all.
const LOOKS: u32 = 600;
const PAUSE: Duration = Duration::from_millis(200);

/// Why a table is not one of ours; none where it is.
fn other_schema(table: &TableDescription) -> Option<String> {
    let has = |keys: &[KeySchemaElement], names: [&str; 2]| {
        keys.iter().map(KeySchemaElement::attribute_name).eq(names)
            && table.attribute_definitions().iter().all(|attribute| {
                !names.contains(&attribute.attribute_name()) || *attribute.attribute_type() == ScalarAttributeType::S
            })
    };
    if !has(table.key_schema(), ["PK", "SK"]) {
        return Some("its keys are not the texts PK and SK".to_owned());
    }
    let is_there = |name: &str| {
        let (pk, sk) = (format!("{name}PK"), format!("{name}SK"));
        let indexes = table.global_secondary_indexes();
        indexes.iter().any(|index| index.index_name() == Some(name) && has(index.key_schema(), [&pk, &sk]))
    };
    let missing = INDEXES.into_iter().find(|name| !is_there(name))?;
    Some(format!("it has no index {missing} with the texts {missing}PK and {missing}SK for keys"))
}

impl Table {
    /// Refuses a table that is missing or has another schema.
    pub async fn check_schema(&self) -> Result<(), StoreError> {
        let other = match self.description().await? {
            None => Some("there is none of this name in this region and account".to_owned()),
            Some(table) => other_schema(&table),
        };
        other.map_or(Ok(()), |fault| Err(StoreError::OtherTable { table: self.name().to_owned(), fault }))
    }

    /// Makes the table unless it is there, and comes back when it can be used.
    pub async fn create_if_missing(&self) -> Result<(), StoreError> {
        match self.description().await? {
            None => self.create_table().await?,
            Some(_) => self.check_schema().await?,
        }
        for _ in 0..LOOKS {
            let status = self.description().await?.and_then(|table| table.table_status);
            if let Some(TableStatus::Active | TableStatus::Updating) = status {
                // Also of a table that is there: the process that made it may have ended before this.
                return self.enable_ttl().await;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(StoreError::Unavailable(format!("the table {} does not become active", self.name())))
    }

    async fn description(&self) -> Result<Option<TableDescription>, StoreError> {
        match self.client().describe_table().table_name(self.name()).send().await {
            Ok(answer) => Ok(answer.table),
            Err(error) => match error.as_service_error() {
                Some(DescribeTableError::ResourceNotFoundException(_)) => Ok(None),
                _ => Err(failure(&error)),
            },
        }
    }

    async fn create_table(&self) -> Result<(), StoreError> {
        let names = ["PK", "SK", "GSI1PK", "GSI1SK", "GSI2PK", "GSI2SK"];
        let attributes = names.map(|name| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S).build()
        });
        let attributes: Result<Vec<_>, _> = attributes.into_iter().collect();
        let stream = StreamSpecification::builder()
            .stream_enabled(true)
            .stream_view_type(StreamViewType::NewAndOldImages)
            .build()
            .map_err(rejected)?;
        let asked = self
            .client()
            .create_table()
            .table_name(self.name())
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(attributes.map_err(rejected)?))
            .set_key_schema(Some(key_schema("PK", "SK")?))
            .set_global_secondary_indexes(Some(INDEXES.into_iter().map(index).collect::<Result<_, _>>()?))
            .stream_specification(stream);
        let Err(error) = asked.send().await else { return Ok(()) };
        match error.as_service_error() {
            // Another process was first.
            Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
            _ => Err(failure(&error)),
        }
    }

    async fn enable_ttl(&self) -> Result<(), StoreError> {
        let described = self.client().describe_time_to_live().table_name(self.name()).send().await;
        let described = described.map_err(|error| failure(&error))?.time_to_live_description;
        let status = described.and_then(|ttl| ttl.time_to_live_status);
        if let Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling) = status {
            return Ok(());
        }
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(TTL_ATTRIBUTE).build();
        let asked = self.client().update_time_to_live().table_name(self.name());
        asked.time_to_live_specification(ttl.map_err(rejected)?).send().await.map_err(|error| failure(&error))?;
        Ok(())
    }
}

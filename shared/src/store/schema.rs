//! Making the table, where it is not deployed by a template: one machine, and tests.

use aws_sdk_dynamodb::{
    operation::create_table::CreateTableError,
    types::{
        AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
        ScalarAttributeType, StreamSpecification, StreamViewType, TimeToLiveSpecification,
    },
};

use super::table::{StoreError, Table};

/// The attribute by whose epoch seconds DynamoDB deletes, some days late.
pub const TTL_ATTRIBUTE: &str = "expires_at_epoch";

fn rejected(error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Rejected(aws_sdk_dynamodb::error::DisplayErrorContext(error).to_string())
}

fn key_schema(partition: &str, sort: &str) -> Result<Vec<KeySchemaElement>, StoreError> {
    let part = |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    Ok(vec![part(partition, KeyType::Hash).map_err(rejected)?, part(sort, KeyType::Range).map_err(rejected)?])
}

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

impl Table {
    /// Makes the table unless it is there.
    pub async fn create_if_missing(&self) -> Result<(), StoreError> {
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
        let made = self
            .client()
            .create_table()
            .table_name(self.name())
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(attributes.map_err(rejected)?))
            .set_key_schema(Some(key_schema("PK", "SK")?))
            .global_secondary_indexes(index("GSI1")?)
            .global_secondary_indexes(index("GSI2")?)
            .stream_specification(stream)
            .send()
            .await;
        match made {
            Ok(_) => self.enable_ttl().await,
            Err(error) => match error.as_service_error() {
                Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
                _ => Err(rejected(error)),
            },
        }
    }

    async fn enable_ttl(&self) -> Result<(), StoreError> {
        let ttl = TimeToLiveSpecification::builder().enabled(true).attribute_name(TTL_ATTRIBUTE).build();
        let asked = self.client().update_time_to_live().table_name(self.name());
        asked.time_to_live_specification(ttl.map_err(rejected)?).send().await.map_err(rejected)?;
        Ok(())
    }
}

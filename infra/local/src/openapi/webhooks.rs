//! The events that webhook endpoints receive: a webhook and a schema for each event type.

use serde_json::{Value, json};
use shared::domain::EventType;

use super::{document::fields, examples::example};

/// The headers of every delivery, as Standard Webhooks defines them: the name of the component, the name, the description and an
/// example.
const HEADERS: [[&str; 4]; 3] = [
    [
        "WebhookId",
        "webhook-id",
        "The id of the event. A delivery that is repeated has the same.",
        "evt_01JD8W0V5XK6Q3R7T2N4M8P9ZB",
    ],
    [
        "WebhookTimestamp",
        "webhook-timestamp",
        "When the delivery was attempted, as Unix time in seconds.",
        "1768478400",
    ],
    [
        "WebhookSignature",
        "webhook-signature",
        "Signatures of the id, the timestamp and the body, separated by spaces: one for each secret of the endpoint.",
        "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
    ],
];

/// Adds the schemas of the events and of their data. Must be called before schemas are merged or removed.
pub(super) fn add_schemas(document: &mut Value) -> Result<(), serde_json::Error> {
    let schemas = fields(&mut document["components"]["schemas"]);
    for event_type in EventType::ALL {
        let payload = event_type.payload_schema();
        for (name, schema) in payload.schemas {
            schemas.entry(name).or_insert(serde_json::to_value(schema)?);
        }
        let mut event = schemas.get("Event").cloned().unwrap_or_default();
        event["description"] = event_type.description().trim().into();
        event["properties"]["type"] = json!({ "type": "string", "const": event_type.as_str() });
        event["properties"]["data"] = json!({ "$ref": format!("#/components/schemas/{}", payload.name) });
        schemas.insert(schema_name(*event_type), event);
    }
    for [component, name, description, example] in HEADERS {
        document["components"]["parameters"][component] = json!({
            "name": name, "in": "header", "required": true, "description": description, "schema": { "type": "string" },
            "example": example,
        });
    }
    for event_type in EventType::ALL {
        document["webhooks"][event_type.as_str()] = json!({ "post": webhook(*event_type) });
    }
    Ok(())
}

/// Adds an example to each webhook.
pub(super) fn add_examples(document: &mut Value) {
    let components = document["components"].clone();
    for event_type in EventType::ALL {
        let schema = &components["schemas"][schema_name(*event_type)];
        let mut event = example(&components, schema);
        event["subject"]["type"] = event_type.subject_type().as_str().into();
        let content = &mut document["webhooks"][event_type.as_str()]["post"]["requestBody"]["content"];
        content["application/json"]["example"] = event;
    }
}

/// The name of the schema of the events of a type, such as `LicenseRenewedEvent`.
fn schema_name(event_type: EventType) -> String {
    format!("{event_type:?}Event")
}

fn webhook(event_type: EventType) -> Value {
    let header = |[component, ..]: [&str; 4]| json!({ "$ref": format!("#/components/parameters/{component}") });
    json!({
        "operationId": format!("receive_{}", event_type.as_str().replace('.', "_")),
        // Not that of the endpoints: generators would write both into one file.
        "tags": ["events"],
        "summary": event_type.as_str(),
        "description": event_type.description().trim(),
        "security": [],
        "parameters": HEADERS.map(header),
        "requestBody": {
            "required": true,
            "description": "The event",
            "content": {
                "application/json": { "schema": { "$ref": format!("#/components/schemas/{}", schema_name(event_type)) } },
            },
        },
        "responses": {
            "204": { "description": "The event was received. Every status from 200 to 299 is a success." },
            "410": { "description": "The endpoint wants no events any more, and is disabled." },
        },
    })
}

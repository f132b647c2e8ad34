use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Parses a JSON object. Serde would also read a list as the fields of a struct in their order.
pub(crate) fn parse_object<T: DeserializeOwned>(text: &[u8]) -> Option<T> {
    let object: Map<String, Value> = serde_json::from_slice(text).ok()?;
    serde_json::from_value(Value::Object(object)).ok()
}

//! Converts submitted forms to the bodies of API requests.

use serde_json::{Map, Value};

use super::{
    inputs::{Input, InputKind},
    parse::{offset_field, parse_date_time, parse_price},
};
use crate::form_data::{FormData, VERSION_FIELD};

/// The value of each input, by name. Text that can't be converted to the input's type is passed on as a string, so that
/// the API reports the validation error.
pub(crate) fn request_body(data: &FormData, inputs: &[Input]) -> Value {
    let mut object = Map::new();
    for input in inputs.iter().filter(|input| !["", VERSION_FIELD].contains(&input.name)) {
        if let Some(value) = json_value(data, input) {
            object.insert(input.name.to_owned(), value);
        }
    }
    Value::Object(object)
}

/// The JSON value of an input; none omits the field.
fn json_value(data: &FormData, input: &Input) -> Option<Value> {
    let text = data.get(input.name);
    let absent = || (!input.omit_empty).then_some(Value::Null);
    match &input.kind {
        InputKind::Checkbox => Some(Value::Bool(!text.is_empty())),
        InputKind::Limits(rows) => Some(rows.iter().filter_map(|row| row.json(data)).collect::<Map<_, _>>().into()),
        InputKind::Checkboxes(_) => Some(data.all(input.name).map(Value::from).collect()),
        _ if text.is_empty() && !input.required => absent(),
        InputKind::Number { .. } => Some(text.parse::<i64>().map_or_else(|_| text.into(), Value::from)),
        InputKind::Money { currency } => Some(parse_price(text, currency).map_or_else(|| text.into(), Value::from)),
        InputKind::DateTime => {
            let time = parse_date_time(text, data.get(&offset_field(input.name)));
            Some(time.unwrap_or_else(|| text.to_owned()).into())
        }
        _ => Some(text.into()),
    }
}

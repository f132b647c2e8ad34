//! JSON files of other systems: a page of an API, an object, or any number of them in a list or one after the other.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::{
    conversion::Conversion,
    files::InputFile,
    lines::Record,
    object::{FieldProblem, Object},
};

/// Returns the objects of the files, each with its record. `lists` are the names of the members that contain the objects of a page.
/// `type_of` returns the type of an object, for the name of its record.
pub(super) fn read_objects(
    files: &[InputFile],
    lists: &[&str],
    type_of: impl Fn(&Value) -> String,
    conversion: &mut Conversion,
) -> Vec<(Record, Value)> {
    let mut found = Vec::new();
    for file in files {
        let mut objects = Vec::new();
        for value in serde_json::Deserializer::from_str(&file.text).into_iter::<Value>() {
            match value {
                Ok(value) => flatten(value, lists, &mut objects),
                // The error of serde_json has a line and a column, and quotes nothing.
                Err(error) => {
                    let record = Record::at_line(&file.name, u64::try_from(error.line()).unwrap_or_default());
                    conversion.refuse_file(record, FieldProblem::new("JSON", error.to_string()));
                    break;
                }
            }
        }
        for (index, object) in objects.into_iter().enumerate() {
            let id = Object(&object).id("id").ok().flatten();
            let id = id.unwrap_or_else(|| format!("number {} of the file", index + 1));
            found.push((Record::named(&file.name, format!("{} {id}", type_of(&object))), object));
        }
    }
    found
}

/// Adds the objects of a page, or the value if it is not a page.
fn flatten(value: Value, lists: &[&str], objects: &mut Vec<Value>) {
    match value {
        Value::Array(items) => items.into_iter().for_each(|item| flatten(item, lists, objects)),
        Value::Object(mut page) if lists.iter().any(|list| page.contains_key(*list)) => {
            let contained = lists.iter().filter_map(|list| page.remove(*list));
            contained.for_each(|value| flatten(value, lists, objects));
        }
        Value::Null => {}
        other => objects.push(other),
    }
}

/// The objects of a file in the form of JSON:API, which have a type, an id, attributes and relationships.
pub(super) struct JsonApi {
    objects: Vec<(Record, Value)>,
    /// The positions of the objects, by type and id.
    positions: HashMap<(String, String), usize>,
}

impl JsonApi {
    /// Reads the files. Objects of types that are not `known` are counted in a notice.
    pub(super) fn read(files: &[InputFile], known: &[&str], conversion: &mut Conversion) -> Self {
        let type_of = |object: &Value| object["type"].as_str().unwrap_or("object").to_owned();
        let (objects, others): (Vec<_>, Vec<_>) = read_objects(files, &["data", "included"], type_of, conversion)
            .into_iter()
            .partition(|(_, object)| object["type"].as_str().is_some_and(|name| known.contains(&name)));
        let mut counts = BTreeMap::new();
        for (record, object) in others {
            match object["type"].as_str() {
                Some(name) => *counts.entry(name.to_owned()).or_insert(0_usize) += 1,
                None => conversion.add_problem(&record, FieldProblem::missing("type")),
            }
        }
        for (name, count) in counts {
            conversion.note_omitted(count, "object", &format!("of type {name}"));
        }
        let key = |object: &Value| Some((object["type"].as_str()?.to_owned(), Object(object).id("id").ok()??));
        let positions = objects.iter().enumerate().filter_map(|(at, (_, object))| Some((key(object)?, at)));
        Self { positions: positions.collect(), objects }
    }

    /// Returns the objects of a type.
    pub(super) fn of_type(&self, name: &str) -> impl Iterator<Item = (&Record, Object<'_>)> {
        let own = self.objects.iter().filter(move |(_, object)| object["type"] == name);
        own.map(|(record, object)| (record, Object(object)))
    }

    /// Returns the object of a type with this id.
    pub(super) fn find(&self, name: &str, id: &str) -> Option<Object<'_>> {
        let at = self.positions.get(&(name.to_owned(), id.to_owned()))?;
        self.objects.get(*at).map(|(_, object)| Object(object))
    }
}

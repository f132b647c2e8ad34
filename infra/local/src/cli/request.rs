//! The HTTP request of a parsed command.

use std::{fs, io};

use clap::ArgMatches;
use serde_json::{Map, Value};
use shared::domain::Secret;

use super::{
    commands::{BODY, IDEMPOTENCY_KEY},
    document::{Field, Operation},
    error::CliError,
};

/// A request to the API.
#[derive(Debug, PartialEq)]
pub(super) struct ApiRequest {
    /// The segments of the path, decoded.
    pub(super) path: Vec<String>,
    /// The parameters in the query, decoded.
    pub(super) query: Vec<(&'static str, String)>,
    /// The JSON object in the body.
    pub(super) body: Option<Map<String, Value>>,
    /// The lines in the body, in place of an object.
    pub(super) lines: Option<Secret>,
    /// The `Idempotency-Key`, the same for every attempt.
    pub(super) idempotency_key: Option<String>,
}

/// Returns the segments of a path without parameters.
pub(super) fn segments(path: &str) -> Vec<String> {
    path.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}

/// Converts the arguments into a request. Reads the file of `--body`. Without `--idempotency-key`, `random` is the key.
pub(super) fn build(operation: &Operation, arguments: &ArgMatches, random: u128) -> Result<ApiRequest, CliError> {
    let path = operation.path.split('/').filter(|segment| !segment.is_empty());
    let path = path.map(|segment| match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
        Some(name) => arguments.get_one::<String>(name).cloned().unwrap_or_default(),
        None => segment.to_owned(),
    });
    let query = operation.query_parameters.iter().filter_map(|field| {
        let value = value(field, arguments)?;
        Some((field.name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
    });
    let body = operation.body.as_ref().map(|body| read_body(&body.fields, arguments)).transpose()?;
    Ok(ApiRequest {
        path: path.collect(),
        query: query.collect(),
        body,
        lines: None,
        idempotency_key: operation.accepts_idempotency_key.then(|| {
            let own = arguments.get_one::<String>(IDEMPOTENCY_KEY).cloned();
            own.unwrap_or_else(|| format!("{random:032x}"))
        }),
    })
}

/// Returns the fields of `--body`, replaced by those that have an option.
fn read_body(fields: &[Field], arguments: &ArgMatches) -> Result<Map<String, Value>, CliError> {
    let mut body = match arguments.get_one::<String>(BODY) {
        Some(file) => read_object(file)?,
        None => Map::new(),
    };
    for field in fields {
        if let Some(value) = value(field, arguments) {
            body.insert(field.name.to_owned(), value);
        }
    }
    Ok(body)
}

fn read_object(file: &str) -> Result<Map<String, Value>, CliError> {
    let text = if file == "-" { io::read_to_string(io::stdin()) } else { fs::read_to_string(file) };
    let text = text.map_err(|error| CliError::Usage(format!("--body {file}: {error}")))?;
    serde_json::from_str(&text)
        .map_err(|error| CliError::Usage(format!("--body {file}: expected a JSON object: {error}")))
}

/// Returns the value of an option, if it was given.
fn value(field: &Field, arguments: &ArgMatches) -> Option<Value> {
    let values: Vec<Value> = arguments.get_many(field.name)?.cloned().collect();
    Some(field.schema.combine(values))
}

#[cfg(test)]
mod tests {
    use clap::Command;
    use serde_json::json;

    use super::*;
    use crate::cli::subcommands;

    /// Parses a command line and returns its request.
    fn request(line: &[&str]) -> Result<ApiRequest, String> {
        let command = Command::new("signet").subcommands(subcommands());
        let parsed = command.try_get_matches_from([&["signet"], line].concat()).map_err(|error| error.to_string())?;
        let (resource, matches) = parsed.subcommand().unwrap();
        let (action, arguments) = matches.subcommand().unwrap();
        build(Operation::find(resource, action).unwrap(), arguments, 255).map_err(|error| error.to_string())
    }

    #[test]
    fn options_become_the_fields_of_the_body() {
        let line = ["keys", "issue", "--customer-id", "cus_1", "--tier-id=tier_1", "--max-users", "null"];
        let issue = request(&[&line[..], &["--metadata", "order=A-1", "--metadata", "shop=eu"]].concat()).unwrap();
        let body = json!({"customer_id": "cus_1", "tier_id": "tier_1", "max_users": null,
            "metadata": {"order": "A-1", "shop": "eu"}});
        assert_eq!(issue.body.map(Value::Object), Some(body));
        assert_eq!(issue.path, ["api", "v1.0", "license-keys"]);
        assert_eq!(issue.idempotency_key.as_deref(), Some("000000000000000000000000000000ff"));

        let update = request(&["tiers", "update", "tier_1", "--is-active=false", "--sort-order", "-3"]).unwrap();
        assert_eq!(update.body.map(Value::Object), Some(json!({"is_active": false, "sort_order": -3})));
        assert_eq!((&*update.path[3], update.idempotency_key), ("tier_1", None));
        let key =
            request(&["api-keys", "create", "--name", "ci", "--scopes", "licenses:read", "--scopes", "*"]).unwrap();
        assert_eq!(key.body.map(Value::Object), Some(json!({"name": "ci", "scopes": ["licenses:read", "*"]})));
        let audit = request(&["keys", "audit", "--repair", "lic_1"]).unwrap();
        assert_eq!((audit.body.map(Value::Object), &*audit.path[3]), (Some(json!({"repair": true})), "lic_1"));
        assert_eq!(request(&["keys", "renew", "lic_1"]).unwrap().body, Some(Map::new()));
        let once = request(&["keys", "renew", "lic_1", "--idempotency-key", "order-1"]).unwrap();
        assert_eq!(once.idempotency_key.as_deref(), Some("order-1"));
        assert_eq!(request(&["keys", "regenerate", "lic_1"]).unwrap().body, None);
    }

    #[test]
    fn options_become_the_query() {
        let list = request(&["keys", "list", "--status", "active", "--customer-id", "cus_1", "--limit", "3"]).unwrap();
        assert_eq!(list.query, [("customer_id", "cus_1".to_owned()), ("status", "active".to_owned())]);
        assert_eq!(list.body, None);
    }

    #[test]
    fn body_of_a_file_is_complemented_by_options() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("customer.json");
        let file = file.to_str().unwrap();
        fs::write(file, r#"{"name": "Ada", "email": "ada@example.com"}"#).unwrap();
        let create = request(&["customers", "create", "--body", file, "--name", "Grace"]).unwrap();
        assert_eq!(create.body.map(Value::Object), Some(json!({"name": "Grace", "email": "ada@example.com"})));
        fs::write(file, "[]").unwrap();
        assert!(request(&["customers", "create", "--body", file]).unwrap_err().contains("expected a JSON object"));
        assert!(request(&["customers", "create", "--body", "/missing"]).unwrap_err().contains("--body /missing"));
    }

    #[test]
    fn invalid_arguments_are_refused_before_a_request() {
        for (line, expected) in [
            (&["customers", "create", "--name", "Ada"][..], "--email <TEXT>"),
            (&["keys", "renew"], "<ID>"),
            (&["keys", "get", ".."], "not an id"),
            (&["keys", "get", ""], "a value is required"),
            (&["keys", "list", "--status", "lost"], "[possible values: active,"),
            (&["keys", "change", "lic_1", "--max-users", "0"], "must be between 1 and 100000"),
            (&["keys", "list", "--limit", "0"], "0 is not in 1.."),
            (&["keys", "list", "--limit", "3", "--all"], "cannot be used with"),
            (&["keys", "destroy"], "unrecognized subcommand"),
            (&["activations", "deactivate", "act_1", "--token", "x"], "unexpected argument"),
        ] {
            let refused = request(line).unwrap_err();
            assert!(refused.contains(expected), "{line:?}: {refused}");
        }
    }
}

//! The command of each operation: its parameters and the fields of its body as arguments.

use clap::{
    Arg, ArgAction, Command,
    builder::{NonEmptyStringValueParser, PossibleValuesParser, TypedValueParser, ValueParser},
};
use serde_json::Value;

use super::{
    document::{Field, OPERATIONS, Operation},
    resources::Resource,
    schema::{Kind, Schema},
};

/// Name of the flag that prints JSON.
pub(super) const JSON: &str = "json";
/// Name of the option with a file for the body.
pub(super) const BODY: &str = "body";
/// Name of the option with the `Idempotency-Key`.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Name of the option with the maximum number of items.
pub(super) const LIMIT: &str = "limit";
/// Number of items without that option: a page of the API.
pub(super) const DEFAULT_LIMIT: u32 = 25;
/// Name of the flag that lists all items.
pub(super) const ALL: &str = "all";

/// Returns the command of a resource. Its own commands are added when it is used.
pub(super) fn resource_command(resource: &Resource) -> Command {
    let command = Command::new(resource.name).about(resource.about);
    command.subcommand_required(true).arg_required_else_help(true).defer(|command| {
        let own = OPERATIONS.iter().filter(|operation| operation.resource.name == command.get_name());
        let own: Vec<_> = own.map(operation_command).collect();
        command.subcommands(own)
    })
}

fn operation_command(operation: &Operation) -> Command {
    let command =
        Command::new(operation.action.clone()).about(operation.summary).long_about(plain(operation.description));
    let json = Arg::new(JSON).long(JSON).action(ArgAction::SetTrue);
    let json = json.help("Print JSON, as if standard output were not a terminal");
    let command = command.args(operation.path_parameters.iter().map(positional));
    let command = command.args(operation.query_parameters.iter().map(option)).args(body_options(operation));
    let command = if operation.list_of().is_some() { command.args(page_options()) } else { command };
    let command = if operation.accepts_idempotency_key { command.arg(idempotency_key()) } else { command };
    command.arg(json)
}

/// A parameter in the path. `.` and `..` would change the path.
fn positional(field: &Field) -> Arg {
    let parser = NonEmptyStringValueParser::new().try_map(|text| match &*text {
        "." | ".." => Err("not an id"),
        _ => Ok(text),
    });
    described(Arg::new(field.name), field).value_name(field.name.to_uppercase()).value_parser(parser).required(true)
}

/// Returns the option of a parameter or of a field of the body.
pub(super) fn option(field: &Field) -> Arg {
    let schema = &field.schema;
    let arg = described(Arg::new(field.name).long(field.option()), field).value_name(schema.value_name());
    let arg = arg.required(field.is_required).allow_hyphen_values(matches!(schema.kind, Kind::Integer { .. }));
    let arg = match schema.kind {
        // `--repair` means `--repair=true`. Without the `=`, `--repair ID` would be ambiguous.
        Kind::Boolean => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => arg,
    };
    let action = if schema.is_repeatable() { ArgAction::Append } else { ArgAction::Set };
    arg.action(action).value_parser(value_parser(schema))
}

/// Returns the parser of the values of a schema. It returns them as JSON.
pub(super) fn value_parser(schema: &Schema) -> ValueParser {
    let own = schema.clone();
    let parse = move |text: &str| -> Result<Value, String> { own.parse(text) };
    match schema.possible_values() {
        Some(values) => PossibleValuesParser::new(values).try_map(move |text| parse(&text)).into(),
        None => ValueParser::from(parse),
    }
}

/// The fields of the body, and `--body`, which can contain them instead.
fn body_options(operation: &Operation) -> Vec<Arg> {
    let Some(body) = &operation.body else { return Vec::new() };
    let file = Arg::new(BODY).long(BODY).value_name("FILE");
    let file = file.help("File with a JSON object to send, or - for standard input; options replace its fields");
    let fields = body.fields.iter().map(|field| {
        let arg = option(field);
        if field.is_required { arg.required(false).required_unless_present(BODY) } else { arg }
    });
    fields.chain([file]).collect()
}

fn idempotency_key() -> Arg {
    let option = Arg::new(IDEMPOTENCY_KEY)
        .long(IDEMPOTENCY_KEY)
        .value_name("TEXT")
        .value_parser(NonEmptyStringValueParser::new());
    option.help("Makes repetitions of this command within 24 hours have no further effect [default: random]")
}

fn page_options() -> [Arg; 2] {
    let limit = Arg::new(LIMIT).long(LIMIT).value_name("NUMBER").value_parser(clap::value_parser!(u32).range(1..));
    let all = Arg::new(ALL).long(ALL).action(ArgAction::SetTrue).conflicts_with(LIMIT);
    [limit.help(format!("Maximum number of items [default: {DEFAULT_LIMIT}]")), all.help("List all items")]
}

/// Adds the help: the first sentence for `-h`, and everything for `--help`.
fn described(arg: Arg, field: &Field) -> Arg {
    let text = plain(field.description);
    let first = text.split_once(". ").map_or(text.as_str(), |(first, _)| first).trim_end_matches('.').to_owned();
    let required = if field.is_required && !arg.is_positional() { " [required]" } else { "" };
    arg.help(format!("{first}{required}")).long_help(format!("{text}{required}"))
}

/// Removes the Markdown of a description: line breaks inside a paragraph and the marks of code.
fn plain(description: &str) -> String {
    let paragraphs = description.split("\n\n").map(|paragraph| paragraph.replace('\n', " ").replace('`', ""));
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::subcommands;

    /// Returns the short help of a command, with single spaces.
    fn help(path: &[&str]) -> String {
        let mut command = Command::new("signet").subcommands(subcommands());
        command.build();
        let found = path.iter().fold(&mut command, |command, name| command.find_subcommand_mut(name).unwrap());
        let help = found.render_help().to_string();
        help.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn commands_are_consistent() {
        // Panics if two arguments of a command have the same name.
        Command::new("signet").subcommands(subcommands()).debug_assert();
    }

    #[test]
    fn help_has_the_descriptions_of_the_document() {
        let help = help(&["keys", "issue"]);
        for expected in [
            "--customer-id <ID> The customer that receives the license key [required]",
            "--max-users <NUMBER> Number of seats; null means no limit",
            "--metadata <NAME=TEXT>",
            "--expires-at <TIME>",
            "--body <FILE>",
        ] {
            assert!(help.contains(expected), "{expected}\n{help}");
        }
        assert!(!help.contains("--token"), "secrets are not arguments");
    }

    #[test]
    fn enums_of_the_document_are_possible_values() {
        assert!(help(&["keys", "list"]).contains("[possible values: active, suspended, superseded, revoked, expired]"));
        assert!(help(&["keys", "audit"]).contains("--repair[=<BOOLEAN>]"));
        let deactivate = help(&["activations", "deactivate"]);
        assert!(!deactivate.contains("--token"), "{deactivate}");
    }
}

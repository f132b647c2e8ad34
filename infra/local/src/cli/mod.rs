//! The commands for operators, which call a running installation over HTTP. They are derived from the OpenAPI document
//! in this binary: no command, option or type of the API is written here. Only `import` and `export` know the form of lines
//! (NDJSON).

mod client;
mod commands;
mod credentials;
mod document;
mod error;
mod export;
mod import;
mod list;
mod login;
mod output;
mod output_file;
mod progress;
mod request;
mod resources;
mod schema;
mod terminal;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Arg, ArgMatches, Command, builder::PossibleValuesParser};
use clap_complete::Shell;
use rand::RngExt;

use self::{
    client::ApiClient,
    commands::JSON,
    credentials::{CredentialsFile, environment_variable},
    document::Operation,
    error::CliError,
    output::Format,
    resources::Resource,
};

const LOGIN: &str = "login";
const LOGOUT: &str = "logout";
const COMPLETION: &str = "completion";
const IMPORT: &str = resources::IMPORTS.name;
const EXPORT: &str = resources::EXPORTS.name;

/// Returns the commands: `login`, `logout`, `completion`, `import`, `export` and one for each resource of the API. The OpenAPI
/// document is read when one of them is used.
pub fn subcommands() -> Vec<Command> {
    let shells = PossibleValuesParser::new(["bash", "zsh", "fish"]);
    let shell = Arg::new("shell").required(true).value_parser(shells).help("The shell");
    let mut all = vec![
        login::command(LOGIN),
        Command::new(LOGOUT).about("Delete the stored API URL and API key"),
        Command::new(COMPLETION).about("Print a completion script for a shell").arg(shell),
    ];
    all.extend(resources::ALL.iter().map(commands::resource_command));
    all.extend([import::command(IMPORT), export::command(EXPORT)]);
    all
}

/// Returns whether `name` is one of the [`subcommands`].
pub fn has_subcommand(name: &str) -> bool {
    [LOGIN, LOGOUT, COMPLETION, IMPORT, EXPORT].contains(&name) || Resource::named(name).is_some()
}

/// Runs a parsed command and returns the exit code. `root` is the whole command line, for completion scripts.
pub async fn run(name: &str, matches: &ArgMatches, root: Command) -> ExitCode {
    let done = match name {
        LOGIN => login::login(matches).await,
        LOGOUT => CredentialsFile::find(environment_variable).and_then(|file| file.delete()),
        COMPLETION => print_completion(matches, root),
        IMPORT => import::import(matches).await,
        EXPORT => export::export(matches).await,
        resource => call(resource, matches).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // An error while writing to stderr can't be reported.
            let _ = write!(io::stderr(), "{error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Calls the operation of a resource that the arguments name, and prints its result.
async fn call(resource: &str, matches: &ArgMatches) -> Result<(), CliError> {
    let found =
        matches.subcommand().and_then(|(action, arguments)| Some((Operation::find(resource, action)?, arguments)));
    let Some((operation, arguments)) = found else {
        return Err(CliError::Usage(format!("signet {resource} needs a command")));
    };
    let format = Format::choose(arguments.get_flag(JSON));
    let request = request::build(operation, arguments, rand::rng().random())?;
    let client = ApiClient::new(&credentials::load(environment_variable)?)?;
    if operation.list_of().is_some() {
        return list::print_list(&client, operation, request, list::Extent::of(arguments), format).await;
    }
    let sent = client.send(operation, &request).await;
    let Some(body) = sent.map_err(|error| error.with_idempotency_key(request.idempotency_key.clone()))? else {
        return Ok(());
    };
    match (output::print_object(&mut io::stdout(), &body, format), request.idempotency_key) {
        // The result can be a license key that no other response shows.
        (Err(error), Some(idempotency_key)) => Err(CliError::ResultNotPrinted { error, idempotency_key }),
        (printed, _) => output::ignore_closed_pipe(printed),
    }
}

fn print_completion(matches: &ArgMatches, mut root: Command) -> Result<(), CliError> {
    let shell = matches.get_one::<String>("shell").and_then(|shell| shell.parse::<Shell>().ok());
    let shell = shell.ok_or_else(|| CliError::Usage("unknown shell".to_owned()))?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut root, "signet", &mut script);
    output::ignore_closed_pipe(io::stdout().write_all(&script))
}

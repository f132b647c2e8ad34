//! `signet export`: reads customers, license keys, machines or events page by page and writes them as lines.

use std::{
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::{Arg, ArgMatches, Command};

use super::{
    client::ApiClient,
    commands::{option, value_parser},
    credentials::{self, environment_variable},
    document::{Field, Operation},
    error::CliError,
    output_file::OutputFile,
    progress::Progress,
    request::{self, ApiRequest},
    resources::EXPORTS,
};

/// The parameter with the type of the lines.
const TYPE: &str = "type";
const OUTPUT: &str = "output";
/// Returns the command. The types are read from the OpenAPI document when it is used.
pub(super) fn command(name: &'static str) -> Command {
    let about = "Export customers, license keys, machines or events as JSON lines";
    Command::new(name).about(about).defer(|command| {
        let output = Arg::new(OUTPUT).long(OUTPUT).value_name("FILE").value_parser(clap::value_parser!(PathBuf));
        let output = output.help("File to write, instead of standard output; only its owner can read it");
        let parameters = operation().into_iter().flat_map(|operation| &operation.query_parameters);
        command.args(parameters.map(argument)).arg(output)
    })
}

/// Returns the argument of a parameter: the type of the lines has no option.
fn argument(field: &Field) -> Arg {
    if field.name == TYPE {
        let line_type = Arg::new(TYPE).value_name("TYPE").required(true).help("What to export");
        line_type.value_parser(value_parser(&field.schema))
    } else {
        option(field)
    }
}

fn operation() -> Option<&'static Operation> {
    Operation::find(EXPORTS.name, EXPORTS.name)
}

/// Writes all lines to the file or to standard output.
pub(super) async fn export(matches: &ArgMatches) -> Result<(), CliError> {
    let operation = operation().ok_or_else(|| CliError::Usage("the API has no exports".to_owned()))?;
    let client = ApiClient::new(&credentials::load(environment_variable)?)?;
    // The operation accepts no idempotency key.
    let request = request::build(operation, matches, 0)?;
    let mut destination = Destination::create(matches.get_one::<PathBuf>(OUTPUT).map(PathBuf::as_path))?;
    let is_alone = matches!(destination, Destination::File(_)) || !io::stdout().is_terminal();
    let progress = Progress::new(is_alone);
    write_pages(&client, operation, request, &mut destination, progress).await?;
    destination.finish()
}

async fn write_pages(
    client: &ApiClient,
    operation: &Operation,
    mut request: ApiRequest,
    destination: &mut Destination,
    mut progress: Progress,
) -> Result<(), CliError> {
    let mut count = 0;
    loop {
        let page = client.send_for_lines(operation, &request).await?;
        count += page.text.lines().count();
        if !destination.write(&page.text)? {
            return Ok(());
        }
        let Some(cursor) = page.next_cursor else { return Ok(()) };
        progress.show(&format!("{count} lines"));
        request.query.retain(|(name, _)| *name != "cursor");
        request.query.push(("cursor", cursor));
    }
}

/// Where the lines are written.
enum Destination {
    File(OutputFile),
    Stdout,
}

impl Destination {
    fn create(file: Option<&Path>) -> Result<Self, CliError> {
        file.map_or(Ok(Self::Stdout), |path| OutputFile::create(path).map(Self::File))
    }

    /// Writes the lines of a page. Returns false if the reader has closed the pipe.
    fn write(&mut self, text: &str) -> Result<bool, CliError> {
        let written = match self {
            Self::File(file) => return file.write(text).map(|()| true),
            Self::Stdout => io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()),
        };
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            other => other.map(|()| true).map_err(CliError::Output),
        }
    }

    fn finish(self) -> Result<(), CliError> {
        match self {
            Self::File(file) => file.finish(),
            Self::Stdout => Ok(()),
        }
    }
}

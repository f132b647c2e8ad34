//! `signet import`: converts the files of another system to lines, and sends them to the API page by page.

mod conversion;
mod dry_run;
mod files;
mod gumroad;
mod json;
mod keygen;
mod lemonsqueezy;
mod lines;
mod ndjson;
mod object;
mod pages;
mod plain_csv;
mod polar;
mod report;
mod rows;
mod tier_reference;
mod tiers;
mod times;
mod upload;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Arg, ArgAction, ArgMatches, Command, ValueEnum, builder::EnumValueParser, value_parser};

use shared::Clock;

use self::{
    conversion::Conversion,
    files::InputFile,
    lines::ImportLine,
    report::{Report, refuse_invalid},
    tiers::ImportMap,
    upload::Upload,
};
use super::{
    client::ApiClient,
    commands::JSON,
    credentials::{self, environment_variable},
    document::Operation,
    error::CliError,
    output::{self, Format},
    output_file::OutputFile,
    progress::Progress,
    resources::IMPORTS,
    terminal::printable,
};

const FILES: &str = "files";
const FROM: &str = "from";
const MAP: &str = "map";
const DRY_RUN: &str = "dry-run";
const SKIP_INVALID: &str = "skip-invalid";
const CONVERT: &str = "convert";
const OUTPUT: &str = "output";

/// The form of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Source {
    /// The lines of the API, as `--convert` prints them
    Ndjson,
    /// JSON of the API of Keygen
    Keygen,
    /// JSON of the API of Lemon Squeezy
    Lemonsqueezy,
    /// JSON of the API of Polar
    Polar,
    /// CSV of the page Sales of Gumroad, or JSON of its API
    Gumroad,
    /// CSV with a heading for each field
    Csv,
}

/// Returns the command.
pub(super) fn command(name: &'static str) -> Command {
    let files = Arg::new(FILES).value_name("FILE").required(true).num_args(1..);
    let from = Arg::new(FROM).long(FROM).value_name("FORMAT").value_parser(EnumValueParser::<Source>::new());
    let map = Arg::new(MAP).long(MAP).value_name("FILE");
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let output = Arg::new(OUTPUT).long(OUTPUT).value_name("FILE").value_parser(value_parser!(PathBuf));
    let about = "Import customers, license keys and machines of another system";
    Command::new(name).about(about).args([
        files.help("File to import, or - for standard input"),
        from.default_value("ndjson").help("Form of the files"),
        map.help("JSON file with the pricing tiers of products, variants, policies, benefits and plans, and the columns of CSV files"),
        flag(DRY_RUN).help("Only check the lines; nothing is imported"),
        flag(SKIP_INVALID).help("Import the other records if some are invalid"),
        flag(CONVERT).conflicts_with(DRY_RUN).help("Print the lines, with license keys, instead of sending them"),
        output.requires(CONVERT).help("Write the lines to a file that only its owner can read"),
        flag(JSON).help("Print JSON, as if standard output were not a terminal"),
    ])
}

/// Imports the files, or converts them.
pub(super) async fn import(matches: &ArgMatches) -> Result<(), CliError> {
    let map = matches.get_one::<String>(MAP).map(|file| ImportMap::read(file)).transpose()?.unwrap_or_default();
    let names = matches.get_many::<String>(FILES).into_iter().flatten();
    let files = names.map(|name| InputFile::read(name)).collect::<Result<Vec<_>, _>>()?;
    let source = matches.get_one::<Source>(FROM).copied().unwrap_or(Source::Ndjson);
    let mut conversion = convert(source, &files, &map);
    pages::refuse_long_lines(&mut conversion);
    refuse_invalid(&conversion, matches.get_flag(SKIP_INVALID))?;
    for notice in &conversion.notices {
        // Not part of the output. An error while writing there can't be reported.
        let _ = writeln!(io::stderr(), "note: {}", printable(notice));
    }
    let problems = std::mem::take(&mut conversion.problems);
    let lines = conversion.into_lines();
    if matches.get_flag(CONVERT) {
        return print(&lines, matches.get_one::<PathBuf>(OUTPUT));
    }
    let format = Format::choose(matches.get_flag(JSON));
    let report = Report::new(lines.len(), &problems);
    let (report, stopped) = send(lines, matches.get_flag(DRY_RUN), report).await?;
    report.print(&mut io::stdout(), format)?;
    match stopped {
        Some(error) => Err(error),
        None => report.into_result(),
    }
}

fn convert<'a>(source: Source, files: &[InputFile], map: &'a ImportMap) -> Conversion<'a> {
    let mut conversion = Conversion::new(map, Clock::System.now());
    let convert = match source {
        Source::Ndjson => ndjson::convert,
        Source::Keygen => keygen::convert,
        Source::Lemonsqueezy => lemonsqueezy::convert,
        Source::Polar => polar::convert,
        Source::Gumroad => gumroad::convert,
        Source::Csv => plain_csv::convert,
    };
    convert(files, &mut conversion);
    conversion.finish();
    conversion
}

fn print(lines: &[ImportLine], file: Option<&PathBuf>) -> Result<(), CliError> {
    let text = pages::body(lines);
    if let Some(path) = file {
        let mut file = OutputFile::create(path)?;
        file.write(text.expose())?;
        file.finish()
    } else {
        let mut stdout = io::stdout();
        output::ignore_closed_pipe(stdout.write_all(text.expose().as_bytes()).and_then(|()| stdout.flush()))
    }
}

/// Sends the lines. Returns the report of those that were processed, and the error that stopped it.
async fn send(
    lines: Vec<ImportLine>,
    is_dry_run: bool,
    report: Report,
) -> Result<(Report, Option<CliError>), CliError> {
    let operation = Operation::find(IMPORTS.name, IMPORTS.name);
    let operation = operation.ok_or_else(|| CliError::Usage("the API has no imports".to_owned()))?;
    let client = ApiClient::new(&credentials::load(environment_variable)?)?;
    let progress = Progress::new(true);
    let (lines, groups) = if is_dry_run {
        let (lines, groups) = dry_run::sort_by_group(lines);
        (lines, Some(groups))
    } else {
        (lines, None)
    };
    Upload { client: &client, operation, groups, progress, report }.send_all(&lines).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_lists_every_option_and_format() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md"));
        let (_, section) = page.split_once("### Import\n").unwrap();
        let command = command("import");
        let options = command.get_arguments().filter_map(Arg::get_long).filter(|option| *option != JSON);
        for option in options {
            assert!(section.contains(&format!("`--{option}")), "--{option}");
        }
        for source in Source::value_variants() {
            let name = source.to_possible_value().unwrap().get_name().to_owned();
            assert!(section.contains(&format!("`{name}`")), "{name}");
        }
    }
}

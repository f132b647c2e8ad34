//! `signet login`: asks for the URL and the API key, checks them and stores them.

use std::io::{self, BufRead, IsTerminal, Write};

use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::Value;
use shared::domain::Secret;
use zeroize::Zeroizing;

use super::{
    client::ApiClient,
    credentials::{Credentials, CredentialsFile, environment_variable, parse_url},
    document::Operation,
    error::CliError,
    request::{ApiRequest, segments},
};

const URL: &str = "url";
const KEY_STDIN: &str = "key-stdin";

/// Returns the command.
pub(super) fn command(name: &'static str) -> Command {
    let url =
        Arg::new(URL).long(URL).value_name("URL").help("URL of the installation, such as https://licenses.example.com");
    let stdin = Arg::new(KEY_STDIN).long(KEY_STDIN).action(ArgAction::SetTrue);
    let stdin = stdin.requires(URL).help("Read the API key from standard input, without asking");
    Command::new(name).about("Store the API URL and an API key for the commands below").args([url, stdin])
}

/// Logs in. Stores nothing if the API refuses the API key.
pub(super) async fn login(matches: &ArgMatches) -> Result<(), CliError> {
    let file = CredentialsFile::find(environment_variable)?;
    let url = match matches.get_one::<String>(URL) {
        Some(url) => parse_url(url)?,
        None => ask_url()?,
    };
    if let Some(warning) = unencrypted(&url) {
        print(&format!("warning: {warning}\n"));
    }
    let api_key = if matches.get_flag(KEY_STDIN) { read_line()? } else { ask_key()? };
    let api_key = Secret::new(api_key.trim().to_owned());
    if api_key.expose().is_empty() {
        return Err(CliError::Usage("the API key is empty".to_owned()));
    }
    let credentials = Credentials { url, api_key };
    check(&ApiClient::new(&credentials)?).await?;
    file.write(&credentials)?;
    print(&format!("Logged in to {}. The API key is stored in {}.\n", credentials.url, file.path().display()));
    Ok(())
}

/// Calls an operation that every API key may call.
async fn check(client: &ApiClient) -> Result<(), CliError> {
    let operation = Operation::find("products", "list");
    let operation = operation.ok_or_else(|| CliError::Usage("the API has no list of products".to_owned()))?;
    let query = vec![("limit", "1".to_owned())];
    let request = ApiRequest { path: segments(operation.path), query, body: None, lines: None, idempotency_key: None };
    let body = client.send(operation, &request).await?;
    let body = body.and_then(|body| serde_json::from_str::<Value>(body.get()).ok());
    match body {
        Some(body) if body["items"].is_array() => Ok(()),
        _ => Err(CliError::Unreachable("the response is not that of a Signet API; check the URL".to_owned())),
    }
}

fn ask_url() -> Result<String, CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::Usage("standard input is not a terminal: use --url URL --key-stdin".to_owned()));
    }
    print("API URL: ");
    parse_url(read_line()?.trim())
}

fn ask_key() -> Result<Zeroizing<String>, CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::Usage("standard input is not a terminal: use --key-stdin".to_owned()));
    }
    rpassword::prompt_password("API key: ").map(Zeroizing::new).map_err(|error| input_error(&error))
}

fn read_line() -> Result<Zeroizing<String>, CliError> {
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().read_line(&mut line).map_err(|error| input_error(&error))?;
    Ok(line)
}

fn input_error(error: &io::Error) -> CliError {
    CliError::Usage(format!("standard input: {error}"))
}

/// Writes to stderr, which is not part of the output. An error while writing there can't be reported.
fn print(text: &str) {
    let _ = write!(io::stderr(), "{text}");
}

/// Returns a warning if the API key is sent over a network without encryption.
fn unencrypted(url: &str) -> Option<&'static str> {
    let url = reqwest::Url::parse(url).ok()?;
    let is_loopback = match url.host()? {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    };
    (url.scheme() == "http" && !is_loopback).then_some("http sends the API key without encryption; use https")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unencrypted_urls_of_other_machines_are_warned_of() {
        for (url, is_warned) in [
            ("https://licenses.example.com", false),
            ("http://127.0.0.1:8080", false),
            ("http://localhost:8080", false),
            ("http://[::1]:8080", false),
            ("http://licenses.example.com", true),
            ("http://localhost.example.com", true),
        ] {
            assert_eq!(unencrypted(url).is_some(), is_warned, "{url}");
        }
    }
}

//! `signet`: the whole system on this machine, until ctrl-c.

mod api_key;
mod reencrypt;
mod welcome;

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand, ValueEnum, error::ErrorKind};
use shared::{
    AppState,
    auth::{OidcSettings, oidc::ROLES_CLAIM},
    domain::rate_limit::RateLimits,
    http::{
        log::{self, Format},
        middleware::cors::Origin,
    },
};
use signet_local::{Folder, LocalJson, Options, Stack, issuer_url, listen_address};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// License keys, cryptographically sealed: the whole of Signet on this machine.
#[derive(Debug, Parser)]
#[command(name = "signet", version, args_override_self = true, args_conflicts_with_subcommands = true)]
struct Flags {
    #[command(subcommand)]
    task: Option<Task>,
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = listen_address)]
    listen: std::net::SocketAddr,
    /// The folder of the table and the keys
    #[arg(long, value_name = "DIR", default_value = ".signet")]
    data: PathBuf,
    /// Keep table and keys in memory; the folder gets only local.json
    #[arg(long)]
    memory: bool,
    /// Fill it, once, with something to look at
    #[arg(long)]
    demo: bool,
    /// No rate limits, for load tests from one address
    #[arg(long)]
    no_rate_limits: bool,
    /// Another DynamoDB in place of the embedded one; the table is made if it is missing
    #[arg(long, value_name = "URL", value_parser = issuer_url)]
    dynamodb_endpoint: Option<String>,
    /// KMS and Secrets Manager for the keys in place of files; the sealing key and the secret are made if missing
    #[arg(long, value_name = "URL", value_parser = issuer_url)]
    kms_endpoint: Option<String>,
    /// The URL that tokens name as their issuer [default: the base URL of the first start]
    #[arg(long, value_name = "URL", value_parser = issuer_url)]
    issuer: Option<String>,
    /// Another OpenID Connect issuer in place of the development one; its tokens name operators in the claim roles
    #[arg(long, value_name = "URL", value_parser = issuer_url, requires = "oidc_client")]
    oidc_issuer: Option<String>,
    /// The client by which the dashboard signs people in there
    #[arg(long, value_name = "ID", requires = "oidc_issuer")]
    oidc_client: Option<String>,
    /// An origin whose web pages may call the API; may be given several times
    #[arg(long, value_name = "SCHEME://HOST")]
    cors_origin: Vec<Origin>,
    /// How the log looks [default: text on a terminal, else json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

/// What it does in place of starting.
#[derive(Debug, Subcommand)]
enum Task {
    /// Seal anew what an older sealing key sealed, in the installation that the functions' variables describe
    Rewrap,
    /// Make an API key that may do everything, in a table that is deployed: the first, or one more when all are lost
    ApiKey {
        /// The table's name
        #[arg(long, value_name = "NAME")]
        table: String,
        /// What the key is called in lists
        #[arg(long, value_name = "TEXT", default_value = "first key")]
        name: String,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => error.exit(),
        Err(error) => {
            // After a line that is empty, clap says how to ask for help.
            let text = error.to_string();
            let told: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
            say(&mut io::stderr(), &format!("{} (signet --help tells the flags)", told.join(" ")));
            return ExitCode::from(2);
        }
    };
    begin_log(flags.log_format);
    match run(flags).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&mut io::stderr(), &format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Whoever reads may be gone; that is no reason to stop, and none to panic.
fn say(to: &mut impl Write, text: &dyn Display) {
    let _ = writeln!(to, "{text}");
}

/// How the log looks.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// A JSON object in each line
    Json,
    /// Lines for people
    Text,
}

/// Begins the log, on stderr: for people where that is a terminal. The embedded DynamoDB warns of every condition that
/// fails, and conditions that fail are our daily bread.
fn begin_log(format: Option<LogFormat>) {
    let is_terminal = io::stderr().is_terminal();
    let format = match format {
        Some(LogFormat::Json) => Format::Json,
        None if !is_terminal => Format::Json,
        Some(LogFormat::Text) | None => Format::Text { colours: is_terminal },
    };
    log::begin(format, "info,dynoxide=error", io::stderr);
}

async fn run(flags: Flags) -> Result<(), Box<dyn std::error::Error>> {
    match flags.task {
        Some(Task::Rewrap) => return reencrypt::reencrypt_all().await,
        Some(Task::ApiKey { table, name }) => return api_key::make(&table, name).await,
        None => {}
    }
    let mut signals = Signals::listen()?;
    let folder = Folder::take(&flags.data)?;
    let options = Options {
        listen: flags.listen,
        data: (!flags.memory).then_some(&folder),
        demo: flags.demo,
        rate_limits: if flags.no_rate_limits { RateLimits::NONE } else { RateLimits::default() },
        dynamodb_endpoint: flags.dynamodb_endpoint,
        kms_endpoint: flags.kms_endpoint,
        issuer: flags.issuer,
        oidc: flags.oidc_issuer.zip(flags.oidc_client).map(|(issuer, client)| OidcSettings {
            issuer,
            audiences: vec![client],
            roles_claim: ROLES_CLAIM.to_owned(),
        }),
        cors_origins: flags.cors_origin,
        ..Options::default()
    };
    let stack = tokio::select! {
        started = Stack::start(options) => started?,
        () = signals.next() => return Ok(()),
    };
    folder.write_local_json(&LocalJson {
        base_url: stack.base_url.clone(),
        operator_api_key: stack.operator_api_key.expose().to_owned(),
        oidc_issuer: Some(stack.oidc_issuer.clone()),
        dynamodb_endpoint: stack.dynamodb_endpoint.clone(),
        table: stack.table.clone(),
    })?;
    say(&mut io::stdout(), &welcome::welcome(&stack));
    tokio::select! {
        () = signals.next() => {}
        () = keep_schedules(stack.app.clone()) => {}
    }
    folder.remove_local_json()?;
    tokio::select! {
        () = stack.stop() => {}
        // Asked twice, it waits for nobody.
        () = signals.next() => {}
    }
    Ok(())
}

/// Does what schedules do where Signet is deployed: looks now and then whether the signing keys are due for a step, and
/// makes the figures of the overview.
async fn keep_schedules(app: AppState) {
    let mut minutes = tokio::time::interval(Duration::from_mins(1));
    loop {
        minutes.tick().await;
        if let Err(error) = app.maintain_key_ring().await {
            tracing::warn!(%error, "the signing keys were not looked after");
        }
        if let Err(error) = app.table.make_statistics(app.clock.now()).await {
            tracing::warn!(%error, "the figures of the overview were not made");
        }
    }
}

/// The two ways in which a process is asked to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

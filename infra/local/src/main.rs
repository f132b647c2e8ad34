//! `signet`: runs Signet on this machine until Ctrl-C, or runs one of its commands.

mod api_key;
mod read_export;
mod reencrypt;
mod welcome;

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum, error::ErrorKind};
use shared::{
    AppState,
    app::middleware::cors::Origin,
    auth::{OidcSettings, oidc::DEFAULT_ROLES_CLAIM},
    domain::rate_limit::RateLimits,
    http::log::{self, Format},
    store::statistics::UpdateLimits,
};
use signet_local::{DataDirectory, LocalJson, LocalServer, Options, cli, issuer_url, listen_address};
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::read_export::LineType;

/// License keys, cryptographically sealed. Runs Signet on this machine
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[command(name = "signet", version, args_override_self = true, args_conflicts_with_subcommands = true)]
struct Flags {
    #[command(subcommand)]
    command: Option<Command>,
    /// Address and port to listen on; port 0 picks a free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = listen_address)]
    listen: std::net::SocketAddr,
    /// Directory for the table and the keys
    #[arg(long, value_name = "DIR", default_value = ".signet")]
    data: PathBuf,
    /// Keep the table and the keys in memory; only local.json is written to the data directory
    #[arg(long)]
    memory: bool,
    /// Add demo data, once
    #[arg(long)]
    demo: bool,
    /// Turn off rate limits, for load tests from one address
    #[arg(long)]
    no_rate_limits: bool,
    /// Send no webhooks, for work with a copy of a table
    #[arg(long)]
    no_webhooks: bool,
    /// DynamoDB endpoint to use instead of the embedded one; the table is created if it is missing
    #[arg(long, value_name = "URL", value_parser = issuer_url)]
    dynamodb_endpoint: Option<String>,
    /// KMS and Secrets Manager endpoint to use instead of key files; keys and secret are created if they are missing
    #[arg(long, value_name = "URL", value_parser = issuer_url)]
    kms_endpoint: Option<String>,
    /// Issuer URL of license tokens (`iss`) [default: the base URL at the first start]
    #[arg(long, value_name = "URL", value_parser = issuer_url)]
    issuer: Option<String>,
    /// OpenID Connect issuer to use instead of the development issuer; operators have `operator` in the claim `roles`
    #[arg(long, value_name = "URL", value_parser = issuer_url, requires = "oidc_client")]
    oidc_issuer: Option<String>,
    /// Client ID of the dashboard at that issuer
    #[arg(long, value_name = "ID", requires = "oidc_issuer")]
    oidc_client: Option<String>,
    /// Origin that may call the API from a browser (CORS); can be repeated
    #[arg(long, value_name = "SCHEME://HOST")]
    cors_origin: Vec<Origin>,
    /// Log format [default: text on a terminal, otherwise json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
}

/// Commands other than starting the server.
#[derive(Debug, Subcommand)]
enum Command {
    /// Re-encrypt values that an older sealing key sealed, in the deployment that the SIGNET_* variables describe
    Reencrypt,
    /// Create an API key with all permissions in a deployed table: the first one, or a new one if all were lost
    ApiKey {
        /// Name of the table
        #[arg(long, value_name = "NAME")]
        table: String,
        /// Name of the API key
        #[arg(long, value_name = "TEXT", default_value = "first key")]
        name: String,
    },
    /// Print the customers and license keys of a table that was exported to S3, as JSON lines
    ReadExport {
        /// Directory with the manifest-summary.json of the export
        directory: PathBuf,
        /// Print lines of this type only
        #[arg(long = "type", value_enum, value_name = "TYPE")]
        only: Option<LineType>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = Flags::command().subcommands(cli::subcommands());
    let parsed = command.clone().try_get_matches();
    if let Ok(Some((name, matches))) = parsed.as_ref().map(clap::ArgMatches::subcommand)
        && cli::has_subcommand(name)
    {
        return cli::run(name, matches, command).await;
    }
    let flags = match parsed.and_then(|matches| Flags::from_arg_matches(&matches)) {
        Ok(flags) => flags,
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => error.exit(),
        // These commands have options of their own: clap's message names them.
        Err(error) if std::env::args().nth(1).is_some_and(|name| cli::has_subcommand(&name)) => error.exit(),
        Err(error) => {
            // Clap's usage hint follows an empty line.
            let text = error.to_string();
            let message: Vec<_> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
            print_line(&mut io::stderr(), &format!("{} (see signet --help)", message.join(" ")));
            return ExitCode::from(2);
        }
    };
    init_log(flags.log_format);
    // Boxed, because the future is large.
    match Box::pin(run(flags)).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_line(&mut io::stderr(), &format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Writes a line and ignores errors: `println!` panics when the reader has closed the pipe.
fn print_line(to: &mut impl Write, text: &dyn Display) {
    let _ = writeln!(to, "{text}");
}

/// The format of the log.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LogFormat {
    /// One JSON object per line
    Json,
    /// Human-readable lines
    Text,
}

/// Starts logging to stderr. The embedded DynamoDB warns about every failed condition; failed conditions are expected,
/// so only its errors are logged.
fn init_log(format: Option<LogFormat>) {
    let is_terminal = io::stderr().is_terminal();
    let format = match format {
        Some(LogFormat::Json) => Format::Json,
        None if !is_terminal => Format::Json,
        Some(LogFormat::Text) | None => Format::Text { colors: is_terminal },
    };
    log::init(format, "info,dynoxide=error", io::stderr);
}

async fn run(flags: Flags) -> Result<(), Box<dyn std::error::Error>> {
    match flags.command {
        Some(Command::Reencrypt) => return reencrypt::reencrypt_all().await,
        Some(Command::ApiKey { table, name }) => return api_key::create(&table, name).await,
        Some(Command::ReadExport { directory, only }) => return read_export::read(&directory, only),
        None => {}
    }
    let mut signals = Signals::listen()?;
    let directory = DataDirectory::open(&flags.data)?;
    let options = Options {
        listen: flags.listen,
        data: (!flags.memory).then_some(&directory),
        demo: flags.demo,
        rate_limits: if flags.no_rate_limits { RateLimits::UNLIMITED } else { RateLimits::default() },
        dynamodb_endpoint: flags.dynamodb_endpoint,
        kms_endpoint: flags.kms_endpoint,
        issuer: flags.issuer,
        oidc: flags.oidc_issuer.zip(flags.oidc_client).map(|(issuer, client)| OidcSettings {
            issuer,
            audiences: vec![client],
            roles_claim: DEFAULT_ROLES_CLAIM.to_owned(),
        }),
        cors_origins: flags.cors_origin,
        ..Options::default()
    };
    let mut server = tokio::select! {
        started = LocalServer::start(options) => started?,
        () = signals.next() => return Ok(()),
    };
    if !flags.no_webhooks {
        server.run_webhooks();
    }
    directory.write_local_json(&LocalJson {
        base_url: server.base_url.clone(),
        operator_api_key: server.operator_api_key.expose().to_owned(),
        oidc_issuer: Some(server.oidc_issuer.clone()),
        dynamodb_endpoint: server.dynamodb_endpoint.clone(),
        table: server.table.clone(),
    })?;
    print_line(&mut io::stdout(), &welcome::welcome(&server));
    tokio::select! {
        () = signals.next() => {}
        () = run_schedules(server.app.clone()) => {}
    }
    directory.remove_local_json()?;
    tokio::select! {
        () = server.stop() => {}
        // A second signal stops without waiting for running requests.
        () = signals.next() => {}
    }
    Ok(())
}

/// The limits of the statistics, which are updated every minute beside the requests.
const STATISTICS_LIMITS: UpdateLimits = UpdateLimits { max_counted: 2_000, recounted: 20 };

/// The number of writes of erasures in one minute, beside the requests.
const MAX_ERASURE_WRITES: usize = 1_000;

/// The number of customers and license keys whose words are added to the search in one minute, beside the requests.
const MAX_INDEXED: usize = 2_000;

/// Runs the scheduled work of a deployment every minute: key rotation, announcements of expiries, erasures, dashboard statistics, and
/// the words of searches after an update.
async fn run_schedules(app: AppState) {
    let mut minutes = tokio::time::interval(Duration::from_mins(1));
    loop {
        minutes.tick().await;
        if let Err(error) = app.maintain_key_ring().await {
            tracing::warn!(%error, "key rotation failed");
        }
        if let Err(error) = app.table.announce_expiries(&app.clock).await {
            tracing::warn!(%error, "announcing expiries failed");
        }
        if let Err(error) = app.table.continue_erasures(app.clock.now(), MAX_ERASURE_WRITES).await {
            tracing::warn!(%error, "continuing the erasures failed");
        }
        if let Err(error) = app.table.update_statistics(app.clock.now(), STATISTICS_LIMITS).await {
            tracing::warn!(%error, "updating the statistics failed");
        }
        if let Err(error) = app.table.continue_search_backfill(app.clock.now(), MAX_INDEXED).await {
            tracing::warn!(%error, "adding words to the search failed");
        }
    }
}

/// The signals that stop the process: SIGINT and SIGTERM.
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

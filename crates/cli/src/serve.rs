//! `gnitz serve`: the database over the network, until it is told to stop.
//!
//! Its flags are the settings of the server, so that there is one list of them.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use gnitz::Database;
use server::Server;
use server::config::{Config, FILE_VARIABLE, SETTINGS};
use server::feed::EngineFeeds;
use server::http::{self, Access, PasswordCheck, State};
use server::logging;
use server::metrics::Metrics;
use server::pg;

/// The arguments of `gnitz serve`.
pub struct ServeArguments {
    file: Option<PathBuf>,
    print: bool,
    /// Settings that were given as flags, by key.
    flags: Vec<(String, String)>,
}

impl FromArgMatches for ServeArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<ServeArguments, clap::Error> {
        let given = |id: &str| matches.get_one::<String>(id).cloned();
        let mut flags: Vec<(String, String)> = SETTINGS
            .iter()
            .filter_map(|setting| Some((setting.key.to_string(), given(setting.key)?)))
            .collect();
        flags.extend(given("DIRECTORY").map(|directory| ("data".to_string(), directory)));
        let file = given("config").map(PathBuf::from);
        Ok(ServeArguments { file, print: matches.get_flag("print-config"), flags })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = ServeArguments::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for ServeArguments {
    fn augment_args(command: Command) -> Command {
        let file = format!("A TOML file of settings [env: {FILE_VARIABLE}=]");
        let print = "Print the configuration as a file, and end";
        let mut command = command
            .arg(Arg::new("DIRECTORY").help("The database's directory, as --data").conflicts_with("data"))
            .arg(Arg::new("config").long("config").value_name("FILE").help(file))
            .arg(Arg::new("print-config").long("print-config").action(ArgAction::SetTrue).help(print));
        for setting in SETTINGS {
            let default = if setting.default.is_empty() { "none" } else { setting.default };
            let help = format!("{} [env: {}=] [default: {default}]", setting.meaning, setting.variable());
            command = command.arg(Arg::new(setting.key).long(setting.flag).value_name("VALUE").help(help));
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        ServeArguments::augment_args(command)
    }
}

/// Serves until the process is told to end; the exit code is a failure if it could not begin, or end well.
pub fn run(arguments: &ServeArguments) -> ExitCode {
    match configured(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

fn configured(arguments: &ServeArguments) -> Result<(), String> {
    let environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let flags = arguments.flags.iter().cloned();
    let config =
        Config::load(arguments.file.as_deref(), environment, flags).map_err(|error| error.to_string())?;
    if arguments.print {
        print!("{}", config.print());
        return Ok(());
    }
    logging::init(&config.log).map_err(|error| error.to_string())?;
    let database = open(&config).map_err(|error| error.message())?;
    let threads = config.pg.max_connections + config.http.max_requests;
    let runtime = server::runtime(threads).map_err(|error| error.to_string())?;
    let served = runtime.block_on(serve(&config, &database));
    // Whatever has not ended by now was waited for long enough.
    runtime.shutdown_background();
    served
}

fn open(config: &Config) -> gnitz::Result<Database> {
    let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let builder = Database::builder()
        .sync(config.sync)
        .checkpoint_bytes(config.checkpoint_bytes)
        .history_bytes(config.history_bytes)
        .query_memory(bytes(config.query_memory))
        .transaction_memory(bytes(config.transaction_memory));
    match config.data.as_os_str().is_empty() {
        true => builder.open_in_memory(),
        false => builder.open(&config.data),
    }
}

async fn serve(config: &Config, database: &Database) -> Result<(), String> {
    let mut server = Server::new(database.clone());
    if !config.pg.listen.is_empty() {
        let failed = |error| format!("{}: {error}", config.pg.listen);
        server = server.with_pg(pg_options(config)?).await.map_err(failed)?;
    }
    if !config.http.listen.is_empty() {
        let failed = |error| format!("{}: {error}", config.http.listen);
        let state = http_state(config, database, server.metrics().clone())?;
        server = server.with_http(&config.http.listen, state).await.map_err(failed)?;
    }
    let stop = async {
        if let Err(error) = server::signalled().await {
            eprintln!("error: signals cannot be heard: {error}");
            std::future::pending::<()>().await;
        }
    };
    server.run(stop).await.map_err(|error| error.message())
}

fn pg_options(config: &Config) -> Result<pg::Options, String> {
    let pg = &config.pg;
    let given = |path: &PathBuf| !path.as_os_str().is_empty();
    let tls = match (pg.tls, given(&pg.tls_certificate), given(&pg.tls_key)) {
        (false, _, _) => pg::Tls::Off,
        (true, true, true) => {
            pg::Tls::Files { certificate: pg.tls_certificate.clone(), key: pg.tls_key.clone() }
        }
        (true, false, false) if given(&config.data) => pg::Tls::SelfSigned { directory: config.data.clone() },
        (true, false, false) => {
            return Err("pg.tls: a database in memory has no place for a certificate: name one".to_string());
        }
        _ => return Err("pg.tls_certificate and pg.tls_key belong together".to_string()),
    };
    let limit = |time: Duration| (time > Duration::ZERO).then_some(time);
    Ok(pg::Options {
        address: pg.listen.clone(),
        tls,
        max_connections: pg.max_connections,
        max_message: usize::try_from(pg.max_message).unwrap_or(usize::MAX),
        statement_timeout: limit(pg.statement_timeout),
        idle_timeout: limit(pg.idle_timeout),
        idle_in_transaction_timeout: limit(pg.idle_in_transaction_timeout),
        shutdown_grace: config.shutdown_timeout,
        slow_statement: config.log.slow_statement,
        ..pg::Options::default()
    })
}

fn http_state(config: &Config, database: &Database, metrics: Metrics) -> Result<State, String> {
    let tokens = match config.http.tokens_file.as_path() {
        file if file == Path::new("") => Vec::new(),
        file => http::read_tokens(file)?,
    };
    let known = database.clone();
    let passwords: PasswordCheck = Arc::new(move |role, password| known.login(role, password).is_ok());
    let known = database.clone();
    // If it cannot be told, nobody comes in without credentials.
    let guarded = Some(Arc::new(move || known.has_passwords().unwrap_or(true)) as Arc<_>);
    let access = Access { tokens, passwords: Some(passwords), guarded, ..Access::default() };
    let feeds = Arc::new(EngineFeeds(database.clone()));
    Ok(State::with(database.clone(), config.clone(), metrics, Arc::new(access), feeds))
}

//! `rotunda doctor URL` checks a deployment from outside, hop by hop, and reports the hop that fails.
//!
//! It joins with the robot's client, so it tests exactly the hops of a real participant. Start at [`checkup::run`].

mod allocation;
mod candidates;
mod checkup;
mod deployment;
mod events;
mod http;
mod ice_tcp;
mod report;
mod stream;
mod transport;
mod turn;

use clap::{Args, Parser, Subcommand};
use deployment::Deployment;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "rotunda", version = shared::VERSION, about = "Tools for operators of Rotunda")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Checks a deployment from outside, hop by hop; exits with 0 only if every hop succeeds
    Doctor(Doctor),
}

#[derive(Args)]
struct Doctor {
    /// The deployment's URL, for instance https://rotunda.example.org
    url: String,
    #[command(flatten)]
    secret: Secret,
    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Secret {
    /// An API key, used to request a join token; set it in the environment, where process lists do not show it
    #[arg(long, env = "ROTUNDA_API_KEY", value_name = "ID:SECRET", hide_env_values = true)]
    api_key: Option<String>,
    /// A join token for any room, instead of a key
    #[arg(long, env = "ROTUNDA_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Command::Doctor(Doctor { url, secret, json }) = Arguments::parse().command;
    let deployment = match Deployment::parse(&url) {
        Ok(deployment) => deployment,
        Err(error) => {
            eprintln!("{url}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let pass = match (secret.token, secret.api_key) {
        (Some(token), _) => checkup::Pass::Token(token),
        (None, key) => checkup::Pass::ApiKey(key.unwrap_or_default()),
    };
    let report = checkup::run(&deployment, &pass, !json).await;
    if json {
        println!("{}", report.to_json(&url));
    }
    if report.is_healthy() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! The command and the health check of each part.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::ports::{self, Transport};
use super::storage::Storage;
use super::{Options, secrets};
use crate::build::{Flavour, Program};
use crate::setup::Tools;
use crate::workspace::Workspace;

/// wrangler's default; used unless it is taken.
const WORKER_PORT: u16 = 8787;

/// The first media port; each shard of each node takes one.
const MEDIA_PORT: u16 = 7000;

/// The TURN node's port for clients (RFC 8656 §3.1).
const TURN_PORT: u16 = 3478;

/// The first port for a node's health and metrics.
const NODE_HTTP_PORT: u16 = 7900;

const TURN_NODE: &str = "turn-1";

const SHARDS_MAX: usize = 4;

pub(crate) struct Recipe {
    /// Shown in the table, and part of the log's name.
    pub(crate) name: String,
    pub(crate) command: Command,
    pub(crate) http_port: u16,
    /// The part is healthy when this path
    pub(crate) ready_path: &'static str,
    /// is answered with this status.
    pub(crate) ready_status: u16,
    /// The last column of the table.
    pub(crate) note: String,
}

/// All recipes in starting order.
pub(crate) struct Recipes {
    /// The Worker, then the media nodes, which connect to it.
    pub(crate) for_the_call: Vec<Recipe>,
    /// The storage for recordings and the TURN node.
    pub(crate) for_later: Vec<Recipe>,
}

/// Chooses every port, and signs the nodes' tokens.
pub(crate) fn all(
    workspace: &Workspace,
    tools: &Tools,
    state: &Path,
    secrets: &[(String, String)],
    options: &Options,
) -> Result<Recipes> {
    let worker_port = match options.port {
        Some(port) => ports::exactly(port, Transport::Tcp)?,
        None => ports::usual(WORKER_PORT, Transport::Tcp)?,
    };
    let storage = Storage::new(state)?;
    let vars = if options.nodes == 0 { json!({}) } else { storage.worker_vars() };
    let mut for_the_call = vec![worker(workspace, tools, state, worker_port, secrets, &vars)];
    if options.nodes == 0 {
        return Ok(Recipes { for_the_call, for_later: Vec::new() });
    }
    let names: Vec<String> = (1..=options.nodes).map(|number| format!("media-{number}")).collect();
    let passes = Passes::sign(workspace, tools, secrets, &[&names[..], &[TURN_NODE.to_owned()]].concat())?;
    let (mut media_port, mut http_port) = (MEDIA_PORT, NODE_HTTP_PORT);
    let turn_token = passes.tokens.last().cloned().unwrap_or_default();
    for (name, token) in names.into_iter().zip(&passes.tokens) {
        let shards = shards();
        media_port = ports::neighbours(media_port, shards, Transport::Udp)?;
        http_port = ports::neighbours(http_port, 1, Transport::Tcp)?;
        let mut command = Command::new(Program::MediaNode.path(workspace, Flavour::Quick));
        command
            .current_dir(workspace.root())
            .env("MEDIA_EDGE", format!("ws://127.0.0.1:{worker_port}"))
            .env("MEDIA_NODE_ID", &name)
            .env("MEDIA_REGION", &passes.region)
            .env("MEDIA_NODE_TOKEN", token)
            .env("MEDIA_LISTEN", SocketAddr::new(options.media_address, media_port).to_string())
            .env("MEDIA_SHARDS", shards.to_string())
            .env("MEDIA_HTTP_LISTEN", format!("127.0.0.1:{http_port}"))
            .env("MEDIA_DRAIN_SECONDS", "0") // On Ctrl-C there is no other node to move participants to.
            .envs(storage.node_settings(state));
        let note = format!("udp {}:{media_port}-{}", options.media_address, media_port + shards - 1);
        for_the_call.push(Recipe { name, command, http_port, ready_path: "/readyz", ready_status: 200, note });
        media_port += shards;
        http_port += 1;
    }
    let turn = Turn { region: &passes.region, token: &turn_token, worker_port, http_port };
    let for_later = vec![storage.recipe(workspace), turn.recipe(workspace, options, secrets)?];
    Ok(Recipes { for_the_call, for_later })
}

struct Turn<'a> {
    region: &'a str,
    token: &'a str,
    worker_port: u16,
    http_port: u16,
}

impl Turn<'_> {
    fn recipe(&self, workspace: &Workspace, options: &Options, secrets: &[(String, String)]) -> Result<Recipe> {
        let http_port = ports::neighbours(self.http_port, 1, Transport::Tcp)?;
        let listen = SocketAddr::new(options.media_address, ports::neighbours(TURN_PORT, 1, Transport::Udp)?);
        let tcp_listen = SocketAddr::new(options.media_address, ports::neighbours(TURN_PORT, 1, Transport::Tcp)?);
        let keys = secrets::named(secrets, "TURN_KEYS");
        let mut command = Command::new(Program::TurnNode.path(workspace, Flavour::Quick));
        command
            .current_dir(workspace.root())
            .env("TURN_EDGE", format!("ws://127.0.0.1:{}", self.worker_port))
            .env("TURN_NODE_ID", TURN_NODE)
            .env("TURN_REGION", self.region)
            .env("TURN_NODE_TOKEN", self.token)
            .env("TURN_KEYS", keys)
            .env("TURN_LISTEN", listen.to_string())
            .env("TURN_TCP_LISTEN", tcp_listen.to_string())
            // The media nodes are on this machine, which has no global address.
            .env("TURN_PEER_ALLOW", options.media_address.to_string())
            .env("TURN_SHARDS", shards().to_string())
            .env("TURN_HTTP_LISTEN", format!("127.0.0.1:{http_port}"))
            .env("TURN_DRAIN_SECONDS", "0");
        let note = format!("udp {listen}, tcp {tcp_listen}; only through it with ?relay=1");
        Ok(Recipe { name: TURN_NODE.to_owned(), command, http_port, ready_path: "/readyz", ready_status: 200, note })
    }
}

fn worker(
    workspace: &Workspace,
    tools: &Tools,
    state: &Path,
    port: u16,
    secrets: &[(String, String)],
    vars: &Value,
) -> Recipe {
    let options = json!({ "port": port, "persist": state.join("state"), "build": "development", "vars": vars });
    let mut command = tools.command("node");
    command.arg(workspace.path("xtask/serve.mjs")).arg(options.to_string()).envs(secrets.iter().cloned());
    Recipe {
        name: "worker".to_owned(),
        command,
        http_port: port,
        ready_path: "/healthz",
        ready_status: 200,
        note: String::new(),
    }
}

/// The tokens with which the nodes register.
struct Passes {
    region: String,
    tokens: Vec<String>,
}

impl Passes {
    fn sign(workspace: &Workspace, tools: &Tools, secrets: &[(String, String)], names: &[String]) -> Result<Self> {
        let mut command = tools.command("node");
        command.arg(workspace.path("xtask/token.mjs")).args(names).envs(secrets.iter().cloned());
        let output = command.output().context("starting node")?;
        if !output.status.success() {
            bail!("cannot sign the nodes' tokens: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let answer: Value = serde_json::from_slice(&output.stdout).context("reading the nodes' tokens")?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(Self {
            region: answer.get("region").and_then(text).context("wrangler.toml has no DEFAULT_REGION")?,
            tokens: answer.get("tokens").and_then(Value::as_array).into_iter().flatten().filter_map(text).collect(),
        })
    }
}

/// One per core, as in production, up to a limit.
fn shards() -> u16 {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get().min(SHARDS_MAX));
    u16::try_from(cores).unwrap_or(1)
}

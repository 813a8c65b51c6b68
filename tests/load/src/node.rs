//! A media node under test: the real program, registered with a [`LocalEdge`].

use crate::local_edge::{Caller, LocalEdge};
use crate::process;
use anyhow::{Context, Result, bail};
use shared::control::{FleetToNode, NodeRegistration, NodeToFleet};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use tokio::process::{Child, Command};
use tokio::time::timeout;

pub const NODE: &str = "media-1";
pub const REGION: &str = "local";
/// The stand-in accepts any token.
pub const TOKEN: &str = "node-token-of-the-test";

/// Kills the process when dropped.
#[derive(Debug)]
pub struct Node {
    child: Child,
    http: SocketAddr,
}

impl Node {
    /// Starts the program with one shard on a free port, with these additional settings.
    pub fn start(program: &Path, edge: &LocalEdge, settings: &[(&str, &str)]) -> Result<Self> {
        // A port that was free a moment ago.
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new(program);
        command
            .env("MEDIA_EDGE", edge.url())
            .env("MEDIA_NODE_ID", NODE)
            .env("MEDIA_REGION", REGION)
            .env("MEDIA_NODE_TOKEN", TOKEN)
            .env("MEDIA_LISTEN", "127.0.0.1:0")
            .env("MEDIA_HTTP_LISTEN", http.to_string())
            .env("MEDIA_SHARDS", "1")
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        Ok(Self { child, http })
    }

    pub fn pid(&self) -> Result<u32> {
        self.child.id().context("the node has ended")
    }

    /// Address of its metrics and health pages.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        self.http
    }

    /// Sends SIGTERM and waits; true if it exited with success.
    pub async fn terminate(mut self) -> Result<bool> {
        process::terminate(self.pid()?);
        self.ended().await
    }

    /// Waits for its exit; true if successful.
    pub async fn ended(&mut self) -> Result<bool> {
        let status = timeout(process::END_TIMEOUT, self.child.wait()).await.context("the node does not end")??;
        Ok(status.success())
    }
}

/// Waits for the node's registration and accepts it.
pub async fn register(edge: &LocalEdge) -> Result<(Caller, NodeRegistration)> {
    let mut fleet = edge.accept().await?;
    if fleet.path != "/v1/nodes/socket" {
        bail!("the node dials {} first", fleet.path);
    }
    let NodeToFleet::Register(registration) = fleet.next().await? else { bail!("the node does not register first") };
    fleet.send(&FleetToNode::Registered {}).await?;
    Ok((fleet, registration))
}

/// One of the node's pages: status and text.
pub fn page(http: SocketAddr, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(http).context("connecting to the node's pages")?;
    stream.set_read_timeout(Some(process::END_TIMEOUT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("a page without an end of its header")?;
    let status = head.split(' ').nth(1).context("a page without a status")?.parse()?;
    Ok((status, body.to_owned()))
}

/// A counter of the node's first shard.
pub fn counter(http: SocketAddr, name: &str) -> Result<u64> {
    let (_, text) = page(http, "/metrics")?;
    let series = format!("{name}{{shard=\"0\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&series)).with_context(|| format!("no {name}"))?;
    Ok(value.parse()?)
}

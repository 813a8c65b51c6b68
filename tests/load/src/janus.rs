//! Janus as a peer in benchmarks: starts it with its VideoRoom plugin, and lets clients publish and subscribe there.

use crate::client::{self, Client, Memory};
use crate::parameters::{ClientNumber, EXTENSIONS, VP8_PAYLOAD_TYPE};
use crate::process;
use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use media_core::session::dtls::Identity;
use serde_json::{Value, json};
use shared::rtp_parameters::{Fingerprint, IceParameters};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

/// It starts and answers within this time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Its plugins, below a folder of libraries.
const PLUGINS: &str = "janus/plugins";
const ROOM: u64 = 1;

/// Kills the process when dropped.
#[derive(Debug)]
pub struct Janus {
    child: Child,
    folder: PathBuf,
    port: u16,
}

impl Janus {
    /// Starts the program on one event loop, which suits a process with one core.
    pub fn start(program: &Path) -> Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let folder = std::env::temp_dir().join(format!("bench-janus-{}", std::process::id()));
        let libraries = libraries().context("the plugins of Janus are not installed")?;
        let plugins = link(&folder.join("plugins"), &libraries.join("plugins/libjanus_videoroom.so"))?;
        let transports = link(&folder.join("transports"), &libraries.join("transports/libjanus_websockets.so"))?;
        let settings = format!(
            "general: {{ plugins_folder = {plugins:?} transports_folder = {transports:?} events_folder = {folder:?}
             loggers_folder = {folder:?} debug_level = 2 session_timeout = 0 event_loops = 1 }}
             nat: {{ ice_lite = true }}\n"
        );
        fs::write(folder.join("janus.jcfg"), settings)?;
        let sockets = format!("general: {{ ws = true ws_port = {port} ws_ip = \"127.0.0.1\" wss = false }}\n");
        fs::write(folder.join("janus.transport.websockets.jcfg"), sockets)?;
        let room = format!("room-{ROOM}: {{ publishers = 20 bitrate = 0 videocodec = \"vp8\" }}\n");
        fs::write(folder.join("janus.plugin.videoroom.jcfg"), room)?;
        let log = fs::File::create(folder.join("log"))?;
        let mut command = Command::new(program);
        command.arg("-F").arg(&folder).arg("-C").arg(folder.join("janus.jcfg"));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        Ok(Self { child, folder, port })
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The program's own version, for the table.
    pub fn version(program: &Path) -> Result<String> {
        let output = Command::new(program).arg("--version").output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        let words = text.split_whitespace().map(|word| word.trim_matches(['(', ')']));
        let is_version = |word: &&str| word.contains('.') && word.starts_with(|first: char| first.is_ascii_digit());
        Ok(words.into_iter().find(is_version).context("no version")?.to_owned())
    }

    /// A client that publishes and is connected, and clients that receive it, which are still to be connected. The
    /// conversation must be kept as long as they live.
    pub async fn open(&self, numbers: &[ClientNumber], identity: &Identity) -> Result<(Conversation, Vec<Client>)> {
        let (first, others) = numbers.split_first().context("a room without clients")?;
        let mut conversation = Conversation::begin(self.port).await?;
        let mut clients = vec![conversation.publish(*first, identity).await?];
        // Before that, nobody can subscribe.
        client::connect(&mut clients, identity, &mut Memory::default())?;
        for number in others {
            clients.push(conversation.subscribe(*number, identity).await?);
        }
        Ok((conversation, clients))
    }
}

impl Drop for Janus {
    fn drop(&mut self) {
        process::terminate(self.child.id());
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// This host's address on the way out, which Janus binds to; it ignores the loopback interface. Nothing is sent.
fn own_address() -> Result<IpAddr> {
    const ANY: (Ipv4Addr, u16) = (Ipv4Addr::new(192, 0, 2, 1), 9);
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(ANY).context("Janus needs an interface besides loopback")?;
    Ok(socket.local_addr()?.ip())
}

fn libraries() -> Option<PathBuf> {
    let folders = ["/usr/lib", "/usr/local/lib"].into_iter().flat_map(fs::read_dir).flatten().flatten();
    let folders = folders.map(|entry| entry.path());
    let folders = ["/usr/lib", "/usr/local/lib"].into_iter().map(PathBuf::from).chain(folders);
    let mut found = folders.filter(|folder| folder.join(PLUGINS).is_dir());
    found.next().map(|folder| folder.join("janus"))
}

fn link(folder: &Path, file: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let name = file.file_name().context("a file's name")?;
    std::os::unix::fs::symlink(file, folder.join(name))?;
    Ok(folder.to_owned())
}

/// A session over one WebSocket, with a handle for each client.
#[derive(Debug)]
pub struct Conversation {
    socket: WebSocketStream<TcpStream>,
    session: u64,
    /// The publisher's id in the room.
    feed: u64,
}

impl Conversation {
    async fn begin(port: u16) -> Result<Self> {
        let end = Instant::now() + PATIENCE;
        let stream = loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
                Ok(stream) => break stream,
                Err(error) if end <= Instant::now() => return Err(error).context("Janus does not listen"),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        };
        let mut request = format!("ws://127.0.0.1:{port}").into_client_request()?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("janus-protocol"));
        let (socket, _) = client_async(request, stream).await.context("a WebSocket to Janus")?;
        let mut conversation = Self { socket, session: 0, feed: 0 };
        let answer = conversation.ask(json!({ "janus": "create" }), "success").await?;
        conversation.session = answer["data"]["id"].as_u64().context("a session")?;
        Ok(conversation)
    }

    /// Sends a request and returns the next message of this kind.
    async fn ask(&mut self, mut request: Value, kind: &str) -> Result<Value> {
        request["transaction"] = "t".into();
        if self.session != 0 {
            request["session_id"] = self.session.into();
        }
        self.socket.send(Message::text(request.to_string())).await?;
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.context("Janus is silent")?;
            let Message::Text(text) = message.context("Janus closed its WebSocket")?? else { continue };
            let message: Value = serde_json::from_str(&text)?;
            if message["janus"] == "error" || message["plugindata"]["data"].get("error").is_some() {
                bail!("Janus refuses: {message}");
            }
            if message["janus"] == kind && message.get("transaction").is_some() {
                return Ok(message);
            }
        }
    }

    async fn attach(&mut self) -> Result<u64> {
        let request = json!({ "janus": "attach", "plugin": "janus.plugin.videoroom" });
        self.ask(request, "success").await?["data"]["id"].as_u64().context("a handle")
    }

    async fn tell(&mut self, handle: u64, body: Value, description: Option<(&str, String)>) -> Result<Value> {
        let mut request = json!({ "janus": "message", "handle_id": handle, "body": body });
        if let Some((kind, sdp)) = description {
            request["jsep"] = json!({ "type": kind, "sdp": sdp });
        }
        self.ask(request, "event").await
    }

    async fn publish(&mut self, number: ClientNumber, identity: &Identity) -> Result<Client> {
        let handle = self.attach().await?;
        let join = json!({ "request": "join", "ptype": "publisher", "room": ROOM });
        let joined = self.tell(handle, join, None).await?;
        self.feed = joined["plugindata"]["data"]["id"].as_u64().context("a feed")?;
        let socket = Client::bind(own_address()?)?;
        let ssrc = number.ssrc();
        let offer = description(number, identity, socket.local_address()?, "0", VP8_PAYLOAD_TYPE, "sendonly")
            + &format!("a=ssrc:{ssrc} cname:load\r\n");
        let answer = self.tell(handle, json!({ "request": "publish" }), Some(("offer", offer))).await?;
        Ok(Remote::parse(&answer)?.client(number, socket, identity))
    }

    async fn subscribe(&mut self, number: ClientNumber, identity: &Identity) -> Result<Client> {
        let handle = self.attach().await?;
        let streams = json!([{ "feed": self.feed }]);
        let join = json!({ "request": "join", "ptype": "subscriber", "room": ROOM, "streams": streams });
        let offer = self.tell(handle, join, None).await?;
        let (remote, socket) = (Remote::parse(&offer)?, Client::bind(own_address()?)?);
        let (mid, payload_type) = (&remote.mid, remote.payload_type);
        let answer = description(number, identity, socket.local_address()?, mid, payload_type, "recvonly");
        self.tell(handle, json!({ "request": "start" }), Some(("answer", answer))).await?;
        Ok(remote.client(number, socket, identity))
    }

    /// Reads until the socket ends, so that events do not pile up.
    pub async fn drain(mut self) {
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

/// The description of a client with one video section, in the active role of DTLS.
fn description(
    number: ClientNumber,
    identity: &Identity,
    address: SocketAddr,
    mid: &str,
    payload_type: u8,
    direction: &str,
) -> String {
    let (ice, fingerprint) = (number.ice(), identity.fingerprint());
    let extension = |id: Option<u8>, uri: &str| id.map_or_else(String::new, |id| format!("a=extmap:{id} {uri}\r\n"));
    let mut lines = format!(
        "v=0\r\no=- {} 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {mid}\r\n\
         m=video 9 UDP/TLS/RTP/SAVPF {payload_type}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\n\
         a=ice-ufrag:{}\r\na=ice-pwd:{}\r\na=fingerprint:sha-256 {fingerprint}\r\na=setup:active\r\na=rtcp-mux\r\n\
         a=rtpmap:{payload_type} VP8/90000\r\n",
        number.0, ice.client_ufrag, ice.client_pwd,
    );
    for feedback in ["nack", "nack pli", "transport-cc"] {
        lines += &format!("a=rtcp-fb:{payload_type} {feedback}\r\n");
    }
    lines += &extension(EXTENSIONS.abs_send_time, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time");
    lines += &extension(
        EXTENSIONS.transport_cc,
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    );
    lines += &extension(EXTENSIONS.mid, "urn:ietf:params:rtp-hdrext:sdes:mid");
    lines
        + &format!(
            "a=candidate:1 1 udp 2130706431 {} {} typ host\r\na=end-of-candidates\r\n",
            address.ip(),
            address.port()
        )
}

/// Janus's end of a connection.
struct Remote {
    ufrag: String,
    pwd: String,
    fingerprint: Fingerprint,
    address: SocketAddr,
    mid: String,
    payload_type: u8,
}

impl Remote {
    fn parse(event: &Value) -> Result<Self> {
        let sdp = event["jsep"]["sdp"].as_str().with_context(|| format!("no description: {event}"))?;
        let value = |name: &str| {
            let found = sdp.lines().find_map(|line| line.strip_prefix(name));
            found.map(str::trim).with_context(|| format!("no {name} in {sdp}"))
        };
        let candidates = sdp.lines().filter_map(|line| line.strip_prefix("a=candidate:"));
        let address = candidates
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .find_map(|words| {
                let address: Ipv4Addr = words.get(4)?.parse().ok()?;
                words.get(2)?.eq_ignore_ascii_case("udp").then_some(())?;
                Some((address, words.get(5)?.parse().ok()?).into())
            })
            .context("no candidate for UDP over IPv4")?;
        let payload_type = value("m=video ")?.split(' ').nth(2).context("a payload type")?.parse()?;
        Ok(Self {
            ufrag: value("a=ice-ufrag:")?.to_owned(),
            pwd: value("a=ice-pwd:")?.to_owned(),
            fingerprint: Fingerprint::parse(value("a=fingerprint:sha-256 ")?)?,
            address,
            mid: value("a=mid:")?.to_owned(),
            payload_type,
        })
    }

    fn client(self, number: ClientNumber, socket: udp::Socket, identity: &Identity) -> Client {
        let ice = IceParameters { node_ufrag: self.ufrag, node_pwd: self.pwd, ..number.ice() };
        Client::on(socket, ice, number.0, self.address, identity, self.fingerprint)
    }
}

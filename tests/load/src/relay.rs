//! A TURN server under test, ours or coturn, and a small client for it.

use crate::veth::{self, Veth};
use anyhow::{Context, Result, bail};
use shared::turn_credential::{Credential, TurnKeys, TurnPolicy, TurnUser};
use shared::{ParticipantId, RoomId, UnixMillis};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use turn_core::auth::IntegrityKey;
use turn_core::message::{AttributeType, Class, Message, MessageWriter, Method, TransactionId};

/// The secret of every server under test.
pub const SECRET: &str = "turn-passwords-of-the-tests-0123456";
pub const REALM: &str = "rotunda";
/// The port of a server at the end of a virtual cable.
const PORT: u16 = 3478;
/// A request is repeated after this time.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(500);
/// A server that takes longer to start has failed.
const START_TIMEOUT: Duration = Duration::from_secs(10);

/// Kills the process when dropped.
#[derive(Debug)]
pub struct Relay {
    child: Child,
    /// The server's address for clients.
    pub address: SocketAddr,
    /// Address of the metrics and health pages; coturn has none.
    pub http: SocketAddr,
}

impl Relay {
    /// Starts our program with one shard on free loopback ports, with relaying to loopback allowed, and with these additional
    /// settings.
    pub fn ours(program: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        Self::ours_at(program, free_udp()?, settings)
    }

    /// Like [`Self::ours`], at a given address.
    pub fn ours_at(program: &Path, address: SocketAddr, settings: &[(&str, &str)]) -> Result<Self> {
        let http = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = Command::new(program);
        with_settings(&mut command, address, http).envs(settings.iter().copied());
        Self::start(command, address, http)
    }

    /// Like [`Self::ours`], at the server's end of a virtual cable; its pages are only there.
    pub fn ours_behind(program: &Path, veth: &Veth, settings: &[(&str, &str)]) -> Result<Self> {
        let address = SocketAddr::from((Ipv4Addr::new(10, 9, 0, 1), PORT));
        let http = SocketAddr::from((Ipv4Addr::LOCALHOST, 7090));
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &veth.server]).arg(program);
        let relay = veth::SERVER.map(|ip| ip.to_string()).join(",");
        let more = [("TURN_LISTEN", "[::]:3478"), ("TURN_RELAY", &relay), ("TURN_PEER_ALLOW", veth::NETWORKS)];
        with_settings(&mut command, address, http).envs(more).envs(settings.iter().copied());
        Self::start(command, address, http)
    }

    /// Like [`Self::coturn`], at the server's end of a virtual cable.
    pub fn coturn_behind(program: &Path, veth: &Veth) -> Result<Self> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &veth.server]).arg(program);
        with_options(&mut command, program, SocketAddr::from((Ipv4Addr::new(10, 9, 0, 1), PORT)))?;
        let address = SocketAddr::from((Ipv4Addr::new(10, 9, 0, 1), PORT));
        Self::start(command, address, address)
    }

    /// Starts coturn with one relay thread, its fastest ways of sending (since 4.17), and nothing that the comparison does not need.
    pub fn coturn(program: &Path) -> Result<Self> {
        let address = free_udp()?;
        let mut command = Command::new(program);
        with_options(&mut command, program, address)?;
        Self::start(command, address, address)
    }

    fn start(mut command: Command, address: SocketAddr, http: SocketAddr) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
        let mut relay = Self { child, address, http };
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
        let binding = MessageWriter::new(Method::Binding, Class::Request, [7; 12]).finish();
        let deadline = Instant::now() + START_TIMEOUT;
        while socket.send_to(&binding, address).is_err() || socket.recv(&mut [0; 512]).is_err() {
            if let Some(status) = relay.child.try_wait()? {
                bail!("the server has ended: {status}");
            }
            if Instant::now() > deadline {
                bail!("the server does not answer");
            }
        }
        Ok(relay)
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for its exit; true if successful.
    pub fn ended(mut self, within: Duration) -> Result<bool> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status.success());
            }
            if Instant::now() > deadline {
                bail!("the server does not end");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The settings of our program that every test needs.
fn with_settings(command: &mut Command, address: SocketAddr, http: SocketAddr) -> &mut Command {
    command
        .env("TURN_LISTEN", address.to_string())
        .env("TURN_HTTP_LISTEN", http.to_string())
        .env("TURN_KEYS", format!("test:{SECRET}"))
        .env("TURN_REALM", REALM)
        .env("TURN_PEER_ALLOW", "127.0.0.0/8,::1")
        .env("TURN_SHARDS", "1")
        // Outside the range from which Linux assigns ports to sockets: one of a reserved pair could be taken before
        // its owner claims it.
        .env("TURN_RELAY_PORTS", "61000-65535")
        .env("TURN_DRAIN_SECONDS", "0")
}

/// The options of coturn.
fn with_options(command: &mut Command, program: &Path, address: SocketAddr) -> Result<()> {
    let help = output(program, "--help")?;
    command.args(["--multiplex-peer", "--udp-gso"].into_iter().filter(|option| help.contains(option)));
    let ip = address.ip();
    command.args(["-n", &format!("--listening-ip={ip}"), &format!("--relay-ip={ip}"), "--allow-loopback-peers"]);
    command.args(["--use-auth-secret", &format!("--static-auth-secret={SECRET}"), &format!("--realm={REALM}")]);
    command.args(["--no-tcp", "--no-tls", "--no-dtls", "--no-cli", "--relay-threads=1", "--log-file=/dev/null"]);
    command.arg(format!("--listening-port={}", address.port()));
    Ok(())
}

/// "coturn" and its version.
pub fn coturn_version(program: &Path) -> Result<String> {
    let text = output(program, "--version")?;
    let mut words = text.split(|c: char| c.is_whitespace() || c == '-');
    let version = words.find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'));
    Ok(format!("coturn {}", version.unwrap_or("of an unknown version")))
}

fn output(program: &Path, option: &str) -> Result<String> {
    let output = Command::new(program).arg(option).output();
    let output = output.with_context(|| format!("starting {}", program.display()))?;
    Ok(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// An address whose port was free a moment ago, for UDP and TCP.
pub fn free_udp() -> Result<SocketAddr> {
    for _ in 0..100 {
        let address = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    bail!("no port is free for both UDP and TCP")
}

/// A credential as issued by the edge, which expires in this many seconds; in the past if negative.
pub fn credential(policy: TurnPolicy, participant: &str, seconds: i64) -> Result<Credential> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let user = TurnUser {
        expires_at: UnixMillis(now.saturating_add_signed(seconds) * 1_000),
        policy,
        room: RoomId::parse("test")?,
        participant: ParticipantId::parse(participant)?,
    };
    Ok(TurnKeys::parse(&format!("test:{SECRET}"))?.mint(&user))
}

/// A client with one socket, and thus one allocation.
#[derive(Debug)]
pub struct RelayClient {
    /// For data only: requests read their own answers.
    pub socket: UdpSocket,
    server: SocketAddr,
    requests: Requests,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Contains the relayed address, if the request asked for one.
    Success(Option<SocketAddr>),
    Refused(u16),
}

impl RelayClient {
    pub fn new(server: SocketAddr, credential: Credential) -> Result<Self> {
        Self::at(Ipv4Addr::LOCALHOST.into(), server, credential)
    }

    /// Like [`Self::new`], from an address of this host.
    pub fn at(ip: IpAddr, server: SocketAddr, credential: Credential) -> Result<Self> {
        let socket = UdpSocket::bind((ip, 0))?;
        socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self { socket, server, requests: Requests::new(credential) })
    }

    pub fn allocate(&mut self) -> Result<Answer> {
        const UDP: [u8; 4] = [17, 0, 0, 0];
        const IPV6: [u8; 4] = [2, 0, 0, 0];
        let is_v6 = self.server.is_ipv6();
        self.request(Method::Allocate, |writer| {
            let writer = writer.with(AttributeType::REQUESTED_TRANSPORT, &UDP);
            if is_v6 { writer.with(AttributeType::REQUESTED_ADDRESS_FAMILY, &IPV6) } else { writer }
        })
    }

    /// Creates an allocation that must succeed, and returns its relayed address.
    pub fn allocated(&mut self) -> Result<SocketAddr> {
        match self.allocate()? {
            Answer::Success(Some(relayed)) => Ok(relayed),
            other => bail!("no allocation: {other:?}"),
        }
    }

    pub fn bind(&mut self, number: u16, peer: SocketAddr) -> Result<Answer> {
        self.request(Method::ChannelBind, |writer| channel(writer, number, peer))
    }

    /// Lets the allocation end after so many seconds.
    pub fn refresh(&mut self, seconds: u32) -> Result<Answer> {
        self.request(Method::Refresh, |writer| writer.with(AttributeType::LIFETIME, &seconds.to_be_bytes()))
    }

    /// Sends a request, and repeats it with the nonce if the server asks for one.
    fn request(&mut self, method: Method, fill: impl Fn(MessageWriter) -> MessageWriter) -> Result<Answer> {
        let first = self.ask(method, &fill)?;
        if self.requests.must_repeat(first) { self.ask(method, &fill) } else { Ok(first) }
    }

    fn ask(&mut self, method: Method, fill: impl Fn(MessageWriter) -> MessageWriter) -> Result<Answer> {
        let (transaction, bytes) = self.requests.write(method, fill);
        let mut buffer = [0; 2_048];
        // RFC 8489 §6.2.1: over UDP a request is repeated until it is answered.
        for _ in 0..7 {
            self.socket.send_to(&bytes, self.server)?;
            let Ok(length) = self.socket.recv(&mut buffer) else { continue };
            let message = Message::parse(buffer.get(..length).unwrap_or_default()).context("an answer in STUN")?;
            if message.transaction == transaction {
                return Ok(self.requests.read(&message));
            }
        }
        bail!("no answer to {method:?}")
    }
}

/// The attributes of ChannelBind.
pub(crate) fn channel(writer: MessageWriter, number: u16, peer: SocketAddr) -> MessageWriter {
    let [high, low] = number.to_be_bytes();
    let writer = writer.with(AttributeType::CHANNEL_NUMBER, &[high, low, 0, 0]);
    writer.with_address(AttributeType::XOR_PEER_ADDRESS, peer)
}

#[derive(Debug)]
pub(crate) struct Requests {
    credential: Credential,
    /// Realm and nonce, once the server has sent them.
    challenge: Option<(String, Vec<u8>)>,
    count: u64,
}

impl Requests {
    pub(crate) fn new(credential: Credential) -> Self {
        Self { credential, challenge: None, count: 0 }
    }

    /// True if the answer to the first request only contained realm and nonce.
    pub(crate) fn must_repeat(&self, answer: Answer) -> bool {
        matches!(answer, Answer::Refused(401 | 438)) && self.count == 1
    }

    pub(crate) fn write(
        &mut self,
        method: Method,
        fill: impl Fn(MessageWriter) -> MessageWriter,
    ) -> (TransactionId, Vec<u8>) {
        self.count += 1;
        let mut transaction = [0; 12];
        transaction[4..].copy_from_slice(&self.count.to_be_bytes());
        let writer = fill(MessageWriter::new(method, Class::Request, transaction));
        let Some((realm, nonce)) = &self.challenge else { return (transaction, writer.finish()) };
        let Credential { username, password } = &self.credential;
        let writer = writer
            .with(AttributeType::USERNAME, username.as_bytes())
            .with(AttributeType::REALM, realm.as_bytes())
            .with(AttributeType::NONCE, nonce)
            .signed(&IntegrityKey::long_term(username, realm, password));
        (transaction, writer.finish())
    }

    pub(crate) fn read(&mut self, message: &Message<'_>) -> Answer {
        let text = |kind| message.value(kind).map(<[u8]>::to_vec);
        if let (Some(realm), Some(nonce)) = (text(AttributeType::REALM), text(AttributeType::NONCE)) {
            self.challenge = Some((String::from_utf8_lossy(&realm).into_owned(), nonce));
        }
        match message.value(AttributeType::ERROR_CODE) {
            Some([_, _, class, number, ..]) => Answer::Refused(u16::from(*class) * 100 + u16::from(*number)),
            Some(_) | None => {
                let relayed = message.value(AttributeType::XOR_RELAYED_ADDRESS);
                Answer::Success(relayed.and_then(|value| message.xor_address(value)))
            }
        }
    }
}

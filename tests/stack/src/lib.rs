//! The programs of one deployment on this machine, started by the fixture of the browser tests.

use serde_json::Value;
use shared::time::UnixMillis;
use shared::token::{Grants, JoinClaims, Key, sign};
use shared::{ParticipantId, RoomId};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::SystemTime;

const TOKEN_LIFETIME_MS: u64 = 600_000;

/// A Worker, a media node and storage. They end with this value or with the process, because the pipe to the fixture's
/// standard input closes.
pub struct Stack {
    fixture: Child,
    output: BufReader<ChildStdout>,
    url: String,
    key: Key,
    api_key: String,
}

impl Stack {
    /// Starts the programs and waits until they are ready.
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Like [`Self::start`]; the programs' logs go to the folder `logs`.
    #[must_use]
    pub fn start_in(logs: &Path) -> Self {
        Self::start_with(Some(logs))
    }

    fn start_with(logs: Option<&Path>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../browser/serve-stack.mjs");
        let mut command = Command::new("node");
        command.arg(script).args(logs).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut fixture = command.spawn().expect("node is on the PATH");
        let mut line = String::new();
        let mut output = BufReader::new(fixture.stdout.take().expect("a pipe"));
        output.read_line(&mut line).expect("the fixture speaks");
        let ready: Value = serde_json::from_str(&line).expect("the fixture says that it is ready");
        let text = |name: &str| ready[name].as_str().expect("a text").to_owned();
        let keys = text("token_keys");
        let (id, secret) = keys.split_once(':').expect("kid:secret");
        let key = Key::new(id, secret.as_bytes()).expect("a long secret");
        Self { fixture, output, url: text("url"), key, api_key: text("api_key") }
    }

    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    #[must_use]
    pub fn api_key(&self) -> &str {
        &self.api_key
    }

    #[must_use]
    pub fn room_url(&self, room: &str) -> String {
        format!("{}/v1/rooms/{room}/socket", self.url.replacen("http", "ws", 1))
    }

    /// Executes a command of the fixture; returns `status` and `body` of the result.
    pub fn command(&mut self, command: &Value) -> Value {
        self.try_command(command).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// Like [`Self::command`]; the error is the fixture's.
    pub fn try_command(&mut self, command: &Value) -> Result<Value, String> {
        let input = self.fixture.stdin.as_mut().expect("a pipe");
        writeln!(input, "{command}").expect("the fixture listens");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the fixture speaks");
        let answer: Value = serde_json::from_str(&line).expect("the fixture answers");
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer),
        }
    }

    /// A join token for `participant`, who may record.
    #[must_use]
    pub fn token(&self, room: &str, participant: &str) -> String {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let claims = JoinClaims {
            name: participant.to_owned(),
            grants: Grants { record: true, ..Grants::default() },
            participants_max: Some(1_000),
            ..JoinClaims::new(ParticipantId::parse(participant).expect("an id"), RoomId::parse(room).expect("an id"))
        };
        sign(claims, &self.key, UnixMillis(since.as_millis() as u64), TOKEN_LIFETIME_MS).expect("signs")
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        drop(self.fixture.stdin.take());
        // Ports and files are free after the fixture has ended.
        let ended = self.fixture.wait();
        if !std::thread::panicking() {
            assert!(ended.is_ok_and(|status| status.success()), "the fixture tells of errors in the nodes' logs");
        }
    }
}

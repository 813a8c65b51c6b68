//! RoomObject, one per room: Durable Object verbs to inputs of the room.

mod entrance;
mod lines;
mod recordings;

use crate::attachment::{self, Seat};
use crate::config::{Config, Continent};
use crate::exec::{Leftover, Shell};
use crate::internal::recordings::Verdict;
use crate::internal::{self, Address, ApiCall, Ask, Introduced, ListedInVain, ResumeClaims, TurnAsk, introduced};
use crate::refusal::Refusal;
use crate::{auth, clock, directory, log, random, sockets};
use edge_core::SocketId;
use edge_core::door::Door;
use edge_core::fleet::{PlaceAnswer, PlaceRequest};
use edge_core::room::{self, Answer, Attachment, Input, Output, Room};
use serde::{Deserialize, Serialize};
use shared::control::{self, Message, NodeToRoom};
use shared::signal::{ClientFrame, FrameError, close_code};
use shared::token::{JoinClaims, TicketClaims};
use shared::{ErrorCode, Region, RoomId, UnixMillis};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, Socket, State, WebSocket, WebSocketIncomingMessage,
    durable_object, wasm_bindgen,
};

/// Where the directory could not be reached, it is tried again after this time.
const DIRECTORY_RETRY_MS: u64 = 5_000;

#[durable_object]
pub struct RoomObject {
    env: Env,
    shell: Shell,
    /// `None` until the first event after waking.
    awake: RefCell<Option<Awake>>,
    /// The number of the last question of the application's server.
    questions: Cell<u64>,
    /// Whether the directory is being told something, so that two answers cannot overtake each other.
    announces: Cell<bool>,
    /// When the directory is told what it could not be told before.
    announces_at: Cell<UnixMillis>,
}

/// What an input is answered with, by the number of the call.
#[derive(Default)]
struct Answers {
    api: Vec<(u64, Answer)>,
    /// To nodes that report on recordings.
    verdicts: Vec<(u64, Verdict)>,
}

struct Awake {
    room: Room,
    door: Door,
    identity: Identity,
}

/// Which room this is, and where the first one who came to it was.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Identity {
    room: RoomId,
    continent: Option<String>,
    /// Whether the directory lists it; nothing while that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listed: Option<bool>,
}

impl DurableObject for RoomObject {
    fn new(state: State, env: Env) -> Self {
        let (shell, awake) = (Shell::new(state), RefCell::new(None));
        let (announces, announces_at) = (Cell::new(false), Cell::default());
        Self { env, shell, awake, questions: Cell::new(0), announces, announces_at }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        match request.path().as_str() {
            JoinClaims::PATH => self.client_arrives(introduced(&request)?).await,
            ResumeClaims::PATH => self.client_returns(introduced(&request)?).await,
            TicketClaims::PATH => self.node_arrives(introduced(&request)?).await,
            internal::recordings::REPORT_PATH => self.recording_reported(request).await,
            ApiCall::PATH => Response::from_json(&self.asked(request.json().await?).await?),
            ListedInVain::PATH => Response::from_json(&self.listed_in_vain(request.json().await?).await?),
            _ => Refusal::no_such_path().response("internal"),
        }
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        if let Some(Seat { of, .. }) = attachment::read(&socket) {
            self.survive(Some(of.socket()), frame(&of, &message)).await;
        }
        Ok(())
    }

    async fn websocket_close(&self, socket: WebSocket, code: usize, _reason: String, _was_clean: bool) -> Result<()> {
        // RFC 6455 §5.5.1: a Close is answered with a Close; the platform leaves that to us.
        sockets::answer_close(&socket);
        self.socket_closed(&socket, close_code::is_page_gone(code)).await
    }

    async fn websocket_error(&self, socket: WebSocket, _error: Error) -> Result<()> {
        self.socket_closed(&socket, false).await
    }

    async fn alarm(&self) -> Result<Response> {
        self.shell.alarm_went_off();
        self.shell.end_alarm(self.deadline().await).await
    }

    async fn connect(&self, _socket: Socket) -> Result<()> {
        Err(Error::RustError("rooms are not reached over TCP".into()))
    }
}

impl RoomObject {
    async fn deadline(&self) -> Result<()> {
        self.attempt(Input::Deadline).await?;
        if self.announces_at.get() <= clock::now() {
            self.announce().await?;
        }
        self.retire().await
    }

    /// Answers the application's server. Only a request that creates the room tells the object its name, so that a
    /// request about a room that does not exist leaves nothing behind.
    async fn asked(&self, call: ApiCall) -> Result<Answer> {
        let ApiCall { room, continent, ask } = call;
        if matches!(ask, room::Ask::Create { .. } | room::Ask::Enter { .. }) {
            self.wake(Some(Identity { room, continent, listed: Some(false) }))?;
        }
        let request = self.questions.get().wrapping_add(1);
        self.questions.set(request);
        let answers = self.survive(None, Input::Asked { request, ask }).await;
        let answer = answers.api.into_iter().find_map(|(to, answer)| (to == request).then_some(answer));
        if matches!(answer, Some(Answer::Room { made: true, .. } | Answer::Done)) {
            // The request that made or ended the room has updated the list already.
            self.announce().await?;
        }
        match answer {
            Some(answer) => Ok(answer),
            None if self.wake(None)? => Ok(Answer::Refused { code: ErrorCode::Internal }),
            None => {
                self.retire().await?;
                Ok(Answer::Refused { code: ErrorCode::UnknownRoom })
            }
        }
    }

    async fn socket_closed(&self, socket: &WebSocket, going_away: bool) -> Result<()> {
        if let Some(Seat { of, .. }) = attachment::read(socket) {
            let socket = of.socket();
            self.shell.sockets.forget(socket)?;
            self.survive(None, Input::SocketClosed { socket, going_away }).await;
        }
        Ok(())
    }

    /// Handles an input and closes its socket when the platform fails, so that the client resumes.
    async fn survive(&self, socket: Option<SocketId>, input: Input) -> Answers {
        if let Ok(answers) = self.attempt(input).await {
            return answers;
        }
        if let Some(socket) = socket
            && let Err(error) = self.shell.sockets.close(socket, close_code::INTERNAL)
        {
            log::line(log::Level::Error, "close_failed", &[("error", &error)]);
        }
        Answers::default()
    }

    /// Handles an input. Where the platform fails us, memory and storage may differ, so memory is dropped: what is stored counts.
    async fn attempt(&self, input: Input) -> Result<Answers> {
        let result = self.handle(input).await;
        if let Err(error) = &result {
            log::line(log::Level::Error, "room_failed", &[("error", error)]);
            self.forget();
        }
        result
    }

    /// One input and whatever follows from it. Others may come in between while a Fleet object is asked.
    async fn handle(&self, input: Input) -> Result<Answers> {
        let mut inputs = VecDeque::from([input]);
        let (mut asks, mut turn_asks, mut answers) = (VecDeque::new(), VecDeque::new(), Answers::default());
        loop {
            let mut deadline = None;
            while let Some(input) = inputs.pop_front() {
                let Some(leftover) = self.step(input, &mut deadline)? else { return Ok(answers) };
                inputs
                    .extend(leftover.lost.into_iter().map(|socket| Input::SocketClosed { socket, going_away: false }));
                inputs.extend(leftover.heard.into_iter().map(|(socket, at)| Input::Heard { socket, at }));
                asks.extend(leftover.asks);
                answers.api.extend(leftover.api_answers);
                turn_asks.extend(leftover.turn_asks);
                answers.verdicts.extend(leftover.verdicts);
            }
            self.shell.arm(deadline).await?;
            if let Some(ask) = asks.pop_front() {
                let epoch = ask.epoch;
                inputs.push_back(Input::FleetAnswered { epoch, answer: self.place(ask).await? });
            } else if let Some((epoch, region)) = turn_asks.pop_front() {
                inputs.extend(self.ask_turn(epoch, region).await?);
            } else {
                break;
            }
        }
        if self.stale_listing().is_some() {
            self.shell.arm(Some(self.announces_at.get())).await?;
        }
        self.retire().await?;
        Ok(answers)
    }

    /// The room, and whether it is one, where the directory does not know.
    fn stale_listing(&self) -> Option<(RoomId, bool)> {
        let awake = self.awake.try_borrow().ok()?;
        let Awake { room, identity, .. } = awake.as_ref()?;
        (identity.listed != Some(room.exists())).then(|| (identity.room.clone(), room.exists()))
    }

    /// Keeps the directory in step with whether there is a room. The alarm does it: no join waits for it, and it is
    /// retried if the directory cannot be reached.
    async fn announce(&self) -> Result<()> {
        if self.announces.replace(true) {
            // The running task looks again when it is done.
            return Ok(());
        }
        let result = self.announce_all().await;
        self.announces.set(false);
        result
    }

    async fn announce_all(&self) -> Result<()> {
        while let Some((room, exists)) = self.stale_listing() {
            // Where the call fails or this object does, the directory may have done it or not.
            self.note_listed(None)?;
            if let Err(error) = directory::set(&self.env, &room, exists).await {
                let fields: [(&str, &dyn std::fmt::Display); 2] = [("room", &room), ("error", &error)];
                log::line(log::Level::Warn, "directory_unreachable", &fields);
                self.announces_at.set(clock::now().plus_ms(DIRECTORY_RETRY_MS));
                return self.shell.arm(Some(self.announces_at.get())).await;
            }
            self.note_listed(Some(exists))?;
        }
        Ok(())
    }

    fn note_listed(&self, listed: Option<bool>) -> Result<()> {
        let mut awake = self.awake.try_borrow_mut().map_err(|error| Error::RustError(error.to_string()))?;
        let Some(Awake { identity, .. }) = awake.as_mut() else { return Ok(()) };
        identity.listed = listed;
        self.shell.store.set_identity(identity)
    }

    /// Handles a listing of a room that does not exist, or did not a moment ago: the directory is told what is known.
    async fn listed_in_vain(&self, ListedInVain { room }: ListedInVain) -> Result<()> {
        self.wake(Some(Identity { room, continent: None, listed: None }))?;
        self.announce().await?;
        self.retire().await
    }

    /// One input and its outputs, without a pause; nothing where no room is known here.
    fn step(&self, input: Input, deadline: &mut Option<UnixMillis>) -> Result<Option<Leftover>> {
        if !self.wake(None)? {
            return Ok(None);
        }
        let mut awake = self.awake.try_borrow_mut().map_err(|error| Error::RustError(error.to_string()))?;
        let Some(Awake { room, door, identity }) = awake.as_mut() else { return Ok(None) };
        let mut speaker = None;
        if let Input::ClientFrame { socket, .. } | Input::NodeFrame { socket, .. } = &input {
            speaker = Some(*socket);
        }
        if let Input::SocketClosed { socket, .. } = &input {
            door.closed(*socket);
        }
        room.handle_input(clock::now(), input);
        if let Some(socket) = speaker.filter(|socket| room.is_settled(*socket)) {
            door.settled(socket);
        }
        let mut leftover = Leftover::default();
        while let Some(output) = room.poll_output() {
            lines::output(&identity.room, &output);
            if let Output::CloseClient { socket, .. } | Output::CloseNode { socket, .. } = &output {
                door.closed(*socket);
            }
            self.shell.room(output, &mut leftover)?;
        }
        *deadline = room.poll_timeout();
        Ok(Some(leftover))
    }

    /// Makes sure that the room is in memory; false where nothing says which room this is.
    fn wake(&self, newcomer: Option<Identity>) -> Result<bool> {
        let mut awake = self.awake.try_borrow_mut().map_err(|error| Error::RustError(error.to_string()))?;
        if awake.is_some() {
            return Ok(true);
        }
        let identity = match (self.shell.store.identity::<Identity>()?, newcomer) {
            (Some(identity), _) => identity,
            (None, Some(identity)) => {
                self.shell.store.set_identity(&identity)?;
                identity
            }
            (None, None) => return Ok(false),
        };
        let (room, door) = self.restore(&identity)?;
        *awake = Some(Awake { room, door, identity });
        Ok(true)
    }

    fn restore(&self, identity: &Identity) -> Result<(Room, Door)> {
        let config = self.config()?;
        let config = room::Config {
            can_record: config.storage.is_some(),
            ice_servers: config.ice_servers,
            turn_keys: auth::turn_keys(&self.env),
            resume_keys: auth::resume_keys(&self.env).map_err(|error| Error::RustError(error.to_string()))?,
        };
        let (rows, seats) = (self.shell.store.rows()?, self.shell.sockets.wake::<Seat>()?);
        let sockets = seats.iter().map(|seat| seat.of.clone()).collect();
        let name = &identity.room;
        let (room, unreadable) = Room::salvage(name.clone(), config, random::source()?, clock::now(), &rows, sockets);
        self.shell.give_up(name, &unreadable, Room::is_disposable)?;
        let door = entrance::door(&room, seats);
        Ok((room, door))
    }

    /// Drops what is in memory; the next event restores what is stored.
    fn forget(&self) {
        if let Ok(mut awake) = self.awake.try_borrow_mut() {
            *awake = None;
        }
    }

    /// Gives the storage back when nobody is here, nothing is due and nothing is kept.
    async fn retire(&self) -> Result<()> {
        let due =
            self.awake.try_borrow().is_ok_and(|awake| awake.as_ref().is_some_and(|a| a.room.poll_timeout().is_some()));
        if due || self.stale_listing().is_some() || !self.shell.sockets.is_empty()? || !self.shell.store.is_empty()? {
            return Ok(());
        }
        self.forget();
        self.shell.wipe().await
    }

    /// Asks the regions in the order of their distance from the first joiner, until a node takes the room.
    async fn place(&self, request: PlaceRequest) -> Result<PlaceAnswer> {
        let config = self.config()?;
        let continent = self
            .awake
            .try_borrow()
            .ok()
            .and_then(|awake| Continent::parse(awake.as_ref()?.identity.continent.as_deref()?));
        let mut failed = ErrorCode::NoMediaNode;
        for region in config.regions_for(continent) {
            let address = Address::fleet(&region, config.regions.get(&region).copied());
            let ask = Ask { region: region.clone(), request: request.clone() };
            match address.ask::<PlaceAnswer>(&self.env, Ask::PATH, &ask).await {
                Ok(PlaceAnswer::Placed(placement)) => {
                    lines::placed(&request, &placement.node, &region);
                    return Ok(PlaceAnswer::Placed(placement));
                }
                Ok(PlaceAnswer::Failed { code }) => failed = code,
                Err(error) => {
                    let fields: [(&str, &dyn std::fmt::Display); 3] =
                        [("room", &request.room), ("region", &region), ("error", &error)];
                    log::line(log::Level::Error, "fleet_unreachable", &fields);
                    failed = ErrorCode::Internal;
                }
            }
        }
        log::line(log::Level::Warn, "room_not_placed", &[("room", &request.room), ("code", &failed)]);
        Ok(PlaceAnswer::Failed { code: failed })
    }

    /// Asks where clients can be relayed; without an answer the room goes on with what it knows.
    async fn ask_turn(&self, epoch: u64, region: Region) -> Result<Option<Input>> {
        let address = Address::fleet(&region, self.config()?.regions.get(&region).copied());
        let ask = TurnAsk { region: region.clone() };
        match address.ask::<Vec<String>>(&self.env, TurnAsk::PATH, &ask).await {
            Ok(urls) => Ok(Some(Input::TurnAnswered { epoch, urls })),
            Err(error) => {
                log::line(log::Level::Error, "fleet_unreachable", &[("region", &region), ("error", &error)]);
                Ok(None)
            }
        }
    }

    fn config(&self) -> Result<Config> {
        Config::read(&self.env).map_err(|error| Error::RustError(error.to_string()))
    }
}

/// What a frame is to the room; a binary one says nothing in either protocol.
fn frame(attachment: &Attachment, message: &WebSocketIncomingMessage) -> Input {
    match (attachment, message) {
        (
            Attachment::Client { socket, .. } | Attachment::Resuming { socket, .. },
            WebSocketIncomingMessage::String(text),
        ) => Input::ClientFrame { socket: *socket, frame: ClientFrame::parse(text) },
        (
            Attachment::Client { socket, .. } | Attachment::Resuming { socket, .. },
            WebSocketIncomingMessage::Binary(_),
        ) => Input::ClientFrame { socket: *socket, frame: Err(FrameError::Malformed) },
        (Attachment::Node { socket, .. }, WebSocketIncomingMessage::String(text)) => {
            Input::NodeFrame { socket: *socket, frame: NodeToRoom::parse(text) }
        }
        (Attachment::Node { socket, .. }, WebSocketIncomingMessage::Binary(_)) => {
            Input::NodeFrame { socket: *socket, frame: Err(control::ControlError::Malformed) }
        }
    }
}

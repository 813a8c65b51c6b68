//! RoomObject, one per room: translates Durable Object events into inputs of the room.

mod at_once;
mod entrance;
mod lines;
mod recordings;

use crate::attachment::{self, Seat};
use crate::config::{Config, Continent};
use crate::exec::{Leftover, Shell};
use crate::internal::recordings::Verdict;
use crate::internal::{
    self, Address, ApiCall, Ask, Introduced, ListedInVain, ResumeClaims, Said, TurnAsk, introduced, question,
};
use crate::refusal::Refusal;
use crate::sockets::Speaker;
use crate::{auth, clock, directory, log, random, sockets};
use edge_core::SocketId;
use edge_core::door::Door;
use edge_core::fleet::{PlaceAnswer, PlaceRequest, Relays};
use edge_core::room::{self, Answer, Input, Output, Room};
use serde::{Deserialize, Serialize};
use shared::control::{self, Message, NodeToRoom};
use shared::signal::{ClientFrame, FrameError, close_code};
use shared::token::{JoinClaims, TicketClaims};
use shared::{ErrorCode, Region, RoomId, UnixMillis};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, Socket, State, WebSocket, WebSocketIncomingMessage,
    durable_object, wasm_bindgen,
};

/// Pause before an unreachable directory is tried again.
const DIRECTORY_RETRY_MS: u64 = 5_000;

#[durable_object]
pub struct RoomObject {
    env: Env,
    shell: Shell,
    /// `None` until the first event after waking.
    awake: RefCell<Option<Awake>>,
    /// Number of the last API call.
    questions: Cell<u64>,
    /// True while the directory is being updated, so that two updates cannot overtake each other.
    announces: Cell<bool>,
    /// Time of the next attempt to update the directory.
    announces_at: Cell<UnixMillis>,
    /// Frames with which [`RoomObject::finish`] has something left to do.
    unfinished: RefCell<VecDeque<(SocketId, Work)>>,
}

/// An input, and everything that follows from it.
#[derive(Default)]
struct Work {
    inputs: VecDeque<Input>,
    asks: VecDeque<PlaceRequest>,
    turn_asks: VecDeque<(u64, Region)>,
    answers: Answers,
    deadline: Option<UnixMillis>,
}

impl Work {
    fn of(input: Input) -> Self {
        Self { inputs: VecDeque::from([input]), ..Self::default() }
    }
}

/// Answers to one input, by call.
#[derive(Default)]
struct Answers {
    api: Vec<(u64, Answer)>,
    /// Answers for nodes that report on recordings.
    verdicts: Vec<(u64, Verdict)>,
}

struct Awake {
    room: Room,
    door: Door,
    identity: Identity,
}

/// The object's room, and the location of its first visitor.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Identity {
    room: RoomId,
    continent: Option<String>,
    /// True if the directory lists the room; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    listed: Option<bool>,
}

impl DurableObject for RoomObject {
    fn new(state: State, env: Env) -> Self {
        let (shell, awake) = (Shell::new(state), RefCell::new(None));
        let (announces, announces_at) = (Cell::new(false), Cell::default());
        let (questions, unfinished) = (Cell::new(0), RefCell::default());
        Self { env, shell, awake, questions, announces, announces_at, unfinished }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        match request.path().as_str() {
            JoinClaims::PATH => self.client_arrives(introduced(&request)?).await,
            ResumeClaims::PATH => self.client_returns(introduced(&request)?).await,
            TicketClaims::PATH => self.node_arrives(introduced(&request)?).await,
            internal::recordings::REPORT_PATH => self.recording_reported(request).await,
            ApiCall::PATH => Response::from_json(&self.asked(question(&mut request).await?).await?),
            Said::PATH => Response::from_json(&self.client_says(question(&mut request).await?).await?),
            ListedInVain::PATH => Response::from_json(&self.listed_in_vain(question(&mut request).await?).await?),
            _ => Refusal::no_such_path().response("internal"),
        }
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        if let Some(speaker) = self.shell.sockets.speaker::<Seat>(&socket) {
            self.survive(Some(speaker.socket()), frame(speaker, &message)).await;
        }
        Ok(())
    }

    async fn websocket_close(&self, socket: WebSocket, code: usize, _reason: String, _was_clean: bool) -> Result<()> {
        // RFC 6455 §5.5.1: a Close is answered with a Close, which the platform leaves to the program.
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

    /// Answers the application's server. Only a request that creates the room stores the room's name in the object, so
    /// that a request about an unknown room leaves nothing behind.
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
            // The request that created or ended the room has updated the list already.
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
            self.shell.sockets.forget(socket);
            self.survive(None, Input::SocketClosed { socket, going_away }).await;
        }
        Ok(())
    }

    /// Handles an input and closes its socket if the platform fails, so that the client resumes.
    async fn survive(&self, socket: Option<SocketId>, input: Input) -> Answers {
        if let Ok(answers) = self.attempt(input).await {
            return answers;
        }
        if let Some(socket) = socket {
            self.close_failed(socket);
        }
        Answers::default()
    }

    fn close_failed(&self, socket: SocketId) {
        if let Err(error) = self.shell.sockets.close(socket, close_code::INTERNAL) {
            log::line(log::Level::Error, "close_failed", &[("error", &error)]);
        }
    }

    async fn attempt(&self, input: Input) -> Result<Answers> {
        let result = self.handle(input).await;
        if let Err(error) = &result {
            self.fail(error);
        }
        result
    }

    /// If the platform fails, memory and storage may differ, so memory is dropped and restored from storage.
    fn fail(&self, error: &Error) {
        log::line(log::Level::Error, "room_failed", &[("error", error)]);
        self.forget();
    }

    async fn handle(&self, input: Input) -> Result<Answers> {
        let mut work = Work::of(input);
        if self.advance(&mut work)? {
            self.complete(&mut work).await?;
        }
        Ok(work.answers)
    }

    /// Handles all inputs of `work` without yielding; returns false if the room is unknown.
    fn advance(&self, work: &mut Work) -> Result<bool> {
        work.deadline = None;
        while let Some(input) = work.inputs.pop_front() {
            let Some(leftover) = self.step(input, &mut work.deadline)? else { return Ok(false) };
            let lost = leftover.lost.into_iter().map(|socket| Input::SocketClosed { socket, going_away: false });
            work.inputs.extend(lost);
            work.inputs.extend(leftover.heard.into_iter().map(|(socket, at)| Input::Heard { socket, at }));
            work.asks.extend(leftover.asks);
            work.answers.api.extend(leftover.api_answers);
            work.turn_asks.extend(leftover.turn_asks);
            work.answers.verdicts.extend(leftover.verdicts);
        }
        Ok(true)
    }

    /// True if [`RoomObject::complete`] has nothing to do.
    fn is_complete(&self, work: &Work) -> bool {
        let asks = !work.asks.is_empty() || !work.turn_asks.is_empty();
        let is_in_use = work.deadline.is_some() || !self.shell.sockets.is_empty();
        !asks && is_in_use && self.shell.is_armed(work.deadline) && self.stale_listing().is_none()
    }

    /// Does everything that has to be awaited. Other inputs may come in between while a Fleet object is asked.
    async fn complete(&self, work: &mut Work) -> Result<()> {
        loop {
            self.shell.arm(work.deadline).await?;
            if let Some(ask) = work.asks.pop_front() {
                let epoch = ask.epoch;
                work.inputs.push_back(Input::FleetAnswered { epoch, answer: self.place(ask).await? });
            } else if let Some((epoch, region)) = work.turn_asks.pop_front() {
                work.inputs.extend(self.ask_turn(epoch, region).await?);
            } else {
                break;
            }
            if !self.advance(work)? {
                return Ok(());
            }
        }
        if self.stale_listing().is_some() {
            self.shell.arm(Some(self.announces_at.get())).await?;
        }
        self.retire().await
    }

    /// The room and its existence, if the directory is out of date.
    fn stale_listing(&self) -> Option<(RoomId, bool)> {
        let awake = self.awake.try_borrow().ok()?;
        let Awake { room, identity, .. } = awake.as_ref()?;
        (identity.listed != Some(room.exists())).then(|| (identity.room.clone(), room.exists()))
    }

    /// Updates the directory's entry for the room. Called by the alarm, so that no join waits for it, and retried if
    /// the directory is unreachable.
    async fn announce(&self) -> Result<()> {
        if self.announces.replace(true) {
            // The running task checks again at its end.
            return Ok(());
        }
        let result = self.announce_all().await;
        self.announces.set(false);
        result
    }

    async fn announce_all(&self) -> Result<()> {
        while let Some((room, exists)) = self.stale_listing() {
            // If the call or this object fails, the outcome in the directory is unknown.
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

    /// Handles a listing of a room that did not exist a moment ago: updates the directory.
    async fn listed_in_vain(&self, ListedInVain { room }: ListedInVain) -> Result<()> {
        self.wake(Some(Identity { room, continent: None, listed: None }))?;
        self.announce().await?;
        self.retire().await
    }

    /// Handles one input and its outputs without yielding; returns `None` if the room is unknown.
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

    /// Restores the room if necessary; returns false if the room is unknown.
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
            roles: config.roles.clone(),
            templates: config.templates.clone(),
            regions: config.regions.names(),
            ice_servers: config.ice_servers.clone(),
            turn_keys: auth::turn_keys(&self.env),
            resume_keys: auth::resume_keys(&self.env).map_err(|error| Error::RustError(error.to_string()))?,
        };
        let (rows, seats) = (self.shell.store.rows_but(room::ARCHIVED)?, self.shell.sockets.wake::<Seat>()?);
        let stored = (&rows[..], self.shell.store.archive());
        let sockets = seats.iter().map(|seat| seat.of.clone()).collect();
        let name = &identity.room;
        let (room, unreadable) = Room::salvage(name.clone(), config, random::source()?, clock::now(), stored, sockets);
        self.shell.give_up(name, &unreadable, Room::is_disposable)?;
        let door = entrance::door(&room, seats);
        Ok((room, door))
    }

    /// Drops the state in memory; the next event restores it from storage.
    fn forget(&self) {
        if let Ok(mut awake) = self.awake.try_borrow_mut() {
            *awake = None;
        }
    }

    /// Frees the storage if the object has no sockets, deadlines or rows.
    async fn retire(&self) -> Result<()> {
        let due =
            self.awake.try_borrow().is_ok_and(|awake| awake.as_ref().is_some_and(|a| a.room.poll_timeout().is_some()));
        if due || self.stale_listing().is_some() || !self.shell.sockets.is_empty() || !self.shell.store.is_empty()? {
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
        for region in config.regions.in_order_for_wish(request.region.as_ref(), continent, &request.room) {
            let address = Address::fleet(&region, config.regions.continent(&region));
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

    /// Requests the TURN nodes from the region's Fleet object; without an answer the room keeps its list.
    async fn ask_turn(&self, epoch: u64, region: Region) -> Result<Option<Input>> {
        let address = Address::fleet(&region, self.config()?.regions.continent(&region));
        let ask = TurnAsk { region: region.clone() };
        match address.ask::<Relays>(&self.env, TurnAsk::PATH, &ask).await {
            Ok(relays) => Ok(Some(Input::TurnAnswered { epoch, relays })),
            Err(error) => {
                log::line(log::Level::Error, "fleet_unreachable", &[("region", &region), ("error", &error)]);
                Ok(None)
            }
        }
    }

    fn config(&self) -> Result<Rc<Config>> {
        Config::read(&self.env).map_err(|error| Error::RustError(error.to_string()))
    }
}

/// Turns a frame into an input; a binary one is malformed in either protocol.
fn frame(speaker: Speaker, message: &WebSocketIncomingMessage) -> Input {
    match (speaker, message) {
        (Speaker::Client(socket), WebSocketIncomingMessage::String(text)) => {
            Input::ClientFrame { socket, frame: ClientFrame::parse(text) }
        }
        (Speaker::Client(socket), WebSocketIncomingMessage::Binary(_)) => {
            Input::ClientFrame { socket, frame: Err(FrameError::Malformed { id: None }) }
        }
        (Speaker::Node(socket), WebSocketIncomingMessage::String(text)) => {
            Input::NodeFrame { socket, frame: NodeToRoom::parse(text) }
        }
        (Speaker::Node(socket), WebSocketIncomingMessage::Binary(_)) => {
            Input::NodeFrame { socket, frame: Err(control::ControlError::Malformed) }
        }
    }
}

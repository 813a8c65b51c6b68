//! FleetObject, one per region: translates Durable Object events into inputs of the fleet.

use crate::config::Config;
use crate::exec::{Leftover, Shell};
use crate::internal::{Address, Ask, Introduced, Introduction, Told, TurnAsk, introduced, question};
use crate::refusal::Refusal;
use crate::sockets::Accepted;
use crate::{attachment, auth, clock, log, random, sockets};
use edge_core::SocketId;
use edge_core::fleet::{Attachment, Fleet, Input, News, PlaceAnswer};
use serde::{Deserialize, Serialize};
use shared::control::{self, ControlError, Message, NodeToFleet};
use shared::signal::close_code;
use shared::token::NodeClaims;
use shared::{ErrorCode, Region, UnixMillis};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use worker::{
    DurableObject, Env, Error, Request, Response, Result, Socket, State, WebSocket, WebSocketIncomingMessage,
    durable_object, wasm_bindgen,
};

#[durable_object]
pub struct FleetObject {
    env: Env,
    shell: Shell,
    /// `None` until the first event after waking.
    awake: RefCell<Option<Fleet>>,
    asked: Cell<u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Identity {
    region: Region,
}

impl DurableObject for FleetObject {
    fn new(state: State, env: Env) -> Self {
        Self { env, shell: Shell::new(state), awake: RefCell::new(None), asked: Cell::new(0) }
    }

    async fn fetch(&self, mut request: Request) -> Result<Response> {
        match request.path().as_str() {
            NodeClaims::PATH => self.open(introduced(&request)?).await,
            Ask::PATH => {
                let Ask { region, request } = question(&mut request).await?;
                self.wake(Some(Identity { region }))?;
                let number = self.asked.get().wrapping_add(1);
                self.asked.set(number);
                let answers = self.survive(None, Input::Place { request: number, ask: request }).await;
                let answer = answers.into_iter().find_map(|(to, answer)| (to == number).then_some(answer));
                Response::from_json(&answer.unwrap_or(PlaceAnswer::Failed { code: ErrorCode::Internal }))
            }
            TurnAsk::PATH => {
                let TurnAsk { region } = question(&mut request).await?;
                self.wake(Some(Identity { region }))?;
                let mut awake = self.awake.try_borrow_mut().map_err(|error| Error::RustError(error.to_string()))?;
                Response::from_json(&awake.as_mut().map(|fleet| fleet.relays(clock::now())).unwrap_or_default())
            }
            Told::PATH => {
                let Told { region, news } = question(&mut request).await?;
                self.wake(Some(Identity { region }))?;
                self.survive(None, Input::News(news)).await;
                self.wake(None)?;
                let awake = self.awake.try_borrow().map_err(|error| Error::RustError(error.to_string()))?;
                Response::from_json(&awake.as_ref().map(Fleet::news))
            }
            _ => Refusal::no_such_path().response("internal"),
        }
    }

    async fn websocket_message(&self, socket: WebSocket, message: WebSocketIncomingMessage) -> Result<()> {
        if let Some(Attachment { socket, .. }) = attachment::read(&socket) {
            let frame = match message {
                WebSocketIncomingMessage::String(text) => NodeToFleet::parse(&text),
                WebSocketIncomingMessage::Binary(_) => Err(ControlError::Malformed),
            };
            self.survive(Some(socket), Input::Frame { socket, frame }).await;
        }
        Ok(())
    }

    async fn websocket_close(&self, socket: WebSocket, _code: usize, _reason: String, _was_clean: bool) -> Result<()> {
        // RFC 6455 §5.5.1: a Close is answered with a Close, which the platform leaves to the program.
        sockets::answer_close(&socket);
        self.socket_closed(&socket).await
    }

    async fn websocket_error(&self, socket: WebSocket, _error: Error) -> Result<()> {
        self.socket_closed(&socket).await
    }

    async fn alarm(&self) -> Result<Response> {
        self.shell.alarm_went_off();
        self.shell.end_alarm(self.attempt(Input::Deadline).await.map(drop)).await
    }

    async fn connect(&self, _socket: Socket) -> Result<()> {
        Err(Error::RustError("fleets are not reached over TCP".into()))
    }
}

impl FleetObject {
    /// Accepts the socket of a node with a valid token.
    async fn open(&self, introduction: Introduction<NodeClaims>) -> Result<Response> {
        let Introduction { claims, seen: address, request_id, .. } = introduction;
        self.wake(Some(Identity { region: claims.region.clone() }))?;
        let socket = random::socket_id()?;
        let attach = |opened_at| Attachment { socket, opened_at, claims, address, heartbeat: None };
        match self.shell.sockets.accept(control::SUBPROTOCOL, attach)? {
            Accepted::Full(response) => Ok(response),
            Accepted::Open(attachment, response) => {
                let Attachment { socket, claims, .. } = &attachment;
                let fields: [(&str, &dyn std::fmt::Display); 4] = [
                    ("region", &claims.region),
                    ("node", &claims.sub),
                    ("socket", &socket.0),
                    ("request", &request_id),
                ];
                log::line(log::Level::Info, "node_connected", &fields);
                self.survive(Some(*socket), Input::SocketOpened(attachment)).await;
                Ok(response)
            }
        }
    }

    async fn socket_closed(&self, socket: &WebSocket) -> Result<()> {
        if let Some(Attachment { socket, claims, .. }) = attachment::read(socket) {
            let fields: [(&str, &dyn std::fmt::Display); 3] =
                [("region", &claims.region), ("node", &claims.sub), ("socket", &socket.0)];
            log::line(log::Level::Warn, "node_disconnected", &fields);
            self.shell.sockets.forget(socket);
            self.survive(None, Input::SocketClosed { socket }).await;
        }
        Ok(())
    }

    /// Handles an input and closes its socket if the platform fails, so that the node reconnects.
    async fn survive(&self, socket: Option<SocketId>, input: Input) -> Vec<(u64, PlaceAnswer)> {
        if let Ok(answers) = self.attempt(input).await {
            return answers;
        }
        if let Some(socket) = socket
            && let Err(error) = self.shell.sockets.close(socket, close_code::INTERNAL)
        {
            log::line(log::Level::Error, "close_failed", &[("error", &error)]);
        }
        Vec::new()
    }

    /// Handles an input. If the platform fails, memory and storage may differ, so memory is dropped and restored from
    /// storage.
    async fn attempt(&self, input: Input) -> Result<Vec<(u64, PlaceAnswer)>> {
        let result = self.handle(input).await;
        if let Err(error) = &result {
            log::line(log::Level::Error, "fleet_failed", &[("error", error)]);
            self.forget();
        }
        result
    }

    /// Handles one input and everything that follows from it; returns the answers for Room objects.
    async fn handle(&self, input: Input) -> Result<Vec<(u64, PlaceAnswer)>> {
        let mut inputs = VecDeque::from([input]);
        let mut answers = Vec::new();
        let mut deadline = None;
        while let Some(input) = inputs.pop_front() {
            let Some(leftover) = self.step(input, &mut deadline)? else { return Ok(answers) };
            inputs.extend(leftover.lost.into_iter().map(|socket| Input::SocketClosed { socket }));
            answers.extend(leftover.answers);
            if let Some(news) = leftover.news {
                self.shell.arm(deadline).await?;
                inputs.extend(self.tell(&news).await?.into_iter().map(Input::News));
            }
        }
        self.shell.arm(deadline).await?;
        Ok(answers)
    }

    /// Tells the other regions' Fleet objects, and returns what they answer. One that cannot be reached is told again
    /// at the next interval.
    async fn tell(&self, news: &News) -> Result<Vec<News>> {
        let config = Config::read(&self.env).map_err(|error| Error::RustError(error.to_string()))?;
        let mut heard = Vec::new();
        for (region, continent) in config.regions.iter().filter(|(region, _)| **region != news.region) {
            let told = Told { region: region.clone(), news: news.clone() };
            match Address::fleet(region, Some(*continent)).ask::<Option<News>>(&self.env, Told::PATH, &told).await {
                Ok(answer) => heard.extend(answer),
                Err(error) => {
                    log::line(log::Level::Warn, "fleet_unreachable", &[("region", region), ("error", &error)]);
                }
            }
        }
        Ok(heard)
    }

    /// Handles one input and its outputs without yielding; returns nothing if the region is unknown.
    fn step(&self, input: Input, deadline: &mut Option<UnixMillis>) -> Result<Option<Leftover>> {
        if !self.wake(None)? {
            return Ok(None);
        }
        let mut awake = self.awake.try_borrow_mut().map_err(|error| Error::RustError(error.to_string()))?;
        let Some(fleet) = awake.as_mut() else { return Ok(None) };
        fleet.handle_input(clock::now(), input);
        let mut leftover = Leftover::default();
        while let Some(output) = fleet.poll_output() {
            self.shell.fleet(output, &mut leftover)?;
        }
        *deadline = fleet.poll_timeout();
        Ok(Some(leftover))
    }

    /// Drops the state in memory; the next event restores it from storage.
    fn forget(&self) {
        if let Ok(mut awake) = self.awake.try_borrow_mut() {
            *awake = None;
        }
    }

    /// Restores the fleet if necessary; returns false if the region is unknown.
    fn wake(&self, newcomer: Option<Identity>) -> Result<bool> {
        let mut awake = self.awake.try_borrow_mut().map_err(|error| Error::RustError(error.to_string()))?;
        if awake.is_some() {
            return Ok(true);
        }
        let Identity { region } = match (self.shell.store.identity::<Identity>()?, newcomer) {
            (Some(identity), _) => identity,
            (None, Some(identity)) => {
                self.shell.store.set_identity(&identity)?;
                identity
            }
            (None, None) => return Ok(false),
        };
        *awake = Some(self.restore(&region)?);
        Ok(true)
    }

    fn restore(&self, region: &Region) -> Result<Fleet> {
        let key = || auth::ticket_key(&self.env).map_err(|error| Error::RustError(error.to_string()));
        let (rows, sockets) = (self.shell.store.rows()?, self.shell.sockets.wake()?);
        let (fleet, unreadable) =
            Fleet::salvage(region.clone(), key()?, random::source()?, clock::now(), &rows, sockets);
        // Their nodes are disconnected and register again.
        self.shell.give_up(region, &unreadable, |_| true)?;
        Ok(fleet)
    }
}

//! A client's side of its connection: optional TLS, messages in, messages and data out.

use super::client::{Client, Closing};
use super::hub::Hub;
use super::peers;
use super::wire::Wire;
use crate::tls::Tls;
use rustls_acme::is_tls_alpn_challenge;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;
use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, TlsAcceptor};
use turn_core::{ConnectionId, limits};

/// The first byte of a TLS handshake (RFC 8446 §5.1). STUN begins with 0 or 1, ChannelData with 0x40 to 0x7F.
const TLS_HANDSHAKE: u8 = 22;
/// A longer part of a message keeps its own memory until the rest arrives, and then frees it.
const KEPT_BYTES: usize = 4 * 1024;

/// Serves a connection until either side ends it.
pub(crate) async fn serve(hub: Rc<Hub>, client: Rc<Client>, stream: TcpStream) {
    tokio::select! {
        biased;
        () = client.closed() => {}
        () = greet(&hub, &client, stream) => {}
    }
    hub.leave(&client);
}

/// Distinguishes TLS from bare TURN by the first byte, so that one port serves both.
async fn greet(hub: &Rc<Hub>, client: &Rc<Client>, stream: TcpStream) {
    let mut first = [0];
    if !stream.peek(&mut first).await.is_ok_and(|count| count == 1) {
        return;
    }
    if first != [TLS_HANDSHAKE] {
        return converse(hub, client, stream).await;
    }
    let Some(tls) = hub.tls.clone() else { return hub.close(client, Closing::Handshake) };
    match shake_hands(tls, stream).await {
        Ok(Some(stream)) => converse(hub, client, stream).await,
        // The certificate authority has seen what it wanted to see.
        Ok(None) => {}
        Err(error) => {
            tracing::debug!(%error, "a TLS handshake failed");
            hub.close(client, Closing::Handshake);
        }
    }
}

/// `None` if the connection was a certificate authority's challenge.
async fn shake_hands(tls: Tls, stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
    let Some(challenge) = tls.challenge else { return TlsAcceptor::from(tls.config).accept(stream).await.map(Some) };
    let hello = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    if is_tls_alpn_challenge(&hello.client_hello()) {
        hello.into_stream(challenge).await?.shutdown().await?;
        return Ok(None);
    }
    hello.into_stream(tls.config).await.map(Some)
}

async fn converse(hub: &Rc<Hub>, client: &Rc<Client>, stream: impl Wire) {
    let mut conversation = Conversation { hub, client, stream, part: Vec::new(), rest: 0, must_flush: false };
    match poll_fn(|context| conversation.poll(context)).await {
        Ending::Gone => {}
        Ending::Broken => hub.close(client, Closing::Broken),
        Ending::Joined(connection, peer) => {
            let Conversation { stream, part, .. } = conversation;
            peers::splice(hub, client, stream, &part, connection, peer).await;
        }
    }
}

enum Ending {
    /// The client has closed its end.
    Gone,
    Broken,
    /// The connection carries a peer's bytes from here on.
    Joined(ConnectionId, TcpStream),
}

struct Conversation<'a, S> {
    hub: &'a Rc<Hub>,
    client: &'a Rc<Client>,
    stream: S,
    /// The beginning of a message whose rest has not arrived.
    part: Vec<u8>,
    /// Unsent bytes of the current portion.
    rest: usize,
    /// True if TLS holds bytes taken from the queue.
    must_flush: bool,
}

impl<S: Wire> Conversation<'_, S> {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Ending> {
        self.client.wakes(context.waker());
        loop {
            // A read may have queued answers, so sending follows every read.
            if let Poll::Ready(Err(_)) = self.poll_send(context) {
                return Poll::Ready(Ending::Gone);
            }
            if let Some((connection, peer)) = self.client.joined.take() {
                return Poll::Ready(Ending::Joined(connection, peer));
            }
            match ready!(self.poll_receive(context)) {
                Ok(0) | Err(None) => return Poll::Ready(Ending::Gone),
                Err(Some(Closing::Broken)) => return Poll::Ready(Ending::Broken),
                Ok(_) | Err(Some(_)) => {}
            }
        }
    }

    /// Sends until the queue is empty or the client accepts no more.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = self.poll_take_and_flush(context);
        let stalled_since = &self.client.stalled_since;
        if polled.is_ready() {
            stalled_since.set(None);
        } else if stalled_since.get().is_none() {
            stalled_since.set(Some(Instant::now()));
        }
        polled
    }

    fn poll_take_and_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.client.outgoing.borrow_mut();
        while !outgoing.waiting().is_empty() {
            let waiting = outgoing.waiting();
            let portion = if self.rest == 0 { S::portion(waiting) } else { self.rest };
            let taken = ready!(self.stream.poll_take(context, waiting.get(..portion).unwrap_or(waiting)))?;
            if taken == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.rest = portion - taken;
            self.must_flush = true;
            outgoing.advance(taken);
            self.client.stalled_since.set(None);
        }
        if self.must_flush {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.must_flush = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads once and handles every whole message; returns the number of bytes, or the reason to end the connection.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Result<usize, Option<Closing>>> {
        self.hub.with_memory(|hub, memory| {
            // A short part is copied in front of the next read; a long one would be copied again with every few bytes
            // that follow.
            let before = if self.part.len() <= KEPT_BYTES { self.part.len() } else { 0 };
            let (head, _) = memory.split_at_mut(before);
            head.copy_from_slice(self.part.get(..before).unwrap_or_default());
            let mut buffer = ReadBuf::new(memory);
            buffer.advance(before);
            if ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)).is_err() {
                return Poll::Ready(Err(None));
            }
            let bytes = buffer.filled();
            let read = bytes.len() - before;
            if read == 0 {
                return Poll::Ready(Ok(0));
            }
            let handled = if before == self.part.len() {
                hub.handle(self.client, bytes).inspect(|count| {
                    self.part.clear();
                    self.part.extend_from_slice(bytes.get(*count..).unwrap_or_default());
                })
            } else {
                self.part.extend_from_slice(bytes);
                hub.handle(self.client, &self.part).inspect(|count| drop(self.part.drain(..*count)))
            };
            let Ok(count) = handled else { return Poll::Ready(Err(Some(Closing::Broken))) };
            self.note_part(count > 0);
            Poll::Ready(Ok(read))
        })
    }

    /// Tracks the start of the wait for the rest of a message.
    fn note_part(&mut self, progressed: bool) {
        let since = &self.client.part_since;
        if self.part.is_empty() {
            since.set(None);
            if self.part.capacity() > KEPT_BYTES {
                self.part = Vec::new();
            }
        } else if progressed || since.get().is_none() {
            since.set(Some(Instant::now()));
        }
    }
}

const _: () = assert!(KEPT_BYTES < limits::STREAM_MESSAGE_BYTES_MAX);

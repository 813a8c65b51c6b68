//! A TURN client over a byte stream, TCP or TLS.

use crate::relay::{Answer, Requests, channel};
use anyhow::{Context, Result, bail};
use shared::turn_credential::Credential;
use std::io::{Read, Write};
use std::net::SocketAddr;
use turn_core::limits;
use turn_core::message::{AttributeType, Class, Message, MessageWriter, Method};
use turn_core::stream::{self, BrokenStream};

/// The transport of an allocation's peers, in the form of REQUESTED-TRANSPORT.
pub const UDP_PEERS: [u8; 4] = [17, 0, 0, 0];
/// RFC 6062.
pub const TCP_PEERS: [u8; 4] = [6, 0, 0, 0];

#[derive(Debug)]
pub struct StreamClient<S> {
    pub stream: S,
    requests: Requests,
    /// Bytes that were read but not handled.
    held: Vec<u8>,
    /// Length of the last returned message.
    returned: usize,
}

impl<S: Read + Write> StreamClient<S> {
    pub fn new(stream: S, credential: Credential) -> Self {
        Self { stream, requests: Requests::new(credential), held: Vec::new(), returned: 0 }
    }

    pub fn allocate(&mut self, transport: [u8; 4]) -> Result<Answer> {
        self.request(Method::Allocate, |writer| writer.with(AttributeType::REQUESTED_TRANSPORT, &transport))
    }

    /// Creates an allocation that must succeed, and returns its relayed address.
    pub fn allocated(&mut self, transport: [u8; 4]) -> Result<SocketAddr> {
        match self.allocate(transport)? {
            Answer::Success(Some(relayed)) => Ok(relayed),
            other => bail!("no allocation: {other:?}"),
        }
    }

    pub fn bind(&mut self, number: u16, peer: SocketAddr) -> Result<Answer> {
        self.request(Method::ChannelBind, |writer| channel(writer, number, peer))
    }

    pub fn permit(&mut self, peer: SocketAddr) -> Result<Answer> {
        self.request(Method::CreatePermission, |writer| writer.with_address(AttributeType::XOR_PEER_ADDRESS, peer))
    }

    /// Opens a connection to a peer and returns its number (RFC 6062).
    pub fn connect(&mut self, peer: SocketAddr) -> Result<Vec<u8>> {
        let fill = |writer: MessageWriter| writer.with_address(AttributeType::XOR_PEER_ADDRESS, peer);
        let (_, bytes) = self.requests.write(Method::Connect, fill);
        self.stream.write_all(&bytes)?;
        let answer = self.next_message()?;
        let message = Message::parse(answer).context("an answer in STUN")?;
        Ok(message.value(AttributeType::CONNECTION_ID).context("a refusal")?.to_vec())
    }

    /// Binds this connection to a peer's (RFC 6062).
    pub fn bind_connection(&mut self, number: &[u8]) -> Result<Answer> {
        self.request(Method::ConnectionBind, |writer| writer.with(AttributeType::CONNECTION_ID, number))
    }

    /// The stream of a bound connection, and the peer's early data.
    #[must_use]
    pub fn into_bound(mut self) -> (S, Vec<u8>) {
        self.held.drain(..self.returned);
        (self.stream, self.held)
    }

    /// Sends data through a channel, padded as streams require.
    pub fn send(&mut self, number: u16, data: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(&channel_data(number, data))?)
    }

    /// The data of the next message, which must be ChannelData of this number.
    pub fn receive(&mut self, number: u16) -> Result<&[u8]> {
        let message = self.next_message()?;
        let (head, data) = message.split_first_chunk::<4>().context("a header")?;
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if head[..2] != number.to_be_bytes() || data.len() != length.next_multiple_of(4) {
            bail!("not ChannelData with padding: {head:?} and {} bytes", data.len());
        }
        data.get(..length).context("its data")
    }

    /// Waits for a whole message, including its padding.
    pub fn next_message(&mut self) -> Result<&[u8]> {
        self.held.drain(..self.returned);
        self.returned = 0;
        loop {
            match stream::next_message(&self.held, limits::STREAM_MESSAGE_BYTES_MAX) {
                Ok(Some(length)) => {
                    self.returned = length;
                    return self.held.get(..length).context("a message");
                }
                Ok(None) => {}
                Err(BrokenStream) => bail!("the server sends what is no message"),
            }
            let mut buffer = [0; 16_384];
            let count = self.stream.read(&mut buffer)?;
            if count == 0 {
                bail!("the server has closed the connection");
            }
            self.held.extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
    }

    /// Sends a request, and repeats it with the nonce if the server asks for one.
    fn request(&mut self, method: Method, fill: impl Fn(MessageWriter) -> MessageWriter) -> Result<Answer> {
        let first = self.ask(method, &fill)?;
        if self.requests.must_repeat(first) { self.ask(method, &fill) } else { Ok(first) }
    }

    fn ask(&mut self, method: Method, fill: impl Fn(MessageWriter) -> MessageWriter) -> Result<Answer> {
        let (transaction, bytes) = self.requests.write(method, fill);
        self.stream.write_all(&bytes)?;
        loop {
            let bytes = self.next_message()?.to_vec();
            let Some(message) = Message::parse(&bytes) else { continue };
            if message.transaction == transaction && message.class != Class::Indication {
                return Ok(self.requests.read(&message));
            }
        }
    }
}

/// ChannelData with its padding (RFC 8656 §12.5).
#[must_use]
pub fn channel_data(number: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.extend((data.len() as u16).to_be_bytes());
    bytes.extend_from_slice(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

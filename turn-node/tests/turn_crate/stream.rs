//! A TCP connection as the crate's client expects it: whole messages in, whole messages out.

use async_trait::async_trait;
use std::any::Any;
use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::Mutex;
use turn_core::limits;
use turn_core::stream::next_message;
use webrtc_util::{Conn, Result};

pub(crate) struct StreamConn {
    incoming: Mutex<(OwnedReadHalf, Vec<u8>)>,
    outgoing: Mutex<OwnedWriteHalf>,
    local: SocketAddr,
    server: SocketAddr,
}

impl StreamConn {
    pub(crate) async fn open(server: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(server).await?;
        let local = stream.local_addr()?;
        let (read, write) = stream.into_split();
        Ok(Self { incoming: Mutex::new((read, Vec::new())), outgoing: Mutex::new(write), local, server })
    }
}

#[async_trait]
impl Conn for StreamConn {
    async fn connect(&self, _server: SocketAddr) -> Result<()> {
        Ok(())
    }

    async fn recv(&self, buffer: &mut [u8]) -> Result<usize> {
        let (stream, held) = &mut *self.incoming.lock().await;
        loop {
            let length = next_message(held, limits::STREAM_MESSAGE_BYTES_MAX);
            if let Some(length) = length.map_err(|_| Error::from(ErrorKind::InvalidData))? {
                let message = held.drain(..length).collect::<Vec<u8>>();
                buffer.get_mut(..length).ok_or(ErrorKind::OutOfMemory).map_err(Error::from)?.copy_from_slice(&message);
                return Ok(length);
            }
            if stream.read_buf(held).await? == 0 {
                return Err(Error::from(ErrorKind::UnexpectedEof).into());
            }
        }
    }

    async fn recv_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr)> {
        Ok((self.recv(buffer).await?, self.server))
    }

    async fn send(&self, message: &[u8]) -> Result<usize> {
        self.outgoing.lock().await.write_all(message).await?;
        Ok(message.len())
    }

    async fn send_to(&self, message: &[u8], _server: SocketAddr) -> Result<usize> {
        self.send(message).await
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.local)
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        Some(self.server)
    }

    async fn close(&self) -> Result<()> {
        Ok(self.outgoing.lock().await.shutdown().await?)
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}

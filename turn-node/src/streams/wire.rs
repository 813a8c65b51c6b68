//! Sends messages over TCP and over TLS.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use turn_core::limits;
use turn_core::stream::next_message;

pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin {
    /// Returns how many of the bytes, which begin with a message, to send at once.
    fn portion(bytes: &[u8]) -> usize;

    /// Accepts some of the bytes and returns their number. They may wait for a flush.
    fn poll_take(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>>;
}

impl Wire for TcpStream {
    fn portion(bytes: &[u8]) -> usize {
        bytes.len()
    }

    fn poll_take(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(self).poll_write(context, bytes)
    }
}

impl Wire for TlsStream<TcpStream> {
    /// Each message has its own record: no part of a record can be read before all of it has arrived, so over a slow
    /// link the first of many messages would wait for the last. coturn's client even takes a record for a message.
    fn portion(bytes: &[u8]) -> usize {
        next_message(bytes, limits::STREAM_MESSAGE_BYTES_MAX).ok().flatten().unwrap_or(bytes.len())
    }

    /// Encrypts without a system call; the flush sends all records with one.
    fn poll_take(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.get_mut().1.writer().write(bytes)? {
                0 => ready!(Pin::new(&mut *self).poll_flush(context))?,
                count => return Poll::Ready(Ok(count)),
            }
        }
    }
}

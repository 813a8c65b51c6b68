//! HTTP health checks for the running parts.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Longest answer of a healthy part.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The HTTP status of `path` on this machine; `None` if nothing answers.
pub(crate) fn status(port: u16, path: &str) -> Option<u16> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WITHIN).ok()?;
    stream.set_read_timeout(Some(ANSWER_WITHIN)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").ok()?;
    let mut head = [0; 64];
    let length = stream.read(&mut head).ok()?;
    parse_status(&String::from_utf8_lossy(head.get(..length)?))
}

/// RFC 9112 §4: the second word of the first line.
fn parse_status(head: &str) -> Option<u16> {
    head.strip_prefix("HTTP/1.")?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_status_and_nothing_else() {
        assert_eq!(parse_status("HTTP/1.1 503 Service Unavailable\r\n"), Some(503));
        assert_eq!(parse_status("HTTP/1.0 200\r\n"), Some(200));
        assert_eq!(parse_status("SSH-2.0-OpenSSH 200\r\n"), None);
        assert_eq!(parse_status("HTTP/1.1"), None);
    }

    #[test]
    fn a_closed_port_has_no_status() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("its number").port();
        drop(listener);
        assert_eq!(status(port, "/healthz"), None);
    }
}

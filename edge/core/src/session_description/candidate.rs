//! ICE candidates of an answer (RFC 8839 §5.1).

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// Type preference of host candidates (RFC 8445 §5.1.2.1).
const HOST_TYPE_PREFERENCE: u32 = 126;
/// Local preference of the first address (RFC 8445 §5.1.2.1).
const LOCAL_PREFERENCE_MAX: u32 = 65_535;

/// Writes one `a=candidate` line for each address, most wanted first, and `a=end-of-candidates` (RFC 8840 §8.2).
pub(super) fn write_all(text: &mut String, addresses: &[SocketAddr]) {
    for (index, address) in (0_u32..).zip(addresses) {
        // One component: RTP and RTCP share a port (RFC 5761), so the component id is 1 and its term 256 - 1.
        let priority = (HOST_TYPE_PREFERENCE << 24) | (LOCAL_PREFERENCE_MAX.saturating_sub(index) << 8) | 255;
        let (foundation, ip, port) = (index.saturating_add(1), address.ip(), address.port());
        let _ = write!(text, "a=candidate:{foundation} 1 udp {priority} {ip} {port} typ host\r\n");
    }
    text.push_str("a=end-of-candidates\r\n");
}

/// The value of the `c` line for the default address (RFC 8866 §5.7).
pub(super) fn connection(address: Option<&SocketAddr>) -> String {
    match address.map(SocketAddr::ip) {
        Some(IpAddr::V4(ip)) => format!("IN IP4 {ip}"),
        Some(IpAddr::V6(ip)) => format!("IN IP6 {ip}"),
        None => "IN IP4 0.0.0.0".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(addresses: &[&str], expected: &str) {
        let addresses: Vec<SocketAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        let mut text = String::new();
        write_all(&mut text, &addresses);
        assert_eq!(text, expected.replace('\n', "\r\n"));
    }

    #[test]
    fn prefers_what_comes_first() {
        check(
            &["203.0.113.7:7000", "[2001:db8::7]:7001"],
            "a=candidate:1 1 udp 2130706431 203.0.113.7 7000 typ host\n\
             a=candidate:2 1 udp 2130706175 2001:db8::7 7001 typ host\n\
             a=end-of-candidates\n",
        );
    }

    #[test]
    fn a_node_without_addresses_still_ends_its_list() {
        check(&[], "a=end-of-candidates\n");
        assert_eq!(connection(None), "IN IP4 0.0.0.0");
    }

    #[test]
    fn the_default_address_names_its_family() {
        assert_eq!(connection(Some(&"203.0.113.7:1".parse().unwrap())), "IN IP4 203.0.113.7");
        assert_eq!(connection(Some(&"[2001:db8::7]:1".parse().unwrap())), "IN IP6 2001:db8::7");
    }
}

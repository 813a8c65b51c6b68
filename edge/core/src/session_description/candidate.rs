//! ICE candidates of an answer (RFC 8839 §5.1).

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};

/// Type preference of host candidates (RFC 8445 §5.1.2.1).
const HOST_TYPE_PREFERENCE: u32 = 126;
/// Local preference of the first address over UDP (RFC 8445 §5.1.2.1).
const LOCAL_PREFERENCE_MAX: u32 = 65_535;
/// Local preference of the first address over TCP: the direction preference of a passive host candidate, 4, above 13 bits
/// for the addresses (RFC 6544 §4.2). Lower than over UDP, so TCP is used where UDP does not get through.
const TCP_LOCAL_PREFERENCE_MAX: u32 = (4 << 13) + 8_191;

/// Writes one `a=candidate` line for each address, most preferred first, and `a=end-of-candidates` (RFC 8840 §8.2).
pub(super) fn write_all(text: &mut String, udp: &[SocketAddr], tcp: &[SocketAddr]) {
    let of_udp =
        (0..).zip(udp).map(|(index, address)| (address, "udp", LOCAL_PREFERENCE_MAX.saturating_sub(index), ""));
    let of_tcp = (0..).zip(tcp).map(|(index, address)| {
        // RFC 6544 §4.5.
        (address, "tcp", TCP_LOCAL_PREFERENCE_MAX.saturating_sub(index), " tcptype passive")
    });
    for (foundation, (address, transport, preference, rest)) in (1_u32..).zip(of_udp.chain(of_tcp)) {
        // One component: RTP and RTCP share a port (RFC 5761), so the component id is 1 and its term 256 - 1.
        let priority = (HOST_TYPE_PREFERENCE << 24) | (preference << 8) | 255;
        let (ip, port) = (address.ip(), address.port());
        let _ = write!(text, "a=candidate:{foundation} 1 {transport} {priority} {ip} {port} typ host{rest}\r\n");
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

    fn check(udp: &[&str], tcp: &[&str], expected: &str) {
        let parse = |addresses: &[&str]| -> Vec<SocketAddr> { addresses.iter().map(|a| a.parse().unwrap()).collect() };
        let mut text = String::new();
        write_all(&mut text, &parse(udp), &parse(tcp));
        assert_eq!(text, expected.replace('\n', "\r\n"));
    }

    #[test]
    fn prefers_what_comes_first() {
        check(
            &["203.0.113.7:7000", "[2001:db8::7]:7001"],
            &[],
            "a=candidate:1 1 udp 2130706431 203.0.113.7 7000 typ host\n\
             a=candidate:2 1 udp 2130706175 2001:db8::7 7001 typ host\n\
             a=end-of-candidates\n",
        );
    }

    #[test]
    fn tcp_comes_after_all_of_udp() {
        check(
            &["203.0.113.7:7000"],
            &["203.0.113.7:443", "[2001:db8::7]:443"],
            "a=candidate:1 1 udp 2130706431 203.0.113.7 7000 typ host\n\
             a=candidate:2 1 tcp 2124414975 203.0.113.7 443 typ host tcptype passive\n\
             a=candidate:3 1 tcp 2124414719 2001:db8::7 443 typ host tcptype passive\n\
             a=end-of-candidates\n",
        );
    }

    #[test]
    fn a_node_without_addresses_still_ends_its_list() {
        check(&[], &[], "a=end-of-candidates\n");
        assert_eq!(connection(None), "IN IP4 0.0.0.0");
    }

    #[test]
    fn the_default_address_names_its_family() {
        assert_eq!(connection(Some(&"203.0.113.7:1".parse().unwrap())), "IN IP4 203.0.113.7");
        assert_eq!(connection(Some(&"[2001:db8::7]:1".parse().unwrap())), "IN IP6 2001:db8::7");
    }
}

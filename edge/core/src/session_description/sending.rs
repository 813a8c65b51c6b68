//! Tells of a description that the edge only passes on whether its author would send media.

/// True if a section for media sends, or might: without a direction it does (RFC 8866 §6.7).
#[must_use]
pub(crate) fn sends_media(sdp: &str) -> bool {
    let mut is_receiving = true;
    for line in sdp.split(['\n', '\r']) {
        if let Some(media) = line.strip_prefix("m=") {
            if !is_receiving {
                return true;
            }
            is_receiving = media.starts_with("application ");
        }
        match line.trim_end() {
            "a=recvonly" | "a=inactive" => is_receiving = true,
            // Of two directions, the one that sends counts.
            "a=sendrecv" | "a=sendonly" => return true,
            _ => {}
        }
    }
    !is_receiving
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sections: &str, expected: bool) {
        assert_eq!(sends_media(&format!("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\n{sections}")), expected, "{sections}");
    }

    #[test]
    fn a_section_without_a_receiving_direction_sends() {
        check("", false);
        check("m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n", false);
        check("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\n", false);
        check("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n", true);
        check("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendrecv\r\n", true);
        check("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n", true);
        check("m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\n", true);
        check("m=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=inactive\r\n", false);
    }

    #[test]
    fn a_second_direction_or_other_line_ends_hide_nothing() {
        check("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=sendonly\r\na=recvonly\r\n", true);
        check("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=recvonly\r\na=sendonly\r\n", true);
        check("m=audio 9 UDP/TLS/RTP/SAVPF 111\na=recvonly\nm=video 9 UDP/TLS/RTP/SAVPF 96\n", true);
        check("m=audio 9 UDP/TLS/RTP/SAVPF 111\ra=recvonly\rm=video 9 UDP/TLS/RTP/SAVPF 96\r", true);
    }
}

//! RTP: every field of a header lies inside the packet, and headers in our own form can be written again.

use media_core::rtp::{self, HeaderWriter, RtpHeader};

/// Reads `bytes` as a packet and writes its header again.
pub fn check(bytes: &[u8]) {
    let is_rtcp = rtp::is_rtcp(bytes);
    let Some(header) = RtpHeader::parse(bytes) else { return };
    assert!((rtp::FIXED_HEADER_BYTES..=bytes.len()).contains(&header.header_bytes()));
    assert!(header.csrcs().count() <= 15);
    assert!(!is_rtcp || (64..=95).contains(&header.payload_type), "the two are told apart by the payload type");
    if let Some(payload) = header.payload(bytes) {
        assert!(header.header_bytes() + payload.len() <= bytes.len());
    }
    // Bytes after the header do not affect it.
    let alone = RtpHeader::parse(&bytes[..header.header_bytes()]).expect("a header stands alone");
    assert_eq!(alone, header);
    check_written(&header);
}

fn check_written(header: &RtpHeader<'_>) {
    let csrc = header.csrcs().next();
    let mut buffer = [0xff; 512];
    let mut writer = HeaderWriter::new(&mut buffer, header.ssrc, csrc).expect("room");
    let extensions: Vec<(u8, &[u8])> = (1..=14)
        .filter_map(|id| Some((id, header.extension(id)?)))
        .filter(|(_, value)| (1..=16).contains(&value.len()))
        .collect();
    for (id, value) in &extensions {
        writer.extension(*id, value).expect("fits the one-byte form");
    }
    let length = writer.finish().expect("room");
    let again = RtpHeader::parse(&buffer[..length]).expect("what we accept, we can say again");
    assert_eq!((again.ssrc, again.header_bytes()), (header.ssrc, length));
    assert_eq!(again.csrcs().next(), csrc);
    for id in 1..=14 {
        let value = extensions.iter().find(|(known, _)| *known == id).map(|(_, value)| *value);
        assert_eq!(again.extension(id), value);
    }
}

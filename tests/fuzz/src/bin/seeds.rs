//! Writes the initial corpus: examples of the RFCs, captured browser packets, and the golden messages.

use std::path::Path;
use std::{fs, io};

/// Target, name and hexadecimal digits of one entry.
type Packet = (&'static str, &'static str, &'static str);

const PACKETS: &[Packet] = &[
    // RFC 5769 §2.1: a Binding request with short-term credentials.
    (
        "stun",
        "rfc5769-request",
        "000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf",
    ),
    // RFC 5769 §2.2: the response to it, which is not a request.
    (
        "stun",
        "rfc5769-answer",
        "0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96",
    ),
    // A nomination as sent by Chromium, with its GOOG-NETWORK-INFO; the target fills in the checksum.
    (
        "stun",
        "chromium-nomination",
        "0001006c2112a442313233343536373839616263000600097561696e3a59783177000000c05700040001000a802a00081122334455667788002500000024000471001eff00080014000102030405060708090a0b0c0d0e0f10111213802800040000000000",
    ),
    (
        "stun",
        "unknown-attributes",
        "000100242112a4423132333435363738396162637fff0000000300040000000000060003613a620000080014000102030405060708090a0b0c0d0e0f10111213",
    ),
    ("rtp", "chromium-opus", "90ef0b9a0001f8c01a2b3c4dbede00021f8e3130510000007880fc01"),
    (
        "rtp",
        "chromium-vp8-first-of-frame",
        "90607a3100bc614e11223344bede0004228a91d4500231500107f1012a310a400010b45a20f04f7d90e0812304902c000009d012a8002e001003447088585",
    ),
    (
        "rtp",
        "csrc-two-byte-extensions-padding",
        "b2e0123400001000deadbeef0000000700000100100000021402010204000500aabb0000000004",
    ),
    ("rtp", "slot", "916000010000000f00000bb80000000abede00023130228a91d49080b41010"),
    ("rtp", "rtcp-pli", "81ce00020000000100002710"),
    (
        "rtcp",
        "sender-report-and-name",
        "80c8000611223344e8b1c2d33f5a0000000bb80000000010000012c081ca0006112233440110377a356f2f4c6d3071526b5a77585900",
    ),
    ("rtcp", "receiver-report", "81c9000700000001112233443f00000500010102000000214ab1c2d300012000"),
    ("rtcp", "nack", "81cd00030000000111223344ffff8001"),
    ("rtcp", "nack-pli-compound", "80c90001000000018dcd000400000001112233440005ffff001c000081ce00020000000111223344"),
    ("rtcp", "remb", "8fce00050000000100000000524d4212010bd0901122334400"),
    ("rtcp", "remb-two", "8fce0006000000010000000052454d4202 0bd0900000000a0000000b"),
    ("rtcp", "fir", "84ce00040000000100000000112233440500 0000"),
    ("rtcp", "transport-feedback", "8fcd0005000000011122334400010002000000ff200200000001"),
    ("rtcp", "goodbye-padded", "a1cb00030000000500000000 00000004"),
    ("rtcp", "extended-report", "80cf0004000000010404 0002e8b1c2d33f5a0000"),
    // A Binding request, ChannelData of five bytes with its padding, and the beginning of an Allocate request.
    (
        "turn_stream",
        "binding-data-allocate",
        "000100002112a442010203040506070809 0a0b0c 4001000501020304050000 00 000300082112a442",
    ),
    ("turn_stream", "empty-data", "40010000 7ffe0000 000100002112a442010203040506070809 0a0b0c"),
    ("turn_stream", "http", "474554202f20485454502f312e310d0a"),
    ("turn_stream", "tls", "16030100050100000100"),
    ("red", "one-earlier", "ef0f00036f0102030405"),
    ("red", "two-earlier", "ef1e0001ef0f00036f0a0102030405"),
    ("red", "none-earlier", "6f0102"),
    ("red", "an-empty-earlier", "ef0f00006f0102"),
    ("red", "an-empty-primary", "ef0f00016f01"),
    ("red", "the-longest-offset", "effffc016f0102"),
    ("red", "eight-earlier", "ef000001ef000001ef000001ef000001ef000001ef000001ef000001ef0000016f0102030405060708 09"),
    (
        "red",
        "nine-earlier",
        "ef000001ef000001ef000001ef000001ef000001ef000001ef000001ef000001ef0000016f010203040506070809",
    ),
    ("red", "of-another-codec", "6001"),
    ("red", "mixed-codecs", "ef0f00016001"),
    ("h264", "parameters", "6742c016d900a02ff97011000003000100000300140f162e48"),
    ("h264", "parameters-with-scaling-lists", "67640016acd940a02ff97011000003000100000300140f162d96"),
    ("h264", "aggregate", "7800196742c016d900a02ff97011000003000100000300140f162e48000468cb83cb"),
    ("h264", "first-piece-of-idr", "7c8588840abcdef0"),
    ("h264", "last-piece-of-slice", "5c41aabbcc"),
    ("h264", "slice", "419a246c41"),
    ("h264", "fields", "67640028acd94078044fde022000000300200000030283e2c5b2c0"),
    ("vp8", "keyframe-long-id", "9080b41010560a9d012a8002e00100344708858588"),
    ("vp8", "keyframe-all-fields", "90f08123077050560a9d012a0005d0020034"),
    ("vp8", "interframe-short-id", "9080 2231020102"),
    ("vp8", "middle-of-frame", "8080b410ffee"),
    ("vp8", "bare", "1050 0a009d012a80024001"),
    ("vp8", "layers", "b0e0ffff01a001"),
];

/// Claims as signed by an API server.
const CLAIMS: &[(&str, &str)] = &[
    (
        "ada",
        r#"{"sub":"ada","room":"daily","name":"Ada","grants":{"publish":true,"subscribe":true,"moderate":true},"participants_max":5}"#,
    ),
    ("bare", r#"{"sub":"ada@example.org","room":"daily"}"#),
    (
        "own-times",
        r#"{"sub":"ada","room":"daily","iat":1799999000,"exp":1800009000,"nbf":1799999000,"aud":"rotunda-join"}"#,
    ),
    ("unknown-grant", r#"{"sub":"ada","room":"daily","grants":{"fly":true}}"#),
    ("not-a-token", "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEiLCJyb29tIjoiZGFpbHkifQ."),
];

/// Name, SRTP profiles, and the ranges of the datagrams that the message is split into.
type Hello = (&'static str, &'static [u16], &'static [(usize, usize)]);

const CLIENT_HELLOS: &[Hello] = &[
    ("chromium", &[1, 7, 8], &[(0, 60), (60, 104)]),
    ("firefox", &[7, 8, 1, 2], &[(0, 106)]),
    ("reordered-and-repeated", &[8], &[(50, 100), (0, 50), (0, 50)]),
    ("overlapping", &[1], &[(0, 70), (30, 100)]),
    ("no-profile", &[], &[(0, 98)]),
];

const GOLDEN: &[(&str, &str)] = &[
    ("signal", "signal/client_to_edge"),
    ("signal", "signal/edge_to_client"),
    ("control", "control/fleet_to_node"),
    ("control", "control/node_to_fleet"),
    ("control", "control/node_to_room"),
    ("control", "control/room_to_node"),
];

/// Answers of storage to a list and to a deletion.
const OBJECTS: &[(&str, &str)] = &[
    (
        "s3-list",
        r#"<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name><Prefix>recordings/daily/r5m8n2p4q6s9/</Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated><Contents><Key>recordings/daily/r5m8n2p4q6s9/ada-camera.webm</Key><LastModified>2026-11-21T09:00:00.000Z</LastModified><ETag>&quot;70ee1738b6b21e2c8a43f3a5ab0eee71&quot;</ETag><Size>11</Size><StorageClass>STANDARD</StorageClass></Contents><Contents><Key>recordings/daily/r5m8n2p4q6s9/segments/3/parts/t1/000000-0.webm</Key></Contents></ListBucketResult>"#,
    ),
    ("empty-list", "<ListBucketResult><Prefix/></ListBucketResult>"),
    ("escaped", "<s:ListBucketResult><Contents><Key>a&amp;&lt;&#228;&quot;b c</Key></Contents></s:ListBucketResult>"),
    ("deleted", "<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>"),
    ("kept", "<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>"),
    ("denied", "<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>"),
];

fn main() -> io::Result<()> {
    for (target, name, digits) in PACKETS {
        write(target, name, &bytes(digits))?;
    }
    for (name, profiles, cuts) in CLIENT_HELLOS {
        write("client_hello", name, &client_hello(profiles, cuts))?;
    }
    for (name, claims) in CLAIMS {
        write("token", name, claims.as_bytes())?;
    }
    for (name, answer) in OBJECTS {
        write("objects", name, answer.as_bytes())?;
    }
    for (target, file) in GOLDEN {
        write_golden(target, file)?;
    }
    write_offers()
}

/// A ClientHello that lists `profiles`, as length-prefixed datagrams.
fn client_hello(profiles: &[u16], cuts: &[(usize, usize)]) -> Vec<u8> {
    let list: Vec<u8> = profiles.iter().flat_map(|profile| profile.to_be_bytes()).collect();
    let use_srtp = vector(2, &[vector(2, &list), vec![0]].concat());
    let versions = vector(2, &vector(1, &[0xfe, 0xfc, 0xfe, 0xfd]));
    let extensions = [vec![0, 43], versions, vec![0, 14], use_srtp].concat();
    let before = [vec![0xfe, 0xfd], vec![7; 32], vector(1, &[9; 16]), vec![0], vector(2, &[0xc0, 0x2b, 0x13, 0x01])];
    let message = [before.concat(), vector(1, &[0]), vector(2, &extensions)].concat();
    cuts.iter().flat_map(|(from, to)| vector(2, &hello_datagram(&message, *from, (*to).min(message.len())))).collect()
}

fn hello_datagram(message: &[u8], from: usize, to: usize) -> Vec<u8> {
    let total = &(message.len() as u32).to_be_bytes()[1..];
    let offset = &(from as u32).to_be_bytes()[1..];
    let handshake = [&[1], total, &[0, 0], offset, &vector(3, &message[from..to])].concat();
    [vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0], vector(2, &handshake)].concat()
}

/// `body` with a length prefix of `length_bytes`.
fn vector(length_bytes: usize, body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes()[4 - length_bytes..], body].concat()
}

fn bytes(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.as_chunks::<2>().0.iter().map(|[high, low]| high << 4 | low).collect()
}

fn write_golden(target: &str, file: &str) -> io::Result<()> {
    let messages: Vec<serde_json::Value> =
        serde_json::from_str(&fs::read_to_string(vectors().join(file).with_extension("json"))?)?;
    let prefix = file.rsplit('/').next().unwrap_or(file);
    for (index, message) in messages.iter().enumerate() {
        write(target, &format!("{prefix}-{index:02}"), message.to_string().as_bytes())?;
    }
    Ok(())
}

/// Offers captured from browsers, and those of situations in the field.
fn write_offers() -> io::Result<()> {
    let offers = vectors().join("offers");
    for entry in fs::read_dir(&offers)?.chain(fs::read_dir(offers.join("situations"))?) {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".sdp"));
        if let Some(name) = name {
            write("offer", name, &fs::read(&path)?)?;
        }
    }
    Ok(())
}

fn vectors() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors")
}

fn write(target: &str, name: &str, bytes: &[u8]) -> io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("seed-{name}")), bytes)
}

//! What is written is read back by a reader that shares no code with the writer.

use super::*;

#[path = "../../../tests/e2e/pcap_reader.rs"]
mod pcap_reader;

use pcap_reader::{Captured, read};

const MICROS: u64 = 1_795_400_000_123_456;

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

fn captured(messages: &[(Transport, &str, &str, &[u8])]) -> Vec<Captured> {
    let (mut encoder, mut file) = (Encoder::default(), file_header().to_vec());
    for (transport, from, to, message) in messages {
        let path = (address(from), address(to));
        encoder.message(MICROS, *transport, path, message, &mut file);
    }
    read(&file)
}

#[test]
fn a_datagram_is_one_packet_of_either_family_with_its_time() {
    for (from, to) in
        [("192.0.2.1:5060", "192.0.2.7:5071"), ("[2001:db8::1]:5060", "[2001:db8::7]:5071")]
    {
        for message in [&b"odd"[..], b"even", b"", &[0xff; 60_000]] {
            let packets = captured(&[(Transport::Udp, from, to, message)]);
            let [packet] = &packets[..] else { panic!("one packet") };
            assert_eq!((packet.from, packet.to), (address(from), address(to)));
            assert_eq!((packet.unix_micros, packet.tcp), (MICROS, None));
            assert_eq!(packet.payload, message);
        }
    }
}

#[test]
fn ipv4_written_as_ipv6_is_ipv4() {
    let packets = captured(&[(Transport::Udp, "[::ffff:192.0.2.1]:1", "192.0.2.7:2", b"x")]);
    assert_eq!(packets[0].from, address("192.0.2.1:1"));
}

/// So that a reader of the file can put the stream together.
#[test]
fn sequence_numbers_of_a_stream_go_on_and_acknowledge_the_other_side() {
    let (us, peer) = ("192.0.2.1:5060", "192.0.2.7:40000");
    let long = vec![b'x'; 3_000];
    let packets = captured(&[
        (Transport::Tcp, peer, us, b"INVITE"),
        (Transport::Tcp, us, peer, &long),
        (Transport::Tcp, peer, us, b"ACK"),
    ]);
    let seen: Vec<_> =
        packets.iter().map(|packet| (packet.tcp.expect("TCP"), packet.payload.len())).collect();
    assert_eq!(
        seen,
        [((1, 1), 6), ((1, 7), 1_440), ((1_441, 7), 1_440), ((2_881, 7), 120), ((7, 3_001), 3),]
    );
    let whole: Vec<u8> = packets[1..4].iter().flat_map(|packet| packet.payload.clone()).collect();
    assert_eq!(whole, long);
}

#[test]
fn streams_are_bounded_and_the_silent_one_goes() {
    let (mut encoder, mut out) = (Encoder::default(), Vec::new());
    let us = address("192.0.2.1:5060");
    let mut send = |encoder: &mut Encoder, port: u16| {
        let peer = SocketAddr::new(us.ip(), port);
        encoder.message(MICROS, Transport::Tcp, (us, peer), b"x", &mut out);
        out.clear();
    };
    (1..=10_000).for_each(|port| {
        send(&mut encoder, 1);
        send(&mut encoder, port);
    });
    assert_eq!(encoder.streams.len(), STREAMS_MAX);
    let talkative = encoder.streams[&(us, SocketAddr::new(us.ip(), 1))];
    assert!(talkative.next > 10_000, "whoever talks is kept: {talkative:?}");
}

/// RFC 7616 §5.10
#[test]
fn what_proves_a_password_is_not_in_the_file_and_nothing_else_moves() {
    let message = b"INVITE sip:h SIP/2.0\r\nProxy-Authorization : Digest username=\"a\",\r\n \
        response=\"0123456789abcdef\", opaque=\"o\"\r\nauthorization: Digest RESPONSE=\"ff\"\r\n\
        Subject: response=\"stays\"\r\n\r\nresponse=\"stays\"";
    let text = String::from_utf8(masked(message)).expect("text");
    assert_eq!(text.len(), message.len());
    assert!(!text.contains("0123") && !text.contains("\"ff\""), "{text}");
    assert!(text.contains("response=\"xxxxxxxxxxxxxxxx\", opaque=\"o\""), "{text}");
    assert_eq!(text.matches("response=\"stays\"").count(), 2);
    assert_eq!(masked(b"\r\n\r\n"), b"\r\n\r\n");
    assert_eq!(masked(b"Authorization: Digest response=\""), b"Authorization: Digest response=\"");
}

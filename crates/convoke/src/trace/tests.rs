//! Rows as they are seen.

use sip::{FlowId, Source, Transport};

use super::*;

const TOKEN: &str = "sip:conf-aeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaax7qz@192.0.2.1";

fn address(text: &str) -> SocketAddr {
    text.parse().expect("an address")
}

/// A message between us and `remote`, who is user `peer`.
fn packet(sent: bool, remote: &str, peer: &str, start: &str, more: &str) -> Packet {
    let is_request = !start.starts_with("SIP/2.0");
    let (from, to) = if is_request == sent { ("us", peer) } else { (peer, "us") };
    let method = if is_request { start.split(' ').next().expect("a method") } else { "INVITE" };
    let text = format!(
        "{start}\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:{from}@h>;tag=1\r\n\
         To: <sip:{to}@h>\r\nCall-ID: c\r\nCSeq: 7 {method}\r\nMax-Forwards: 70\r\n{more}\
         Content-Length: 0\r\n\r\n"
    );
    let (local, remote) = (address("192.0.2.1:5060"), address(remote));
    let path = Source { transport: Transport::Udp, local, remote, flow: FlowId::NONE };
    Packet { path, bytes: text.into_bytes() }
}

fn trace(width: Option<usize>) -> Trace {
    Trace::of_width("convoke", width, Paint::plain())
}

#[test]
fn a_peer_gets_a_line_with_name_and_address_when_he_first_comes() {
    let mut trace = trace(None);
    let (alice, bob) = ("192.0.2.7:5060", "[2001:db8::9]:5070");
    let invite = packet(false, alice, "alice", "INVITE sip:conference@h SIP/2.0", "");
    assert_eq!(
        trace.rows(false, &invite),
        [
            "   convoke                   alice",
            "192.0.2.1:5060          192.0.2.7:5060",
            "      │◀─ INVITE conference ───│     7 INVITE",
        ]
    );
    let redirect = packet(
        true,
        alice,
        "alice",
        "SIP/2.0 302 Moved Temporarily",
        &format!("Contact: <{TOKEN}>;isfocus\r\n"),
    );
    let rows = trace.rows(true, &redirect);
    assert_eq!(rows.len(), 1, "nobody is new");
    assert!(rows[0].starts_with("      │── 302 to conf-…x7qz ──▶│  "), "{}", rows[0]);
    assert!(rows[0].ends_with(&format!("  7 INVITE  Contact: <{TOKEN}>;isfocus")), "{}", rows[0]);

    let bye = packet(true, bob, "bob", "BYE sip:bob@h SIP/2.0", "");
    let rows = trace.rows(true, &bye);
    assert_eq!(rows[1], "192.0.2.1:5060          192.0.2.7:5060         [2001:db8::9]:5070");
    assert!(rows[2].contains("│───────── BYE ──────────┼───────────────────────▶│"), "{rows:?}");
}

#[test]
fn no_row_is_wider_than_the_terminal_and_where_there_is_none_nothing_is_cut() {
    let refer = format!("Refer-To: <{TOKEN}>\r\n");
    let refer = packet(true, "192.0.2.7:5060", "bob", "REFER sip:bob@h SIP/2.0", &refer);
    for width in [60, 80, 120, 200] {
        let rows = trace(Some(width)).rows(true, &refer);
        let widest = rows.iter().map(|row| row.chars().count()).max();
        assert!(widest <= Some(width - crate::ladder::TIME_WIDTH), "{width}: {widest:?}");
    }
    let whole = trace(None).rows(true, &refer);
    assert!(whole[2].ends_with(&format!("7 REFER  Refer-To: <{TOKEN}>")), "{whole:?}");
}

#[test]
fn where_there_is_no_room_for_one_more_the_one_silent_longest_makes_it() {
    let mut trace = trace(Some(80));
    // A head is two rows.
    let mut from = |port: u16| {
        let remote = format!("192.0.2.7:{port}");
        trace.rows(false, &packet(false, &remote, "x", "OPTIONS sip:h SIP/2.0", "")).len()
    };
    assert_eq!([from(1), from(2), from(1), from(3)], [3, 3, 1, 3], "the third takes a place");
    assert_eq!([from(1), from(2)], [1, 3], "and not that of the one who spoke last");
    assert_eq!(trace.peers.len(), 2);
}

#[test]
fn who_comes_under_several_names_is_shown_as_several() {
    let mut trace = trace(None);
    for name in ["alice", "alice", "bob", "carol"] {
        trace.rows(false, &packet(false, "192.0.2.7:5060", name, "OPTIONS sip:h SIP/2.0", ""));
    }
    assert_eq!(trace.peers[0].name(), "alice +2");
}

/// RFC 3261 §22.4: who has `response` may try passwords against it.
#[test]
fn no_part_of_a_password_is_shown() {
    let credentials = "Authorization: Digest username=\"alice\", realm=\"r\", nonce=\"n0n\", \
                       uri=\"sip:h\", response=\"6629fae49393a05397450978507c4ef1\"\r\n";
    let start = "INVITE sip:conference@h SIP/2.0";
    let rows =
        trace(None).rows(false, &packet(false, "192.0.2.7:5060", "alice", start, credentials));
    assert!(rows[2].ends_with("7 INVITE  as user alice"), "{}", rows[2]);
    let challenge = "WWW-Authenticate: Digest realm=\"home\", nonce=\"n0n\"\r\n";
    let start = "SIP/2.0 401 Unauthorized";
    let rows = trace(None).rows(true, &packet(true, "192.0.2.7:5060", "alice", start, challenge));
    assert!(rows[2].ends_with("7 INVITE  asks realm home"), "{}", rows[2]);
}

#[test]
fn what_is_unreadable_has_a_row_and_what_only_keeps_a_nat_open_has_none() {
    let mut trace = trace(None);
    let mut raw = |bytes: &[u8]| {
        let packet = packet(false, "192.0.2.7:5060", "x", "BYE sip:h SIP/2.0", "");
        trace.rows(false, &Packet { bytes: bytes.to_vec(), ..packet })
    };
    assert!(raw(b"\r\n\r\n").is_empty());
    assert!(raw(b"\0\0\0\0").is_empty());
    let rows = raw(b"\x1b[2Jhello\r\n\r\n");
    assert!(rows[2].contains("?[2Jhello") && rows[2].contains("unreadable: "), "{rows:?}");
}

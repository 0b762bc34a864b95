//! RFC 3261 §12, side by side with the text.

use super::*;
use crate::{FlowId, HeaderValue, Message, Transport, parse_datagram};

const PEER: &str = "192.0.2.9:5060";

fn udp_from(remote: &str) -> Source {
    Source {
        transport: Transport::Udp,
        local: "192.0.2.1:5060".parse().expect("an address"),
        remote: remote.parse().expect("an address"),
        flow: FlowId(3),
    }
}

/// An INVITE that came in, as text but for its Content-Length.
fn invite_text(uri: &str, lines: &str) -> String {
    format!(
        "INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK-1\r\n\
         From: \"Alice\" <sip:alice@example.com>;tag=alice1\r\nTo: <sip:conf@example.com>\r\n\
         Call-ID: call-1\r\nCSeq: 20 INVITE\r\nMax-Forwards: 70\r\n{lines}Content-Length: 0\r\n\r\n"
    )
}

fn incoming(text: &str, remote: &str) -> Incoming {
    let Ok(Message::Request(request)) = parse_datagram(text.as_bytes()) else { panic!("{text}") };
    let essentials = Essentials::of(&request.headers).expect("parsed");
    Incoming { request, essentials, source: udp_from(remote) }
}

fn invite(lines: &str) -> Incoming {
    incoming(&invite_text("sip:conf@example.com", lines), PEER)
}

fn ours() -> NameAddr {
    NameAddr::new("sip:conf@192.0.2.1".parse::<Uri>().expect("a URI")).with_isfocus()
}

const CONTACT: &str = "Contact: <sip:alice@192.0.2.9:5070>\r\n";
/// Two proxies, in the order in which the request comes in: the last that it passed is first.
const LOOSE: &str = "Record-Route: <sip:p2.example;lr;x=y>, <sip:203.0.113.1:5062;lr>;z=1\r\n";

fn answering(lines: &str) -> Dialog {
    Dialog::answering(&invite(lines), "bob1", ours()).expect("a dialog")
}

/// The values of a header field, as text.
fn texts(headers: &Headers, name: &HeaderName) -> Vec<String> {
    headers.all(name).map(HeaderValue::text).map(String::from).collect()
}

fn text(headers: &Headers, name: &HeaderName) -> String {
    texts(headers, name).join("|")
}

/// A27 · RFC 3261 §12.1.1
#[test]
fn uas_makes_the_dialog_from_the_request() {
    let mut dialog = answering(&format!("{LOOSE}{CONTACT}"));
    assert_eq!(
        dialog.id,
        DialogId {
            call_id: "call-1".to_owned(),
            local_tag: "bob1".to_owned(),
            remote_tag: "alice1".to_owned()
        }
    );
    assert_eq!(dialog.local_uri.to_string(), "sip:conf@example.com");
    assert_eq!(dialog.remote_uri.to_string(), "sip:alice@example.com");
    assert_eq!(dialog.remote_target.to_string(), "sip:alice@192.0.2.9:5070");
    assert_eq!((dialog.local_cseq, dialog.remote_cseq), (None, Some(20)));
    assert!(!dialog.secure);
    assert_eq!(dialog.path, udp_from(PEER));
    let routes: Vec<_> = dialog.route_set.iter().map(ToString::to_string).collect();
    assert_eq!(routes, ["<sip:p2.example;lr;x=y>", "<sip:203.0.113.1:5062;lr>;z=1"]);

    // RFC 3261 §12.2.1.1: our requests turn From and To round.
    let bye = dialog.request(Method::Bye);
    assert_eq!(text(&bye.headers, &HeaderName::From), "<sip:conf@example.com>;tag=bob1");
    assert_eq!(text(&bye.headers, &HeaderName::To), "<sip:alice@example.com>;tag=alice1");
    assert_eq!(text(&bye.headers, &HeaderName::CallId), "call-1");
    assert_eq!(text(&bye.headers, &HeaderName::MaxForwards), "70");
    assert_eq!(bye.headers.get(&HeaderName::Contact), None);
    assert_eq!(bye.headers.get(&HeaderName::Via), None, "the stack's to put in");
}

/// A27 · RFC 3261 §12.1.1: Record-Routes copied with all their parameters, in order; our tag; our
/// Contact.
#[test]
fn answer_carries_record_routes_contact_and_tag() {
    let request = invite(&format!("{LOOSE}{CONTACT}"));
    let dialog = Dialog::answering(&request, "bob1", ours()).expect("a dialog");
    let ok = dialog.response(&request, StatusCode::OK);
    let routes = texts(&ok.headers, &HeaderName::RecordRoute);
    assert_eq!(routes, ["<sip:p2.example;lr;x=y>", "<sip:203.0.113.1:5062;lr>;z=1"]);
    assert_eq!(text(&ok.headers, &HeaderName::Contact), "<sip:conf@192.0.2.1>;isfocus");
    assert_eq!(ok.headers.to().expect("To").tag(), Some("bob1"));
    assert_eq!(ok.status, StatusCode::OK);
}

/// A27 · RFC 3261 §8.1.1.8, §12.1.1
#[test]
fn request_needs_exactly_one_sip_contact() {
    let two = "Contact: <sip:a@192.0.2.9>, <sip:b@192.0.2.9>\r\n";
    let cases = [
        ("", DialogError::ContactCount { got: 0 }),
        (two, DialogError::ContactCount { got: 2 }),
        ("Contact: <tel:1>\r\n", DialogError::ContactScheme),
    ];
    for (lines, error) in cases {
        let found = Dialog::answering(&invite(lines), "bob1", ours());
        assert_eq!(found, Err(error.clone()), "{lines}");
        assert_eq!(error.status(), StatusCode::BAD_REQUEST);
    }
    let route = format!("Record-Route: <tel:1>\r\n{CONTACT}");
    let found = Dialog::answering(&invite(&route), "bob1", ours()).map_err(|error| error.status());
    assert_eq!(found, Err(StatusCode::BAD_REQUEST));
}

/// A27 · RFC 3261 §12.1.1: SIPS in the Request-URI, in the top Record-Route, or, without one, in the
/// Contact: SIPS in our Contact.
#[test]
fn sips_in_gives_sips_contact_out() {
    let sips = "Contact: <sips:alice@192.0.2.9>\r\n";
    let top = "Record-Route: <sips:p2.example;lr>, <sip:p1.example;lr>\r\n";
    let lower = "Record-Route: <sip:p2.example;lr>, <sips:p1.example;lr>\r\n";
    let (sip_uri, sips_uri) = ("sip:conf@example.com", "sips:conf@example.com");
    let cases = [
        (sip_uri, CONTACT.to_owned(), "sip:conf@192.0.2.1"),
        (sips_uri, CONTACT.to_owned(), "sips:conf@192.0.2.1"),
        (sip_uri, sips.to_owned(), "sips:conf@192.0.2.1"),
        (sip_uri, format!("{top}{CONTACT}"), "sips:conf@192.0.2.1"),
        (sip_uri, format!("{lower}{sips}"), "sip:conf@192.0.2.1"),
    ];
    for (uri, lines, expected) in cases {
        let request = incoming(&invite_text(uri, &lines), PEER);
        let dialog = Dialog::answering(&request, "bob1", ours()).expect("a dialog");
        assert_eq!(dialog.local_contact.uri.to_string(), expected, "{uri} {lines}");
        // RFC 3261 §12.1.1: secure only if it came over TLS as well.
        assert!(!dialog.secure);
    }
}

/// RFC 3261 §12.1.1: an RFC 2543 peer has no tag.
#[test]
fn peer_without_a_tag_has_the_null_tag() {
    let text_without = invite_text("sip:conf@example.com", CONTACT).replace(";tag=alice1", "");
    let mut dialog =
        Dialog::answering(&incoming(&text_without, PEER), "bob1", ours()).expect("a dialog");
    assert_eq!(dialog.id.remote_tag, "");
    let bye = dialog.request(Method::Bye);
    assert_eq!(text(&bye.headers, &HeaderName::To), "<sip:alice@example.com>");
}

/// What the UAC sends and the answer that it gets.
fn exchange(answer_lines: &str) -> (Request, Response) {
    let request =
        Request::new(Method::Invite, "sip:conf@example.com".parse::<Uri>().expect("a URI"))
            .with_header(HeaderName::From, "\"Me\" <sip:me@192.0.2.1>;tag=me1")
            .with_header(HeaderName::To, "<sip:conf@example.com>")
            .with_header(HeaderName::CallId, "call-9")
            .with_header(HeaderName::CSeq, "4711 INVITE")
            .with_header(HeaderName::Contact, "<sip:me@192.0.2.1>");
    let text = format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-2\r\n\
         From: \"Me\" <sip:me@192.0.2.1>;tag=me1\r\nTo: <sip:conf@example.com>;tag=focus1\r\n\
         Call-ID: call-9\r\nCSeq: 4711 INVITE\r\n{answer_lines}Content-Length: 0\r\n\r\n"
    );
    match parse_datagram(text.as_bytes()) {
        Ok(Message::Response(response)) => (request, response),
        other => panic!("{other:?}"),
    }
}

/// A28 · RFC 3261 §12.1.2: the route set is turned round.
#[test]
fn uac_makes_the_dialog_from_request_and_answer() {
    let focus = "Contact: <sip:conf-1@mix3.example.com>;isfocus\r\n";
    let (request, response) = exchange(&format!("{LOOSE}{focus}"));
    let mut dialog = Dialog::established(&request, &response, udp_from(PEER)).expect("a dialog");
    let id =
        (dialog.id.call_id.as_str(), dialog.id.local_tag.as_str(), dialog.id.remote_tag.as_str());
    assert_eq!(id, ("call-9", "me1", "focus1"));
    assert_eq!(dialog.remote_target.to_string(), "sip:conf-1@mix3.example.com");
    assert_eq!(dialog.local_contact.to_string(), "<sip:me@192.0.2.1>");
    assert_eq!((dialog.local_cseq, dialog.remote_cseq), (Some(4711), None));
    assert_eq!(dialog.next_hop().to_string(), "sip:203.0.113.1:5062;lr");

    // A18 · RFC 3261 §13.2.2.4: the INVITE's number, and the dialog's route.
    let ack = dialog.ack(4711);
    assert_eq!(ack.uri.to_string(), "sip:conf-1@mix3.example.com");
    assert_eq!(text(&ack.headers, &HeaderName::CSeq), "4711 ACK");
    let routes = texts(&ack.headers, &HeaderName::Route);
    assert_eq!(routes, ["<sip:203.0.113.1:5062;lr>;z=1", "<sip:p2.example;lr;x=y>"]);
    assert_eq!(dialog.local_cseq, Some(4711), "an ACK is not counted");
    assert_eq!(text(&dialog.request(Method::Bye).headers, &HeaderName::CSeq), "4712 BYE");

    let (request, response) = exchange("");
    let found = Dialog::established(&request, &response, udp_from(PEER));
    assert_eq!(found, Err(DialogError::ContactCount { got: 0 }));
}

/// A28 · RFC 3261 §12.2.1.1: CSeq up by one; a first number if there was none.
#[test]
fn cseq_goes_up_by_one() {
    let mut dialog = answering(CONTACT);
    for (method, expected) in [(Method::Options, "1 OPTIONS"), (Method::Invite, "2 INVITE")] {
        assert_eq!(text(&dialog.request(method).headers, &HeaderName::CSeq), expected);
    }
    let reinvite = dialog.request(Method::Invite);
    let contact = text(&reinvite.headers, &HeaderName::Contact);
    assert_eq!(contact, "<sip:conf@192.0.2.1>;isfocus", "a target refresh has a Contact");
}

/// A28 · RFC 3261 §12.2.1.1: no route set, a loose router, and the RFC's own example of a strict one.
#[test]
fn routes_are_loose_or_strict() {
    let contact = "Contact: <sip:user@remoteua?Subject=x>\r\n";
    let mut direct = answering(contact);
    let bye = direct.request(Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:user@remoteua");
    assert_eq!(bye.headers.count(&HeaderName::Route), 0);

    let mut loose = answering(&format!("Record-Route: <sip:proxy1;lr>,<sip:proxy2>\r\n{contact}"));
    let bye = loose.request(Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:user@remoteua");
    assert_eq!(texts(&bye.headers, &HeaderName::Route), ["<sip:proxy1;lr>", "<sip:proxy2>"]);

    let routes = "<sip:proxy1;method=BYE>,<sip:proxy2>,<sip:proxy3;lr>,<sip:proxy4>";
    let contact = "Contact: <sip:user@remoteua>\r\n";
    let mut strict = answering(&format!("Record-Route: {routes}\r\n{contact}"));
    let bye = strict.request(Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:proxy1");
    assert_eq!(
        texts(&bye.headers, &HeaderName::Route),
        ["<sip:proxy2>", "<sip:proxy3;lr>", "<sip:proxy4>", "<sip:user@remoteua>"]
    );
    assert_eq!(strict.next_hop().to_string(), "sip:proxy1;method=BYE");
}

/// The essentials of a request in the dialog of [`answering`].
fn in_dialog(cseq: &str, to_tag: &str) -> Essentials {
    let method = cseq.split_once(' ').expect("number and method").1;
    let text = invite_text("sip:conf@example.com", CONTACT)
        .replacen("INVITE", method, 1)
        .replace("20 INVITE", cseq)
        .replace("To: <sip:conf@example.com>", &format!("To: <sip:conf@example.com>;tag={to_tag}"));
    incoming(&text, PEER).essentials
}

/// A29, T12 · RFC 3261 §12.2.2: an old re-INVITE gets 500, a gap is fine, an ACK is not counted.
#[test]
fn lower_cseq_is_500_and_a_gap_is_fine() {
    let mut dialog = answering(CONTACT);
    assert_eq!(dialog.check(&in_dialog("21 INVITE", "bob1")), Ok(()));
    assert_eq!(dialog.check(&in_dialog("21 ACK", "bob1")), Ok(()));
    assert_eq!(dialog.check(&in_dialog("90 BYE", "bob1")), Ok(()));
    assert_eq!(dialog.remote_cseq, Some(90));
    for number in [21, 89, 90] {
        let stale = DialogError::StaleCseq { got: number, last: 90 };
        let found = dialog.check(&in_dialog(&format!("{number} INVITE"), "bob1"));
        assert_eq!(found, Err(stale.clone()));
        assert_eq!(stale.status(), StatusCode::SERVER_INTERNAL_ERROR);
    }
    assert_eq!(dialog.check(&in_dialog("21 ACK", "bob1")), Ok(()), "a late ACK");
    assert_eq!(dialog.check(&in_dialog("21 CANCEL", "bob1")), Ok(()));
    assert_eq!(dialog.remote_cseq, Some(90));
}

/// A29 · RFC 3261 §12.2.2: the first request of the peer sets the number.
#[test]
fn first_request_of_the_peer_sets_its_cseq() {
    let (request, response) = exchange(CONTACT);
    let mut dialog = Dialog::established(&request, &response, udp_from(PEER)).expect("a dialog");
    dialog.id = answering(CONTACT).id;
    assert_eq!(dialog.check(&in_dialog("5 BYE", "bob1")), Ok(()));
    assert_eq!(dialog.remote_cseq, Some(5));
}

/// A29 · RFC 3261 §12.2.2: another tag is another dialog.
#[test]
fn request_of_another_dialog_is_481() {
    let mut dialog = answering(CONTACT);
    let found = dialog.check(&in_dialog("21 BYE", "made-up"));
    assert_eq!(found, Err(DialogError::OtherDialog));
    assert_eq!(DialogError::OtherDialog.status(), StatusCode::CALL_DOES_NOT_EXIST);
    assert_eq!(dialog.remote_cseq, Some(20), "nothing has changed");
}

/// A30's part that a dialog decides · RFC 3261 §12.2.2
#[test]
fn target_refresh_moves_the_target_only() {
    let mut dialog = answering(&format!("{LOOSE}{CONTACT}"));
    let routes = dialog.route_set.clone();
    let moved = |uri: &str| NameAddr::new(uri.parse::<Uri>().expect("a URI"));
    assert_eq!(dialog.refresh_target(moved("sip:alice@198.51.100.7")), Ok(()));
    assert_eq!(dialog.refresh_target(moved("tel:1")), Err(DialogError::ContactScheme));
    assert_eq!(dialog.remote_target.to_string(), "sip:alice@198.51.100.7");
    assert_eq!(dialog.route_set, routes);
    assert_eq!(dialog.request(Method::Bye).uri.to_string(), "sip:alice@198.51.100.7");
}

/// RFC 3263 §4.1, §4.2: an address is used as it is, a name is not looked up here.
#[test]
fn destination_is_the_next_hop_or_the_path() {
    let tcp = Some(Transport::Tcp);
    let udp = Some(Transport::Udp);
    let cases = [
        ("<sip:alice@192.0.2.50>", "", udp, "192.0.2.50:5060"),
        ("<sip:alice@192.0.2.50:5070>", "", udp, "192.0.2.50:5070"),
        ("<sip:alice@192.0.2.50;transport=TCP>", "", tcp, "192.0.2.50:5060"),
        ("<sip:alice@[2001:db8::1]:5070>", "", udp, "[2001:db8::1]:5070"),
        ("<sip:alice@phone.example>", "", None, PEER),
        ("<sip:alice@192.0.2.50;transport=sctp>", "", None, PEER),
        ("<sips:alice@192.0.2.50>", "", None, PEER),
        ("<sip:alice@192.0.2.50>", "<sip:203.0.113.1:5062;lr>", udp, "203.0.113.1:5062"),
        ("<sip:alice@192.0.2.50>", "<sip:203.0.113.1>", udp, "203.0.113.1:5060"),
        ("<sip:alice@192.0.2.50>", "<sip:p.example;lr>", None, PEER),
    ];
    for (contact, route, transport, remote) in cases {
        let route =
            if route.is_empty() { String::new() } else { format!("Record-Route: {route}\r\n") };
        let found = answering(&format!("{route}Contact: {contact}\r\n")).destination();
        let Some(transport) = transport else {
            assert_eq!(found, udp_from(PEER), "{contact} {route}");
            continue;
        };
        let expected = Source { transport, flow: FlowId::NONE, ..udp_from(remote) };
        assert_eq!(found, expected, "{contact} {route}");
    }
    // The peer's own address: by the flow that is known.
    let same = answering("Contact: <sip:alice@192.0.2.9>\r\n");
    assert_eq!(same.destination(), udp_from(PEER));
}

/// RFC 3261 §18.2.2, §12.2.1.1: whoever came by a connection is met there; when it is gone, where its Contact says.
#[test]
fn who_came_by_a_connection_is_met_there() {
    let remote = "192.0.2.9:40001";
    let by_tcp = |contact: &str| {
        let text = invite_text("sip:conf@example.com", &format!("Contact: {contact}\r\n"));
        // Over a stream the port that it came from says nothing of a NAT.
        let text = text.replace("UDP", "TCP").replace(";branch", ";rport=40001;branch");
        let mut incoming = incoming(&text, remote);
        incoming.source.transport = Transport::Tcp;
        let dialog = Dialog::answering(&incoming, "b", ours()).expect("a dialog");
        assert_eq!(dialog.reach, Reach::Target);
        dialog.destination()
    };
    let tcp = |remote, flow| Source { transport: Transport::Tcp, flow, ..udp_from(remote) };
    let contact = "<sip:alice@192.0.2.9:5070;transport=tcp>";
    assert_eq!(by_tcp(contact), tcp("192.0.2.9:5070", FlowId(3)));
    assert_eq!(by_tcp("<sip:alice@192.0.2.9>"), tcp("192.0.2.9:5060", FlowId(3)));
    assert_eq!(by_tcp("<sip:alice@phone.example>"), tcp(remote, FlowId(3)));
    // Another host, or another transport by name: that.
    let other = "<sip:alice@192.0.2.50;transport=tcp>";
    assert_eq!(by_tcp(other), tcp("192.0.2.50:5060", FlowId::NONE));
    let udp = Source { flow: FlowId::NONE, ..udp_from("192.0.2.9:5060") };
    assert_eq!(by_tcp("<sip:alice@192.0.2.9;transport=udp>"), udp);
}

/// RFC 3581 §4: a peer that does not know its own address is reached the way it came, if no proxy stands
/// between.
#[test]
fn peer_behind_a_nat_is_reached_by_its_path() {
    let outside = "198.51.100.7:40000";
    let nat = invite_text("sip:conf@example.com", CONTACT);
    let dialog = Dialog::answering(&incoming(&nat, outside), "b", ours()).expect("a dialog");
    assert_eq!((dialog.reach, dialog.destination()), (Reach::Path, udp_from(outside)));

    // The address is the same, the port is not, and the peer has asked for it.
    let rport = nat.replace(";branch", ";rport=40000;branch");
    let dialog =
        Dialog::answering(&incoming(&rport, "192.0.2.9:40000"), "b", ours()).expect("a dialog");
    assert_eq!(dialog.reach, Reach::Path);

    let proxied = invite_text("sip:conf@example.com", &format!("{LOOSE}{CONTACT}"));
    let dialog = Dialog::answering(&incoming(&proxied, outside), "b", ours()).expect("a dialog");
    assert_eq!(dialog.reach, Reach::Target);
    // A name in Via shows nothing about a NAT.
    let named = nat.replace("192.0.2.9:5060;branch", "pc.example;branch");
    let dialog = Dialog::answering(&incoming(&named, outside), "b", ours()).expect("a dialog");
    assert_eq!(dialog.reach, Reach::Target);
    assert_eq!(dialog.destination().remote.to_string(), "192.0.2.9:5070");
}

/// RFC 3581 §4: a NAT forgets, and gives the phone another port with its next request; a phone connects anew.
#[test]
fn the_way_to_a_peer_is_the_way_of_its_last_request() {
    let nat = invite_text("sip:conf@example.com", CONTACT);
    let made = |remote| Dialog::answering(&incoming(&nat, remote), "b", ours()).expect("a dialog");
    let mut dialog = made("198.51.100.7:40000");
    dialog.came_by(&incoming(&nat, "198.51.100.7:40001"));
    assert_eq!((dialog.reach, dialog.destination()), (Reach::Path, udp_from("198.51.100.7:40001")));
    // It has come home, and one that was at home has gone out.
    dialog.came_by(&incoming(&nat, PEER));
    assert_eq!(dialog.reach, Reach::Target);
    assert_eq!(dialog.destination().remote.to_string(), "192.0.2.9:5070");
    dialog.came_by(&incoming(&nat, "198.51.100.7:40002"));
    assert_eq!(dialog.reach, Reach::Path);
    // By configuration a Contact is believed, whatever the Via shows.
    let mut believed = made("198.51.100.7:40000").under(Nat::Off);
    believed.came_by(&incoming(&nat, "198.51.100.7:40001"));
    assert_eq!(believed.reach, Reach::TargetOnly);
    assert_eq!(believed.destination().remote.to_string(), "192.0.2.9:5070");
    assert_eq!(made("198.51.100.7:40000").under(Nat::Auto).reach, Reach::Path);
}

/// Architecture: every dialog can be written down and made again, here and by a later program.
#[test]
fn snapshot_round_trips() {
    let (request, response) = exchange(&format!("{LOOSE}{CONTACT}"));
    let uac = Dialog::established(&request, &response, udp_from(PEER)).expect("a dialog");
    let mut uas =
        answering(&format!("{LOOSE}Contact: \"Ä, b\" <sip:%61lice@[2001:db8::1];X=y>\r\n"));
    let bye = uas.request(Method::Bye);
    assert_eq!(bye.method, Method::Bye);
    for dialog in [uac, uas] {
        let json = serde_json::to_string(&DialogSnapshot::of(&dialog)).expect("it can be written");
        let read: DialogSnapshot = serde_json::from_str(&json).expect("it can be read");
        assert_eq!(read.version, DIALOG_SNAPSHOT_VERSION);
        let mut again = read.restore().expect("of this version");
        assert_eq!(again, dialog);
        assert_eq!(again.request(Method::Bye), dialog.clone().request(Method::Bye));
    }
    let mut snapshot = DialogSnapshot::of(&answering(CONTACT));
    snapshot.version += 1;
    let error = SnapshotError::Version {
        got: DIALOG_SNAPSHOT_VERSION + 1,
        expected: DIALOG_SNAPSHOT_VERSION,
    };
    assert_eq!(snapshot.restore(), Err(error));
}

/// A version 1 snapshot, as it was written once: whoever changes [`Dialog`] must still read it, or raise
/// the version.
#[test]
fn snapshot_of_version_1_is_read() {
    let json = r#"{"version":1,"dialog":{"id":{"call_id":"call-1","local_tag":"bob1","remote_tag":"alice1"},
        "local_uri":"sip:conf@example.com","remote_uri":"sip:alice@example.com",
        "remote_target":"sip:alice@192.0.2.9:5070","route_set":["<sip:p2.example;lr;x=y>","<sip:203.0.113.1:5062;lr>;z=1"],
        "local_cseq":null,"remote_cseq":20,"secure":false,"local_contact":"<sip:conf@192.0.2.1>;isfocus",
        "path":{"transport":"Udp","local":"192.0.2.1:5060","remote":"192.0.2.9:5060","flow":3},"reach":"Target"}}"#;
    let snapshot: DialogSnapshot = serde_json::from_str(json).expect("it can be read");
    assert_eq!(snapshot.restore(), Ok(answering(&format!("{LOOSE}{CONTACT}"))));
}

const THEIRS: &str = "ab30317f1a784dc48ff824d0d3715d86";
const OTHERS: &str = "47755a9de7794ba387653f2099600ef2";

fn session_of(headers: &Headers) -> String {
    text(headers, &HeaderName::SessionId)
}

/// RFC 7989 §5, §6: both ends in each message, as far as they are known.
#[test]
fn every_message_of_a_dialog_names_both_ends_of_its_session() {
    let own = SessionUuid::random([7; 16]);
    let nil = SessionUuid::NIL;
    let asked = invite(&format!("{CONTACT}Session-ID: {THEIRS};remote={nil}\r\n"));
    let mut dialog = Dialog::answering(&asked, "bob1", ours()).expect("a dialog");
    let unknown = Response::answering(&asked.request, StatusCode::NOT_FOUND);
    assert_eq!(session_of(&unknown.headers), format!("{nil};remote={THEIRS}"), "not an end");
    assert_eq!(session_of(&dialog.request(Method::Bye).headers), "", "not joined yet");

    dialog.join_session(own, &asked.request.headers);
    let ok = dialog.response(&asked, StatusCode::OK);
    assert_eq!(session_of(&ok.headers), format!("{own};remote={THEIRS}"));
    assert_eq!(session_of(&dialog.request(Method::Bye).headers), format!("{own};remote={THEIRS}"));
    assert_eq!(session_of(&dialog.ack(20).headers), format!("{own};remote={THEIRS}"));

    let mut silent = answering(CONTACT);
    silent.join_session(own, &invite(CONTACT).request.headers);
    assert_eq!(session_of(&silent.request(Method::Bye).headers), format!("{own};remote={nil}"));
}

/// RFC 7989 §8: an answer names the end that the request named; only a success makes it the peer.
#[test]
fn another_peer_is_accepted_with_a_success_and_not_with_a_refusal() {
    let own = SessionUuid::random([7; 16]);
    let asked = invite(&format!("{CONTACT}Session-ID: {THEIRS};remote={own}\r\n"));
    let other = invite(&format!("{CONTACT}Session-ID: {OTHERS};remote={own}\r\n"));
    let mut dialog = answering(CONTACT);
    dialog.join_session(own, &asked.request.headers);
    let answer = |dialog: &mut Dialog, status| {
        let mut response = Response::answering(&other.request, status);
        dialog.answer_session(&mut response);
        assert_eq!(session_of(&response.headers), format!("{own};remote={OTHERS}"));
        session_of(&dialog.request(Method::Options).headers)
    };
    assert_eq!(answer(&mut dialog, StatusCode::BUSY_HERE), format!("{own};remote={THEIRS}"));
    assert_eq!(answer(&mut dialog, StatusCode::OK), format!("{own};remote={OTHERS}"));
    dialog.hear_session(&asked.request.headers);
    assert_eq!(session_of(&dialog.ack(1).headers), format!("{own};remote={THEIRS}"));
    dialog.hear_session(&invite(CONTACT).request.headers);
    assert_eq!(session_of(&dialog.ack(1).headers), format!("{own};remote={THEIRS}"), "§6");
}

/// RFC 7989 §6
#[test]
fn the_caller_learns_the_other_end_from_the_answer() {
    let own = SessionUuid::random([7; 16]);
    let nil = SessionUuid::NIL;
    let asked = invite(&format!("{CONTACT}Session-ID: {own};remote={nil}\r\n"));
    let established = |session: &str| {
        let mut response = Response::answering(&asked.request, StatusCode::OK)
            .with_to_tag("bob1")
            .with_header(HeaderName::Contact, "<sip:bob@192.0.2.9>");
        response.headers.set(HeaderName::SessionId, session);
        let mut dialog =
            Dialog::established(&asked.request, &response, udp_from(PEER)).expect("a dialog");
        session_of(&dialog.request(Method::Bye).headers)
    };
    assert_eq!(established(&format!("{THEIRS};remote={own}")), format!("{own};remote={THEIRS}"));
    assert_eq!(established("nonsense"), format!("{own};remote={nil}"), "discarded");
    assert_eq!(established(&own.to_string()), own.to_string(), "§11: RFC 7329");
}

//! How a server reaches a phone in its dialog, over real sockets.

mod phone;

use std::net::{IpAddr, SocketAddr};

use server::config::Flags;
use server::{Config, Running, Server};
use sip::{HeaderName, Method, StatusCode};

use crate::phone::{Phone, to_tag};

const V4: &str = "127.0.0.1";
const V6: &str = "::1";

fn start(ip: &str) -> Running {
    let ip: IpAddr = ip.parse().expect("an address");
    let admin = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    let flags = Flags { sip: Some((ip, 0).into()), admin, ..Flags::default() };
    Server::start(&Config::from_flags(&flags).expect("good"), false).expect("started")
}

/// A server with SIP and media over both families, in this order, and what a file says of them.
fn start_both(text: &str) -> Running {
    let text = format!("{text}\n[admin]\nbind = \"127.0.0.1:0\"");
    let config = Config::from_toml("convoke.toml", &text, &Flags::default()).expect("good");
    Server::start(&config, false).expect("started")
}

/// A user part that brings every request of the dialog above 1300 bytes.
fn long_name() -> String {
    "x".repeat(1_300)
}

/// A06 · RFC 3261 §18.1.1, T19
#[test]
fn a_long_request_comes_over_tcp_to_a_phone_that_called_over_udp() {
    let mut server = start(V4);
    let mut phone = Phone::new(&server, &long_name()).with_tcp();
    phone.join();
    server.stop();
    let mut phone = phone.accept();
    let bye = phone.request(&Method::Bye);
    assert_eq!(bye.headers.top_via().expect("a Via").transport, "TCP");
    phone.answer(&bye);
    assert_eq!(server.finish().expect("no panic").legs_left, 0);
}

/// RFC 3261 §18.1.1, RFC 5923 §5: what a phone has opened is used for requests to it too.
#[test]
fn a_phone_that_called_over_a_connection_gets_its_bye_by_it() {
    let mut server = start(V4);
    let mut phone = Phone::new(&server, "alice").by_stream().with_tcp();
    phone.join();
    server.stop();
    let bye = phone.request(&Method::Bye);
    assert_eq!(bye.headers.top_via().expect("a Via").transport, "TCP");
    phone.answer(&bye);
    assert_eq!(server.finish().expect("no panic").legs_left, 0);
}

/// A09's other half · RFC 3261 §18.1.1, §12.2.1.1: a new connection goes to the remote target.
#[test]
fn when_that_connection_is_gone_a_new_one_goes_to_the_contact() {
    let mut server = start(V4);
    let mut phone = Phone::new(&server, "alice").by_stream().with_tcp();
    phone.join();
    phone.stream = None;
    server.stop();
    let mut phone = phone.accept();
    let bye = phone.request(&Method::Bye);
    phone.answer(&bye);
    assert_eq!(server.finish().expect("no panic").legs_left, 0);
}

/// A06 · RFC 3261 §18.1.1: the port is closed for TCP.
#[test]
fn a_long_request_comes_over_udp_to_a_phone_that_takes_no_connection() {
    let mut server = start(V4);
    let mut phone = Phone::new(&server, &long_name());
    phone.join();
    server.stop();
    let bye = phone.request(&Method::Bye);
    assert!(bye.to_bytes().len() > 1_300);
    assert_eq!(bye.headers.top_via().expect("a Via").transport, "UDP");
    assert_eq!(bye.headers.count(&HeaderName::Via), 1);
    phone.answer(&bye);
    assert_eq!(server.finish().expect("no panic").legs_left, 0);
}

/// RFC 3261 §18, §19.1.1, §20.42; RFC 8866 §5.7: the whole way over IPv6: brackets where a port may follow, none in
/// `received`, and media of the same family.
#[test]
fn a_phone_on_ipv6_gets_a_conference_on_ipv6() {
    for by_stream in [false, true] {
        let mut server = start(V6);
        let mut phone = Phone::new(&server, "alice");
        if by_stream {
            phone = phone.by_stream();
        }
        let joined = phone.join();
        let at = server.sip()[0];
        let contact = joined.headers.contact().expect("good").expect("a Contact").uri.to_string();
        assert!(
            contact.starts_with("sip:conf-") && contact.ends_with(&format!("@{at}")),
            "{contact}"
        );
        assert_eq!(joined.headers.top_via().expect("a Via").received(), Some(at.ip()));
        let description = String::from_utf8(joined.body.clone()).expect("text");
        assert!(description.contains("c=IN IP6 ::1\r\n"), "{description}");
        server.stop();
        let bye = phone.request(&Method::Bye);
        assert_eq!(bye.headers.top_via().expect("a Via").host.to_string(), "[::1]");
        phone.answer(&bye);
        assert_eq!(server.finish().expect("no panic").legs_left, 0);
    }
}

/// B12 · RFC 4579 §4.2: one conference for both families: each is answered from the address that it asked, with media of
/// its own.
#[test]
fn phones_of_both_families_meet_in_one_conference() {
    let mut server =
        start_both("[[sip.listen]]\nbind = \"127.0.0.1:0\"\n[[sip.listen]]\nbind = \"[::1]:0\"\n");
    let [v4, v6] = server.sip()[..] else { panic!("two") };
    let mut alice = Phone::at(v4, "alice");
    let mut bob = Phone::at(v6, "bob");
    let conference = alice.conference();
    for phone in [&mut alice, &mut bob] {
        phone.udp.connect(phone.server).expect("answers of no other address are taken");
        let joined = phone.enter(&conference);
        let family =
            if phone.own.is_ipv4() { "c=IN IP4 127.0.0.1\r\n" } else { "c=IN IP6 ::1\r\n" };
        let description = String::from_utf8(joined.body.clone()).expect("text");
        assert!(description.contains(family), "{description}");
        let contact = joined.headers.contact().expect("good").expect("a Contact");
        assert_eq!(contact.uri.to_string(), conference, "the same string to all");
    }
    server.stop();
    for phone in [&mut alice, &mut bob] {
        let bye = phone.request(&Method::Bye);
        phone.answer(&bye);
    }
    assert_eq!(server.finish().expect("no panic").legs_left, 0);
}

/// RFC 3261 §13.3.1.3, §20.43 (301): media of a family that we have no address of.
#[test]
fn a_family_without_a_media_address_is_refused_with_488() {
    let mut server = start_both(
        "[[sip.listen]]\nbind = \"127.0.0.1:0\"\n[[sip.listen]]\nbind = \"[::1]:0\"\n\
         [[media.listen]]\nbind = \"127.0.0.1\"\n",
    );
    let mut phone = Phone::at(server.sip()[1], "alice");
    let conference = phone.conference();
    phone.send("INVITE", &conference, "", &phone.offer());
    let refused = phone.response();
    assert_eq!(refused.status.code(), 488);
    let warnings = refused.headers.warnings().expect("good");
    assert_eq!(warnings[0].code, 301);
    // The signalling's family does not matter.
    let v4 = phone.offer().replace("IP6 ::1", "IP4 127.0.0.1");
    phone.send("INVITE", &conference, "", &v4);
    let joined = phone.response();
    assert_eq!(joined.status, StatusCode::OK);
    phone.send("ACK", &conference, &to_tag(&joined), "");
    server.stop();
    let bye = phone.request(&Method::Bye);
    phone.answer(&bye);
    assert_eq!(server.finish().expect("no panic").legs_left, 0);
}

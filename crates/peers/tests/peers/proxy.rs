//! kamailio in front: phones register there, and every request goes through it.

use nix::sys::signal::Signal;
use peers::baresip::Baresip;
use peers::kamailio::{Kamailio, Redirection};
use peers::processes::{Alone, Process, text};
use peers::tones;
use serde_json::Value;

const ALICE_HZ: u16 = 440;
const BOB_HZ: u16 = 700;

/// The server, and the proxy in front of it.
fn behind(alone: &Alone, redirection: Redirection) -> (Process, Kamailio) {
    let server = Process::serve(&[]);
    let factory = server.greeting("factory");
    let (_, address) = factory.split_once('@').expect("a user");
    let proxy = Kamailio::start(alone, address, redirection);
    (server, proxy)
}

fn phone(alone: &Alone, user: &str, hz: u16, proxy: &mut Kamailio) -> Baresip {
    let phone = Baresip::register(alone, user, hz, &proxy.address());
    proxy.until(&format!("registered {user}"));
    phone
}

/// Start lines and peers of the server's messages.
fn messages<'a>(
    server: &'a Process,
    dir: &'a str,
    peer: &'a str,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let all = server.all("message").into_iter().filter(move |message| message["dir"] == dir);
    all.map(move |message: &'a Value| {
        (message["start_line"].as_str().expect("text"), message[peer].as_str().expect("text"))
    })
}

/// A27, A28, B12 · RFC 3261 §12.2.1.1: every request of a dialog goes by the recorded route, theirs and ours.
#[test]
fn phones_behind_a_record_routing_proxy_convene_and_all_requests_go_through_it() {
    let alone = Alone::wait();
    let (mut server, mut proxy) = behind(&alone, Redirection::Relayed);
    let address = proxy.address();
    let mut alice = phone(&alone, "alice", ALICE_HZ, &mut proxy);
    let bob = phone(&alone, "bob", BOB_HZ, &mut proxy);

    alice.command("dial", &format!("sip:conference@{address}"));
    let conference = text(&server.until("joined"), "conference");
    alice.until_next_name();
    alice.command("dial", &format!("sip:bob@{address}"));
    alice.until("Call established: sip:bob@");
    bob.until_next_name();
    alice.command("transfer", &conference);
    server.until("joined");
    tones::until_heard(&alice.recordings()[0], BOB_HZ);
    tones::assert_unheard(&alice.recordings()[0], ALICE_HZ);
    let [.., heard] = &bob.recordings()[..] else { panic!("two calls") };
    tones::until_heard(heard, ALICE_HZ);
    tones::assert_unheard(heard, BOB_HZ);

    // One leaves by himself, the other is told.
    let bob = bob.end();
    assert!(bob.contains("SIP/2.0 202 Accepted"), "{bob}");
    server.until_status("one leg", |status| {
        status["conferences"][0]["legs"].as_array().is_some_and(|legs| legs.len() == 1)
    });
    server.signal(Signal::SIGTERM);
    assert!(server.ended().success());
    let alice = alice.end();
    assert!(alice.contains("SIP/2.0 302 Moved Temporarily"), "{alice}");
    assert!(alice.contains("\nBYE sip:alice"), "{alice}");
    let log = proxy.end();
    assert!(log.contains("routed BYE") && log.contains("routed ACK"), "{log}");
    assert!(!log.contains("past the route"), "{log}");
    assert!(messages(&server, "received", "from").all(|(_, from)| from == address));
    assert!(messages(&server, "sent", "to").all(|(_, to)| to == address));
    let byes = |dir| messages(&server, dir, "to").filter(|(line, _)| line.starts_with("BYE "));
    assert_eq!((byes("received").count(), byes("sent").count()), (1, 1));
}

/// B05 · RFC 4579 §5.4, RFC 3261 §16.5: the proxy follows the 302, and the creator sees the focus's answer only.
#[test]
fn a_proxy_that_follows_the_302_shows_the_creator_only_the_focus() {
    let alone = Alone::wait();
    let (mut server, mut proxy) = behind(&alone, Redirection::Followed);
    let address = proxy.address();
    let mut alice = phone(&alone, "alice", ALICE_HZ, &mut proxy);

    alice.command("dial", &format!("sip:conference@{address}"));
    proxy.until("followed 302");
    let conference = text(&server.until("joined"), "conference");
    alice.until("Call established");
    alice.command("hangup", "");
    server.until("ended");
    server.until_nothing_is_left();

    let log = alice.end();
    assert!(!log.contains("SIP/2.0 302"), "{log}");
    assert!(log.contains(&format!("Contact: <{conference}>;isfocus")), "{log}");
    let log = proxy.end();
    assert!(log.contains("routed BYE") && !log.contains("past the route"), "{log}");
    let asked: Vec<&Value> = server
        .all("message")
        .into_iter()
        .filter(|message| {
            let line = message["start_line"].as_str().expect("text");
            message["dir"] == "received" && line.starts_with("INVITE ")
        })
        .collect();
    let [first, second] = asked.as_slice() else { panic!("{asked:#?}") };
    assert_eq!((&first["call_id"], &first["cseq"]), (&second["call_id"], &second["cseq"]));
}

//! linphone with its own setting for a conference factory, registered at kamailio.

use nix::sys::signal::Signal;
use peers::kamailio::{Kamailio, Redirection};
use peers::linphone::{Conferences, Linphone};
use peers::processes::{Alone, Process, text};
use peers::tones;

use crate::phones::bring;

const BOB_HZ: u16 = 700;
const CAROL_HZ: u16 = 1_000;

/// `convoke answer`, registered at the proxy; it plays a tone and records.
fn terminal(alone: &Alone, user: &str, hz: u16, proxy: &mut Kamailio) -> Process {
    let (plays, record) = (tones::write(alone, hz, 1), alone.text(&format!("{user}.wav")));
    let registered = format!("sip:{user}@{}", proxy.address());
    let words = ["--register", &registered, "--play", &plays, "--record", &record];
    let terminal = Process::answer(user, &words);
    proxy.until(&format!("registered {user}"));
    terminal
}

/// B03, B23, B24 · RFC 4579 §5.4, §5.6, §5.10: two calls become one conference: the factory's 302, then a REFER in each call.
#[test]
fn linphone_merges_its_calls_into_a_conference_of_the_factory() {
    let alone = Alone::wait();
    let mut server = Process::serve(&[]);
    let factory = server.greeting("factory");
    let (_, address) = factory.split_once('@').expect("a user");
    let mut proxy = Kamailio::start(&alone, address, Redirection::Relayed);
    let kamailio = proxy.address();
    let mut bob = terminal(&alone, "bob", BOB_HZ, &mut proxy);
    let mut carol = terminal(&alone, "carol", CAROL_HZ, &mut proxy);
    let at = |user: &str| format!("sip:{user}@{kamailio}");
    let alice = Linphone::register(&alone, "alice", &kamailio, Conferences::ByFactory);

    let with_bob = alice.call(&at("bob"));
    alice.command(&format!("call-pause {with_bob}"));
    alice.until_call(&with_bob, "Paused");
    let with_carol = alice.call(&at("carol"));
    // The first asks for the conference. What it answers is always "Command failed".
    alice.command(&format!("conference add {with_carol}"));
    let conference = text(&server.until("joined"), "conference");
    for (terminal, call) in [(&mut carol, with_carol), (&mut bob, with_bob)] {
        alice.command(&format!("conference add {call}"));
        terminal.until_so("in the conference", |event| {
            event["event"] == "joined" && event["conference"] == conference.as_str()
        });
        server.until("joined");
    }
    tones::until_heard(&alone.path("bob.wav"), CAROL_HZ);
    tones::until_heard(&alone.path("carol.wav"), BOB_HZ);
    tones::assert_unheard(&alone.path("bob.wav"), BOB_HZ);
    tones::assert_unheard(&alone.path("carol.wav"), CAROL_HZ);

    let log = alice.end();
    assert!(log.contains("SIP/2.0 302 Moved Temporarily"), "{log}");
    assert_eq!(log.matches("\nREFER sip:").count(), 2, "{log}");
    for terminal in [&mut bob, &mut carol] {
        terminal.signal(Signal::SIGINT);
        assert!(terminal.ended().success());
    }
    server.until_all_have_left();
    let log = proxy.end();
    assert!(log.contains("routed REFER") && !log.contains("past the route"), "{log}");
}

/// B36, C15, D03, D04, D06, D07 · RFC 4575: it sees `isfocus`, subscribes by itself, and lists who is in; at the end it is told so.
#[test]
fn linphone_shows_who_is_in_the_conference() {
    let alone = Alone::wait();
    let mut server = Process::serve(&[]);
    let factory = server.greeting("factory");
    let (_, address) = factory.split_once('@').expect("a user");
    let mut proxy = Kamailio::start(&alone, address, Redirection::Relayed);
    let kamailio = proxy.address();
    let mut bob = terminal(&alone, "bob", BOB_HZ, &mut proxy);
    let alice = Linphone::register(&alone, "alice", &kamailio, Conferences::Local);

    alice.call(&format!("sip:conference@{kamailio}"));
    let conference = text(&server.until("joined"), "conference");
    alice.until_logged("Content-Type: application/conference-info+xml");
    bring(&alone, &mut bob, &conference);
    alice.until_logged("Addition of participant with address IdentityAddress(sip:bob@");
    bob.signal(Signal::SIGINT);
    assert!(bob.ended().success());
    server.signal(Signal::SIGTERM);
    assert!(server.ended().success());
    alice.until_logged("state=\"deleted\"");
    let log = alice.end();
    assert!(log.contains("\nSUBSCRIBE sip:conf-"), "{log}");
    assert!(log.contains("Subscription-State: terminated;reason=noresource"), "{log}");
}

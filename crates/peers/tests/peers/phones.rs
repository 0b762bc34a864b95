//! baresip 1.0 as the first terminal and as one of those who are invited.
//!
//! Everybody plays a tone of his own; recordings say who was heard.

use std::path::Path;

use nix::sys::signal::Signal;
use peers::baresip::Baresip;
use peers::processes::{Alone, Process, add_user, text};
use peers::sipp::{PEER, Script, Sipp, acknowledge, in_dialog, initial, sdp_playing};
use peers::tones;

const ALICE_HZ: u16 = 440;
const BOB_HZ: u16 = 700;
const CAROL_HZ: u16 = 1_000;

/// `convoke answer` that plays a tone and records.
struct Terminal {
    process: Process,
    heard: std::path::PathBuf,
}

impl Terminal {
    fn answer(alone: &Alone, user: &str, hz: u16, ip: &str) -> Self {
        let heard = alone.path(&format!("{user}.wav"));
        let (plays, record) = (tones::write(alone, hz, 1), heard.to_str().expect("plain"));
        let process = Process::answer_at(ip, user, &["--play", &plays, "--record", record]);
        Self { process, heard }
    }

    fn end(mut self) {
        self.process.signal(Signal::SIGINT);
        assert!(self.process.ended().success());
    }
}

/// A stranger asks a terminal to come to the conference: it has no other call there, so what it hears is the conference.
pub(crate) fn bring(alone: &Alone, terminal: &mut Process, conference: &str) {
    let uri = terminal.greeting("uri");
    let (_, address) = uri.split_once('@').expect("a user");
    let more = "Refer-To: <[conference]>\nRefer-Sub: false\n";
    let refer = Script::new("bring").ask(&initial("REFER", "[uri]", 1, more)).expect(200, &[]);
    let keys = [("uri", uri.as_str()), ("conference", conference)];
    let sipp = Sipp::call(alone, &refer.may_take("NOTIFY"), address, &keys);
    assert_eq!(terminal.until("joined")["conference"], conference);
    drop(sipp);
}

/// The others and not himself.
fn hears(recording: &Path, others: [u16; 2], own: u16) {
    others.into_iter().for_each(|hz| tones::until_heard(recording, hz));
    tones::assert_unheard(recording, own);
}

/// B03, B19, B23, B24 · RFC 4579 §5.4, §5.6: follows the 302 by itself, brings in another by a REFER inside their call.
#[test]
fn baresip_convenes_over_udp() {
    convenes(Way::Udp);
}

/// A05 · the same over TCP.
#[test]
fn baresip_convenes_over_tcp() {
    convenes(Way::Tcp);
}

/// The same over IPv6.
#[test]
fn baresip_convenes_over_ipv6() {
    convenes(Way::V6);
}

/// How the phone reaches others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Udp,
    Tcp,
    V6,
}

fn convenes(way: Way) {
    let alone = Alone::wait();
    let (ip, address, transport, shown) = match way {
        Way::Udp => ("127.0.0.1", "127.0.0.1", "", "UDP 127.0.0.1:"),
        Way::Tcp => ("127.0.0.1", "127.0.0.1", ";transport=tcp", "TCP 127.0.0.1:"),
        Way::V6 => ("::1", "[::1]", "", "UDP [::1]:"),
    };
    let mut server = Process::serve_at(address, &[]);
    let mut alice = Baresip::start(&alone, "alice", ALICE_HZ, ip);
    let mut bob = Terminal::answer(&alone, "bob", BOB_HZ, address);
    let mut carol = Terminal::answer(&alone, "carol", CAROL_HZ, address);

    alice.command("dial", &format!("{}{transport}", server.greeting("factory")));
    let conference = text(&server.until("joined"), "conference");
    alice.until_next_name();
    // baresip refers inside a call only, and writes Refer-To without angle brackets.
    alice.command("dial", &format!("{}{transport}", bob.process.greeting("uri")));
    bob.process.until("joined");
    // By name: the call to the conference was established too, and a REFER before the ACK is outside of what baresip remembers.
    alice.until("Call established: sip:bob@");
    alice.command("transfer", &conference);
    assert_eq!(bob.process.until("joined")["conference"], conference.as_str());
    // The report that he is there ends the call between the two.
    bob.process.until("ended");
    bring(&alone, &mut carol.process, &conference);

    hears(&alice.recordings()[0], [BOB_HZ, CAROL_HZ], ALICE_HZ);
    hears(&bob.heard, [ALICE_HZ, CAROL_HZ], BOB_HZ);
    hears(&carol.heard, [ALICE_HZ, BOB_HZ], CAROL_HZ);
    bob.end();
    carol.end();
    let log = alice.end();
    assert!(log.contains(shown) && log.contains("SIP/2.0 302 Moved Temporarily"), "{log}");
    server.until("ended");
    server.until_all_have_left();
}

/// Three programs, each of other people's or of another half of ours: everybody hears the others, nobody himself. SIPp cannot
/// record; that it is sent as much as it plays must do.
#[test]
fn baresip_sipp_and_a_terminal_hear_one_another() {
    let alone = Alone::wait();
    let mut server = Process::serve(&[]);
    let factory = server.greeting("factory");
    let alice = Baresip::start(&alone, "alice", ALICE_HZ, "127.0.0.1");
    let mut bob = Terminal::answer(&alone, "bob", BOB_HZ, "127.0.0.1");
    alice.command("dial", &factory);
    let conference = text(&server.until("joined"), "conference");
    bring(&alone, &mut bob.process, &conference);
    server.until("joined");

    let carol = Script::new("carol")
        .ask(&initial("INVITE", "[conference]", 1, &sdp_playing()))
        .expect(200, &[PEER])
        .send(&acknowledge(1, None))
        .playing(&tones::write_ulaw(&alone, CAROL_HZ))
        .until_nudged()
        .ask(&in_dialog("BYE", 2, ""))
        .expect(200, &[]);
    let (_, address) = factory.split_once('@').expect("a user");
    let carol = Sipp::call(&alone, &carol, address, &[("conference", &conference)]);
    server.until("joined");

    hears(&alice.recordings()[0], [BOB_HZ, CAROL_HZ], ALICE_HZ);
    hears(&bob.heard, [ALICE_HZ, CAROL_HZ], BOB_HZ);
    server.until_status("sound to and from SIPp", |status| {
        let legs = status["conferences"][0]["legs"].as_array().into_iter().flatten();
        let mut sipp = legs.filter(|leg| leg["participant"].as_str().is_some_and(is_sipp));
        sipp.any(|leg| {
            let count = |field: &str| leg["media"][field].as_u64().unwrap_or(0);
            count("received") >= 50 && count("sent") >= count("received") / 2
        })
    });
    carol.nudge();
    carol.played();
    bob.end();
    alice.end();
    server.until("ended");
    server.until_all_have_left();
}

fn is_sipp(participant: &str) -> bool {
    participant.starts_with("sip:sipp@")
}

/// B23, B24 · RFC 4579 §5.6: refuses a REFER from outside with 501; called and asked inside that call it comes.
#[test]
fn baresip_is_referred_inside_a_call_after_it_refused_outside() {
    is_referred("auto");
}

/// The same if it is called at once.
#[test]
fn baresip_is_referred_inside_a_call_at_once() {
    is_referred("inside");
}

fn is_referred(how: &str) {
    let alone = Alone::wait();
    let mut server = Process::serve(&[]);
    let bob = Baresip::start(&alone, "bob", BOB_HZ, "127.0.0.1");
    let mut carol = Terminal::answer(&alone, "carol", CAROL_HZ, "127.0.0.1");
    let (plays, heard) = (tones::write(&alone, ALICE_HZ, 1), alone.path("alice.wav"));
    let record = heard.to_str().expect("plain");
    let (bob_uri, factory) = (bob.uri().to_owned(), server.greeting("factory"));
    let words = ["--play", &plays, "--record", record, "--refer", how, "--invite", &bob_uri];
    let mut alice = Process::conference(&factory, &words);
    alice.until("invitee-joined");
    let asked = alice.all("invitee-asked");
    let inside: Vec<bool> = asked.iter().map(|asked| asked["inside"] == true).collect();
    assert_eq!(inside, if how == "auto" { vec![false, true] } else { vec![true] });
    let conference = text(alice.all("joined")[0], "conference");
    bring(&alone, &mut carol.process, &conference);

    let mut bob_heard = bob.recordings();
    hears(&bob_heard.pop().expect("a call"), [ALICE_HZ, CAROL_HZ], BOB_HZ);
    hears(&heard, [BOB_HZ, CAROL_HZ], ALICE_HZ);
    hears(&carol.heard, [ALICE_HZ, BOB_HZ], CAROL_HZ);
    carol.end();
    let log = bob.end();
    assert_eq!(log.contains("SIP/2.0 501 "), how == "auto", "{log}");
    alice.signal(Signal::SIGINT);
    assert!(alice.ended().success());
    server.until("ended");
    server.until_all_have_left();
}

/// J · RFC 3261 §22.2, RFC 7616: the factory asks who it is, and the proof goes through the 302 to the focus.
#[test]
fn baresip_proves_who_it_is_and_convenes() {
    let alone = Alone::wait();
    let users = alone.text("users");
    add_user(&users, "alice", "secret", &["--realm", "convoke.example", "--md5"]);
    let auth = "[auth]\nrealm = \"convoke.example\"\nusers = \"users\"\nmd5 = \"only\"\njoin = \"required\"\n";
    let config = alone.write("convoke.toml", auth);
    let mut server = Process::serve(&["--config", &config]);
    let factory = server.greeting("factory");

    let mallory = Baresip::with_password(&alone, "mallory", BOB_HZ, "guess");
    mallory.command("dial", &factory);
    let alice = Baresip::with_password(&alone, "alice", ALICE_HZ, "secret");
    alice.command("dial", &factory);
    server.until("joined");
    let legs = server.status()["conferences"][0]["legs"].clone();
    assert_eq!(legs.as_array().map(Vec::len), Some(1), "{legs}");
    let log = alice.end();
    assert!(
        log.contains("SIP/2.0 401 Unauthorized") && log.contains("Authorization: Digest"),
        "{log}"
    );
    let log = mallory.end();
    assert!(!log.contains("SIP/2.0 302") && !log.contains("SIP/2.0 200 OK"), "{log}");
    server.until_all_have_left();
}

//! Phones at the door of a conference: baresip 1.0 and linphone 5.1 key a PIN by telephone-events (RFC 4733), and baresip waits
//! in a lobby.

use std::path::PathBuf;

use nix::sys::signal::Signal;
use peers::baresip::Baresip;
use peers::kamailio::{Kamailio, Redirection};
use peers::linphone::{Conferences, Linphone};
use peers::processes::{Alone, Process, run, text};
use peers::tones;
use serde_json::Value;

const ALICE_HZ: u16 = 2_100;
const BOB_HZ: u16 = 1_600;

/// What those hear who are to key a PIN.
const ASKS_HZ: u16 = 880;

/// A conference with one who is in: Bob, a terminal, who plays a tone and records.
struct Guarded {
    server: Process,
    admin: String,
    id: String,
    uri: String,
    bob: Process,
    bob_heard: PathBuf,
}

impl Guarded {
    fn new(alone: &Alone, rules: &[&str], bobs_keys: &str) -> Self {
        let mut server = Process::serve(&["--admin-open"]);
        let admin = server.greeting("admin");
        let made = ctl(&admin, &[&["create", "--json"], rules].concat());
        let made: Value = serde_json::from_str(&made).expect("JSON");
        let (id, uri) = (text(&made, "id"), text(&made, "uri"));
        let bob_heard = alone.path("bob.wav");
        let (plays, record) = (tones::write(alone, BOB_HZ, 1), bob_heard.to_str().expect("plain"));
        let words = ["--keys", bobs_keys, "--play", &plays, "--record", record];
        let bob = Process::conference(&uri, &words);
        server.until_so("bob is in", |event| is_leg(event, "joined", 0));
        Self { server, admin, id, uri, bob, bob_heard }
    }

    fn until(&mut self, event: &str, leg: u32) -> Value {
        self.server.until_so(event, |it| is_leg(it, event, leg))
    }

    /// Both hear the other, and not themselves.
    fn are_together(&self, alice: &Baresip) {
        let alice_heard = alice.recordings().pop().expect("a call");
        tones::until_heard(&alice_heard, BOB_HZ);
        tones::assert_unheard(&alice_heard, ALICE_HZ);
        tones::until_heard(&self.bob_heard, ALICE_HZ);
        tones::assert_unheard(&self.bob_heard, BOB_HZ);
    }

    fn ends(mut self) {
        self.bob.signal(Signal::SIGINT);
        assert!(self.bob.ended().success());
        self.server.until("ended");
        self.server.until_all_have_left();
    }
}

fn ctl(admin: &str, words: &[&str]) -> String {
    let (code, out, error) = run(&[&["ctl", "--admin", admin], words].concat());
    assert_eq!(code, Some(0), "{words:?}: {error}");
    out
}

fn is_leg(event: &Value, name: &str, leg: u32) -> bool {
    event["event"] == name && event["leg"] == leg
}

/// RFC 4733 §2.5: a phone that we did not write is asked, keys its PIN, and is in.
#[test]
fn baresip_keys_a_pin_and_is_let_in() {
    let alone = Alone::wait();
    let mut conference = Guarded::new(&alone, &["--pin", "471147"], "471147");
    let alice = Baresip::start(&alone, "alice", ALICE_HZ, "127.0.0.1");
    alice.command("dial", &conference.uri);
    assert_eq!(conference.until("waits", 1)["state"], "asked-for-pin");
    let heard = || alice.recordings().pop().expect("a call");
    tones::until_heard(&heard(), ASKS_HZ);
    tones::assert_unheard(&heard(), BOB_HZ);
    tones::assert_unheard(&conference.bob_heard, ALICE_HZ);
    alice.command("sndcode", "471147");
    conference.until("joined", 1);
    conference.are_together(&alice);
    alice.end();
    conference.until("left", 1);
    conference.ends();
}

/// RFC 4733 §2.5: a mistake, which it takes back, then its PIN; each key is an event of its own, as short as the phone makes it.
#[test]
fn linphone_keys_a_pin_and_is_let_in() {
    let alone = Alone::wait();
    let mut conference = Guarded::new(&alone, &["--pin", "471147"], "471147");
    let factory = conference.server.greeting("factory");
    let (_, address) = factory.split_once('@').expect("a user");
    let proxy = Kamailio::start(&alone, address, Redirection::Relayed);
    let alice = Linphone::register(&alone, "alice", &proxy.address(), Conferences::Local);
    let call = alice.call(&conference.uri);
    assert_eq!(conference.until("waits", 1)["state"], "asked-for-pin");
    alice.key("4711*47114");
    assert!(conference.server.all("joined").iter().all(|event| event["leg"] != 1));
    alice.key("7");
    conference.until("joined", 1);
    alice.command(&format!("terminate {call}"));
    conference.until("left", 1);
    let log = alice.end();
    assert!(!log.contains("\nINFO sip:"), "{log}");
    proxy.end();
    conference.ends();
}

/// RFC 3326 §2: three wrong ones, and it is told by BYE why it goes.
#[test]
fn baresip_keys_three_wrong_pins_and_is_sent_away_with_a_reason() {
    let alone = Alone::wait();
    let mut conference = Guarded::new(&alone, &["--pin", "471147"], "471147");
    let mut alice = Baresip::start(&alone, "alice", ALICE_HZ, "127.0.0.1");
    alice.command("dial", &conference.uri);
    conference.until("waits", 1);
    for wrong in ["000000", "471148", "741174"] {
        alice.command("sndcode", wrong);
    }
    assert_eq!(text(&conference.until("left", 1), "cause"), "keyed a wrong PIN three times");
    alice.until("Reason: SIP;cause=403;text=\"Wrong PIN\"");
    assert!(conference.server.all("joined").iter().all(|event| event["leg"] != 1));
    tones::assert_unheard(&alice.recordings().pop().expect("a call"), BOB_HZ);
    alice.end();
    conference.ends();
}

/// It waits, hears nobody and is heard by nobody until a moderator lets it in.
#[test]
fn baresip_waits_in_the_lobby_and_is_let_in() {
    let alone = Alone::wait();
    let rules = ["--moderator-pin", "80047", "--lobby"];
    let mut conference = Guarded::new(&alone, &rules, "80047");
    let alice = Baresip::start(&alone, "alice", ALICE_HZ, "127.0.0.1");
    alice.command("dial", &conference.uri);
    assert_eq!(conference.until("waits", 1)["state"], "asked-for-pin");
    // Only moderators have a PIN: who keys nothing but the end of one is a guest.
    alice.command("sndcode", "#");
    assert_eq!(conference.until("waits", 1)["state"], "waiting");
    alice.until_next_name();
    tones::assert_unheard(&alice.recordings().pop().expect("a call"), BOB_HZ);
    tones::assert_unheard(&conference.bob_heard, ALICE_HZ);
    let admitted = ctl(&conference.admin, &["admit", &conference.id, "1"]);
    assert!(admitted.contains("is in as guest"), "{admitted}");
    conference.until("joined", 1);
    conference.are_together(&alice);
    alice.end();
    conference.until("left", 1);
    conference.ends();
}

//! The flows of RFC 4579 §5, SIPp in the place of the user agents that its figures show.

use nix::sys::signal::Signal;
use peers::processes::{Alone, Process, text};
use peers::sipp::{ASKER, Check, PEER, Script, Sipp, acknowledge, answer, in_dialog, initial, sdp};
use serde_json::Value;

/// A factory whose conferences end with their creators, and may call whoever is on this machine.
const CONFIG: &str = "[[factory]]\nusers = [\"conference\"]\nend = \"creator-leaves\"\n\n\
                      [dial_out]\nallow = [\"127.0.0.0/8\"]\n";

/// Contact of a focus: the conference URI, and a bare `isfocus`.
const IS_FOCUS: Check<'static> = Check::Header("Contact", "^ *<sip:conf-[^>]*>;isfocus$");

/// §5.4: asks the factory, follows its 302, and is in.
fn created(name: &'static str) -> Script {
    let redirected = [IS_FOCUS, Check::Keep("conference", "Contact", "sip:[^>]*")];
    Script::new(name)
        .ask(&initial("INVITE", "[factory]", 1, &sdp()))
        .expect(302, &redirected)
        .send(&acknowledge(1, Some(("[factory]", 4))))
        .then(|script| joins(script, "[$conference]", 2))
}

/// §5.1: calls a conference's URI.
fn joins(script: Script, conference: &str, cseq: u32) -> Script {
    joins_by(script, conference, cseq, "")
}

/// The same with a header line more.
fn joins_by(script: Script, conference: &str, cseq: u32, header: &str) -> Script {
    let supports = Check::Header("Allow", "INVITE.*BYE");
    script
        .ask(&initial("INVITE", conference, cseq, &format!("{header}{}", sdp())))
        .expect(200, &[PEER, IS_FOCUS, supports])
        .send(&acknowledge(cseq, None))
}

/// §5.1: has himself told who is in, once.
fn watches(script: Script, cseq: u32, users: &str) -> Script {
    let subscribe = |expires: u32| {
        format!("Event: conference\nAccept: application/conference-info+xml\nExpires: {expires}\n")
    };
    let told = |script: Script, state: &str| {
        let checks = [
            Check::Header("Event", "^ *conference"),
            Check::Header("Content-Type", "application/conference-info.xml"),
            Check::Header("Subscription-State", state),
            Check::Body(users),
            Check::Body("entity=.sip:conf-"),
        ];
        script.take("NOTIFY", &checks).send(&answer("200 OK", None, ""))
    };
    script
        .ask(&in_dialog("SUBSCRIBE", cseq, &subscribe(60)))
        .expect(200, &[Check::Header("Expires", "^ *60$")])
        .then(|script| told(script, "^ *active;expires="))
        .ask(&in_dialog("SUBSCRIBE", cseq + 1, &subscribe(0)))
        .expect(200, &[])
        .then(|script| told(script, "^ *terminated"))
}

fn leaves(script: Script, cseq: u32) -> Script {
    script.ask(&in_dialog("BYE", cseq, "")).expect(200, &[])
}

/// Is told that it is over.
fn dismissed(script: Script) -> Script {
    script.take("BYE", &[]).send(&answer("200 OK", None, ""))
}

/// A REFER to the focus, inside the creator's call, and its reports.
fn refers(script: Script, cseq: u32, refer_to: &str, outcome: &str) -> Script {
    let report = |script: Script, body: &str, state: &str| {
        let checks = [
            Check::Body(body),
            Check::Header("Event", "refer"),
            Check::Header("Subscription-State", state),
        ];
        script.take("NOTIFY", &checks).send(&answer("200 OK", None, ""))
    };
    script
        .ask(&in_dialog("REFER", cseq, &format!("Refer-To: <{refer_to}>\n")))
        .expect(200, &[])
        .then(|script| report(script, "^SIP/2.0 100 ", "^ *active"))
        .then(|script| {
            report(script, &format!("^SIP/2.0 {outcome} "), "^ *terminated;reason=noresource")
        })
}

/// §5.2: is called by the focus.
fn invited() -> Script {
    Script::new("invited")
        .take("INVITE", &[&ASKER[..], &[IS_FOCUS]].concat())
        .send(&answer("200 OK", Some("carol"), &sdp()))
        .take("ACK", &[])
}

struct Stage {
    alone: Alone,
    server: Process,
    address: String,
    factory: String,
}

impl Stage {
    fn new(config: &str) -> Self {
        let alone = Alone::wait();
        let config = alone.write("convoke.toml", config);
        let server = Process::serve(&["--config", &config]);
        let factory = server.greeting("factory");
        let (_, address) = factory.split_once('@').expect("a user");
        Self { alone, address: address.to_owned(), factory, server }
    }

    fn plays(&self, script: &Script, keys: &[(&str, &str)]) -> Sipp {
        let factory = [("factory", self.factory.as_str())];
        Sipp::call(&self.alone, script, &self.address, &[&factory, keys].concat())
    }

    /// The conference's URI, once one more has joined.
    fn joined(&mut self) -> String {
        text(&self.server.until("joined"), "conference")
    }

    fn ends(self) {
        self.server.until_all_have_left();
    }
}

fn legs(status: &Value) -> usize {
    status["conferences"][0]["legs"].as_array().map_or(0, Vec::len)
}

/// The dialog that a SIPp has with the focus, as Join and Replaces name it.
fn dialog_of(sipp: &Sipp) -> String {
    let messages = sipp.messages();
    let success = messages.split("SIP/2.0 200 OK").last().expect("an answer");
    let header = |name: &str| {
        let line = success.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_else(|| panic!("no {name} in {success}")).trim()
    };
    let tag = |name| header(name).rsplit_once(";tag=").expect("a tag").1;
    format!("{};to-tag={};from-tag={}", header("Call-ID:"), tag("To:"), tag("From:"))
}

/// B17, B33, C15, C17, D01, D03 · RFC 4579 §5.1: dial-in, and being told who else is there.
#[test]
fn flow_5_1_dial_in() {
    let mut stage = Stage::new(CONFIG);
    let alice = stage.plays(&created("alice").then(dismissed), &[]);
    let conference = stage.joined();
    let bob = joins(Script::new("bob"), "[conference]", 1)
        .then(|script| watches(script, 2, "<user-count>2</user-count>"))
        .then(|script| leaves(script, 4));
    stage.plays(&bob, &[("conference", &conference)]).played();
    // Bob has left: alice is still there.
    stage.server.until_status("one leg", |status| legs(status) == 1);
    stage.server.signal(Signal::SIGTERM);
    alice.played();
    assert!(stage.server.ended().success());
}

/// B20, B21, B34 · RFC 4579 §5.2, §5.5, §5.12: the creator has the focus call somebody; when the creator leaves, the conference is deleted.
#[test]
fn flow_5_2_and_5_5_and_5_12_dial_out_and_deletion() {
    let stage = Stage::new(CONFIG);
    let carol = Sipp::wait(&stage.alone, &invited().then(dismissed), &[]);
    let alice = created("alice").then(|script| refers(script, 3, "[carol]", "200"));
    let alice = alice.then(|script| leaves(script, 4));
    stage.plays(&alice, &[("carol", &carol.uri("carol"))]).played();
    carol.played();
    stage.ends();
}

/// B04, B19 · RFC 4579 §5.3, §5.4: dialled into directly: SIPp's own user agent, which follows no 302 and knows nothing but RFC 3261.
#[test]
fn flow_5_3_stock_user_agent_that_follows_no_redirection() {
    let stage = Stage::new("[[factory]]\nusers = [\"conference\"]\nanswer = \"deliver\"\n");
    let messages = Sipp::stock(&stage.alone, &stage.address, "conference").played();
    assert!(messages.contains(">;isfocus"), "{messages}");
    stage.ends();
}

/// B01, B02, B03 · RFC 4579 §5.4: ad-hoc creation, over UDP and over TCP.
#[test]
fn flow_5_4_ad_hoc_creation() {
    let stage = Stage::new(CONFIG);
    let script = created("alice").then(|script| leaves(script, 3));
    let first = stage.plays(&script, &[]).played();
    let keys = [("factory", stage.factory.as_str())];
    let second = Sipp::call_tcp(&stage.alone, &script, &stage.address, &keys).played();
    let conference = |messages: &str| {
        let at = messages.find("sip:conf-").expect("a URI");
        messages[at..].split(['>', ' ', ';']).next().expect("a word").to_owned()
    };
    assert_ne!(conference(&first), conference(&second));
    stage.ends();
}

/// B23 · RFC 4579 §5.6: a participant refers somebody to the conference, who dials in.
#[test]
fn flow_5_6_refer_to_dial_in() {
    let mut stage = Stage::new(CONFIG);
    let mut bob = Process::answer("bob", &[]);
    let alice = stage.plays(&created("alice").then(dismissed), &[]);
    let conference = stage.joined();
    let uri = bob.greeting("uri");
    let (_, address) = uri.split_once('@').expect("a user");
    let report = |script: Script, body: &str| {
        script.take("NOTIFY", &[Check::Body(body)]).send(&answer("200 OK", None, ""))
    };
    let refer = Script::new("refer")
        .ask(&initial("REFER", "[bob]", 1, "Refer-To: <[conference]>\n"))
        .expect(200, &[])
        .then(|script| report(script, "^SIP/2.0 100 "))
        .then(|script| report(script, "^SIP/2.0 200 "));
    let keys = [("bob", uri.as_str()), ("conference", &conference)];
    Sipp::call(&stage.alone, &refer, address, &keys).played();
    assert_eq!(bob.until("joined")["conference"], conference.as_str());
    assert_eq!(stage.joined(), conference);
    stage.server.signal(Signal::SIGTERM);
    alice.played();
    assert!(stage.server.ended().success());
    bob.until("ended");
}

/// RFC 4579 §5.7: a focus that refers others on behalf of somebody is not built: refused, and nobody is asked anything.
#[test]
fn flow_5_7_refer_with_refer_is_refused() {
    let stage = Stage::new(CONFIG);
    let refer_to = "Refer-To: <sip:bob@127.0.0.1:9;method=REFER?Refer-To=sip:x%40127.0.0.1>\n";
    let alice = created("alice")
        .ask(&in_dialog("REFER", 3, refer_to))
        .expect(403, &[])
        .then(|script| leaves(script, 4));
    stage.plays(&alice, &[]).played();
    stage.ends();
}

/// B30 · RFC 4579 §5.8: who names the call of a participant joins his conference.
#[test]
fn flow_5_8_join() {
    let mut stage = Stage::new(CONFIG);
    let alice = stage.plays(&created("alice").then(dismissed), &[]);
    let conference = stage.joined();
    let bob = joins_by(Script::new("bob"), "[conference]", 1, "Join: [dialog]\n");
    let keys = [("conference", conference.as_str()), ("dialog", &dialog_of(&alice))];
    stage.plays(&bob.then(|script| leaves(script, 2)), &keys).played();
    assert_eq!(stage.joined(), conference);
    stage.server.until_status("one leg", |status| legs(status) == 1);
    stage.server.signal(Signal::SIGTERM);
    alice.played();
    assert!(stage.server.ended().success());
}

/// B27 · RFC 4579 §5.9: a second device takes the place of the first, which is hung up.
#[test]
fn flow_5_9_replaces() {
    let mut stage = Stage::new("");
    let first = stage.plays(&created("first").then(dismissed), &[]);
    let conference = stage.joined();
    let second = joins_by(Script::new("second"), "[conference]", 1, "Replaces: [dialog]\n");
    let keys = [("conference", conference.as_str()), ("dialog", &dialog_of(&first))];
    let second = stage.plays(&second.then(dismissed), &keys);
    first.played();
    stage.server.until_status("one leg", |status| legs(status) == 1);
    stage.server.signal(Signal::SIGTERM);
    second.played();
    assert!(stage.server.ended().success());
}

/// B29 · RFC 4579 §5.10: a call between two becomes one of the conference: the focus calls with the Replaces that the REFER names.
#[test]
fn flow_5_10_two_party_call_to_conference() {
    let stage = Stage::new(CONFIG);
    let replaces = Check::Header("Replaces", "^ *old@call;to-tag=1;from-tag=2$");
    let bob = Script::new("bob")
        .take("INVITE", &[&ASKER[..], &[IS_FOCUS, replaces]].concat())
        .send(&answer("200 OK", Some("bob"), &sdp()))
        .take("ACK", &[]);
    let bob = Sipp::wait(&stage.alone, &bob.then(dismissed), &[]);
    let refer_to = "[bob]?Replaces=old%40call%3Bto-tag%3D1%3Bfrom-tag%3D2";
    let alice = created("alice").then(|script| refers(script, 3, refer_to, "200"));
    let alice = alice.then(|script| leaves(script, 4));
    stage.plays(&alice, &[("bob", &bob.uri("bob"))]).played();
    bob.played();
    stage.ends();
}

/// B26 · RFC 4579 §5.11: the creator has a participant removed; who is not there cannot be.
#[test]
fn flow_5_11_removal() {
    let stage = Stage::new(CONFIG);
    let carol = Sipp::wait(&stage.alone, &invited().then(dismissed), &[]);
    let alice = created("alice")
        .then(|script| refers(script, 3, "[carol]", "200"))
        .then(|script| refers(script, 4, "[carol];method=BYE", "200"))
        .then(|script| leaves(script, 5));
    stage.plays(&alice, &[("carol", &carol.uri("carol"))]).played();
    carol.played();
    stage.ends();
}

/// B16, A34 · RFC 4579 §5.13: OPTIONS tells that a URI is a conference's, and what the focus can do.
#[test]
fn flow_5_13_options() {
    let mut stage = Stage::new(CONFIG);
    let alice = stage.plays(&created("alice").then(dismissed), &[]);
    let conference = stage.joined();
    let checks = [
        IS_FOCUS,
        Check::Header("Allow", "INVITE.*REFER"),
        Check::Header("Accept", "application/sdp"),
        Check::Header("Allow-Events", "refer"),
    ];
    let options = Script::new("options").ask(&initial(
        "OPTIONS",
        "[conference]",
        1,
        "Accept: application/sdp\n",
    ));
    stage.plays(&options.expect(200, &checks), &[("conference", &conference)]).played();
    stage.server.signal(Signal::SIGTERM);
    alice.played();
    assert!(stage.server.ended().success());
}

/// §5.5, the negative: a guest has no say. He is refused, and nobody is called or removed.
#[test]
fn a_guest_steers_nothing() {
    let mut stage = Stage::new(CONFIG);
    let alice = stage.plays(&created("alice").then(dismissed), &[]);
    let conference = stage.joined();
    let refused = |script: Script, cseq, refer_to: &str| {
        let more = format!("Refer-To: <{refer_to}>\n");
        script.ask(&in_dialog("REFER", cseq, &more)).expect(403, &[])
    };
    let bob = joins(Script::new("bob"), "[conference]", 1)
        .then(|script| refused(script, 2, "sip:carol@127.0.0.1:9"))
        .then(|script| refused(script, 3, "sip:sipp@127.0.0.1;method=BYE"))
        .then(|script| leaves(script, 4));
    stage.plays(&bob, &[("conference", &conference)]).played();
    stage.server.until_status("one leg", |status| legs(status) == 1);
    stage.server.signal(Signal::SIGTERM);
    alice.played();
    assert!(stage.server.ended().success());
}

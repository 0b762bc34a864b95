//! The flows of RFC 4579 §5, SIPp in the place of the user agents that its figures show.

use nix::sys::signal::Signal;
use peers::processes::Process;
use peers::sipp::{ASKER, Check, PEER, Script, Sipp, acknowledge, answer, in_dialog, initial, sdp};

use crate::refer::{last, trying};
use crate::stage::{
    CONFIG, Convened, IS_FOCUS, Stage, conference_in, created, dialog_of, dismissed, invited,
    joins, joins_by, leaves, refers, target_dialog,
};

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

/// A REFER to the focus, inside the creator's call, and its reports.
fn refers_to(script: Script, cseq: u32, refer_to: &str, outcome: &str) -> Script {
    refers(script, cseq, refer_to).then(trying).then(|script| last(script, outcome))
}

/// B17, B33, C15, C17, D01, D03 · RFC 4579 §5.1: dial-in, and being told who else is there.
#[test]
fn flow_5_1_dial_in() {
    let convened = Convened::new(CONFIG);
    let bob = joins(Script::new("bob"), "[conference]", 1)
        .then(|script| watches(script, 2, "<user-count>2</user-count>"))
        .then(|script| leaves(script, 4));
    convened.plays(&bob, &[]).played();
    // Bob has left: alice is still there.
    convened.stage.until_legs(1);
    convened.ends();
}

/// B20, B21, B34 · RFC 4579 §5.2, §5.5, §5.12: the creator has the focus call somebody; when the creator leaves, the conference is deleted.
#[test]
fn flow_5_2_and_5_5_and_5_12_dial_out_and_deletion() {
    let stage = Stage::new(CONFIG);
    let carol = Sipp::wait(&stage.alone, &invited().then(dismissed), &[]);
    let alice = created("alice")
        .then(|script| refers_to(script, 3, "[carol]", "200"))
        .then(|script| leaves(script, 4));
    stage.plays(&alice, &[("carol", &carol.uri("carol"))]).played();
    carol.played();
    stage.ends();
}

/// B04, B19 · RFC 4579 §5.3, §5.4: dialled into directly: SIPp's own user agent, which follows no 302 and knows nothing but RFC 3261.
#[test]
fn flow_5_3_stock_user_agent_that_follows_no_redirection() {
    let stage = Stage::new("[[factory]]\nusers = [\"conference\"]\nanswer = \"deliver\"\n");
    let messages = stage.plays_stock("conference").played();
    assert!(messages.contains(">;isfocus"), "{messages}");
    stage.ends();
}

/// B04 · RFC 4579 §5.4: one factory, two forms of its answer, by rule: SIPp's own user agent, which comes by UDP, is let in at once, the
/// script that comes by TCP is redirected.
#[test]
fn flow_5_3_and_5_4_at_one_factory_by_rule() {
    let rule = "[[factory.answer_rule]]\ntransport = \"udp\"\nsource = \"127.0.0.0/8\"\nanswer = \"deliver\"\n";
    let stage = Stage::new(&format!("[[factory]]\nusers = [\"conference\"]\n{rule}"));
    let messages = stage.plays_stock("conference").played();
    assert!(messages.contains(">;isfocus") && !messages.contains("302 Moved"), "{messages}");
    let script = created("alice").then(|script| leaves(script, 3));
    assert!(stage.plays_tcp(&script).played().contains("302 Moved"));
    stage.ends();
}

/// B01, B02, B03 · RFC 4579 §5.4: ad-hoc creation, over UDP and over TCP.
#[test]
fn flow_5_4_ad_hoc_creation() {
    let stage = Stage::new(CONFIG);
    let script = created("alice").then(|script| leaves(script, 3));
    let first = stage.plays(&script, &[]).played();
    let second = stage.plays_tcp(&script).played();
    assert_ne!(conference_in(&first), conference_in(&second));
    stage.ends();
}

/// B23 · RFC 4579 §5.6: a participant refers somebody to the conference, who dials in.
#[test]
fn flow_5_6_refer_to_dial_in() {
    let mut convened = Convened::new(CONFIG);
    let mut bob = Process::answer("bob", &[]);
    let uri = bob.greeting("uri");
    let (_, address) = uri.split_once('@').expect("a user");
    let refer = Script::new("refer")
        .ask(&initial("REFER", "[bob]", 1, "Refer-To: <[conference]>\n"))
        .expect(200, &[])
        .then(trying)
        .then(|script| last(script, "200"));
    let keys = [("bob", uri.as_str()), ("conference", &convened.uri)];
    Sipp::call(&convened.stage.alone, &refer, address, &keys).played();
    assert_eq!(bob.until("joined")["conference"], convened.uri.as_str());
    assert_eq!(convened.stage.joined(), convened.uri);
    convened.ends();
    bob.until("ended");
}

/// B25 · RFC 4579 §5.7: the creator has the focus refer somebody to itself, who dials in and is in; she hears that he was asked.
#[test]
fn flow_5_7_refer_with_refer() {
    let mut convened = Convened::new(CONFIG);
    let asked = [
        Check::Keep("conference", "Refer-To", "sip:conf-[^>]*"),
        Check::Header("Refer-Sub", "^ *false$"),
        IS_FOCUS,
    ];
    let bob = Script::new("bob")
        .take("REFER", &asked)
        .send(&answer("202 Accepted", Some("bob"), "Refer-Sub: false\n"))
        .then(|script| joins(script, "[$conference]", 1))
        .then(dismissed);
    let bob = Sipp::wait(&convened.stage.alone, &bob, &[]);
    let refer_to = format!(
        "Refer-To: <[bob];method=REFER?Refer-To={}>\nTarget-Dialog: [dialog]\n",
        convened.uri.replace('@', "%40")
    );
    let refer = Script::new("refer")
        .ask(&initial("REFER", "[conference]", 1, &refer_to))
        .expect(200, &[])
        .then(trying)
        .then(|script| last(script, "202"));
    let keys = [("bob", bob.uri("bob")), ("dialog", target_dialog(&convened.creator))];
    convened.plays(&refer, &keys.each_ref().map(|(name, value)| (*name, value.as_str()))).played();
    assert_eq!(convened.stage.joined(), convened.uri);
    convened.stage.until_legs(2);
    convened.ends();
    bob.played();
}

/// B25, §5.7, the negative: it refers to itself only, and nobody is asked anything.
#[test]
fn flow_5_7_refer_with_refer_to_elsewhere_is_refused() {
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
    let mut convened = Convened::new(CONFIG);
    let bob = joins_by(Script::new("bob"), "[conference]", 1, "Join: [dialog]\n");
    let dialog = dialog_of(&convened.creator);
    convened.plays(&bob.then(|script| leaves(script, 2)), &[("dialog", &dialog)]).played();
    assert_eq!(convened.stage.joined(), convened.uri);
    convened.stage.until_legs(1);
    convened.ends();
}

/// B27 · RFC 4579 §5.9: a second device takes the place of the first, which is hung up.
#[test]
fn flow_5_9_replaces() {
    let Convened { mut stage, creator: first, uri } = Convened::new("");
    let second = joins_by(Script::new("second"), "[conference]", 1, "Replaces: [dialog]\n");
    let keys = [("conference", uri.as_str()), ("dialog", &dialog_of(&first))];
    let second = stage.plays(&second.then(dismissed), &keys);
    first.played();
    stage.until_legs(1);
    stage.server.signal(Signal::SIGTERM);
    second.played();
    assert!(stage.server.ended().success());
}

/// B29 · RFC 4579 §5.10, the focus's half: it calls with the Replaces that the REFER names.
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
    let alice = created("alice")
        .then(|script| refers_to(script, 3, refer_to, "200"))
        .then(|script| leaves(script, 4));
    stage.plays(&alice, &[("bob", &bob.uri("bob"))]).played();
    bob.played();
    stage.ends();
}

/// B27, B29 · RFC 4579 §5.10, the whole figure: alice talks to bob and makes a conference; the focus's call takes the place of
/// hers at bob, who hangs up on her and is in.
#[test]
fn flow_5_10_a_call_that_is_going_on_is_replaced_and_hung_up() {
    let mut stage = Stage::new(CONFIG);
    let mut bob = Process::answer("bob", &[]);
    let uri = bob.greeting("uri");
    let (_, address) = uri.split_once('@').expect("a user");
    let old = Script::new("old")
        .ask(&initial("INVITE", "[bob]", 1, &sdp()))
        .expect(200, &[PEER])
        .send(&acknowledge(1, None))
        .then(dismissed);
    let old = Sipp::call(&stage.alone, &old, address, &[("bob", &uri)]);
    bob.until("joined");
    let named = dialog_of(&old).replace('@', "%40").replace(';', "%3B").replace('=', "%3D");
    let alice = created("alice")
        .then(|script| refers_to(script, 3, "[bob]?Replaces=[dialog]", "200"))
        .until_nudged()
        .then(|script| leaves(script, 4));
    let alice = stage.plays(&alice, &[("bob", &uri), ("dialog", &named)]);
    old.played();
    assert_eq!(bob.until("joined")["conference"], stage.joined());
    stage.until_legs(2);
    alice.until("terminated;reason=noresource");
    alice.nudge();
    alice.played();
    bob.until("ended");
    bob.signal(Signal::SIGTERM);
    assert!(bob.ended().success());
    stage.ends();
}

/// B26 · RFC 4579 §5.11: the creator has a participant removed; who has left already, or never was there, cannot be: 404.
#[test]
fn flow_5_11_removal() {
    let stage = Stage::new(CONFIG);
    let carol = Sipp::wait(&stage.alone, &invited().then(dismissed), &[]);
    let alice = created("alice")
        .then(|script| refers_to(script, 3, "[carol]", "200"))
        .then(|script| refers_to(script, 4, "[carol];method=BYE", "200"))
        .then(|script| refers(script, 5, "[carol];method=BYE"))
        .then(|script| last(script, "404"))
        .then(|script| refers(script, 6, "sip:nobody@127.0.0.1:9;method=BYE"))
        .then(|script| last(script, "404"))
        .then(|script| leaves(script, 7));
    stage.plays(&alice, &[("carol", &carol.uri("carol"))]).played();
    carol.played();
    stage.ends();
}

/// B16, A34 · RFC 4579 §5.13: OPTIONS tells that a URI is a conference's, and what the focus can do.
#[test]
fn flow_5_13_options() {
    let convened = Convened::new(CONFIG);
    let checks = [
        IS_FOCUS,
        Check::Header("Allow", "INVITE.*REFER"),
        Check::Header("Accept", "application/sdp"),
        Check::Header("Allow-Events", "refer"),
    ];
    let accept = "Accept: application/sdp\n";
    let options = Script::new("options").ask(&initial("OPTIONS", "[conference]", 1, accept));
    convened.plays(&options.expect(200, &checks), &[]).played();
    convened.ends();
}

/// §5.5, the negative: a guest has no say. He is refused, and nobody is called or removed.
#[test]
fn a_guest_steers_nothing() {
    let convened = Convened::new(CONFIG);
    let refused = |script: Script, cseq, refer_to: &str| {
        let more = format!("Refer-To: <{refer_to}>\n");
        script.ask(&in_dialog("REFER", cseq, &more)).expect(403, &[])
    };
    let bob = joins(Script::new("bob"), "[conference]", 1)
        .then(|script| refused(script, 2, "sip:carol@127.0.0.1:9"))
        .then(|script| refused(script, 3, "sip:sipp@127.0.0.1;method=BYE"))
        .then(|script| leaves(script, 4));
    convened.plays(&bob, &[]).played();
    convened.stage.until_legs(1);
    convened.ends();
}

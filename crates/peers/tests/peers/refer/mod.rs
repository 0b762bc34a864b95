//! REFER both ways, SIPp on the other side: what can happen to it, outside a dialog and inside one.

use nix::sys::signal::Signal;
use peers::processes::{Alone, Process};
use peers::sipp::{
    ASKER, Check, PEER, REQUEST, Script, Sipp, acknowledge, answer, answer_late, in_dialog,
    initial, sdp, tell,
};
use serde_json::Value;

/// Where a REFER goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    Inside,
}

/// What the other side does to a REFER of ours, and what we make of it.
struct Answered {
    name: &'static str,
    /// The rest of the script, after the REFER came; the tag is what its answer adds to To.
    play: fn(Script, Option<&str>) -> Script,
    /// Our event, and what must stand in it.
    event: &'static str,
    why: &'static str,
}

/// The notifier's side of the matrix. `lost` takes 32 s: timer N of RFC 6665 §4.1.2.4 must run out.
const ANSWERED: [Answered; 7] = [
    Answered {
        name: "ok",
        play: |script, tag| {
            accepted(script, tag).then(|s| notify(s, 1, TRYING)).then(|s| notify(s, 2, "200 OK"))
        },
        event: "invitee-joined",
        why: "",
    },
    Answered {
        name: "fail",
        play: |script, tag| {
            accepted(script, tag)
                .then(|s| notify(s, 1, TRYING))
                .then(|s| notify(s, 2, "486 Busy Here"))
        },
        event: "invitee-refused",
        why: "486 Busy Here",
    },
    Answered {
        name: "provisional",
        play: |script, tag| {
            accepted(script, tag)
                .then(|s| notify(s, 1, "180 Ringing"))
                .then(|s| notify(s, 2, "200 OK"))
        },
        event: "invitee-joined",
        why: "",
    },
    Answered {
        name: "lost",
        play: accepted,
        event: "invitee-refused",
        why: "never said whether he joined",
    },
    Answered {
        name: "early",
        // Our answer to the NOTIFY is there before theirs to the REFER.
        play: |script, _| {
            notify(script, 1, TRYING)
                .send(&answer_late("202 Accepted", TAG))
                .then(|s| notify(s, 2, "200 OK"))
        },
        event: "invitee-joined",
        why: "",
    },
    Answered {
        name: "pending",
        play: |script, tag| script.send(&answer("491 Request Pending", tag, "")),
        event: "invitee-refused",
        why: "491 Request Pending",
    },
    Answered {
        name: "terminate",
        play: |script, tag| {
            accepted(script, tag)
                .then(|s| notify(s, 1, TRYING))
                .ask(&in_state(2, "terminated;reason=giveup", TRYING))
                .expect(200, &[])
        },
        event: "invitee-refused",
        why: "never said whether he joined",
    },
];

const TRYING: &str = "100 Trying";
const TAG: &str = "notifier";

fn accept(tag: Option<&str>) -> String {
    answer("202 Accepted", tag, "")
}

fn accepted(script: Script, tag: Option<&str>) -> Script {
    script.send(&accept(tag))
}

/// Reports and has it answered. A final status ends the subscription (RFC 3515 §2.4.7).
fn notify(script: Script, cseq: u32, status: &str) -> Script {
    script.ask(&report(cseq, status)).expect(200, &[])
}

fn report(cseq: u32, status: &str) -> String {
    let state = match status.starts_with('1') {
        true => "active;expires=60",
        false => "terminated;reason=noresource",
    };
    in_state(cseq, state, status)
}

fn in_state(cseq: u32, state: &str, status: &str) -> String {
    let more = format!(
        "Event: refer\nSubscription-State: {state}\n\
         Content-Type: message/sipfrag;version=2.0\n\nSIP/2.0 {status}\n"
    );
    tell("NOTIFY", TAG, cseq, &more)
}

/// The conference's URI as it is, and in angle brackets.
const REFER_TO: Check<'static> = Check::Header("Refer-To", "<sip:conf-[^>]*>");

/// The terminal that is asked: a stranger's REFER, or a call and then a REFER in it.
fn asked(name: &'static str, place: Place) -> Script {
    let refer = [REFER_TO, REQUEST[0], REQUEST[1]];
    let script = Script::new(name);
    match place {
        Place::Outside => script.take("REFER", &[&ASKER[..], &refer].concat()),
        Place::Inside => script
            .take("INVITE", &ASKER)
            .send(&answer("200 OK", Some(TAG), &sdp()))
            .take("ACK", &[])
            .take("REFER", &refer),
    }
}

/// C02, C04 · RFC 3515 §2.4: whatever a notifier does, each invitee comes to an end that is told.
#[test]
fn every_answer_to_a_refer_of_ours_outside_a_dialog_comes_to_its_end() {
    answers(Place::Outside, "outside");
}

/// B24 · RFC 4579 §5.6: the same inside a call made for it.
#[test]
fn every_answer_to_a_refer_of_ours_inside_a_dialog_comes_to_its_end() {
    answers(Place::Inside, "inside");
}

fn answers(place: Place, how: &str) {
    let alone = Alone::wait();
    let server = Process::serve(&[]);
    // Those 32 s are waited for once.
    let rows = ANSWERED.iter().filter(|row| place == Place::Outside || row.name != "lost");
    let played: Vec<(&Answered, Sipp)> = rows
        .map(|row| {
            let script = asked(row.name, place);
            let script = match place {
                Place::Outside => (row.play)(script, Some(TAG)),
                Place::Inside => {
                    (row.play)(script, None).take("BYE", &[]).send(&answer("200 OK", None, ""))
                }
            };
            (row, Sipp::wait(&alone, &script, &[]))
        })
        .collect();
    let uris: Vec<String> = played.iter().map(|(row, sipp)| sipp.uri(row.name)).collect();
    let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
    let words = [&["--refer", how, "--invite"], uris.as_slice()].concat();
    let mut alice = Process::conference(&server.greeting("factory"), &words);
    let ended =
        |event: &Value| event["event"] == "invitee-joined" || event["event"] == "invitee-refused";
    for _ in 0..played.len() {
        alice.until_so("done with an invitee", ended);
    }
    alice.signal(Signal::SIGINT);
    alice.ended();
    for ((row, sipp), uri) in played.into_iter().zip(uris) {
        sipp.played();
        let events = alice.seen.iter().filter(|event| event["invitee"] == uri);
        let ends: Vec<&Value> = events.clone().filter(|event| ended(event)).collect();
        let [end] = ends.as_slice() else { panic!("{}: {ends:?}", row.name) };
        assert_eq!(end["event"], row.event, "{}: {end}", row.name);
        assert!(end["why"].as_str().unwrap_or("").contains(row.why), "{}: {end}", row.name);
        let ringing = events.filter(|event| event["event"] == "invitee-ringing").count();
        assert_eq!(ringing, usize::from(row.name == "provisional"), "{}", row.name);
    }
}

/// What becomes of a REFER that the other side sends, and what we report of it.
struct Sent {
    name: &'static str,
    /// Whoever the REFER names: what he does with our INVITE.
    target: fn(Script) -> Script,
    /// How the referrer takes our reports.
    reports: fn(Script) -> Script,
    /// Our event at the end.
    event: &'static str,
}

/// The referrer's side of the matrix. NOTIFY before 2xx has no row: our first NOTIFY goes after our 200, which `ok` sees.
const SENT: [Sent; 6] = [
    Sent {
        name: "ok",
        target: taken,
        reports: |s| trying(s).then(|s| last(s, "200")),
        event: "joined",
    },
    Sent {
        name: "fail",
        target: |script| refused(script, "486 Busy Here"),
        reports: |script| trying(script).then(|s| last(s, "486")),
        event: "failed",
    },
    Sent {
        name: "provisional",
        target: |script| taken(script.send(&answer("180 Ringing", Some("target"), ""))),
        reports: |script| trying(script).then(|s| last(s, "200")),
        event: "joined",
    },
    Sent {
        name: "lost",
        target: taken,
        // Not answered, as if it had not come: so it comes again.
        reports: |script| {
            let first = [Check::Body("^SIP/2.0 100")];
            // SIPp takes a copy for news only if it has had other things to do meanwhile.
            let busy = |script: Script, cseq| {
                script.ask(&initial("OPTIONS", "[bob]", cseq, "")).expect(200, &[])
            };
            let script = busy(busy(script.take("NOTIFY", &first), 10), 11);
            script.then(trying).then(|s| last(s, "200"))
        },
        event: "joined",
    },
    Sent {
        name: "pending",
        target: |script| refused(script, "491 Request Pending"),
        reports: |script| trying(script).then(|s| last(s, "491")),
        event: "failed",
    },
    Sent {
        name: "terminate",
        target: taken,
        // RFC 6665 §4.2.2: no more reports; RFC 3515 §2.4.4: the call is made all the same.
        reports: |script| {
            script.take("NOTIFY", &[Check::Body("^SIP/2.0 100")]).send(&answer(
                "481 Subscription Does Not Exist",
                None,
                "",
            ))
        },
        event: "joined",
    },
];

fn taken(script: Script) -> Script {
    script
        .send(&answer("200 OK", Some("target"), &sdp()))
        .take("ACK", &[])
        .ask(&tell("BYE", "target", 1, ""))
        .expect(200, &[])
}

fn refused(script: Script, status: &str) -> Script {
    script.send(&answer(status, Some("target"), "")).take("ACK", &[])
}

/// C05 · the first report.
fn trying(script: Script) -> Script {
    reported(script, "^SIP/2.0 100 ", "^ *active;expires=[0-9]+")
}

/// The last one.
fn last(script: Script, status: &str) -> Script {
    reported(script, &format!("^SIP/2.0 {status} "), "^ *terminated;reason=noresource")
}

fn reported(script: Script, body: &str, state: &str) -> Script {
    let checks = [
        Check::Body(body),
        Check::Header("Event", "refer"),
        Check::Header("Subscription-State", state),
        Check::Header("Content-Type", "message/sipfrag"),
    ];
    script.take("NOTIFY", &checks).send(&answer("200 OK", None, ""))
}

/// The referrer: who asks from outside, or calls first and asks in the call.
fn asking(row: &Sent, place: Place) -> Script {
    let refer_to = "Refer-To: <[target]>\nReferred-By: <sip:sipp@[local_ip]:[local_port]>\n";
    let script = Script::new(row.name);
    let script = match place {
        Place::Outside => script.ask(&initial("REFER", "[bob]", 1, refer_to)),
        Place::Inside => script
            .ask(&initial("INVITE", "[bob]", 1, &sdp()))
            .expect(200, &[PEER])
            .send(&acknowledge(1, None))
            .ask(&in_dialog("REFER", 2, refer_to)),
    };
    // RFC 7647 §5: 200 and never 202; before any NOTIFY.
    let script = (row.reports)(script.expect(200, &[]));
    match place {
        Place::Outside => script,
        Place::Inside => script.ask(&in_dialog("BYE", 20, "")).expect(200, &[]),
    }
}

/// C02, C05, C06, C09, C14, C18 · RFC 3515 §2.4: whatever becomes of what we are asked to do, the referrer is told.
#[test]
fn every_outcome_of_a_refer_to_us_outside_a_dialog_is_reported() {
    reports(Place::Outside);
}

/// The same inside a call.
#[test]
fn every_outcome_of_a_refer_to_us_inside_a_dialog_is_reported() {
    reports(Place::Inside);
}

fn reports(place: Place) {
    let alone = Alone::wait();
    let mut bob = Process::answer("bob", &[]);
    let uri = bob.greeting("uri");
    let (_, address) = uri.split_once('@').expect("a user");
    for row in &SENT {
        let by = Check::Header("Referred-By", "^ *<sip:sipp@127.0.0.1:[0-9]+>$");
        let target = Script::new("target").take("INVITE", &[&ASKER[..], &[by]].concat());
        let target = Sipp::wait(&alone, &(row.target)(target), &[]);
        let keys = [("bob", uri.as_str()), ("target", &target.uri("target"))];
        let referrer = Sipp::call(&alone, &asking(row, place), address, &keys);
        let call = bob.until("referred")["call"].clone();
        bob.until_so(row.name, |event| event["event"] == row.event && event["call"] == call);
        target.played();
        referrer.played();
    }
    bob.signal(Signal::SIGTERM);
    assert!(bob.ended().success());
}

/// Cancel, as the one who asks: nobody can take a REFER back. Who leaves waits for no report any more, and sends the invitee nothing.
#[test]
fn who_leaves_while_an_invitee_is_rung_leaves_him_alone() {
    let alone = Alone::wait();
    let server = Process::serve(&[]);
    let script = Script::new("cancel").take("REFER", &[&ASKER[..], &[REFER_TO]].concat());
    let script = accepted(script, Some(TAG)).then(|s| notify(s, 1, "180 Ringing"));
    let bob = Sipp::wait(&alone, &script, &[]);
    let words = ["--refer", "outside", "--invite", &bob.uri("bob")];
    let mut alice = Process::conference(&server.greeting("factory"), &words);
    alice.until("invitee-ringing");
    alice.signal(Signal::SIGINT);
    assert_eq!(alice.ended().code(), Some(1), "not everybody came");
    let messages = bob.played();
    assert!(!messages.contains("CANCEL ") && !messages.contains("BYE "), "{messages}");
    assert_eq!(alice.all("invitee-refused").len(), 1);
    server.until_all_have_left();
}

/// Cancel, as the one who is asked: who hangs up while it rings takes his call back, and the referrer is told.
#[test]
fn who_hangs_up_while_the_target_is_rung_cancels_and_reports_487() {
    let alone = Alone::wait();
    let mut bob = Process::answer("bob", &[]);
    let uri = bob.greeting("uri");
    let (_, address) = uri.split_once('@').expect("a user");
    let target = Script::new("target")
        .take("INVITE", &[&ASKER[..], &REQUEST].concat())
        .send(&answer("180 Ringing", Some("target"), ""))
        .take("CANCEL", &[])
        .send(&answer("200 OK", Some("target"), ""))
        .send(&answer_late("487 Request Terminated", "target"))
        .take("ACK", &[]);
    let target = Sipp::wait(&alone, &target, &[]);
    let row = Sent {
        name: "cancel",
        target: taken,
        reports: |script| trying(script).then(|s| last(s, "487")),
        event: "failed",
    };
    let keys = [("bob", uri.as_str()), ("target", &target.uri("target"))];
    let referrer = Sipp::call(&alone, &asking(&row, Place::Outside), address, &keys);
    bob.until_so("ringing", |event| event["start_line"] == "SIP/2.0 180 Ringing");
    bob.signal(Signal::SIGINT);
    bob.until(row.event);
    assert!(bob.ended().success());
    target.played();
    referrer.played();
}

//! SIPp refers one of our terminals to somebody, whom SIPp plays too.

use nix::sys::signal::Signal;
use peers::processes::{Alone, Process};
use peers::sipp::{
    Check, PEER, REQUEST, Script, Sipp, acknowledge, answer, answer_late, in_dialog, initial, sdp,
    tell,
};

use super::{
    Place, asks, asks_early, busy, cancelled, last, refused, ringing, target, trying, trying_early,
};

/// What becomes of a REFER that the other side sends, and what we report of it.
struct Sent {
    name: &'static str,
    /// Whoever the REFER names: what he does with our INVITE.
    target: fn(Script) -> Script,
    /// How the referrer asks, and takes our answer.
    ask: fn(Script, &str) -> Script,
    /// How he takes our reports.
    reports: fn(Script, &str) -> Script,
    /// Our event at the end.
    event: &'static str,
}

const SENT: [Sent; 7] = [
    Sent {
        name: "ok",
        target: taken,
        ask: asks,
        reports: |s, _| trying(s).then(|s| last(s, "200")),
        event: "joined",
    },
    Sent {
        name: "fail",
        target: |script| refused(script, "486 Busy Here"),
        ask: asks,
        reports: |script, _| trying(script).then(|s| last(s, "486")),
        event: "failed",
    },
    Sent {
        name: "provisional",
        target: |script| {
            let ok = answer_late("200 OK", Some("target"), &sdp());
            ringing(script).send(&ok).then(in_call)
        },
        ask: asks,
        // A terminal tells the beginning and the end; RFC 3515 §2.4.5 asks for no more.
        reports: |script, _| trying(script).then(|s| last(s, "200")),
        event: "joined",
    },
    Sent {
        name: "lost",
        target: taken,
        ask: asks,
        // Not answered, as if it had not come: so it comes again.
        reports: |script, _| {
            let first = [Check::Body("^SIP/2.0 100")];
            busy(script.take("NOTIFY", &first)).then(trying).then(|s| last(s, "200"))
        },
        event: "joined",
    },
    Sent {
        name: "early",
        target: taken,
        // Our answer is lost, so that our report is there before its copy.
        ask: asks_early,
        reports: |script, refer| trying_early(script, refer).then(|s| last(s, "200")),
        event: "joined",
    },
    Sent {
        name: "pending",
        target: |script| refused(script, "491 Request Pending"),
        ask: asks,
        reports: |script, _| trying(script).then(|s| last(s, "491")),
        event: "failed",
    },
    Sent {
        name: "terminate",
        target: taken,
        ask: asks,
        // RFC 6665 §4.2.2: no more reports; RFC 3515 §2.4.4: the call is made all the same.
        reports: |script, _| {
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
    script.send(&answer("200 OK", Some("target"), &sdp())).then(in_call)
}

/// Is called, and hangs up.
fn in_call(script: Script) -> Script {
    script.take("ACK", &[]).ask(&tell("BYE", "target", 1, "")).expect(200, &[])
}

/// The referrer: who asks from outside, or calls first and asks in the call.
fn asking(row: &Sent, place: Place) -> Script {
    let refer_to = "Refer-To: <[target]>\nReferred-By: <sip:sipp@[local_ip]:[local_port]>\n";
    let script = Script::new(row.name);
    let (script, refer) = match place {
        Place::Outside => (script, initial("REFER", "[bob]", 1, refer_to)),
        Place::Inside => {
            let script = script
                .ask(&initial("INVITE", "[bob]", 1, &sdp()))
                .expect(200, &[PEER])
                .send(&acknowledge(1, None));
            (script, in_dialog("REFER", 2, refer_to))
        }
    };
    (row.reports)((row.ask)(script, &refer), &refer)
}

fn hangs_up(script: Script, place: Place) -> Script {
    match place {
        Place::Outside => script,
        Place::Inside => script.ask(&in_dialog("BYE", 20, "")).expect(200, &[]),
    }
}

/// One of our terminals, the SIPp that it is referred to, and the SIPp that refers it.
struct Cast {
    target: Sipp,
    referrer: Sipp,
}

impl Cast {
    fn begin(alone: &Alone, bob: &Process, row: &Sent, script: &Script) -> Self {
        let uri = bob.greeting("uri");
        let (_, address) = uri.split_once('@').expect("a user");
        let by = Check::Header("Referred-By", "^ *<sip:sipp@127.0.0.1:[0-9]+>$");
        let more = [by, REQUEST[0], REQUEST[1]];
        let target = Sipp::wait(alone, &target(row.target, &more), &[]);
        let keys = [("bob", uri.as_str()), ("target", &target.uri("target"))];
        let referrer = Sipp::call(alone, script, address, &keys);
        Self { target, referrer }
    }

    fn end(self) {
        self.target.played();
        self.referrer.played();
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
    for row in &SENT {
        let script = hangs_up(asking(row, place), place);
        let cast = Cast::begin(&alone, &bob, row, &script);
        let call = bob.until("referred")["call"].clone();
        if row.name == "provisional" {
            let rings = "SIP/2.0 180 Ringing";
            bob.until_so("ringing", |event| event["start_line"] == rings);
            cast.target.nudge();
        }
        bob.until_so(row.name, |event| event["event"] == row.event && event["call"] == call);
        cast.end();
    }
    bob.signal(Signal::SIGTERM);
    assert!(bob.ended().success());
}

/// Cancel, as the one who is asked: who hangs up while it rings takes his call back, and the referrer is told; inside a call
/// that ends too.
#[test]
fn who_hangs_up_while_the_target_is_rung_cancels_and_reports_487() {
    let alone = Alone::wait();
    for place in Place::BOTH {
        let mut bob = Process::answer("bob", &[]);
        let row = Sent {
            name: "cancel",
            target: cancelled,
            ask: asks,
            reports: match place {
                Place::Outside => |script, _| trying(script).then(|s| last(s, "487")),
                Place::Inside => |script, _| {
                    let ok = answer("200 OK", None, "");
                    trying(script).take("BYE", &[]).send(&ok).then(|s| last(s, "487"))
                },
            },
            event: "failed",
        };
        let cast = Cast::begin(&alone, &bob, &row, &asking(&row, place));
        bob.until_so("ringing", |event| event["start_line"] == "SIP/2.0 180 Ringing");
        bob.signal(Signal::SIGINT);
        bob.until(row.event);
        assert!(bob.ended().success());
        cast.end();
    }
}

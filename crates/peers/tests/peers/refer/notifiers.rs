//! We refer; SIPp is the terminal that is asked, and tells what comes of it.

use nix::sys::signal::Signal;
use peers::processes::{Alone, Process};
use peers::sipp::{ASKER, Check, REQUEST, Script, Sipp, again, answer, answer_late, sdp, tell};
use serde_json::Value;

use super::Place;

/// What the other side does to a REFER of ours, and what we make of it.
struct Answered {
    name: &'static str,
    /// The rest of the script, after the REFER came; the tag is what its answer adds to To.
    play: fn(Script, Option<&str>) -> Script,
    /// Our event, and what must stand in it.
    event: &'static str,
    why: &'static str,
}

const ANSWERED: [Answered; 9] = [
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
        // Each report is lost once, and the notifier sends it again.
        play: |script, tag| {
            let lost = |script: Script, cseq, status| {
                script.ask_lost(&report(cseq, status)).expect(200, &[])
            };
            accepted(script, tag).then(|s| lost(s, 1, TRYING)).then(|s| lost(s, 2, "200 OK"))
        },
        event: "invitee-joined",
        why: "",
    },
    Answered {
        name: "gone",
        // The first report never comes; RFC 3261 §12.2.2: a gap in CSeq is none of our business.
        play: |script, tag| accepted(script, tag).then(|s| notify(s, 7, "200 OK")),
        event: "invitee-joined",
        why: "",
    },
    Answered {
        name: "repeated",
        // The last report comes twice, as if our answer were lost: told once.
        play: |script, tag| {
            let script = accepted(script, tag)
                .then(|s| notify(s, 1, "180 Ringing"))
                .then(|s| notify(s, 2, "200 OK"))
                .send(&again(&report(2, "200 OK"), 4));
            // Before a BYE our second answer may be noticed; without one all is over.
            if tag.is_none() { script.lose(200) } else { script }
        },
        event: "invitee-joined",
        why: "",
    },
    Answered {
        name: "early",
        // Our answer to the NOTIFY is there before theirs to the REFER.
        play: |script, _| {
            notify(script, 1, TRYING)
                .send(&answer_late("202 Accepted", Some(TAG), ""))
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
            let given_up = in_state("terminated;reason=giveup", TRYING);
            accepted(script, tag)
                .then(|s| notify(s, 1, TRYING))
                .ask(&tell("NOTIFY", TAG, 2, &given_up))
                .expect(200, &[])
        },
        event: "invitee-refused",
        why: "never said whether he joined",
    },
];

/// No report comes at all. Takes 32 s: timer N of RFC 6665 §4.1.2.4 must run out. We ask meanwhile whether he is still in
/// the call, since nothing is heard there.
const SILENT: Answered = Answered {
    name: "silent",
    play: |script, tag| {
        let script = accepted(script, tag);
        if tag.is_none() { script.may_take("OPTIONS") } else { script }
    },
    event: "invitee-refused",
    why: "never said whether he joined",
};

const TRYING: &str = "100 Trying";
const TAG: &str = "notifier";

fn accepted(script: Script, tag: Option<&str>) -> Script {
    script.send(&answer("202 Accepted", tag, ""))
}

/// Reports and has it answered.
fn notify(script: Script, cseq: u32, status: &str) -> Script {
    script.ask(&report(cseq, status)).expect(200, &[])
}

fn report(cseq: u32, status: &str) -> String {
    tell("NOTIFY", TAG, cseq, &body(status))
}

/// A final status ends the subscription (RFC 3515 §2.4.7).
fn body(status: &str) -> String {
    let state = match status.starts_with('1') {
        true => "active;expires=60",
        false => "terminated;reason=noresource",
    };
    in_state(state, status)
}

fn in_state(state: &str, status: &str) -> String {
    format!(
        "Event: refer\nSubscription-State: {state}\n\
         Content-Type: message/sipfrag;version=2.0\n\nSIP/2.0 {status}\n"
    )
}

/// The conference's URI as it is, and in angle brackets.
const REFER_TO: Check<'static> = Check::Header("Refer-To", "<sip:conf-[^>]*>");

/// The terminal that is asked: a stranger's REFER, or a call and then a REFER in it.
fn asked(row: &Answered, place: Place) -> Script {
    let refer = [REFER_TO, REQUEST[0], REQUEST[1]];
    let script = Script::new(row.name);
    match place {
        Place::Outside => {
            let script = script.take("REFER", &[&ASKER[..], &refer].concat());
            (row.play)(script, Some(TAG))
        }
        Place::Inside => {
            let script = script
                .take("INVITE", &ASKER)
                .send(&answer("200 OK", Some(TAG), &sdp()))
                .take("ACK", &[])
                .take("REFER", &refer);
            (row.play)(script, None).take("BYE", &[]).send(&answer("200 OK", None, ""))
        }
    }
}

/// A creator, and those whom she refers to her conference.
struct Asking<'a> {
    alice: Process,
    played: Vec<(&'a Answered, Sipp)>,
}

impl<'a> Asking<'a> {
    fn begin(alone: &Alone, server: &Process, rows: &'a [Answered], place: Place) -> Self {
        let start = |row| (row, Sipp::wait(alone, &asked(row, place), &[]));
        let played: Vec<(&Answered, Sipp)> = rows.iter().map(start).collect();
        let uris: Vec<String> = played.iter().map(|(row, sipp)| sipp.uri(row.name)).collect();
        let uris: Vec<&str> = uris.iter().map(String::as_str).collect();
        let how = match place {
            Place::Outside => "outside",
            Place::Inside => "inside",
        };
        let words = [&["--refer", how, "--invite"], uris.as_slice()].concat();
        Self { alice: Process::conference(&server.greeting("factory"), &words), played }
    }

    /// Each comes to the end that its row names, once.
    fn end(mut self) {
        for _ in 0..self.played.len() {
            self.alice.until_so("done with an invitee", is_end);
        }
        self.alice.signal(Signal::SIGINT);
        self.alice.ended();
        for (row, sipp) in self.played {
            let uri = sipp.uri(row.name);
            sipp.played();
            let events = self.alice.seen.iter().filter(|event| event["invitee"] == uri);
            let ends: Vec<&Value> = events.clone().filter(|event| is_end(event)).collect();
            let [end] = ends.as_slice() else { panic!("{}: {ends:?}", row.name) };
            assert_eq!(end["event"], row.event, "{}: {end}", row.name);
            assert!(end["why"].as_str().unwrap_or("").contains(row.why), "{}: {end}", row.name);
            let ringing = events.filter(|event| event["event"] == "invitee-ringing").count();
            let rings = ["provisional", "repeated"].contains(&row.name);
            assert_eq!(ringing, usize::from(rings), "{}", row.name);
        }
    }
}

fn is_end(event: &Value) -> bool {
    event["event"] == "invitee-joined" || event["event"] == "invitee-refused"
}

fn answers(place: Place) {
    let alone = Alone::wait();
    let server = Process::serve(&[]);
    Asking::begin(&alone, &server, &ANSWERED, place).end();
}

/// C02, C04 · RFC 3515 §2.4: whatever a notifier does, each invitee comes to an end that is told.
#[test]
fn every_answer_to_a_refer_of_ours_outside_a_dialog_comes_to_its_end() {
    answers(Place::Outside);
}

/// B24 · RFC 4579 §5.6: the same inside a call made for it.
#[test]
fn every_answer_to_a_refer_of_ours_inside_a_dialog_comes_to_its_end() {
    answers(Place::Inside);
}

/// RFC 6665 §4.1.2.4: who says nothing is waited for 32 s, outside a dialog and inside one: at the same time here.
#[test]
fn who_accepts_a_refer_of_ours_and_says_no_more_is_given_up() {
    let alone = Alone::wait();
    let server = Process::serve(&[]);
    let rows = [SILENT];
    Place::BOTH
        .map(|place| Asking::begin(&alone, &server, &rows, place))
        .into_iter()
        .for_each(Asking::end);
}

/// Cancel, as the one who asks: nobody can take a REFER back. Who leaves waits for no report any more, and the invitee's
/// call to the conference is his own: only the call that was made for the REFER ends, if there is one.
#[test]
fn who_leaves_while_an_invitee_is_rung_leaves_him_alone() {
    let alone = Alone::wait();
    let server = Process::serve(&[]);
    for place in Place::BOTH {
        let row = Answered {
            name: "cancel",
            play: |script, tag| accepted(script, tag).then(|s| notify(s, 1, "180 Ringing")),
            event: "invitee-refused",
            why: "",
        };
        let rows = [row];
        let mut asking = Asking::begin(&alone, &server, &rows, place);
        asking.alice.until("invitee-ringing");
        asking.alice.signal(Signal::SIGINT);
        assert_eq!(asking.alice.ended().code(), Some(1), "not everybody came");
        for (_, bob) in asking.played {
            let messages = bob.played();
            assert!(!messages.contains("CANCEL "), "{messages}");
            assert_eq!(messages.contains("BYE "), place == Place::Inside, "{messages}");
        }
        assert_eq!(asking.alice.all("invitee-refused").len(), 1);
    }
    server.until_all_have_left();
}

//! SIPp refers to a conference, which calls whom it is told to; SIPp plays him too.

use peers::sipp::{Check, REQUEST, Script, Sipp, answer, answer_late, in_dialog, initial, sdp};

use super::{
    Place, asks, asks_early, busy, cancelled, last, refused, reported, ringing, rings, target,
    trying, trying_early,
};
use crate::stage::{
    CONFIG, Convened, IS_FOCUS, Stage, conference_in, created, dismissed, leaves, refers,
    target_dialog,
};

/// What becomes of a call that a conference is told to make, and how whoever told it takes the reports.
struct Steered {
    name: &'static str,
    /// Whom the REFER names: what he does with the INVITE.
    target: fn(Script) -> Script,
    /// How the referrer asks, and takes the answer.
    ask: fn(Script, &str) -> Script,
    /// How he takes the reports.
    reports: fn(Script, &str) -> Script,
    /// What must have come to the referrer before the target goes on.
    until: Option<&'static str>,
}

const OK: Steered = Steered {
    name: "ok",
    target: taken,
    ask: asks,
    reports: |script, _| trying(script).then(|s| last(s, "200")),
    until: None,
};

const STEERED: [Steered; 9] = [
    OK,
    Steered {
        name: "fail",
        target: |script| refused(script, "486 Busy Here"),
        reports: |script, _| trying(script).then(|s| last(s, "486")),
        ..OK
    },
    Steered {
        name: "provisional",
        target: rings_then_joins,
        reports: |script, _| trying(script).then(rings).then(|s| last(s, "200")),
        until: Some("SIP/2.0 180 Ringing"),
        ..OK
    },
    Steered {
        name: "lost",
        // Not answered, as if it had not come: so it comes again.
        reports: |script, _| {
            let first = [Check::Body("^SIP/2.0 100")];
            busy(script.take("NOTIFY", &first)).then(trying).then(|s| last(s, "200"))
        },
        ..OK
    },
    Steered {
        name: "early",
        // The answer is lost, so that the report is there before its copy.
        ask: asks_early,
        reports: |script, refer| trying_early(script, refer).then(|s| last(s, "200")),
        ..OK
    },
    Steered {
        name: "pending",
        target: |script| refused(script, "491 Request Pending"),
        reports: |script, _| trying(script).then(|s| last(s, "491")),
        ..OK
    },
    Steered {
        name: "cancel",
        target: rings_then_joins,
        // RFC 6665 §4.1.2.3, RFC 3515 §2.4.4: he wants no more reports; the call goes on.
        reports: |script, _| {
            trying(script)
                .ask(&in_dialog("SUBSCRIBE", 4, "Event: refer\nExpires: 0\n"))
                .expect(200, &[Check::Header("Expires", "^ *0$")])
                .then(|s| reported(s, "^SIP/2.0 1", "^ *terminated"))
        },
        until: Some("Subscription-State: terminated"),
        ..OK
    },
    Steered {
        name: "terminate",
        target: rings_then_joins,
        // RFC 6665 §4.2.2: nor are there any after this.
        reports: |script, _| {
            script.take("NOTIFY", &[Check::Body("^SIP/2.0 100")]).send(&answer(
                "481 Subscription Does Not Exist",
                None,
                "",
            ))
        },
        until: Some("SIP/2.0 481 "),
        ..OK
    },
    Steered {
        name: "removed",
        target: cancelled,
        // Called off by another REFER while it rings: the first ends with 487, the second has done what it was for.
        reports: |script, _| {
            let remove = in_dialog("REFER", 4, "Refer-To: <[target];method=BYE>\n");
            trying(script)
                .then(rings)
                .then(|s| asks(s, &remove))
                .then(trying)
                .then(|s| last(s, "487"))
                .then(|s| last(s, "200"))
        },
        ..OK
    },
];

/// Is in until the conference ends.
fn taken(script: Script) -> Script {
    let ok = answer("200 OK", Some("target"), &sdp());
    script.send(&ok).take("ACK", &[]).then(dismissed)
}

fn rings_then_joins(script: Script) -> Script {
    let ok = answer_late("200 OK", Some("target"), &sdp());
    ringing(script).send(&ok).take("ACK", &[]).then(dismissed)
}

impl Steered {
    /// Whether the call goes on after its last report.
    fn is_unreported(&self) -> bool {
        ["cancel", "terminate"].contains(&self.name)
    }
}

/// The creator, who asks in his call and leaves; or who stays until he is nudged, while another asks in his name.
struct Cast {
    target: Sipp,
    referrer: Sipp,
    /// The creator, where he is not the referrer.
    creator: Option<Sipp>,
}

impl Cast {
    fn begin(stage: &Stage, row: &Steered, place: Place) -> Self {
        let more = [REQUEST[0], REQUEST[1], IS_FOCUS];
        let target = Sipp::wait(&stage.alone, &target(row.target, &more), &[]);
        // Nobody is called by one name more than six times a minute.
        let uri = target.uri(row.name);
        let plays = |script: Script, refer: &str| (row.reports)((row.ask)(script, refer), refer);
        match place {
            Place::Inside => {
                let refer = in_dialog("REFER", 3, "Refer-To: <[target]>\n");
                let script = plays(created(row.name), &refer);
                let script = if row.is_unreported() { script.until_nudged() } else { script };
                let script = script.then(|s| leaves(s, 20));
                // What SIPp is busy with, it asks of the factory.
                let referrer = stage.plays(&script, &[("target", &uri), ("bob", &stage.factory)]);
                Self { target, referrer, creator: None }
            }
            Place::Outside => {
                let script = created("creator").until_nudged().then(|s| leaves(s, 20));
                let creator = stage.plays(&script, &[]);
                // RFC 4538 §1: who can name a dialog is at one of its ends.
                let more = "Refer-To: <[target]>\nTarget-Dialog: [dialog]\n";
                let refer = initial("REFER", "[conference]", 1, more);
                let script = plays(Script::new(row.name), &refer);
                let named = target_dialog(&creator);
                let conference = conference_in(&creator.messages());
                let keys = [
                    ("target", uri.as_str()),
                    ("bob", &stage.factory),
                    ("conference", &conference),
                    ("dialog", &named),
                ];
                let referrer = stage.plays(&script, &keys);
                Self { target, referrer, creator: Some(creator) }
            }
        }
    }

    fn end(self, row: &Steered) {
        if let Some(words) = row.until {
            self.referrer.until(words);
            self.target.nudge();
        }
        if row.is_unreported() {
            // That he joins is seen in his own messages only.
            self.target.until("ACK ");
            if self.creator.is_none() {
                self.referrer.nudge();
            }
        }
        self.referrer.played();
        if let Some(creator) = self.creator {
            creator.nudge();
            creator.played();
        }
        self.target.played();
    }
}

fn reports(place: Place) {
    let stage = Stage::new(CONFIG);
    let casts: Vec<_> = STEERED.iter().map(|row| (row, Cast::begin(&stage, row, place))).collect();
    casts.into_iter().for_each(|(row, cast)| cast.end(row));
    stage.ends();
}

/// B20, B21, C03, C05, C06, C09, C18 · RFC 4579 §5.5, RFC 3515 §2.4: whatever becomes of whom a conference is told to
/// call, who told it hears of it. A REFER that names the creator's call is as good as one inside it.
#[test]
fn every_outcome_of_a_refer_to_a_conference_outside_a_dialog_is_reported() {
    reports(Place::Outside);
}

/// The same inside the creator's call.
#[test]
fn every_outcome_of_a_refer_to_a_conference_inside_a_dialog_is_reported() {
    reports(Place::Inside);
}

/// B26, B34 · RFC 4579 §5.12: a creator who leaves while somebody is rung takes the conference with him, and the call to it.
#[test]
fn a_creator_who_leaves_while_the_target_is_rung_cancels_and_hears_487() {
    let stage = Stage::new(CONFIG);
    let more = [REQUEST[0], REQUEST[1], IS_FOCUS];
    let target = Sipp::wait(&stage.alone, &target(cancelled, &more), &[]);
    let creator = created("creator")
        .then(|script| refers(script, 3, "[target]"))
        .then(trying)
        .then(rings)
        .then(|script| leaves(script, 4))
        .then(|script| last(script, "487"));
    stage.plays(&creator, &[("target", &target.uri("target"))]).played();
    target.played();
    stage.ends();
}

/// RFC 3515 §2.4.5, RFC 3261 §8.1.3.1: where nobody is, there is no answer: 408 after 32 s over UDP (Timer B), and over TCP,
/// where a connection is refused, 503 at once.
#[test]
fn a_target_that_is_down_is_reported_with_a_status_of_its_own() {
    let convened = Convened::new(CONFIG);
    let named = target_dialog(&convened.creator);
    // It never answers: a script that takes what comes, and no more.
    let silent = Script::new("silent").take("INVITE", &[]).until_nudged();
    let silent = Sipp::wait(&convened.stage.alone, &silent, &[]);
    let refer = |name, status: &str| {
        let more = "Refer-To: <[target]>\nTarget-Dialog: [dialog]\n";
        asks(Script::new(name), &initial("REFER", "[conference]", 1, more))
            .then(trying)
            .then(|script| last(script, status))
    };
    let played = [
        (refer("silent", "408"), silent.uri("silent")),
        (refer("down", "503"), format!("{};transport=tcp", silent.uri("down"))),
    ]
    .map(|(script, target)| {
        convened.plays(&script, &[("target", target.as_str()), ("dialog", &named)])
    });
    for sipp in played {
        sipp.played();
    }
    silent.nudge();
    silent.played();
    convened.stage.until_legs(1);
    convened.ends();
}

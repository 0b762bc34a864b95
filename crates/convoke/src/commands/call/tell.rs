//! A phone's news in words, and as objects for programs.

use serde_json::{Value, json};
use terminal::{LineId, MergeOutcome, MergeStep, PhoneNews, ReferOutcome, ReferStep, Refusal, Way};

use crate::output::Tone;

/// One event, for people and for programs.
pub(super) struct Told {
    pub(super) tone: Tone,
    pub(super) verb: &'static str,
    pub(super) about: String,
    pub(super) name: &'static str,
    pub(super) fields: Value,
}

fn told(tone: Tone, verb: &'static str, about: String, name: &'static str, fields: Value) -> Told {
    Told { tone, verb, about, name, fields }
}

/// What there is to say; nothing for what the parting line says better.
pub(super) fn told_of(news: &PhoneNews) -> Option<Told> {
    Some(match news {
        PhoneNews::Calling { .. }
        | PhoneNews::Incoming { .. }
        | PhoneNews::Busy { .. }
        | PhoneNews::Referred { .. }
        | PhoneNews::ReferralRefused { .. }
        | PhoneNews::Redirected { .. }
        | PhoneNews::Ringing { .. } => beginning(news)?,
        PhoneNews::Up { line, conference, slot: _ } => {
            let conference = conference.as_ref().map(ToString::to_string);
            let fields = json!({ "line": line.0, "conference": conference });
            let about = conference.map_or_else(
                || format!("call {}", line.0),
                |uri| format!("call {}  conference {uri}", line.0),
            );
            told(Tone::Good, "up", about, "up", fields)
        }
        PhoneNews::HeldByPeer { line, held } => {
            let words = if *held { "holds us" } else { "is back" };
            let fields = json!({ "line": line.0, "held": held });
            told(Tone::Plain, words, format!("call {}", line.0), "held-by-peer", fields)
        }
        PhoneNews::Hold { line, on_hold, refused } => hold(*line, *on_hold, refused.as_ref()),
        PhoneNews::Muted { muted } => {
            let (verb, about) = match muted {
                true => ("muted", "nobody hears us; silence is sent"),
                false => ("unmuted", "all hear us who are not on hold"),
            };
            told(Tone::Plain, verb, about.to_owned(), "muted", json!({ "muted": muted }))
        }
        PhoneNews::Failed { line, why } => {
            let fields = json!({ "line": line.0, "why": why.to_string() });
            told(Tone::Bad, "failed", format!("call {}  {why}", line.0), "failed", fields)
        }
        PhoneNews::Ended { line, why } => {
            let fields = json!({ "line": line.0, "why": why.to_string() });
            told(Tone::Quiet, "ended", format!("call {}  {why}", line.0), "ended", fields)
        }
        PhoneNews::Refer { line, to, step } => refer(*line, &to.to_string(), step),
        PhoneNews::Merge(step) => merge(step),
        PhoneNews::Denied { why } => {
            let why = why.to_string();
            told(Tone::Bad, "no", why.clone(), "denied", json!({ "why": why }))
        }
        PhoneNews::Roster { line, users } => {
            let fields = json!({ "line": line.0, "users": users });
            told(Tone::Plain, "who is in", users.join(", "), "roster", fields)
        }
        // They have words of their own, and a parting line follows.
        PhoneNews::Registration(_) | PhoneNews::Finished => return None,
    })
}

fn beginning(news: &PhoneNews) -> Option<Told> {
    Some(match news {
        PhoneNews::Calling { line, to } => {
            let to = to.to_string();
            let fields = json!({ "line": line.0, "to": to });
            told(Tone::Plain, "calling", format!("call {}  {to}", line.0), "calling", fields)
        }
        PhoneNews::Incoming { line, from } => {
            let from = from.uri.to_string();
            let fields = json!({ "line": line.0, "from": from });
            told(Tone::Plain, "incoming", format!("call {}  {from}", line.0), "incoming", fields)
        }
        PhoneNews::Busy { from } => {
            let from = from.uri.to_string();
            told(Tone::Bad, "busy", format!("for {from}"), "busy", json!({ "from": from }))
        }
        PhoneNews::Referred { line, by, to } => {
            let (by, to) = (by.uri.to_string(), to.to_string());
            let about = format!("call {}  {to}, as {by} asks", line.0);
            let fields = json!({ "line": line.0, "by": by, "to": to });
            told(Tone::Plain, "calling", about, "referred", fields)
        }
        PhoneNews::ReferralRefused { by, to } => {
            let (by, to) = (by.uri.to_string(), to.to_string());
            let about = format!("{by} asks to call {to}: let it by --trust");
            let fields = json!({ "by": by, "to": to });
            told(Tone::Bad, "not trusted", about, "referral-refused", fields)
        }
        PhoneNews::Redirected { line, to } => {
            let to = to.to_string();
            let fields = json!({ "line": line.0, "to": to });
            let about = format!("call {}  to {to}", line.0);
            told(Tone::Plain, "redirected", about, "redirected", fields)
        }
        PhoneNews::Ringing { line, status } => {
            let about = format!("call {}  {} {}", line.0, status.code(), status.reason());
            let fields = json!({ "line": line.0, "status": status.code() });
            told(Tone::Plain, "ringing", about, "ringing", fields)
        }
        _ => return None, // told elsewhere
    })
}

fn hold(line: LineId, on_hold: bool, refused: Option<&Refusal>) -> Told {
    let why = refused.map(ToString::to_string);
    let about = match &why {
        Some(why) => format!("call {}  unchanged: {why}", line.0),
        None => format!("call {}", line.0),
    };
    let (tone, verb) = match (&why, on_hold) {
        (Some(_), _) => (Tone::Bad, "refused"),
        (None, true) => (Tone::Good, "on hold"),
        (None, false) => (Tone::Good, "resumed"),
    };
    told(tone, verb, about, "hold", json!({ "line": line.0, "on_hold": on_hold, "why": why }))
}

fn refer(line: LineId, to: &str, step: &ReferStep) -> Told {
    let (tone, verb, what, why) = match step {
        ReferStep::Asked => (Tone::Plain, "asking", "asked", None),
        ReferStep::Accepted => (Tone::Plain, "following", "accepted", None),
        ReferStep::Progress(status) => {
            let why = format!("{} {}", status.code(), status.reason());
            (Tone::Plain, "ringing", "progress", Some(why))
        }
        ReferStep::Ended(ReferOutcome::Succeeded) => (Tone::Good, "reached", "succeeded", None),
        ReferStep::Ended(outcome) => (Tone::Bad, "not reached", "failed", Some(words(outcome))),
    };
    let because = why.as_ref().map_or_else(String::new, |why| format!(": {why}"));
    let about = format!("call {}  to call {to}{because}", line.0);
    let fields = json!({ "line": line.0, "to": to, "step": what, "why": why });
    told(tone, verb, about, "refer", fields)
}

fn merge(step: &MergeStep) -> Told {
    match step {
        MergeStep::Begun { lines } => {
            let numbers: Vec<u32> = lines.iter().map(|line| line.0).collect();
            let list = numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let about = format!("calls {list} are to be one conference");
            told(Tone::Plain, "merging", about, "merge-begun", json!({ "lines": numbers }))
        }
        MergeStep::Joined { line, conference } => {
            let conference = conference.to_string();
            let fields = json!({ "line": line.0, "conference": conference });
            let about = format!("call {}  {conference}", line.0);
            told(Tone::Good, "in", about, "merge-joined", fields)
        }
        MergeStep::Asked { line, way } => {
            let fields = json!({ "line": line.0, "way": name(*way) });
            let about = format!("call {}  {}", line.0, how(*way));
            told(Tone::Plain, "asking", about, "merge-asked", fields)
        }
        MergeStep::Refused { line, way, why } => {
            let why = words(why);
            let fields = json!({ "line": line.0, "way": name(*way), "why": why });
            told(Tone::Bad, "refused", format!("call {}  {why}", line.0), "merge-refused", fields)
        }
        MergeStep::Moved { line, way } => {
            let fields = json!({ "line": line.0, "way": name(*way) });
            let about = format!("call {}  is in the conference", line.0);
            told(Tone::Good, "moved", about, "merge-moved", fields)
        }
        MergeStep::Kept { line } => {
            let about = format!("call {}  stays a call of its own: no way worked", line.0);
            told(Tone::Bad, "not in", about, "merge-kept", json!({ "line": line.0 }))
        }
        MergeStep::Ended(outcome) => merge_ended(outcome),
    }
}

fn merge_ended(outcome: &MergeOutcome) -> Told {
    let (tone, about, fields) = match outcome {
        MergeOutcome::Done { moved, kept } => {
            let tone = if *kept == 0 { Tone::Good } else { Tone::Bad };
            let fields = json!({ "moved": moved, "kept": kept, "why": null });
            let left = if *kept == 0 { String::new() } else { format!(", {kept} not") };
            (tone, format!("{moved} in{left}"), fields)
        }
        MergeOutcome::NoConference(why) => {
            let why = format!("no conference: {why}");
            (Tone::Bad, why.clone(), json!({ "moved": 0, "kept": 0, "why": why }))
        }
        MergeOutcome::NotAConference => {
            let why = "what answers at --factory is no conference".to_owned();
            (Tone::Bad, why.clone(), json!({ "moved": 0, "kept": 0, "why": why }))
        }
        MergeOutcome::ConferenceEnded(why) => {
            let why = format!("the conference ended: {why}");
            (Tone::Bad, why.clone(), json!({ "moved": 0, "kept": 0, "why": why }))
        }
    };
    told(tone, "merged", about, "merge-ended", fields)
}

const fn name(way: Way) -> &'static str {
    match way {
        Way::Himself => "himself",
        Way::Replacing => "replacing",
        Way::DialledOut => "dialled-out",
    }
}

const fn how(way: Way) -> &'static str {
    match way {
        Way::Himself => "to call the conference",
        Way::Replacing => "by the conference, in the place of our call",
        Way::DialledOut => "by the conference, beside our call",
    }
}

/// What came of a REFER, in words.
fn words(outcome: &ReferOutcome) -> String {
    match outcome {
        ReferOutcome::Succeeded => "done".to_owned(),
        ReferOutcome::NotReached(refusal) => format!("was not let in: {refusal}"),
        ReferOutcome::Refused(refusal) => format!("refused: {refusal}"),
        ReferOutcome::NoAnswer => "no answer".to_owned(),
        ReferOutcome::Unreachable => "cannot be reached".to_owned(),
        ReferOutcome::Unreported => "never said what came of it".to_owned(),
    }
}

//! REFER, SIPp on the other side: what can happen to it, outside a dialog and inside one.
//!
//! `notifiers`: we refer, and SIPp tells what comes of it. `referrers`: SIPp refers one of our terminals. `steering`: SIPp
//! refers to a conference, which calls. In each SIPp plays to the end whatever may become of it; the names of the rows
//! are the same in all three.

mod notifiers;
mod referrers;
mod steering;

use peers::sipp::{ASKER, Check, PEER, REQUEST, Script, again, answer, answer_late, initial};

/// Where a REFER goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Outside,
    Inside,
}

impl Place {
    const BOTH: [Self; 2] = [Self::Outside, Self::Inside];
}

/// Who is called, from his INVITE on.
fn target(then: fn(Script) -> Script, more: &[Check<'_>]) -> Script {
    Script::new("target").take("INVITE", &[&ASKER[..], more].concat()).then(then)
}

fn refused(script: Script, status: &str) -> Script {
    script.send(&answer(status, Some("target"), "")).take("ACK", &[])
}

/// Rings until he is nudged.
fn ringing(script: Script) -> Script {
    script.send(&answer("180 Ringing", Some("target"), "")).until_nudged()
}

/// Rings, and is told that nobody waits for him any more.
fn cancelled(script: Script) -> Script {
    script
        .send(&answer("180 Ringing", Some("target"), ""))
        .take("CANCEL", &[])
        .send(&answer("200 OK", Some("target"), ""))
        .send(&answer_late("487 Request Terminated", Some("target"), ""))
        .take("ACK", &[])
}

/// Has other things to do: SIPp takes a copy of a request for news only after that.
fn busy(script: Script) -> Script {
    [10, 11].into_iter().fold(script, |script, cseq| {
        script.ask(&initial("OPTIONS", "[bob]", cseq, "")).expect(200, &[])
    })
}

/// RFC 7647 §5: 200 and never 202.
fn asks(script: Script, refer: &str) -> Script {
    script.ask(refer).expect(200, &[PEER])
}

/// Asks, and the answer is lost: so the first report is there before it.
fn asks_early(script: Script, refer: &str) -> Script {
    script.send(refer).lose(200)
}

/// That report, then the same REFER, which is answered as it was; and not before that the answer to the report.
fn trying_early(script: Script, refer: &str) -> Script {
    let first = [Check::Body("^SIP/2.0 100 ")];
    let script = script.take("NOTIFY", &[&ASKER[..], &REQUEST, &first].concat());
    asks(script, &again(refer, 3)).send(&answer_late("200 OK", None, ""))
}

/// C05 · the first report.
pub(crate) fn trying(script: Script) -> Script {
    reported(script, "^SIP/2.0 100 ", "^ *active;expires=[0-9]+")
}

/// It rings.
fn rings(script: Script) -> Script {
    reported(script, "^SIP/2.0 180 ", "^ *active;expires=[0-9]+")
}

/// The last one.
pub(crate) fn last(script: Script, status: &str) -> Script {
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

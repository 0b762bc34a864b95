//! What is reported to us of REFERs that we sent: NOTIFY (RFC 3515 §2.4.4, RFC 6665 §4.1.3).

use std::time::Duration;

use sip::{
    EventHeader, HeaderName, Incoming, Response, RetryAfter, StatusCode, SubscriptionState,
    Warning, sipfrag,
};
use units::Instant;

use crate::event::{Event, ReferId, ReferOutcome, Refusal};

use super::Ua;
use super::dialogs::DialogKey;
use super::refer::{Notifier, Place, ReferState};

/// How long we wait for the outcome when the peer's NOTIFY names no time: as long as a call may be
/// set up.
const SUBSCRIPTION_DEFAULT: Duration = Duration::from_secs(180);

/// The longest we wait for the outcome, whatever the peer's NOTIFY says: a person who has not answered
/// in 10 minutes is not coming.
const SUBSCRIPTION_MAX: Duration = Duration::from_secs(600);

impl Ua {
    /// A NOTIFY: RFC 6665 §4.1.3. `inside` is the dialog it came in, if we knew that before.
    pub(super) fn notify_received(
        &mut self,
        now: Instant,
        incoming: &Incoming,
        inside: Option<DialogKey>,
    ) {
        let headers = &incoming.request.headers;
        let (Ok(Some(event)), Ok(Some(state))) = (headers.event(), headers.subscription_state())
        else {
            return self.refuse(now, incoming, StatusCode::BAD_REQUEST);
        };
        if event.package == super::watching::PACKAGE {
            return self.watch_notified(now, incoming, (&event, &state), inside);
        }
        if event.package != "refer" {
            let response = Response::answering(&incoming.request, StatusCode::BAD_EVENT)
                .with_header(HeaderName::AllowEvents, "refer, conference");
            return self.answer(now, incoming, response);
        }
        let found = match inside {
            Some(key) => self.refer_inside_of(key, &event),
            None => self.refer_outside_of(incoming),
        };
        match found {
            Ok(id) => {
                let ok = Response::answering(&incoming.request, StatusCode::OK);
                self.answer(now, incoming, ok);
                let report = incoming.request.part("message", "sipfrag").unwrap_or_default();
                self.notified(now, id, &state, report);
            }
            Err(status) => self.refuse(now, incoming, status),
        }
    }

    /// RFC 3515 §2.4.6: the second and later REFERs of a dialog are named by their CSeq number; the
    /// first may be. Whoever leaves the name out has to have only one.
    fn refer_inside_of(&self, key: DialogKey, event: &EventHeader) -> Result<ReferId, StatusCode> {
        let mut candidates = self.refers.iter().filter_map(|(id, refer)| match refer.place {
            Place::Inside { dialog, cseq, is_first } if dialog == key => {
                Some((*id, cseq, is_first, refer.has_ended()))
            }
            Place::Inside { .. } | Place::Outside { .. } => None,
        });
        let found = match &event.id {
            Some(name) => candidates.find(|(_, cseq, ..)| *name == cseq.to_string()),
            None => {
                let all: Vec<_> = candidates.collect();
                let mut open = all.iter().filter(|(.., has_ended)| !has_ended);
                match (open.next(), open.next()) {
                    (Some(only), None) => Some(*only),
                    _ => all.iter().find(|(_, _, is_first, _)| *is_first).copied(),
                }
            }
        };
        found.map(|(id, ..)| id).ok_or(StatusCode::CALL_DOES_NOT_EXIST)
    }

    /// RFC 6665 §4.4.1: the first NOTIFY makes the dialog. One from another fork finds it made.
    fn refer_outside_of(&mut self, incoming: &Incoming) -> Result<ReferId, StatusCode> {
        let essentials = &incoming.essentials;
        let to_tag = essentials.to.tag().unwrap_or_default();
        let from_tag = essentials.from.tag().unwrap_or_default();
        let number = essentials.cseq.number;
        for (id, refer) in &mut self.refers {
            match &mut refer.place {
                Place::Outside { call_id, local_tag, notifier }
                    if *call_id == essentials.call_id && *local_tag == to_tag =>
                {
                    match notifier {
                        Some(known) if known.tag != from_tag => {
                            return Err(StatusCode::CALL_DOES_NOT_EXIST);
                        }
                        // RFC 3261 §12.2.2
                        Some(known) if number <= known.cseq => {
                            return Err(StatusCode::SERVER_INTERNAL_ERROR);
                        }
                        Some(known) => known.cseq = number,
                        None => {
                            let tag = from_tag.to_owned();
                            *notifier = Some(Notifier { tag, cseq: number });
                        }
                    }
                    return Ok(*id);
                }
                Place::Outside { .. } | Place::Inside { .. } => {}
            }
        }
        Err(StatusCode::CALL_DOES_NOT_EXIST)
    }

    /// What a NOTIFY says of a REFER.
    fn notified(&mut self, now: Instant, id: ReferId, state: &SubscriptionState, body: &[u8]) {
        let Some(refer) = self.refers.get_mut(&id) else { return };
        let expires = state.params.value("expires").and_then(|seconds| seconds.parse().ok());
        let lifetime = expires.map_or(SUBSCRIPTION_DEFAULT, Duration::from_secs);
        let until = now + lifetime.min(SUBSCRIPTION_MAX);
        match &mut refer.state {
            ReferState::Asked => {
                refer.state = ReferState::Subscribed { until };
                self.emit(Event::ReferAccepted { refer: id });
            }
            ReferState::Subscribed { until: current } => *current = until,
            ReferState::Ended { .. } | ReferState::Locating { .. } => return,
        }
        match sipfrag::parse(body) {
            Some((status, _)) if status.is_success() => {
                self.refer_ended(now, id, ReferOutcome::Succeeded);
            }
            Some((status, reason)) if status.is_final() => {
                let reported = reported(status, reason, body);
                self.refer_ended(now, id, ReferOutcome::NotReached(reported));
            }
            Some(_) | None if state.is_terminated() => {
                self.refer_ended(now, id, ReferOutcome::Unreported);
            }
            Some((status, _)) => self.emit(Event::ReferProgress { refer: id, status }),
            None => {}
        }
    }
}

/// What a sipfrag says of a refusal, with the headers that some add (RFC 3515 §2.4.5).
fn reported(status: StatusCode, reason: String, body: &[u8]) -> Refusal {
    let text = String::from_utf8_lossy(body);
    let header = |name: &str| {
        text.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.trim().eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let warning = header("Warning").and_then(|value| value.parse::<Warning>().ok());
    let retry_after = header("Retry-After").and_then(|value| value.parse::<RetryAfter>().ok());
    Refusal {
        status,
        reason,
        warning: warning.map(|warning| warning.text),
        retry_after_seconds: retry_after.map(|retry_after| retry_after.seconds),
    }
}

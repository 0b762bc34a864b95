//! A leg's session timer (RFC 4028), and the refreshes that we send for it.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip::session_timer::{
    self, Refresher, SESSION_SECONDS, SESSION_SECONDS_MIN, SessionAction, SessionTimer, Terms,
};
use sip::{HeaderName, Headers, Incoming, Method, Response, StatusCode, T2, uas};
use units::{Instant, Rng};

use super::state::Input;
use super::{Leg, Standing, State};
use crate::Output;
use crate::answers::CAPABILITIES;
use crate::negotiation::description_in;

/// What a leg knows of its session timer.
#[derive(Debug)]
pub(crate) struct Refreshing {
    timer: Option<SessionTimer>,
    /// Whether the peer takes UPDATE: its Allow says so.
    takes_update: bool,
    /// The highest Min-SE that the peer named, in seconds (RFC 4028 §7.3).
    min_se: u32,
    under_way: UnderWay,
}

/// A refresh of ours that has no final answer, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnderWay {
    Nothing,
    Update { cseq: u32 },
    Reinvite { cseq: u32 },
}

/// A session timer as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefreshSnapshot {
    timer: Option<TimerSnapshot>,
    takes_update: bool,
    min_se: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct TimerSnapshot {
    terms: Terms,
    we: Refresher,
    refresh_in_ms: Option<u64>,
    end_in_ms: u64,
}

impl Refreshing {
    pub(super) fn new(now: Instant, headers: &Headers, terms: Option<Terms>) -> Self {
        let mut refreshing = Self {
            timer: None,
            takes_update: false,
            min_se: SESSION_SECONDS_MIN,
            under_way: UnderWay::Nothing,
        };
        refreshing.refreshed_by_peer(now, headers, terms);
        refreshing
    }

    /// The leg of an INVITE of ours, whose 2xx this is.
    pub(super) fn dialled(now: Instant, headers: &Headers, min_se: u32) -> Self {
        let terms = accepted_terms(headers, SESSION_SECONDS.max(min_se));
        let mut refreshing = Self {
            timer: Some(SessionTimer::new(now, terms, Refresher::Uac)),
            takes_update: false,
            min_se,
            under_way: UnderWay::Nothing,
        };
        refreshing.learn_allow(headers);
        refreshing
    }

    /// The peer's request was answered 2xx with these terms; without any there is no timer.
    pub(super) fn refreshed_by_peer(
        &mut self,
        now: Instant,
        headers: &Headers,
        terms: Option<Terms>,
    ) {
        self.timer = terms.map(|terms| SessionTimer::new(now, terms, Refresher::Uas));
        self.learn_allow(headers);
    }

    /// RFC 3261 §20.5: without Allow nothing is said.
    fn learn_allow(&mut self, headers: &Headers) {
        if let Ok(Some(methods)) = headers.allow() {
            self.takes_update = methods.contains(&Method::Update);
        }
    }

    /// What to answer to a request that refreshes.
    pub(super) fn agree(&self, incoming: &Incoming) -> Result<Option<Terms>, Response> {
        let so_far = self.timer.as_ref().map(|timer| match timer.we_refresh() {
            true => Refresher::Uas,
            false => Refresher::Uac,
        });
        session_timer::agree(&incoming.request.headers, so_far)
            .map_err(|error| error.refusal(incoming))
    }

    /// Whether a re-INVITE of ours, which carries an offer, has no answer.
    pub(super) const fn is_reinviting(&self) -> bool {
        matches!(self.under_way, UnderWay::Reinvite { .. })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.timer.as_ref().and_then(SessionTimer::deadline)
    }

    pub(super) fn handle_deadline(&mut self, now: Instant) -> SessionAction {
        self.timer.as_mut().map_or(SessionAction::Nothing, |timer| timer.handle_deadline(now))
    }

    fn again_at(&mut self, at: Instant) {
        if let Some(timer) = &mut self.timer {
            timer.refresh_again_at(at);
        }
    }

    pub(crate) fn snapshot(&self, now: Instant) -> RefreshSnapshot {
        let until = |at: Instant| u64::try_from(at.since(now).as_millis()).unwrap_or(u64::MAX);
        let timer = self.timer.as_ref().map(|timer| TimerSnapshot {
            terms: timer.terms(),
            we: timer.we(),
            refresh_in_ms: match self.under_way {
                UnderWay::Nothing => timer.refresh_at().map(until),
                // Its transaction is not written down: it is due again.
                UnderWay::Update { .. } | UnderWay::Reinvite { .. } => Some(0),
            },
            end_in_ms: until(timer.end_at()),
        });
        RefreshSnapshot { timer, takes_update: self.takes_update, min_se: self.min_se }
    }
}

impl RefreshSnapshot {
    pub(crate) fn restore(self, now: Instant) -> Refreshing {
        let timer = self.timer.map(|timer| {
            let refresh_in = timer.refresh_in_ms.map(Duration::from_millis);
            let end_in = Duration::from_millis(timer.end_in_ms);
            SessionTimer::resumed(now, (timer.terms, timer.we), refresh_in, end_in)
        });
        Refreshing {
            timer,
            takes_update: self.takes_update,
            min_se: self.min_se,
            under_way: UnderWay::Nothing,
        }
    }
}

impl Leg {
    /// Sends a refresh: UPDATE without an offer where the peer takes it, else a re-INVITE with the
    /// description as it stands (RFC 4028 §7.4).
    pub(super) fn refresh(&mut self, now: Instant, out: &mut VecDeque<Output>) {
        let Some(timer) = &self.refreshing.timer else { return };
        let seconds = timer.terms().seconds.max(self.refreshing.min_se);
        match &self.state {
            State::Confirmed { unacked: None, .. } => {}
            // RFC 3264 §4, RFC 3261 §14.1: nothing new while something is open.
            State::Answered { .. }
            | State::Confirmed { unacked: Some(_), .. }
            | State::Ending { .. }
            | State::Leaving { .. }
            | State::Gone => return self.refreshing.again_at(now + T2),
        }
        let updates = self.refreshing.takes_update;
        let mut request =
            self.dialog.request(if updates { Method::Update } else { Method::Invite });
        session_timer::write_refresh(seconds, self.refreshing.min_se, &mut request.headers);
        request.headers.push(HeaderName::Allow, uas::allow(&CAPABILITIES));
        let cseq = self.dialog.local_cseq.unwrap_or_default();
        self.refreshing.under_way = if updates {
            UnderWay::Update { cseq }
        } else {
            request.set_body("application/sdp", self.session.text());
            UnderWay::Reinvite { cseq }
        };
        self.send_request(request, out);
    }

    /// Takes the final response to a refresh of ours.
    pub(crate) fn refreshed(
        &mut self,
        now: Instant,
        method: &Method,
        response: &Response,
        rng: &mut Rng,
        out: &mut VecDeque<Output>,
    ) {
        let Ok(cseq) = response.headers.cseq().map(|cseq| cseq.number) else { return };
        if response.status.is_success() && *method == Method::Invite {
            // RFC 3261 §13.2.2.4: each copy of it, whatever became of the leg meanwhile.
            let (request, to) = (self.dialog.ack(cseq), self.dialog.destination());
            out.push_back(Output::Acknowledge { leg: self.id, request, to });
        }
        let current = match self.refreshing.under_way {
            UnderWay::Nothing => false,
            UnderWay::Update { cseq: ours } => *method == Method::Update && ours == cseq,
            UnderWay::Reinvite { cseq: ours } => *method == Method::Invite && ours == cseq,
        };
        if !current {
            return;
        }
        if response.status.is_success() {
            return self.refresh_accepted(now, response, out);
        }
        let wish = match response.status {
            StatusCode::SESSION_INTERVAL_TOO_SMALL => {
                let asked = session_timer::min_se(&response.headers).unwrap_or(SESSION_SECONDS_MIN);
                // RFC 4028 §7.3: the highest seen.
                self.refreshing.min_se = self.refreshing.min_se.max(asked.min(SESSION_SECONDS));
                Some(RETRY_AFTER_422)
            }
            // RFC 3261 §14.1: 0 to 2 s in units of 10 ms, since the Call-ID is the peer's.
            StatusCode::REQUEST_PENDING => Some(Duration::from_millis(10 * rng.below(201))),
            _ => None,
        };
        self.refresh_refused(now, method, (response.status, wish), out);
    }

    fn refresh_accepted(&mut self, now: Instant, response: &Response, out: &mut VecDeque<Output>) {
        let reinvited = self.refreshing.is_reinviting();
        self.refreshing.under_way = UnderWay::Nothing;
        if self.standing() != Standing::Staying {
            return;
        }
        // RFC 3261 §12.2.1.2: a Contact that we cannot use leaves the target.
        if let Ok(Some(contact)) = response.headers.contact() {
            let _unusable = self.dialog.refresh_target(contact);
        }
        self.refreshing.learn_allow(&response.headers);
        let Some(timer) = &self.refreshing.timer else { return };
        let ours = timer.terms().seconds.max(self.refreshing.min_se);
        let terms = accepted_terms(&response.headers, ours);
        self.refreshing.timer = Some(SessionTimer::new(now, terms, Refresher::Uac));
        if reinvited {
            self.answer_received(response, out);
        }
    }

    /// The answer to the offer in our re-INVITE, which was what we had said before. One of no use
    /// leaves the media as it was.
    fn answer_received(&mut self, response: &Response, out: &mut VecDeque<Output>) {
        let answer = description_in(response);
        let negotiated = self
            .session
            .said()
            .zip(answer)
            .and_then(|(offer, answer)| sdp::accept_answer(&offer, &answer).ok());
        if let Some(negotiated) = negotiated {
            let media = self.held(self.session.media(negotiated, self.dialog.path));
            self.update_media(media, out);
        }
    }

    /// A refresh of ours was refused or got no answer. `again_after`: when to try anew, if the
    /// refusal says so.
    pub(super) fn refresh_refused(
        &mut self,
        now: Instant,
        method: &Method,
        (status, again_after): (StatusCode, Option<Duration>),
        out: &mut VecDeque<Output>,
    ) {
        self.refreshing.under_way = UnderWay::Nothing;
        if self.standing() != Standing::Staying {
            return;
        }
        match (status, method) {
            // RFC 3261 §12.2.1.2: the dialog is not there any more.
            (StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT, _) => {
                self.step(now, Input::ProbeLost, out);
            }
            (StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED, Method::Update) => {
                self.refreshing.takes_update = false;
                self.refresh(now, out);
            }
            // RFC 3261 §14.1: the session stays as it was, until its end (RFC 4028 §10).
            _ => {
                let end_at = self.refreshing.timer.as_ref().map(SessionTimer::end_at);
                let left = end_at.map_or(Duration::ZERO, |at| at.since(now));
                let wait = again_after.unwrap_or_else(|| (left / 2).max(RETRY_MIN));
                self.refreshing.again_at(now + wait);
            }
        }
    }
}

/// What holds after a 2xx to a request of ours that asked for `ours` seconds.
fn accepted_terms(headers: &Headers, ours: u32) -> Terms {
    match session_timer::session_expires(headers) {
        Ok(Some(theirs)) => Terms {
            // A UAS must not raise it, nor go below 90 (RFC 4028 §9).
            seconds: theirs.seconds.clamp(SESSION_SECONDS_MIN, ours),
            refresher: theirs.refresher.unwrap_or(Refresher::Uac),
        },
        // RFC 4028 §7.2: a peer that knows nothing of it; then it is on us.
        Ok(None) | Err(_) => Terms { seconds: ours, refresher: Refresher::Uac },
    }
}

/// A peer that names an ever higher Min-SE is asked no faster than this.
const RETRY_AFTER_422: Duration = Duration::from_secs(1);

/// Refreshes refused for other reasons are tried again at half of what is left, but no faster than this.
const RETRY_MIN: Duration = Duration::from_secs(5);

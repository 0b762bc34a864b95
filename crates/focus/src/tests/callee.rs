//! A conference whose creator has others called, and those who are called.

use sip::{HeaderName, Method, Request, Response, Source, StatusCode};
use units::Instant;

use super::rig::{Caller, OFFER, Rig, source};
use crate::{Creator, DialEnd, EndPolicy, LegId, MediaSeat, Output, ReferralId};

pub(crate) const BOB: &str = "sip:bob@192.0.2.2:5060";

/// Where the callee's answers come from.
pub(crate) fn bobs_path() -> Source {
    source("192.0.2.2:5060")
}

impl Rig {
    /// A conference with its creator in it.
    pub(crate) fn with_creator() -> (Self, Caller) {
        let mut alice = Caller::new("alice", 1);
        let creator = Creator::of(&alice.clone().next("INVITE", ""));
        let mut rig = Self::with(EndPolicy::LastLeaves, Some(creator));
        rig.join(&mut alice);
        (rig, alice)
    }

    /// The creator's REFER; gives the answer.
    pub(crate) fn refer(&mut self, alice: &mut Caller, refer_to: &str, more: &str) -> Response {
        let before = std::mem::take(&mut alice.more);
        alice.more = format!("Refer-To: <{refer_to}>\n{more}");
        let refer = alice.next("REFER", "");
        alice.more = before;
        self.send(&refer).unwrap()
    }

    /// The creator has bob called, and there is room.
    pub(crate) fn call_bob(&mut self) -> (LegId, Request) {
        let (mut rig, mut alice) = Self::with_creator();
        std::mem::swap(self, &mut rig);
        assert_eq!(
            self.refer(&mut alice, BOB, "Referred-By: <sip:alice@example.com>\n").status.code(),
            200
        );
        self.take_seat();
        self.dialled()
    }

    /// Gives a seat to the last leg that wants one.
    pub(crate) fn take_seat(&mut self) -> MediaSeat {
        let wanted = self.log.iter().rev().find_map(|(_, output)| match output {
            Output::SeatWanted { leg, .. } => Some(*leg),
            _ => None,
        });
        let seat = self.seat();
        self.focus.seated(self.now, wanted.unwrap(), Ok(seat));
        self.drain();
        seat
    }

    /// Answers whoever wants a seat and has no answer.
    pub(crate) fn seat_or_not(&mut self, there_is: bool) {
        let mut waiting = Vec::new();
        for (_, output) in &self.log {
            match output {
                Output::SeatWanted { leg, .. } => waiting.push(*leg),
                Output::Dial { leg, .. } | Output::DialEnded { leg, .. } => {
                    waiting.retain(|other| other != leg);
                }
                _ => {}
            }
        }
        for leg in waiting {
            let seat = if there_is {
                Ok(self.seat())
            } else {
                Err((StatusCode::TEMPORARILY_UNAVAILABLE, "full".to_owned()))
            };
            self.focus.seated(self.now, leg, seat);
            self.drain();
        }
    }

    /// Who was called last says something, if anybody was.
    pub(crate) fn callee_says(&mut self, status: u16, tag: &str) {
        if self.called().is_empty() {
            return;
        }
        let (leg, invite) = self.dialled();
        let response = match status {
            200 => accepts(&invite, tag),
            183 => answer(&invite, 183, tag, "Require: 100rel\nRSeq: 1"),
            302 => answer(&invite, 302, tag, "Contact: <sip:bob@192.0.2.9>"),
            422 => answer(&invite, 422, tag, "Min-SE: 900"),
            other => answer(&invite, other, tag, ""),
        };
        self.callee_answers(leg, &response);
    }

    /// The last report is taken, or nobody answers to it.
    pub(crate) fn report_taken_or_not(&mut self, status: Option<u16>) {
        let last = self.log.iter().rev().find_map(|(_, output)| match output {
            Output::Notify { referral, request, .. } => Some((*referral, request.clone())),
            _ => None,
        });
        let Some((referral, request)) = last else { return };
        let response =
            status.map(|status| Response::answering(&request, StatusCode::new(status).unwrap()));
        self.focus.notify_answered(self.now, referral, response.as_ref());
        self.drain();
    }

    /// The last INVITE that called somebody.
    pub(crate) fn dialled(&self) -> (LegId, Request) {
        let dialled = self.log.iter().rev().find_map(|(_, output)| match output {
            Output::Dial { leg, request, .. } => Some((*leg, request.clone())),
            _ => None,
        });
        dialled.unwrap()
    }

    /// Whom INVITEs called, in order.
    pub(crate) fn called(&self) -> Vec<String> {
        let called = self.log.iter().filter_map(|(_, output)| match output {
            Output::Dial { target, .. } => Some(target.to_string()),
            _ => None,
        });
        called.collect()
    }

    pub(crate) fn callee_answers(&mut self, leg: LegId, response: &Response) {
        self.focus.answered(self.now, leg, &Method::Invite, response, bobs_path());
        self.drain();
    }

    pub(crate) fn cancels(&self) -> Vec<LegId> {
        let cancels = self.log.iter().filter_map(|(_, output)| match output {
            Output::Cancel { leg } => Some(*leg),
            _ => None,
        });
        cancels.collect()
    }

    /// Calls that came to nothing: status, and whether a port went back.
    pub(crate) fn dial_ends(&self) -> Vec<(LegId, u16, bool)> {
        let ends = self.log.iter().filter_map(|(_, output)| match output {
            Output::DialEnded { leg, port, why } => {
                Some((*leg, why.status().code(), port.is_some()))
            }
            _ => None,
        });
        ends.collect()
    }

    pub(crate) fn asides(&self, method: &Method) -> Vec<Request> {
        let asides = self.log.iter().filter_map(|(_, output)| match output {
            Output::Aside { request, .. } if request.method == *method => Some(request.clone()),
            _ => None,
        });
        asides.collect()
    }

    pub(crate) fn acks(&self) -> Vec<Request> {
        let acks = self.log.iter().filter_map(|(_, output)| match output {
            Output::Acknowledge { request, .. } => Some(request.clone()),
            _ => None,
        });
        acks.collect()
    }

    /// The reports: when, whose, Event, Subscription-State, first line of the body.
    pub(crate) fn reports(&self) -> Vec<(u64, ReferralId, String, String, String)> {
        let reports = self.log.iter().filter_map(|(ms, output)| match output {
            Output::Notify { referral, request, .. } => {
                let text = |name| request.headers.get(&name).unwrap().text().into_owned();
                let body = String::from_utf8(request.body.clone()).unwrap();
                let line = body.lines().next().unwrap().to_owned();
                let state = text(HeaderName::SubscriptionState);
                Some((*ms, *referral, text(HeaderName::Event), state, line))
            }
            _ => None,
        });
        reports.collect()
    }

    /// The sender of the REFER takes the last report.
    pub(crate) fn report_taken(&mut self, status: u16) {
        let last = self.log.iter().rev().find_map(|(_, output)| match output {
            Output::Notify { referral, request, .. } => Some((*referral, request.clone())),
            _ => None,
        });
        let (referral, request) = last.unwrap();
        let response = Response::answering(&request, StatusCode::new(status).unwrap());
        self.focus.notify_answered(self.now, referral, Some(&response));
        self.drain();
    }

    pub(crate) fn later_ms(&mut self, ms: u64) {
        let at: Instant = self.now;
        self.run_to_ms(at.as_millis() + ms);
    }

    pub(crate) fn unreachable(&mut self, leg: LegId) {
        self.focus.dial_failed(self.now, leg, DialEnd::Unreachable("no way".to_owned()));
        self.drain();
    }
}

/// An answer of the callee, `more` as header lines.
pub(crate) fn answer(invite: &Request, status: u16, tag: &str, more: &str) -> Response {
    let mut response =
        Response::answering(invite, StatusCode::new(status).unwrap()).with_to_tag(tag);
    for line in more.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response.headers.push(name.parse().unwrap(), value);
    }
    response
}

/// The callee's 200, at 192.0.2.2.
pub(crate) fn accepts(invite: &Request, tag: &str) -> Response {
    answer(invite, 200, tag, "Contact: <sip:bob@192.0.2.2:5060>")
        .with_body("application/sdp", OFFER)
}

//! A focus calls somebody: room for him, and the way to him.

use std::collections::BTreeMap;
use std::time::Duration;

use focus::factory::Refused;
use focus::{DialEnd, Focus, LegId, MediaPort, MediaSeat, ReferralId};
use pool::ConferenceId;
use sdp::Family;
use sip::{ClientTxnId, Method, NextHop, Request, Response, SipUri, Source};
use units::Instant;

use crate::Notice;
use crate::node::{Node, Phase, Sent};

/// How often whom the focuses of this node have called lately.
#[derive(Debug, Default)]
pub(crate) struct Called {
    /// By user and host; at most [`CALLED_MAX`].
    by_target: BTreeMap<String, (Instant, u32)>,
}

impl Called {
    /// Notes one more call; whether it may be made.
    fn note(&mut self, now: Instant, target: &SipUri) -> bool {
        // However he is written.
        let user = target.user_unescaped().unwrap_or_default();
        let host = match target.host.ip() {
            Some(ip) => ip.to_canonical().to_string(),
            None => target.host.as_str().to_ascii_lowercase(),
        };
        let key = format!("{}@{host}", String::from_utf8_lossy(&user));
        if self.by_target.len() >= CALLED_MAX && !self.by_target.contains_key(&key) {
            self.by_target.retain(|_, (since, _)| now.since(*since) < CALLS_WITHIN);
            if self.by_target.len() >= CALLED_MAX {
                return false;
            }
        }
        let (since, count) = self.by_target.entry(key).or_insert((now, 0));
        if now.since(*since) >= CALLS_WITHIN {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= CALLS_PER_TARGET_MAX
    }
}

impl Node {
    /// A focus wants to call somebody: a seat and a port for him, or why there is none.
    pub(crate) fn seat_wanted(
        &mut self,
        now: Instant,
        id: ConferenceId,
        leg: LegId,
        target: &SipUri,
    ) {
        let seat = self.find_seat(now, (id, leg), target);
        let seat = seat.map_err(|refused| (refused.status(), refused.to_string()));
        if let Some(active) = self.active(id) {
            active.focus.seated(now, leg, seat);
        }
    }

    fn find_seat(
        &mut self,
        now: Instant,
        (id, leg): (ConferenceId, LegId),
        target: &SipUri,
    ) -> Result<MediaSeat, Refused> {
        if self.phase == Phase::ShuttingDown {
            return Err(Refused::ShuttingDown);
        }
        if !self.called.note(now, target) {
            return Err(Refused::CalledTooOften { max: CALLS_PER_TARGET_MAX });
        }
        let Some(active) = self.records.get_mut(&id).and_then(|record| record.active()) else {
            return Err(Refused::NotFound);
        };
        // His own family if he is at an address; for a name the one that everybody has.
        let wished = target.host.ip().map_or(Family::V4, Family::of);
        let families = self.media.families();
        let family = families.iter().find(|family| **family == wished).or(families.first());
        let taken = family.and_then(|&family| self.media.take_port(active.media, family));
        let Some((lent, address)) = taken else { return Err(Refused::NoPort) };
        // He is offered plain packets; what he answers comes too late to be refused for.
        let cost = self.pool.config().costs.plain_leg();
        match self.pool.join(now, id, cost) {
            Ok(charge) => active.charges.insert(leg, charge),
            Err(refusal) => {
                self.media.give_back(active.media, lent);
                return Err(self.not_seated(now, refusal));
            }
        };
        active.ports.insert(lent.id, lent);
        Ok(MediaSeat { port: MediaPort(lent.id), address })
    }

    /// Sends the INVITE of a focus by the first of these ways that leads there.
    pub(crate) fn dial_by(
        &mut self,
        now: Instant,
        (id, leg): (ConferenceId, LegId),
        request: Request,
        (target, paths): (&SipUri, Vec<Source>),
    ) {
        if paths.is_empty() {
            return self.not_dialled(now, (id, leg), DialEnd::Unreachable(no_way_to(target)));
        }
        match self.stack.request_any(now, request, paths) {
            Ok(txn) => {
                self.tallies.dial_outs += 1;
                self.client_txns.insert(txn, (id, Sent::ByLeg(leg, Method::Invite)));
                if let Some(active) = self.active(id) {
                    active.calling.insert(leg, txn);
                }
                let (conference, target) = (self.uri(id), focus::masked(target.text()));
                self.notice(Notice::Calling { conference, leg: leg.0, target });
            }
            Err(sip::Full) => {
                let why = "the server is handling too many calls".to_owned();
                self.not_dialled(now, (id, leg), DialEnd::Unreachable(why));
            }
        }
    }

    /// Sends the REFER of a focus to somebody who is to call it.
    pub(crate) fn refer_on(
        &mut self,
        now: Instant,
        (id, referral): (ConferenceId, ReferralId),
        mut request: Request,
        target: &SipUri,
    ) {
        let sent = match self.called.note(now, target) {
            true => self.send_to(now, &mut request, target),
            false => Err(Refused::CalledTooOften { max: CALLS_PER_TARGET_MAX }.to_string()),
        };
        match sent {
            Ok(txn) => {
                self.client_txns.insert(txn, (id, Sent::ReferOn(referral)));
            }
            // Its next outputs are taken by who is taking this one.
            Err(why) => {
                if let Some(active) = self.active(id) {
                    active.focus.referred_on(now, referral, Err(DialEnd::Unreachable(why)));
                }
            }
        }
    }

    /// Sends a request outside any dialog to an address or a registered phone, or says why that cannot be, in
    /// words.
    fn send_to(
        &mut self,
        now: Instant,
        request: &mut Request,
        target: &SipUri,
    ) -> Result<ClientTxnId, String> {
        let path = if let Some((contact, path)) = self.registered(target) {
            request.uri = contact.into();
            Some(path)
        } else {
            match sip::next_hop(target).map_err(|why| why.to_string())? {
                NextHop::At(place) => self.path_to(place),
                NextHop::Ask(_) => {
                    return Err(format!(
                        "{} is a name, and it is told by address only",
                        target.host
                    ));
                }
            }
        };
        let path = path.ok_or_else(|| no_way_to(target))?;
        let full = |sip::Full| "the server is handling too many calls".to_owned();
        self.stack.request(now, request.clone(), path).map_err(full)
    }

    /// A call is answered whose conference is over: acknowledged, and ended (RFC 3261 §13.2.2.4, §15).
    pub(crate) fn answered_late(
        &mut self,
        now: Instant,
        (id, leg): (ConferenceId, LegId),
        response: &Response,
        path: Source,
    ) {
        let Some(focus) = self.parting_of(id, leg) else { return };
        focus.answered(now, leg, &Method::Invite, response, path);
        while let Some(output) = self.parting_of(id, leg).and_then(Focus::poll_output) {
            self.focus_output(now, id, output);
        }
    }

    /// The focus that made a call and is over.
    pub(crate) fn parting_of(&mut self, id: ConferenceId, leg: LegId) -> Option<&mut Focus> {
        let mut focuses = self.parting.get_mut(&id)?.iter_mut();
        focuses.find(|focus| focus.awaits_late_answers_of(leg))
    }

    /// The INVITE of a call is forgotten: no more answers to it come.
    pub(crate) fn forget_late(&mut self, now: Instant, id: ConferenceId) {
        let Some(focuses) = self.parting.get_mut(&id) else { return };
        focuses.iter_mut().for_each(|focus| focus.handle_deadline(now));
        focuses.retain(Focus::awaits_late_answers);
        if focuses.is_empty() {
            self.parting.remove(&id);
        }
    }

    /// Whoever takes the outputs of the focus takes its next ones too.
    pub(crate) fn not_dialled(
        &mut self,
        now: Instant,
        (id, leg): (ConferenceId, LegId),
        why: DialEnd,
    ) {
        if let Some(active) = self.active(id) {
            active.focus.dial_failed(now, leg, why);
        }
    }

    /// Who was called does not join: seat and port go back.
    pub(crate) fn dial_ended(
        &mut self,
        now: Instant,
        (id, leg): (ConferenceId, LegId),
        port: Option<MediaPort>,
        why: &DialEnd,
    ) {
        if let Some(active) = self.active(id) {
            let media = active.media;
            let lent = port.and_then(|port| active.ports.remove(&port.0));
            if let Some(lent) = lent {
                let charge = active.charges.remove(&leg);
                self.media.give_back(media, lent);
                self.pool.leave(now, id, charge.unwrap_or_default());
            }
        }
        self.tallies.dial_outs_failed += 1;
        let conference = self.uri(id);
        self.notice(Notice::NotReached {
            conference,
            leg: leg.0,
            status: why.status().code(),
            why: why.to_string(),
        });
    }
}

fn no_way_to(target: &SipUri) -> String {
    format!("this server has no address to reach {} from", target.host)
}

/// Whose turn it is to call `target` again and again is not ours: more calls of one target within
/// [`CALLS_WITHIN`] are refused (480), whichever conferences they are for.
const CALLS_PER_TARGET_MAX: u32 = 6;
const CALLS_WITHIN: Duration = Duration::from_secs(60);

/// Targets that are remembered: at one entry of some 100 bytes each, a megabyte. When full of such that were
/// called within a minute, no other is called.
const CALLED_MAX: usize = 10_000;

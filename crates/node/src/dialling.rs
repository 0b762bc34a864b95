//! A focus calls somebody: room for him, and the way to him.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use focus::factory::Refused;
use focus::{DialEnd, LegId, MediaPort, MediaSeat, ReferralId};
use pool::{ConferenceId, JoinRefusal};
use sdp::Family;
use sip::{ClientTxnId, FlowId, Method, Request, SipUri, Source, Transport};
use units::Instant;

use crate::Notice;
use crate::conference::Record;
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
        let seat = self.find_seat(now, id, target);
        let seat = seat.map_err(|refused| (refused.status(), refused.to_string()));
        if let Some(active) = self.active(id) {
            active.focus.seated(now, leg, seat);
        }
    }

    fn find_seat(
        &mut self,
        now: Instant,
        id: ConferenceId,
        target: &SipUri,
    ) -> Result<MediaSeat, Refused> {
        if self.phase == Phase::ShuttingDown {
            return Err(Refused::ShuttingDown);
        }
        if !self.called.note(now, target) {
            return Err(Refused::CalledTooOften { max: CALLS_PER_TARGET_MAX });
        }
        let Some(active) = self.records.get_mut(&id).and_then(Record::active) else {
            return Err(Refused::NotFound);
        };
        // His own family if he is at an address; for a name the one that everybody has.
        let wished = target.host.ip().map_or(Family::V4, Family::of);
        let families = self.media.families();
        let family = families.iter().find(|family| **family == wished).or(families.first());
        let taken = family.and_then(|&family| self.media.take_port(active.media, family));
        let Some((lent, address)) = taken else { return Err(Refused::NoPort) };
        if let Err(refusal) = self.pool.join(now, id) {
            self.media.give_back(active.media, lent);
            return Err(match refusal {
                JoinRefusal::Unknown => Refused::NotFound,
                JoinRefusal::ConferenceFull { legs_max } => Refused::ConferenceFull { legs_max },
                JoinRefusal::PoolFull => Refused::NoSeat,
            });
        }
        active.ports.insert(lent.id, lent);
        Ok(MediaSeat { port: MediaPort(lent.id), address })
    }

    /// Sends the INVITE of a focus to whom it calls.
    pub(crate) fn dial(
        &mut self,
        now: Instant,
        (id, leg): (ConferenceId, LegId),
        mut request: Request,
        target: &SipUri,
    ) {
        let sent = self.send_to(now, &mut request, target);
        match sent {
            Ok(txn) => {
                self.tallies.dial_outs += 1;
                self.client_txns.insert(txn, (id, Sent::ByLeg(leg, Method::Invite)));
                if let Some(active) = self.active(id) {
                    active.calling.insert(leg, txn);
                }
                let (conference, target) = (self.uri(id), focus::masked(&target.to_string()));
                self.notice(Notice::Calling { conference, leg: leg.0, target });
            }
            // Its next outputs are taken by who is taking this one.
            Err(why) => {
                if let Some(active) = self.active(id) {
                    active.focus.dial_failed(now, leg, DialEnd::Unreachable(why));
                }
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

    /// Sends a request outside any dialog to whom it names, or says why that cannot be, in words.
    fn send_to(
        &mut self,
        now: Instant,
        request: &mut Request,
        target: &SipUri,
    ) -> Result<ClientTxnId, String> {
        let to = match self.registered(target) {
            Some((contact, path)) => {
                request.uri = contact.into();
                path
            }
            None => self.way_to(target)?,
        };
        let full = |sip::Full| "the server is handling too many calls".to_owned();
        self.stack.request(now, request.clone(), to).map_err(full)
    }

    /// Cancels the INVITE of a focus.
    pub(crate) fn cancel_dial(&mut self, now: Instant, id: ConferenceId, leg: LegId) {
        if let Some(txn) = self.active(id).and_then(|active| active.calling.get(&leg).copied()) {
            self.stack.cancel(now, txn);
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
                self.media.give_back(media, lent);
                self.pool.leave(now, id);
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

    /// The way to an address that a URI names, or why there is none, in words.
    fn way_to(&self, target: &SipUri) -> Result<Source, String> {
        let Some(ip) = target.host.ip() else {
            return Err(format!("{} is a name, and this server looks up none", target.host));
        };
        let named = target.param("transport").flatten();
        let transport = match named.map(Transport::from_uri_param) {
            None => Transport::Udp,
            Some(Some(transport)) => transport,
            Some(None) => return Err("only UDP and TCP are served".to_owned()),
        };
        if target.secure {
            return Err("TLS is not served".to_owned());
        }
        let remote = SocketAddr::new(ip, target.port.unwrap_or(SIP_PORT));
        let same_kind = |listen: &&crate::SipListen| listen.bind.is_ipv4() == ip.is_ipv4();
        let near = |listen: &&crate::SipListen| {
            listen.bind.ip().is_unspecified() || listen.bind.ip().is_loopback() == ip.is_loopback()
        };
        let listens = || self.listens.iter().filter(same_kind);
        let listen = listens().find(near).or_else(|| listens().next());
        let Some(listen) = listen else {
            return Err(format!("this server has no address to reach {ip} from"));
        };
        Ok(Source { transport, local: listen.bind, remote, flow: FlowId::NONE })
    }
}

/// Whose turn it is to call `target` again and again is not ours: more calls of one target within
/// [`CALLS_WITHIN`] are refused (480), whichever conferences they are for.
const CALLS_PER_TARGET_MAX: u32 = 6;
const CALLS_WITHIN: Duration = Duration::from_secs(60);

/// Targets that are remembered: at one entry of some 100 bytes each, a megabyte. When full of such that were
/// called within a minute, no other is called.
const CALLED_MAX: usize = 10_000;

/// RFC 3261 §19.1.2
const SIP_PORT: u16 = 5_060;

//! Requests to phones, and the answers to them: a stateless proxy (RFC 3261 §16.11).
//!
//! Without state there is nothing to exhaust and nothing to time: the caller and the phone resend, and each
//! copy goes the same way. What a stateful proxy could do besides, ringing all of a user's phones at
//! once, this one cannot: it rings the one that registered last.

use sip::digest::Credentials;
use sip::{
    Essentials, HeaderName, HeaderValue, Message, Method, Packet, Request, Response, Source,
    StatusCode, Via, parse_datagram,
};
use units::Instant;

use super::bindings::Binding;
use super::way_back::Common;
use crate::auth::Door;
use crate::node::Node;

/// RFC 3261 §16.6, step 3: for a request that brings none.
const MAX_FORWARDS: u8 = 70;

impl Node {
    /// Sends a request on to a phone, or says why not. The order is that of RFC 3261 §16.3.
    pub(super) fn relay(&mut self, now: Instant, incoming: &sip::Incoming, phone: &Binding) {
        let request = &incoming.request;
        let is_ack = request.method == Method::Ack;
        match self.check_relayed(request) {
            Ok(()) => {}
            Err(_) if is_ack => return self.count(|counters| counters.lost_acks += 1),
            Err(status) if status == StatusCode::BAD_EXTENSION => {
                let response = Response::answering(request, status);
                let response = unsupported(request).into_iter().fold(response, |response, tag| {
                    response.with_header(HeaderName::Unsupported, tag)
                });
                return self.reply(incoming, response);
            }
            Err(status) => return self.reply_status(incoming, status),
        }
        // RFC 3261 §22.1: an ACK is never challenged.
        if !is_ack && self.admit(now, incoming, Door::Other).is_none() {
            return;
        }
        self.send_on(request.clone(), &incoming.essentials, incoming.source, phone);
    }

    /// Sends on what the stack would otherwise take for its own: the answer to a relayed request, and a
    /// CANCEL to a phone (RFC 3261 §16.10). Gives everything else back.
    pub(super) fn relay_at_once(&mut self, packet: Packet) -> Option<Packet> {
        let is_done = if packet.bytes.starts_with(b"SIP/2.0 ") {
            self.relay_answer(&packet)
        } else if packet.bytes.starts_with(b"CANCEL ") {
            self.relay_cancel(&packet)
        } else {
            false
        };
        (!is_done).then_some(packet)
    }

    fn relay_answer(&mut self, packet: &Packet) -> bool {
        let Ok(Message::Response(mut response)) = parse_datagram(&packet.bytes) else {
            return false;
        };
        let (Some(registrar), Ok(vias)) = (&self.registrar, response.headers.vias()) else {
            return false;
        };
        let Some(ours) = vias.first().filter(|via| registrar.way_back.is_ours(via)) else {
            return false;
        };
        let essentials = Essentials::of(&response.headers);
        let back = match (vias.get(1), &essentials) {
            (Some(via), Ok(essentials)) => {
                registrar.way_back.read(ours, Common { via, essentials })
            }
            (_, _) => None,
        };
        match back {
            Some(path) => {
                response.headers.remove_first(&HeaderName::Via);
                self.send(Packet { path, bytes: response.to_bytes() });
                self.count(|counters| counters.answers += 1);
            }
            None => self.count(|counters| counters.stray_answers += 1),
        }
        true
    }

    fn relay_cancel(&mut self, packet: &Packet) -> bool {
        let Ok(Message::Request(cancel)) = parse_datagram(&packet.bytes) else { return false };
        let Some(phone) = self.phone(&cancel.uri) else { return false };
        let (Ok(()), Ok(essentials)) =
            (self.check_relayed(&cancel), Essentials::of(&cancel.headers))
        else {
            return false; // the stack answers that there is nothing to cancel
        };
        self.send_on(cancel, &essentials, packet.path, &phone);
        true
    }

    /// What speaks against sending a request on: RFC 3261 §16.3.
    fn check_relayed(&self, request: &Request) -> Result<(), StatusCode> {
        let headers = &request.headers;
        if headers.max_forwards().map_err(|error| error.status())? == Some(0) {
            return Err(StatusCode::TOO_MANY_HOPS);
        }
        // Step 4. It never comes by here twice on its way, whatever the Request-URI is by then.
        let vias = headers.vias().map_err(|error| error.status())?;
        let is_ours =
            |via: &Via| self.registrar.as_ref().is_some_and(|its| its.way_back.is_ours(via));
        if vias.iter().any(is_ours) {
            return Err(StatusCode::LOOP_DETECTED);
        }
        if headers.get(&HeaderName::ProxyRequire).is_some() && request.method != Method::Cancel {
            return Err(StatusCode::BAD_EXTENSION);
        }
        // Only to phones that are registered here: whoever wants to go on from there may do so himself.
        let routes = headers.routes().map_err(|error| error.status())?;
        let leads_here = |uri: &sip::Uri| uri.as_sip().is_some_and(|uri| self.owns(&uri.host));
        if !routes.iter().all(|route| leads_here(&route.uri)) {
            return Err(StatusCode::FORBIDDEN);
        }
        Ok(())
    }

    /// RFC 3261 §16.6 and §16.11. Without Record-Route: what follows goes from phone to phone.
    fn send_on(
        &mut self,
        mut request: Request,
        essentials: &Essentials,
        source: Source,
        phone: &Binding,
    ) {
        let Some(registrar) = &self.registrar else { return };
        let (path, their_via) = (phone.path, &essentials.via);
        let (host, port) = self.stack.advertised(path.local);
        let via = Via::new(path.transport.via_token(), host, Some(port)).with_rport();
        let back = way_back(their_via, source);
        let via = registrar.way_back.mark(via, Common { via: their_via, essentials }, back);
        request.uri = phone.contact.clone().into();
        let forwards = request.headers.max_forwards().ok().flatten();
        let forwards = forwards.map_or(MAX_FORWARDS, |left| left.saturating_sub(1));
        request.headers.set(HeaderName::MaxForwards, forwards.to_string());
        request.headers.remove(&HeaderName::Route);
        self.take_out_our_proof(&mut request);
        request.headers.push_front(HeaderName::Via, via.to_string());
        self.send(Packet { path, bytes: request.to_bytes() });
        self.count(|counters| counters.requests += 1);
    }

    /// RFC 3261 §22.3: what proves something to us is nobody else's business.
    fn take_out_our_proof(&self, request: &mut Request) {
        let Some(realm) = self.auth.as_ref().map(crate::auth::Auth::realm) else { return };
        let name = HeaderName::Authorization;
        let is_ours = |value: &HeaderValue| {
            value.text().parse::<Credentials>().is_ok_and(|credentials| credentials.realm == realm)
        };
        let others: Vec<HeaderValue> =
            request.headers.all(&name).filter(|value| !is_ours(value)).cloned().collect();
        request.headers.remove(&name);
        for value in others {
            request.headers.push(name.clone(), value);
        }
    }

    fn count(&mut self, what: impl FnOnce(&mut super::RelayCounters)) {
        if let Some(registrar) = &mut self.registrar {
            what(&mut registrar.counters);
        }
    }
}

/// RFC 3261 §18.2.2, RFC 3581 §4: to the address that it came from; over UDP to the port in its Via, unless
/// it asked for the one that it came from.
fn way_back(via: &Via, source: Source) -> Source {
    let mut back = source;
    if !source.transport.is_reliable() && !via.params.has("rport") {
        back.remote.set_port(via.sent_by_port());
    }
    back
}

fn unsupported(request: &Request) -> Option<String> {
    let tags = request.headers.tokens(&HeaderName::ProxyRequire).ok()?;
    Some(tags.join(", ")).filter(|tags| !tags.is_empty())
}

//! REGISTERs as they go over the wire (RFC 3261 §10.2); when and for how long is decided in
//! `registration`.

use sip::{CSeq, HeaderName, Method, NameAddr, NextHop, Request, Target, Uri};
use units::Instant;

use crate::event::Event;

use super::registration::{Came, RegisterConfig, Registration};
use super::requests::FIRST_CSEQ;
use super::signing::SigningStack;
use super::{Answer, Purpose, Ua, Waiter};

/// A registration and what its REGISTERs have in common.
#[derive(Debug)]
pub(super) struct Registering {
    registration: Registration,
    /// RFC 3261 §10.2: one Call-ID for all of them, and a number that rises.
    call_id: String,
    tag: String,
    cseq: u32,
    /// What was registered last.
    contact: Option<Uri>,
}

impl Registering {
    pub(super) fn new(config: RegisterConfig, stack: &mut SigningStack) -> Self {
        let (call_id, tag) = (stack.new_call_id(), stack.new_tag());
        let registration = Registration::new(config);
        Self { registration, call_id, tag, cseq: FIRST_CSEQ - 1, contact: None }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.registration.deadline()
    }

    /// Whether nobody has to wait for it.
    pub(super) fn is_quiet(&self) -> bool {
        self.registration.is_quiet()
    }

    /// RFC 3261 §22.2: it was sent once more, with proof and the next number.
    pub(super) fn renumbered(&mut self, number: u32) {
        self.cseq = number;
    }
}

impl Ua {
    /// Takes us out at the registrar; [`crate::RegistrationNews::Gone`] follows, within seconds, if we
    /// were in.
    pub fn unregister(&mut self, now: Instant) {
        let news = self.registering.as_mut().and_then(|its| its.registration.end(now));
        self.emit_registration(news);
        self.registration_deadline(now);
        self.pump(now);
    }

    /// What is due in the registration.
    pub(super) fn registration_deadline(&mut self, now: Instant) {
        let Some(its) = &mut self.registering else { return };
        if let Some(news) = its.registration.overdue(now, &mut self.rng) {
            return self.emit_registration(Some(news));
        }
        if its.registration.due(now).is_some() {
            self.register(now);
        }
    }

    /// Sends the REGISTER that is due, or asks for the registrar's address first.
    fn register(&mut self, now: Instant) {
        let Some(its) = &self.registering else { return };
        match self.identity.next_hop(&its.registration.config().registrar) {
            Ok(NextHop::At(target)) => self.send_register(now, &[target]),
            Ok(NextHop::Ask(wanted)) => self.look_up(Waiter::Register, wanted),
            Err(_) => self.register_came(now, &Came::Unreachable),
        }
    }

    /// The address of the registrar is known, or that there is none.
    pub(super) fn register_resolved(&mut self, now: Instant, targets: &[Target]) {
        if targets.is_empty() {
            return self.register_came(now, &Came::Unreachable);
        }
        self.send_register(now, targets);
    }

    fn send_register(&mut self, now: Instant, targets: &[Target]) {
        let Some(mut request) = self.register_request() else { return };
        let paths = self.identity.paths_to(targets);
        self.identity.put_contact(&mut request, &paths);
        let contact = request.headers.contact().ok().flatten().map(|contact| contact.uri);
        if let Some(its) = &mut self.registering {
            its.contact = contact;
        }
        match self.stack.request_any(now, request, &paths) {
            Ok(txn) => {
                self.requests.insert(txn, Purpose::Register);
            }
            Err(sip::Full) => self.register_came(now, &Came::Unreachable),
        }
    }

    /// RFC 3261 §10.2, table of header fields: Request-URI is the registrar's domain, To the
    /// address-of-record.
    fn register_request(&mut self) -> Option<Request> {
        let its = self.registering.as_mut()?;
        let expires = its.registration.asking()?;
        let RegisterConfig { registrar, aor } = its.registration.config();
        let Uri::Sip(registrar) = registrar else { return None };
        its.cseq += 1;
        let mut request =
            self.identity.request(Method::Register, registrar, &its.call_id, &its.tag);
        let headers = &mut request.headers;
        headers.set(HeaderName::To, NameAddr::new(aor.clone()).to_string());
        headers.set(HeaderName::CSeq, CSeq::new(its.cseq, Method::Register).to_string());
        headers.set(HeaderName::Expires, expires.to_string());
        Some(request)
    }

    /// A REGISTER has its final answer, or will have none.
    pub(super) fn register_answered(&mut self, now: Instant, answer: &Answer<'_>) {
        let came = match answer {
            Answer::Response(response) => Came::Response(response),
            Answer::Failed(sip::Failure::Timeout) => Came::NoAnswer,
            Answer::Failed(
                sip::Failure::Transport | sip::Failure::Overloaded | sip::Failure::Silent,
            ) => Came::Unreachable,
        };
        self.register_came(now, &came);
    }

    fn register_came(&mut self, now: Instant, came: &Came<'_>) {
        let Some(its) = &mut self.registering else { return };
        let news = its.registration.answered(now, came, its.contact.as_ref(), &mut self.rng);
        self.emit_registration(news);
        // Each answer asks for more than the one before or puts the next one off: this ends.
        self.registration_deadline(now);
    }

    fn emit_registration(&mut self, news: Option<super::RegistrationNews>) {
        if let Some(news) = news {
            self.emit(Event::Registration(news));
        }
    }
}

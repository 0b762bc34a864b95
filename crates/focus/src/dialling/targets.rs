//! Where a call goes on to when it is redirected (RFC 3261 §8.1.3.4).

use sip::{Contacts, NameAddr, Response, SipUri, StatusCode};

use super::Caller;
use crate::order::is_conference;

/// Places tried in one call, the first one included. More are left out: a redirection may name as many
/// as it likes, and each costs an INVITE.
const TARGETS_MAX: usize = 5;

/// Where a call went, and where it may still go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Targets {
    /// The last one is being tried.
    tried: Vec<SipUri>,
    /// Best first.
    left: Vec<SipUri>,
}

impl Targets {
    pub(super) fn new(first: SipUri) -> Self {
        Self { tried: vec![first], left: Vec::new() }
    }

    pub(super) fn current(&self) -> Option<&SipUri> {
        self.tried.last()
    }

    /// Moves on after a refusal; whether there is anywhere to go.
    pub(super) fn next(&mut self, refusal: &Response, caller: &Caller<'_>) -> bool {
        match refusal.status {
            // 305 and 380 name no other place of the same callee (RFC 3261 §21.3.4, §21.3.5).
            StatusCode::MULTIPLE_CHOICES
            | StatusCode::MOVED_PERMANENTLY
            | StatusCode::MOVED_TEMPORARILY => self.redirected(refusal, caller),
            // RFC 3261 §21.6: it speaks for all places.
            status if status.code() >= 600 => self.left.clear(),
            _ => {}
        }
        if self.left.is_empty() || self.tried.len() >= TARGETS_MAX {
            return false;
        }
        let next = self.left.remove(0);
        self.tried.push(next);
        true
    }

    /// Takes over the Contacts that may be called: what no rule lets us call by a REFER is not called
    /// by a redirection either.
    fn redirected(&mut self, refusal: &Response, caller: &Caller<'_>) {
        let Ok(Contacts::List(mut contacts)) = refusal.headers.contacts() else { return };
        let secure = self.current().is_some_and(|uri| uri.secure);
        contacts.sort_by_key(|contact| std::cmp::Reverse(preference(contact)));
        let mut new: Vec<SipUri> = Vec::new();
        for contact in contacts {
            let Some(uri) = contact.uri.as_sip().map(SipUri::as_request_uri) else { continue };
            let known = self.tried.iter().chain(&self.left).chain(&new);
            let is_new = !known.into_iter().any(|known| known.equivalent(&uri));
            // RFC 3261 §8.1.3.4: sips is not left for sip.
            let is_safe = uri.secure || !secure;
            let is_us = is_conference(&uri, caller.conference_uri);
            if is_new && is_safe && !is_us && caller.rules.allows(&uri) && new.len() < TARGETS_MAX {
                new.push(uri);
            }
        }
        new.append(&mut self.left);
        self.left = new;
    }
}

/// RFC 3261 §20.10: q from 0 to 1 with up to three digits; 1 if it is not said. In thousandths.
fn preference(contact: &NameAddr) -> u32 {
    let Some(q) = contact.params.value("q") else { return 1_000 };
    let (whole, part) = q.split_once('.').unwrap_or((q, ""));
    let part: String = part.chars().chain("000".chars()).take(3).collect();
    match (whole, part.parse::<u32>()) {
        ("0", Ok(part)) => part,
        _ => 1_000,
    }
}

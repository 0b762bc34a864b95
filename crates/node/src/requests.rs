//! Whose is this request? The Request-URI decides, never the To header field (RFC 4579 §3.2).

use focus::factory::{Asked, Refused, refusal};
use pool::{ConferenceId, TokenError};
use sip::uas;
use sip::{DialogId, Incoming, Method, Response, SipUri, StatusCode, Uri};
use units::Instant;

use crate::Notice;
use crate::auth::Door;
use crate::figures::{AckIgnored, Refusal};
use crate::node::{Node, known_tag_prefix};
use crate::taking_over::Claim;

/// What a Request-URI means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addressee {
    /// A factory, and the size of the conference that it is asked for.
    Factory { index: usize, asked: Asked },
    /// A conference that is held or runs.
    Conference(ConferenceId),
    /// This host itself.
    Host,
    /// Nobody. A forged token, an expired one and a wrong user look alike: who tries URIs must not
    /// learn which.
    Nobody,
}

/// Whether a request outside any dialog may make a conference, join one or steer one: then it is never held back.
fn is_of_use(method: &Method, addressee: Addressee) -> bool {
    let is_for_somebody = matches!(addressee, Addressee::Factory { .. } | Addressee::Conference(_));
    is_for_somebody && matches!(method, Method::Invite | Method::Refer | Method::Subscribe)
}

impl Node {
    /// Takes a request that no transaction absorbed.
    pub(crate) fn request(&mut self, now: Instant, incoming: &Incoming) {
        if self.registrar_request(now, incoming) {
            return;
        }
        if incoming.essentials.to.tag().is_some() {
            self.in_dialog(now, incoming);
        } else if incoming.request.method != Method::Ack {
            self.out_of_dialog(now, incoming);
        } else {
            self.tallies.acks_ignored.count(AckIgnored::Stray);
        }
    }

    fn in_dialog(&mut self, now: Instant, incoming: &Incoming) {
        let dialog = DialogId::of_request(&incoming.essentials);
        let is_ack = incoming.request.method == Method::Ack;
        if let Some(id) = self.dialogs.get(&dialog).copied() {
            if is_ack {
                // Our tag was in the answer, and nowhere else.
                self.overload.prove(now, incoming.source.remote.ip());
            }
            // A BYE is taken whatever else it says; an ACK is never answered.
            if !matches!(incoming.request.method, Method::Ack | Method::Bye)
                && let Err(status) = Claim::of(incoming)
            {
                return self.reply_status(incoming, status);
            }
            // Whoever is in has shown that he may be. To steer he has to show more.
            if incoming.request.method == Method::Refer {
                return self.steered(now, incoming, id);
            }
            let txn = if is_ack {
                None
            } else {
                match self.stack.accept(now, incoming) {
                    Ok(txn) => Some(txn),
                    Err(sip::Full) => return self.overloaded(incoming),
                }
            };
            if incoming.request.method == Method::Bye {
                self.drafts.bye_received(id, incoming);
            }
            if let Some(active) = self.active(id) {
                active.focus.request(now, txn, incoming);
            }
            self.drain_focus(now, id);
        } else if is_ack {
            // An ACK to a stateless answer of ours carries the tag that only its receiver knows.
            if self.tag_key.proves_source(&self.tag_prefix, incoming) {
                self.overload.prove(now, incoming.source.remote.ip());
                self.source_proved(now, incoming);
            } else if self.tag_key.proves_source(&known_tag_prefix(self.number), incoming) {
                self.overload.prove(now, incoming.source.remote.ip());
                self.known_acknowledged(incoming);
            } else {
                self.tallies.acks_ignored.count(AckIgnored::Stray);
            }
        } else if !self.is_held_back(now, incoming) {
            // RFC 3261 §12.2.2. The To tag is the peer's, so it stays (§8.2.6.2).
            let status = StatusCode::CALL_DOES_NOT_EXIST;
            self.count_refusal(status, Refusal::NoDialog);
            self.stack.reply_stateless(incoming, Response::answering(&incoming.request, status));
        }
    }

    fn out_of_dialog(&mut self, now: Instant, incoming: &Incoming) {
        if incoming.request.method == Method::Invite {
            self.recall(now, incoming);
        }
        let addressee = match &incoming.request.uri {
            Uri::Sip(uri) => self.addressee(uri),
            Uri::Other { .. } => Addressee::Nobody,
        };
        if !is_of_use(&incoming.request.method, addressee) && self.is_held_back(now, incoming) {
            return;
        }
        // RFC 3261 §8.2.1: the method is looked at once it is known who asks.
        let door = Door::outside(&incoming.request.method, addressee);
        let claim = match Claim::of(incoming) {
            Ok(claim) => claim,
            Err(status) => return self.reply_status(incoming, status),
        };
        if let Door::Steer(id) = door {
            return self.steered(now, incoming, id);
        }
        let Some(caller) = self.admit(now, incoming, door) else { return };
        // Who names a dialog goes into its conference, whatever address he asks at.
        let goes_in = claim != Claim::Nothing && door != Door::Join;
        if goes_in && self.admit(now, incoming, Door::Join).is_none() {
            return;
        }
        if let Err(response) = uas::check_method(incoming, &focus::CAPABILITIES) {
            return self.reply(incoming, response);
        }
        // RFC 3261 §8.2.2.1: a scheme that we do not serve at all.
        if incoming.request.uri.as_sip().is_none() {
            return self.reply_status(incoming, StatusCode::UNSUPPORTED_URI_SCHEME);
        }
        match (&incoming.request.method, addressee) {
            // RFC 3261 §15.1.2: whoever it is for, it belongs to no dialog.
            (Method::Bye | Method::Update | Method::Prack, _) => {
                self.reply_status(incoming, StatusCode::CALL_DOES_NOT_EXIST);
            }
            (Method::Invite, _) if claim != Claim::Nothing => {
                self.claimed(now, incoming, &caller, (addressee, &claim));
            }
            (Method::Invite, Addressee::Factory { index, asked }) => {
                self.asked(now, incoming, &caller, (index, asked));
            }
            (Method::Invite, Addressee::Conference(id)) => self.join(now, incoming, &caller, id),
            // RFC 4579 §5.5 gives it a meaning at a conference only.
            (Method::Refer, Addressee::Factory { .. }) => {
                self.refuse(now, incoming, &Refused::NoReferHere)
            }
            (Method::Subscribe, Addressee::Conference(id)) => {
                self.watch(now, incoming, &caller, id);
            }
            // Of these nothing can be subscribed to.
            (Method::Subscribe, Addressee::Factory { .. } | Addressee::Host) => {
                self.reply(incoming, focus::bad_event(incoming));
            }
            (
                Method::Options,
                Addressee::Factory { .. } | Addressee::Conference(_) | Addressee::Host,
            ) => {
                self.options(now, incoming, &caller, addressee);
            }
            // Nobody; or INVITE to the host itself. Nothing else passed the check of methods.
            (_, _) => self.reply_status(incoming, StatusCode::NOT_FOUND),
        }
    }

    /// Finds out whom a Request-URI means. The host of a conference URI is not looked at: proxies
    /// rewrite it, the token says enough.
    pub(crate) fn addressee(&self, uri: &SipUri) -> Addressee {
        let asked = self.factories.iter().enumerate().find_map(|(index, factory)| {
            factory.matches(uri).map(|asked| Addressee::Factory { index, asked })
        });
        if let Some(factory) = asked {
            return factory;
        }
        let Some(user) = uri.user_unescaped() else {
            let ours = self.factories.iter().any(|factory| factory.owns(&uri.host))
                || self.listens.iter().any(|listen| {
                    listen.advertise.0.as_str().eq_ignore_ascii_case(uri.host.as_str())
                });
            return if ours { Addressee::Host } else { Addressee::Nobody };
        };
        match self.conference_of(&String::from_utf8_lossy(&user)) {
            Ok(Some(id)) => Addressee::Conference(id),
            Ok(None) | Err(_) => Addressee::Nobody,
        }
    }

    fn conference_of(&self, user: &str) -> Result<Option<ConferenceId>, TokenError> {
        let token = pool::read(&self.keys.token, user)?;
        let alive = self.records.get(&token.id).is_some_and(|record| record.is_alive());
        Ok(alive.then_some(token.id))
    }

    /// Whether the source of a request that comes to nothing has had so many answers that it gets none now.
    fn is_held_back(&mut self, now: Instant, incoming: &Incoming) -> bool {
        !self.pace.allows(now, &incoming.source)
    }

    /// The To tag of a stateless answer: the same for every copy of the request.
    pub(crate) fn tag_for(&self, incoming: &Incoming) -> String {
        self.tag_key.tag(&self.tag_prefix, incoming)
    }

    /// Answers without keeping anything (RFC 3261 §8.2.7): the source address may be forged, so it
    /// gets one packet for one packet.
    pub(crate) fn reply(&mut self, incoming: &Incoming, response: Response) {
        let cause = Refusal::of_status(response.status);
        self.reply_because(incoming, response, cause);
    }

    /// The same, where more is known than the status says.
    pub(crate) fn reply_because(
        &mut self,
        incoming: &Incoming,
        response: Response,
        cause: Refusal,
    ) {
        let response = response.with_to_tag(&self.tag_for(incoming));
        self.count_refusal(response.status, cause);
        self.stack.reply_stateless(incoming, response);
    }

    pub(crate) fn reply_status(&mut self, incoming: &Incoming, status: StatusCode) {
        self.reply(incoming, Response::answering(&incoming.request, status));
    }

    /// Refuses for want of something, without keeping anything.
    pub(crate) fn refuse(&mut self, now: Instant, incoming: &Incoming, refused: &Refused) {
        let status = self.refuse_quietly(incoming, refused);
        let notice = Notice::Refused {
            uri: focus::masked(incoming.request.uri.text()),
            asker: focus::masked(incoming.essentials.from.uri.text()),
            status: status.code(),
            why: refused.to_string(),
            explained: self.explained.take_words(),
        };
        self.notice_refusal(now, notice);
    }

    /// The same, and nobody is told: there was only a question. Gives the status.
    pub(crate) fn refuse_quietly(&mut self, incoming: &Incoming, refused: &Refused) -> StatusCode {
        let tag = self.tag_for(incoming);
        let agent = self.listen_for(incoming).advertise.0.to_string();
        let response = refusal(incoming, refused, &agent, &tag, &mut self.rng);
        let status = response.status;
        self.count_refusal(status, Refusal::of(refused));
        self.stack.reply_stateless(incoming, response);
        status
    }

    /// Counts an answer, if it is a refusal.
    pub(crate) fn count_refusal(&mut self, status: StatusCode, cause: Refusal) {
        if status.code() >= 400 {
            *self.refused.entry(status.code()).or_default() += 1;
            self.tallies.refusals.count(cause);
        }
    }

    /// The transaction table is full. The stack has counted the cause.
    pub(crate) fn overloaded(&mut self, incoming: &Incoming) {
        *self.refused.entry(StatusCode::SERVICE_UNAVAILABLE.code()).or_default() += 1;
        self.stack.refuse_full(incoming);
    }

    /// The place a request came in at; its advertised name goes into what we answer.
    pub(crate) fn listen_for(&self, incoming: &Incoming) -> &crate::SipListen {
        let local = incoming.source.local;
        let here = self.listens.iter().find(|listen| listen.bind == local);
        here.unwrap_or(&self.listens[0])
    }
}

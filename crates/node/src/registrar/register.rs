//! REGISTER: RFC 3261 §10.3.

use std::time::Duration;

use sip::uas::{self, Capabilities};
use sip::{Contacts, HeaderName, Incoming, NameAddr, Response, SipUri, StatusCode, Uri};
use units::Instant;

use super::bindings::{CHANGES_MAX, Change, From, News, Refused};
use crate::Notice;
use crate::auth::Door;
use crate::node::Node;

/// How long a phone stays that does not say.
const EXPIRES_USUAL: Duration = Duration::from_secs(300);

/// Shortest time: a phone that wants less would register all day. It is told so by 423.
const EXPIRES_MIN: Duration = Duration::from_secs(30);

/// Longest time: a phone that vanished is not called for longer. Who asks for more gets this.
const EXPIRES_MAX: Duration = Duration::from_secs(3_600);

/// Longest name that can be registered, in bytes; all names of users fit.
const NAME_BYTES_MAX: usize = 64;

/// Longest Contact URI, in bytes: it is in every answer to a REGISTER, and before its sender is known no
/// answer should be much longer than what it answers.
const CONTACT_BYTES_MAX: usize = 256;

/// No extension: `path`, `outbound` and `gruu` are for registrars that mean it.
const CAPABILITIES: Capabilities =
    Capabilities { allow: &[], extensions: &[], accept: &[], events: &[] };

/// What a REGISTER wants done.
enum Wish {
    Clear,
    Update(Vec<Change>),
}

impl Node {
    /// Takes a REGISTER. Its steps are those of RFC 3261 §10.3.
    pub(super) fn register(&mut self, now: Instant, incoming: &Incoming) {
        // Step 1: domains are never mixed, so another's is nobody's here.
        let is_here = incoming.request.uri.as_sip().is_some_and(|uri| self.owns(&uri.host));
        if !is_here {
            return self.reply_status(incoming, StatusCode::NOT_FOUND);
        }
        // Step 2.
        if let Err(response) = uas::check_require(incoming, &CAPABILITIES) {
            return self.reply(incoming, response);
        }
        // Step 3.
        let Some(caller) = self.admit(now, incoming, Door::Other) else { return };
        // Step 5 comes before step 4: who is authorised is known by the name.
        let name = incoming.essentials.to.uri.as_sip().and_then(|uri| self.user_here(uri));
        let Some(name) = name.filter(|name| name.len() <= NAME_BYTES_MAX) else {
            return self.reply_status(incoming, StatusCode::NOT_FOUND);
        };
        if self.auth.is_some() && caller.user() != Some(&name) {
            let refusal = self.forbidden(incoming, NOT_HIS);
            return self.reply(incoming, refusal);
        }
        if self.listens.iter().any(|listen| listen.bind == incoming.source.remote) {
            // What is sent there comes back to us.
            return self.reply_status(incoming, StatusCode::FORBIDDEN);
        }
        // Steps 6 and 7.
        match wish(incoming) {
            Ok(wish) => self.bind(now, incoming, &name, &wish),
            Err(status) if status == StatusCode::INTERVAL_TOO_BRIEF => {
                let least = EXPIRES_MIN.as_secs();
                let response = Response::answering(&incoming.request, status)
                    .with_header(HeaderName::MinExpires, least.to_string());
                self.reply(incoming, response);
            }
            Err(status) => self.reply_status(incoming, status),
        }
    }

    fn bind(&mut self, now: Instant, incoming: &Incoming, name: &str, wish: &Wish) {
        let Some(registrar) = &mut self.registrar else { return };
        let essentials = &incoming.essentials;
        let (call_id, cseq) = (essentials.call_id.as_str(), essentials.cseq.number);
        let from = From { path: incoming.source, call_id, cseq };
        let done = match wish {
            Wish::Clear => registrar.bindings.clear(name, from),
            Wish::Update(changes) => registrar.bindings.update(now, name, changes, from),
        };
        match done {
            Ok(news) => {
                self.tell_phones(name, incoming, news);
                self.list_bindings(now, incoming, name);
            }
            Err(Refused::OutOfOrder) => {
                self.reply_status(incoming, StatusCode::SERVER_INTERNAL_ERROR);
            }
            Err(Refused::Full) => self.overloaded(incoming),
        }
    }

    fn tell_phones(&mut self, user: &str, incoming: &Incoming, news: Vec<News>) {
        for news in news {
            let user = user.to_owned();
            let masked = |contact: &SipUri| focus::masked(contact.text());
            self.notice(match news {
                News::Came(contact) => Notice::PhoneRegistered {
                    user,
                    contact: masked(&contact),
                    source: incoming.source.remote.to_string(),
                },
                News::Went(contact) => Notice::PhoneGone {
                    user,
                    contact: masked(&contact),
                    cause: "it was taken out".to_owned(),
                },
            });
        }
    }

    /// Step 8: all bindings that there are now, and how long each lasts.
    fn list_bindings(&mut self, now: Instant, incoming: &Incoming, name: &str) {
        let Some(registrar) = &self.registrar else { return };
        let ok = Response::answering(&incoming.request, StatusCode::OK);
        let response = registrar.bindings.of(name).iter().fold(ok, |response, binding| {
            let seconds = binding.until.since(now).as_secs().to_string();
            let contact =
                NameAddr::new(binding.contact.clone()).with_param("expires", Some(&seconds));
            response.with_header(HeaderName::Contact, contact.to_string())
        });
        let response = response.with_to_tag(&self.tag_for(incoming));
        self.stack.reply_stateless(incoming, response);
    }
}

/// Reads what is wanted, or says what is wrong with it.
fn wish(incoming: &Incoming) -> Result<Wish, StatusCode> {
    let headers = &incoming.request.headers;
    // RFC 3261 §20.19: what cannot be read counts as 3600.
    let common = headers.expires().unwrap_or(Some(3_600));
    let common = common.map(|seconds| Duration::from_secs(seconds.into()));
    let contacts = headers.contacts().map_err(|error| error.status())?;
    let contacts = match contacts {
        // Step 6: `*` may only take everything out.
        Contacts::Star if common == Some(Duration::ZERO) => return Ok(Wish::Clear),
        Contacts::Star => return Err(StatusCode::BAD_REQUEST),
        Contacts::List(contacts) => contacts,
    };
    if contacts.len() > CHANGES_MAX {
        return Err(StatusCode::FORBIDDEN);
    }
    contacts
        .into_iter()
        .map(|contact| change(contact, common))
        .collect::<Result<_, _>>()
        .map(Wish::Update)
}

fn change(contact: NameAddr, common: Option<Duration>) -> Result<Change, StatusCode> {
    let own = contact.params.value("expires");
    let own = own.map(|text| text.parse().map_or(Duration::from_secs(3_600), Duration::from_secs));
    let time = own.or(common).unwrap_or(EXPIRES_USUAL).min(EXPIRES_MAX);
    if !time.is_zero() && time < EXPIRES_MIN {
        return Err(StatusCode::INTERVAL_TOO_BRIEF);
    }
    // What goes into a Request-URI later must be fit for one, and must be one that we can send to.
    match contact.uri {
        Uri::Sip(uri) if !uri.secure && uri.to_string().len() <= CONTACT_BYTES_MAX => {
            Ok(Change { contact: uri.as_request_uri(), time })
        }
        Uri::Sip(_) | Uri::Other { .. } => Err(StatusCode::FORBIDDEN),
    }
}

const NOT_HIS: &str = "A user may register his own name and no other";

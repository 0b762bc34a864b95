//! Dialogs: what two user agents remember of each other (RFC 3261 §12). Plain data, with a snapshot.

mod error;
mod reach;
mod snapshot;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::{
    error::DialogError,
    reach::{Nat, Reach},
    snapshot::{DIALOG_SNAPSHOT_VERSION, DialogSnapshot, SnapshotError},
};
use crate::{
    CSeq, Contacts, Essentials, HeaderError, HeaderName, Headers, Incoming, MAX_FORWARDS, Method,
    NameAddr, Request, Response, SessionId, SessionUuid, SipUri, Source, StatusCode, Uri,
};

/// Names a dialog, as seen from here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DialogId {
    /// The Call-ID.
    pub call_id: String,
    /// Our tag.
    pub local_tag: String,
    /// The peer's tag; empty for an RFC 2543 peer, who has none (RFC 3261 §12.1.1).
    pub remote_tag: String,
}

impl DialogId {
    /// The same dialog as its other side names it.
    #[must_use]
    pub fn for_peer(&self) -> Self {
        let Self { call_id, local_tag, remote_tag } = self.clone();
        Self { call_id, local_tag: remote_tag, remote_tag: local_tag }
    }

    /// The dialog that a request which came in says it belongs to: To is ours.
    pub fn of_request(essentials: &Essentials) -> Self {
        let Essentials { call_id, from, to, .. } = essentials;
        Self {
            call_id: call_id.clone(),
            local_tag: to.tag().unwrap_or_default().to_owned(),
            remote_tag: from.tag().unwrap_or_default().to_owned(),
        }
    }

    /// The dialog that a response which came in belongs to: From is ours.
    pub fn of_response(essentials: &Essentials) -> Self {
        let Essentials { call_id, from, to, .. } = essentials;
        Self {
            call_id: call_id.clone(),
            local_tag: from.tag().unwrap_or_default().to_owned(),
            remote_tag: to.tag().unwrap_or_default().to_owned(),
        }
    }
}

/// The state of a dialog (RFC 3261 §12).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dialog {
    /// Its name.
    pub id: DialogId,
    /// Who we are: To of the request that made it, or From if that was ours.
    pub local_uri: Uri,
    /// Who the peer is.
    pub remote_uri: Uri,
    /// Where the peer wants requests: its Contact.
    pub remote_target: SipUri,
    /// The proxies that want to see every request, the first to be passed first.
    pub route_set: Vec<NameAddr>,
    /// The number of our last request; `None` before the first.
    pub local_cseq: Option<u32>,
    /// The number of the peer's last request; `None` before the first.
    pub remote_cseq: Option<u32>,
    /// Whether it was made over TLS for a SIPS URI (RFC 3261 §12.1.1).
    pub secure: bool,
    /// Our Contact.
    pub local_contact: NameAddr,
    /// The path that the peer's message came by.
    pub path: Source,
    /// How to reach the peer.
    pub reach: Reach,
    /// The session that our messages name, once we have joined it (RFC 7989).
    #[serde(default)]
    pub session: Option<SessionId>,
}

impl Dialog {
    /// Makes the dialog of a request that we are about to answer with 101-299 (RFC 3261 §12.1.1).
    ///
    /// `contact` is our Contact; it becomes SIPS if the request asks for that. Put
    /// [`Self::local_contact`] into the answer, or let [`Self::response`] make it.
    ///
    /// # Errors
    /// The request cannot make a dialog: [`DialogError::status`] says how to answer.
    pub fn answering(
        incoming: &Incoming,
        local_tag: impl Into<String>,
        contact: NameAddr,
    ) -> Result<Self, DialogError> {
        let Incoming { request, essentials, source } = incoming;
        let remote_target = single_contact(&request.headers)?;
        let route_set = record_routes(&request.headers)?;
        let asked_secure = is_sips(&request.uri);
        // RFC 3261 §12.1.1: SIPS in, SIPS out.
        let first = route_set.first().map_or(remote_target.secure, |route| is_sips(&route.uri));
        let local_contact = if asked_secure || first { with_sips(contact) } else { contact };
        let reach = Reach::of(&route_set, &essentials.via, source);
        Ok(Self {
            id: DialogId {
                call_id: essentials.call_id.clone(),
                local_tag: local_tag.into(),
                remote_tag: essentials.from.tag().unwrap_or_default().to_owned(),
            },
            local_uri: essentials.to.uri.clone(),
            remote_uri: essentials.from.uri.clone(),
            remote_target,
            route_set,
            local_cseq: None,
            remote_cseq: Some(essentials.cseq.number),
            secure: source.transport.is_secure() && asked_secure,
            local_contact,
            path: *source,
            reach,
            session: None,
        })
    }

    /// Makes the dialog of a request that we have sent and a 101-299 answer to it that came by `path`
    /// (RFC 3261 §12.1.2).
    ///
    /// # Errors
    /// One of the two cannot make a dialog.
    pub fn established(
        request: &Request,
        response: &Response,
        path: Source,
    ) -> Result<Self, DialogError> {
        let (from, to) = (response.headers.from_()?, response.headers.to()?);
        let local_contact = request.headers.contact()?;
        let missing = || HeaderError::Missing(HeaderName::Contact);
        let mut route_set = record_routes(&response.headers)?;
        route_set.reverse();
        Ok(Self {
            id: DialogId {
                call_id: response.headers.call_id()?.to_owned(),
                local_tag: from.tag().unwrap_or_default().to_owned(),
                remote_tag: to.tag().unwrap_or_default().to_owned(),
            },
            local_uri: from.uri,
            remote_uri: to.uri,
            remote_target: single_contact(&response.headers)?,
            route_set,
            local_cseq: Some(request.headers.cseq()?.number),
            remote_cseq: None,
            secure: path.transport.is_secure() && is_sips(&request.uri),
            local_contact: local_contact.ok_or_else(missing)?,
            path,
            reach: Reach::Target,
            session: request
                .headers
                .session_id()
                .map(|sent| sent.answered(response.headers.session_id().as_ref())),
        })
    }

    /// Makes an answer that is part of this dialog: with our tag, our Contact and the Record-Routes of the
    /// request, in order (RFC 3261 §12.1.1).
    pub fn response(&self, incoming: &Incoming, status: StatusCode) -> Response {
        let mut response =
            Response::answering(&incoming.request, status).with_to_tag(&self.id.local_tag);
        response.headers.copy_all(&incoming.request.headers, &HeaderName::RecordRoute);
        self.name_session(&mut response);
        response.with_header(HeaderName::Contact, self.local_contact.to_string())
    }

    /// From now on our messages name the session of a request that came, with `own` as our end (RFC 7989 §6).
    pub fn join_session(&mut self, own: SessionUuid, heard: &Headers) {
        self.session = Some(SessionId::answering(own, heard.session_id().as_ref()));
    }

    /// An answer to a request of ours came, or an ACK: the peer may have become another (RFC 7989 §8).
    pub fn hear_session(&mut self, heard: &Headers) {
        self.session = self.session.map(|session| session.hearing(heard.session_id().as_ref()));
    }

    /// Puts our end into an answer within this dialog. If it is a 2xx or 3xx, the peer's end as the request
    /// had it is his from now on (RFC 7989 §8).
    pub fn answer_session(&mut self, response: &mut Response) {
        let session = self.name_session(response);
        if response.status.is_success() || response.status.is_redirect() {
            self.session = session;
        }
    }

    /// An answer that was made of its request names the peer's end as the request had it.
    fn name_session(&self, response: &mut Response) -> Option<SessionId> {
        let named = response.headers.session_id().and_then(|session| session.remote);
        let heard = named.map(|local| SessionId { local, remote: Some(SessionUuid::NIL) });
        let session = self.session?.hearing(heard.as_ref());
        response.headers.set(HeaderName::SessionId, session.to_string());
        Some(session)
    }

    /// Checks that a request of the peer belongs here and is in order, and counts it
    /// (RFC 3261 §12.2.2). Gaps are fine.
    ///
    /// An ACK or CANCEL carries the number of the INVITE it speaks of: it is not counted.
    ///
    /// # Errors
    /// [`DialogError::OtherDialog`], [`DialogError::StaleCseq`].
    pub fn check(&mut self, essentials: &Essentials) -> Result<(), DialogError> {
        if DialogId::of_request(essentials) != self.id {
            return Err(DialogError::OtherDialog);
        }
        let got = essentials.cseq.number;
        match (self.remote_cseq, &essentials.cseq.method) {
            (_, Method::Ack | Method::Cancel) => Ok(()),
            // The same number again is a replay too: a copy would have met its transaction.
            (Some(last), _) if got <= last => Err(DialogError::StaleCseq { got, last }),
            (Some(_) | None, _) => {
                self.remote_cseq = Some(got);
                Ok(())
            }
        }
    }

    /// Makes our next request in this dialog (RFC 3261 §12.2.1.1): CSeq one higher. Via is put in by
    /// [`Stack::request`](crate::Stack::request).
    pub fn request(&mut self, method: Method) -> Request {
        // RFC 3261 §8.1.1.5: below 2^31, any number will do to begin with.
        let number = self.local_cseq.map_or(1, |last| last.saturating_add(1));
        self.local_cseq = Some(number);
        let refreshes = refreshes_target(&method);
        let mut request = self.shape(method, number);
        if refreshes {
            request.headers.push(HeaderName::Contact, self.local_contact.to_string());
        }
        request
    }

    /// Makes the ACK to a 2xx of the INVITE with this number (RFC 3261 §13.2.2.4).
    pub fn ack(&self, cseq_number: u32) -> Request {
        self.shape(Method::Ack, cseq_number)
    }

    /// The peer has moved: a target refresh, or the 2xx to one of ours, names a new Contact
    /// (RFC 3261 §12.2.2, §12.2.1.2).
    ///
    /// # Errors
    /// [`DialogError::ContactScheme`]; the old target stays.
    pub fn refresh_target(&mut self, contact: NameAddr) -> Result<(), DialogError> {
        match contact.uri {
            Uri::Sip(uri) => {
                self.remote_target = uri;
                Ok(())
            }
            Uri::Other { .. } => Err(DialogError::ContactScheme),
        }
    }

    /// The URI that the next request is sent to: the first route, else the remote target. It is the same
    /// for loose and for strict routing (RFC 3261 §12.2.1.1, §8.1.2).
    pub fn next_hop(&self) -> &SipUri {
        let first = self.route_set.first().and_then(|route| route.uri.as_sip());
        first.unwrap_or(&self.remote_target)
    }

    /// RFC 3261 §12.2.1.1: everything but Contact.
    fn shape(&self, method: Method, number: u32) -> Request {
        let target = self.remote_target.as_request_uri();
        let strict = self.route_set.first().and_then(|route| route.uri.as_sip());
        let (uri, routes) = match strict.filter(|first| !first.is_loose()) {
            // RFC 3261 §12.2.1.1: a strict router takes itself from the Request-URI and the target from
            // the last Route.
            Some(first) => {
                let rest = self.route_set.iter().skip(1).cloned();
                let last = NameAddr::new(self.remote_target.clone());
                (first.as_request_uri(), rest.chain([last]).collect())
            }
            None => (target, self.route_set.clone()),
        };
        let mut request = Request::new(method.clone(), uri);
        let headers = &mut request.headers;
        for route in routes {
            headers.push(HeaderName::Route, route.to_string());
        }
        headers.push(HeaderName::MaxForwards, MAX_FORWARDS);
        headers.push(HeaderName::From, tagged(&self.local_uri, &self.id.local_tag));
        headers.push(HeaderName::To, tagged(&self.remote_uri, &self.id.remote_tag));
        headers.push(HeaderName::CallId, self.id.call_id.as_str());
        headers.push(HeaderName::CSeq, CSeq::new(number, method).to_string());
        if let Some(session) = self.session {
            headers.push(HeaderName::SessionId, session.to_string());
        }
        request
    }
}

/// A From or To value. RFC 3261 §12.2.1.1: without a tag if the tag is null.
fn tagged(uri: &Uri, tag: &str) -> String {
    let value = NameAddr::new(uri.clone());
    if tag.is_empty() { value.to_string() } else { value.with_tag(tag).to_string() }
}

/// RFC 3261 §8.1.1.8, §12.1.1: exactly one Contact, SIP or SIPS.
fn single_contact(headers: &Headers) -> Result<SipUri, DialogError> {
    let contacts = match headers.contacts()? {
        Contacts::Star => return Err(DialogError::ContactScheme),
        Contacts::List(contacts) => contacts,
    };
    let got = contacts.len();
    let mut contacts = contacts.into_iter();
    match (contacts.next(), got) {
        (Some(NameAddr { uri: Uri::Sip(uri), .. }), 1) => Ok(uri),
        (Some(_), 1) => Err(DialogError::ContactScheme),
        (Some(_) | None, _) => Err(DialogError::ContactCount { got }),
    }
}

/// RFC 3261 §20.30: routes are SIP or SIPS URIs.
fn record_routes(headers: &Headers) -> Result<Vec<NameAddr>, DialogError> {
    let routes = headers.record_routes()?;
    if routes.iter().all(|route| route.uri.as_sip().is_some()) {
        Ok(routes)
    } else {
        Err(DialogError::Header(HeaderError::Malformed(HeaderName::RecordRoute)))
    }
}

/// Requests whose Contact moves the peer's target: re-INVITE (RFC 3261 §12.2), UPDATE (RFC 3311 §5.1),
/// and those of subscriptions (RFC 6665 §4.4.1), which need one.
fn refreshes_target(method: &Method) -> bool {
    matches!(
        method,
        Method::Invite | Method::Update | Method::Subscribe | Method::Notify | Method::Refer
    )
}

fn is_sips(uri: &Uri) -> bool {
    uri.as_sip().is_some_and(|uri| uri.secure)
}

fn with_sips(mut contact: NameAddr) -> NameAddr {
    if let Uri::Sip(uri) = &mut contact.uri {
        uri.secure = true;
    }
    contact
}

//! What all our requests and answers have in common, and where they go.

use sip::header::TDIALOG;
use sip::{
    FlowId, HeaderName, Headers, Method, NameAddr, NextHop, Request, Response, SipUri, Source,
    StatusCode, Target, Transport, Uri, Warning, session_timer, uas::Capabilities,
};

use sip::reliable::RELIABLE;

use crate::config::UaConfig;
use crate::event::{CommandError, Refusal};

pub(super) const SDP: &str = "application/sdp";
pub(super) const SIPFRAG: &str = "message/sipfrag";
pub(super) const CONFERENCE_INFO: &str = "application/conference-info+xml";

/// RFC 3891 §6.2
const REPLACES: &str = "replaces";

/// What this user agent understands.
pub(super) const CAPABILITIES: Capabilities = Capabilities {
    allow: &[
        Method::Invite,
        Method::Ack,
        Method::Bye,
        Method::Cancel,
        Method::Options,
        Method::Update,
        Method::Prack,
        Method::Refer,
        Method::Notify,
    ],
    extensions: &[RELIABLE, session_timer::TIMER, REPLACES, TDIALOG],
    accept: &[SDP, SIPFRAG, CONFERENCE_INFO],
    events: &["refer"],
};

/// The next hop for a request outside any dialog.
pub(super) fn next_hop(uri: &Uri) -> Result<NextHop, CommandError> {
    match uri {
        Uri::Sip(uri) => sip::next_hop(uri).map_err(|_| CommandError::UnsupportedUri),
        Uri::Other { .. } => Err(CommandError::UnsupportedUri),
    }
}

/// Our own addresses, and the headers that carry them.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    config: UaConfig,
    uri: SipUri,
    /// The address that others know us by.
    known_as: Uri,
    /// The proxy as a route.
    route: Option<NameAddr>,
}

impl Identity {
    pub(super) fn new(config: UaConfig) -> Self {
        let host = config.advertised_host.clone();
        let uri = SipUri::new(host, Some(config.advertised_port)).with_user(&config.user);
        let known_as = config.register.as_ref().map(|its| its.aor.clone());
        let known_as = known_as.unwrap_or_else(|| Uri::Sip(uri.clone()));
        let route = config.proxy.as_ref().map(|proxy| NameAddr::new(loose(proxy)));
        Self { config, uri, known_as, route }
    }

    /// The next hop for a request to `target` outside any dialog: the proxy, if there is one.
    pub(super) fn next_hop(&self, target: &Uri) -> Result<NextHop, CommandError> {
        match &self.route {
            Some(route) => next_hop(&route.uri),
            None => next_hop(target),
        }
    }

    /// The address that others know us by: for From and Referred-By.
    pub(super) fn known_as(&self) -> NameAddr {
        NameAddr::new(self.known_as.clone())
    }

    /// Our Contact in what goes or came over this transport: a peer that reads no transport in it would
    /// come back by UDP (RFC 3261 §8.1.1.8, §18.1.1; RFC 3263 §4.1).
    pub(super) fn contact(&self, transport: Transport) -> NameAddr {
        let uri = self.uri.clone();
        NameAddr::new(if transport.is_reliable() {
            uri.with_param("transport", Some(transport.uri_param())).into()
        } else {
            Uri::Sip(uri)
        })
    }

    /// Puts our Contact into a request outside any dialog that goes by the first of these paths. Where that fails
    /// and the next one has another transport, it stays: we listen by both.
    pub(super) fn put_contact(&self, request: &mut Request, paths: &[Source]) {
        let transport = paths.first().map_or(Transport::Udp, |path| path.transport);
        request.headers.set(HeaderName::Contact, self.contact(transport).to_string());
    }

    pub(super) fn from(&self, tag: &str) -> NameAddr {
        let mut from = self.known_as().with_tag(tag);
        from.display.clone_from(&self.config.display);
        from
    }

    /// The ways to these places from our one port. Those of its family; if there is none, the system says so of the
    /// others.
    pub(super) fn paths_to(&self, targets: &[Target]) -> Vec<Source> {
        let local = self.config.bind;
        let path = |&Target { transport, remote }: &Target| Source {
            transport,
            local,
            remote,
            flow: FlowId::NONE,
        };
        let (same, other): (Vec<_>, Vec<_>) =
            targets.iter().map(path).partition(|path| path.remote.is_ipv4() == local.is_ipv4());
        if same.is_empty() { other } else { same }
    }

    /// A request outside any dialog, the first one of a new Call-ID (RFC 3261 §8.1.1).
    pub(super) fn request(
        &self,
        method: Method,
        target: &SipUri,
        call_id: &str,
        tag: &str,
    ) -> Request {
        let uri = Uri::Sip(target.as_request_uri());
        let request = Request::new(method.clone(), uri.clone())
            .with_header(HeaderName::MaxForwards, 70)
            .with_header(HeaderName::To, NameAddr::new(uri).to_string())
            .with_header(HeaderName::From, self.from(tag).to_string())
            .with_header(HeaderName::CallId, call_id)
            .with_header(HeaderName::CSeq, format!("{FIRST_CSEQ} {method}"));
        let request = match &self.route {
            // RFC 3261 §8.1.2: a route set that is given beforehand.
            Some(route) => request.with_header(HeaderName::Route, route.to_string()),
            None => request,
        };
        self.describe_request(request)
    }

    /// Adds to a request what it says of us.
    pub(super) fn describe_request(&self, mut request: Request) -> Request {
        if matches!(request.method, Method::Invite | Method::Update | Method::Refer) {
            capabilities(&mut request.headers);
        }
        // RFC 4028 §7.1: in every request but ACK.
        request.headers.set(HeaderName::Supported, CAPABILITIES.extensions.join(", "));
        request.headers.set(HeaderName::UserAgent, self.config.product.as_str());
        request
    }

    /// Adds to the answer that makes or refreshes a dialog what it says of us.
    pub(super) fn describe_response(
        &self,
        mut response: Response,
        transport: Transport,
    ) -> Response {
        if response.headers.get(&HeaderName::Contact).is_none() {
            response.headers.push(HeaderName::Contact, self.contact(transport).to_string());
        }
        capabilities(&mut response.headers);
        response.headers.set(HeaderName::Supported, CAPABILITIES.extensions.join(", "));
        response.headers.set(HeaderName::Server, self.config.product.as_str());
        response
    }
}

/// RFC 3261 §8.1.2: only strict routers want to be in the Request-URI, and people leave out `lr`.
fn loose(proxy: &Uri) -> Uri {
    match proxy {
        Uri::Sip(uri) if !uri.is_loose() => uri.clone().with_param("lr", None).into(),
        Uri::Sip(_) | Uri::Other { .. } => proxy.clone(),
    }
}

/// RFC 3261 §8.1.1.5 leaves the first number open; it must leave room for those after it.
pub(super) const FIRST_CSEQ: u32 = 1;

/// RFC 3261 §13.2.1, §13.3.1.4: Allow and Supported should be in an INVITE and its 2xx.
fn capabilities(headers: &mut Headers) {
    let allow: Vec<&str> = CAPABILITIES.allow.iter().map(Method::as_str).collect();
    headers.set(HeaderName::Allow, allow.join(", "));
    headers.set(HeaderName::AllowEvents, CAPABILITIES.events.join(", "));
}

/// What a refusal says to a person.
pub(super) fn refusal(response: &Response) -> Refusal {
    let warnings = response.headers.warnings().unwrap_or_default();
    let retry_after = response.headers.retry_after().ok().flatten();
    Refusal {
        status: response.status,
        reason: response.reason.clone(),
        warning: warnings.into_iter().next().map(|Warning { text, .. }| text),
        retry_after_seconds: retry_after.map(|retry_after| retry_after.seconds),
    }
}

/// A refusal that we found ourselves.
pub(super) fn refusal_of(status: StatusCode) -> Refusal {
    let reason = status.reason().to_owned();
    Refusal { status, reason, warning: None, retry_after_seconds: None }
}

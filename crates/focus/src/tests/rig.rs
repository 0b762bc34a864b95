//! A conference with virtual time, and callers who write their messages by hand.

use std::net::SocketAddr;

use sip::{
    Essentials, FlowId, HeaderName, Incoming, Message, Method, Request, Response, ServerTxnId,
    Source, StatusCode, Transport, parse_datagram,
};
use units::{Instant, Rng};

use crate::{
    Creator, DialRules, EndPolicy, Focus, FocusConfig, LegEnd, LegId, LegMedia, MediaPort,
    MediaSeat, Output,
};

pub(crate) const CONFERENCE: &str =
    "sip:conf-abcdefghijklmnopqrstuvwxyz2345672345672345@mix.example.com";

pub(crate) const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.200\r\ns=-\r\nc=IN IP4 192.0.2.200\r\nt=0 0\r\n\
     m=audio 4000 RTP/AVP 0 8\r\n";

/// Reads a message as the stack would; lines may end in a bare LF here.
pub(crate) fn incoming(text: &str, remote: &str) -> Incoming {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let head = head.trim_start().replace("\r\n", "\n").replace('\n', "\r\n");
    let bytes = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let Ok(Message::Request(request)) = parse_datagram(bytes.as_bytes()) else {
        panic!("the test's own message is malformed:\n{bytes}")
    };
    let essentials = Essentials::of(&request.headers).unwrap();
    Incoming { request, essentials, source: source(remote) }
}

pub(crate) fn source(remote: &str) -> Source {
    let local: SocketAddr = "198.51.100.1:5060".parse().unwrap();
    let remote = remote.parse().unwrap();
    Source { transport: Transport::Udp, local, remote, flow: FlowId::NONE }
}

/// One terminal in one dialog.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) name: &'static str,
    pub(crate) address: String,
    pub(crate) call_id: String,
    pub(crate) tag: String,
    pub(crate) uri: String,
    pub(crate) cseq: u32,
    pub(crate) to_tag: Option<String>,
    /// Where its packets come from, if a NAT makes that another address than its own.
    pub(crate) seen_as: Option<String>,
    /// More header lines for the next messages.
    pub(crate) more: String,
}

impl Caller {
    pub(crate) fn new(name: &'static str, last: u8) -> Self {
        Self {
            name,
            address: format!("192.0.2.{last}:5060"),
            call_id: format!("call-of-{name}"),
            tag: format!("tag-of-{name}"),
            uri: CONFERENCE.to_owned(),
            cseq: 0,
            to_tag: None,
            seen_as: None,
            more: String::new(),
        }
    }

    /// The next request of this dialog, or the first.
    pub(crate) fn next(&mut self, method: &str, body: &str) -> Incoming {
        self.cseq += 1;
        self.request(method, self.cseq, body)
    }

    pub(crate) fn request(&self, method: &str, cseq: u32, body: &str) -> Incoming {
        let Self { name, address, call_id, tag, uri, more, .. } = self;
        let to_tag = self.to_tag.as_ref().map(|tag| format!(";tag={tag}")).unwrap_or_default();
        let kind = if body.is_empty() || more.contains("Content-Type") {
            ""
        } else {
            "Content-Type: application/sdp\n"
        };
        let contact = if more.contains("Contact:") {
            String::new()
        } else {
            format!("Contact: <sip:{name}@{address}>\n")
        };
        let text = format!(
            "{method} {uri} SIP/2.0\n\
             Via: SIP/2.0/UDP {address};branch=z9hG4bK{name}{method}{cseq}\n\
             Max-Forwards: 70\n\
             From: \"{name}\" <sip:{name}@example.com>;tag={tag}\n\
             To: <{uri}>{to_tag}\n\
             Call-ID: {call_id}\n\
             CSeq: {cseq} {method}\n\
             {contact}{kind}{more}"
        );
        let remote = self.seen_as.as_ref().unwrap_or(address);
        incoming(&format!("{}\n\n{body}", text.trim_end()), remote)
    }

    /// The ACK to the 2xx of the last INVITE.
    pub(crate) fn ack(&self) -> Incoming {
        self.request("ACK", self.cseq, "")
    }

    /// Takes the dialog from an answer.
    pub(crate) fn heard(&mut self, response: &Response) {
        self.to_tag = Some(response.headers.to().unwrap().tag().unwrap().to_owned());
    }
}

/// A focus, its clock, and all that it said.
pub(crate) struct Rig {
    pub(crate) focus: Focus,
    pub(crate) now: Instant,
    pub(crate) log: Vec<(u64, Output)>,
    next_txn: u64,
    next_port: u32,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(EndPolicy::LastLeaves, None)
    }

    pub(crate) fn with(end: EndPolicy, creator: Option<Creator>) -> Self {
        let config = FocusConfig {
            conference_uri: CONFERENCE.parse().unwrap(),
            end,
            max_time: None,
            entry: crate::EntryPolicy::default(),
            creator,
            tag_prefix: "n1s0".to_owned(),
            dial_out: DialRules {
                allow: vec!["192.0.2.0/24".parse().unwrap()],
                ..DialRules::default()
            },
            nat: sip::Nat::Auto,
        };
        Self::around(Focus::new(Instant::ZERO, config, Rng::from_number(1)))
    }

    pub(crate) fn around(focus: Focus) -> Self {
        let mut rig = Self { focus, now: Instant::ZERO, log: vec![], next_txn: 0, next_port: 0 };
        rig.drain();
        rig
    }

    pub(crate) fn txn(&mut self) -> ServerTxnId {
        self.next_txn += 1;
        serde_json::from_str(&self.next_txn.to_string()).unwrap()
    }

    pub(crate) fn seat(&mut self) -> MediaSeat {
        self.next_port += 1;
        let port = u16::try_from(20_000 + 2 * self.next_port).unwrap();
        MediaSeat {
            port: MediaPort(self.next_port),
            address: SocketAddr::from(([198, 51, 100, 9], port)),
        }
    }

    pub(crate) fn try_invite(&mut self, incoming: &Incoming) -> Result<LegId, Response> {
        let (txn, seat) = (self.txn(), self.seat());
        let result = self.focus.invite(self.now, txn, incoming, seat);
        self.drain();
        result
    }

    /// INVITE with an offer, and the 200; no ACK yet.
    pub(crate) fn invite(&mut self, caller: &mut Caller) -> (LegId, Response) {
        let invite = caller.next("INVITE", OFFER);
        let leg = self.try_invite(&invite).unwrap();
        let response = self.last_response();
        assert_eq!(response.status, StatusCode::OK);
        caller.heard(&response);
        (leg, response)
    }

    /// INVITE, 200, ACK.
    pub(crate) fn join(&mut self, caller: &mut Caller) -> LegId {
        let (leg, _) = self.invite(caller);
        self.send(&caller.ack());
        leg
    }

    /// A request within a dialog; gives the answer, but to an ACK.
    pub(crate) fn send(&mut self, incoming: &Incoming) -> Option<Response> {
        let txn = (incoming.request.method != Method::Ack).then(|| self.txn());
        let before = self.log.len();
        self.focus.request(self.now, txn, incoming);
        self.drain();
        let answers: Vec<_> = self.log[before..]
            .iter()
            .filter_map(|(_, output)| match output {
                Output::Respond { txn: answered, response } => {
                    assert_eq!(Some(*answered), txn);
                    Some(response.clone())
                }
                _ => None,
            })
            .collect();
        assert_eq!(answers.len(), usize::from(txn.is_some()), "one answer, and none to an ACK");
        answers.into_iter().next()
    }

    pub(crate) fn status(&mut self, incoming: &Incoming) -> u16 {
        self.send(incoming).unwrap().status.code()
    }

    /// Answers the last request that went to a leg.
    pub(crate) fn answer(&mut self, leg: LegId, method: &Method, status: u16) {
        let status = StatusCode::new(status).unwrap();
        self.focus.response(self.now, leg, method, status);
        self.drain();
    }

    /// Answers the last request of this method that went to a leg, if there was one.
    pub(crate) fn answer_last(
        &mut self,
        leg: LegId,
        method: &Method,
        (status, more): (u16, &str),
        body: &str,
    ) {
        let sent = self.log.iter().rev().find_map(|(_, output)| match output {
            Output::Request { leg: to, request, .. } if *to == leg && request.method == *method => {
                Some(request.clone())
            }
            _ => None,
        });
        let Some(request) = sent else { return };
        let mut response = Response::answering(&request, StatusCode::new(status).unwrap());
        for line in more.lines() {
            let (name, value) = line.split_once(": ").unwrap();
            response.headers.push(name.parse().unwrap(), value);
        }
        if *method == Method::Invite && response.status.is_success() {
            response.set_body("application/sdp", body);
        }
        self.focus.answered(self.now, leg, method, &response, source("192.0.2.250:5060"));
        self.drain();
    }

    pub(crate) fn drain(&mut self) {
        while let Some(output) = self.focus.poll_output() {
            self.log.push((self.now.as_millis(), output));
        }
    }

    /// Jumps from deadline to deadline until this time.
    pub(crate) fn run_to_ms(&mut self, ms: u64) {
        let end = Instant::from_millis(ms);
        while let Some(at) = self.focus.deadline().filter(|at| *at <= end) {
            assert!(at >= self.now, "a deadline in the past");
            self.now = at;
            self.focus.handle_deadline(at);
            self.drain();
        }
        self.now = end;
    }

    pub(crate) fn last_response(&self) -> Response {
        let responses = self.log.iter().rev().filter_map(|(_, output)| match output {
            Output::Respond { response, .. } => Some(response.clone()),
            _ => None,
        });
        responses.into_iter().next().unwrap()
    }

    /// When requests of this method went out, to whom, in ms.
    pub(crate) fn sent(&self, method: &Method) -> Vec<(u64, LegId)> {
        let sent = self.log.iter().filter_map(|(ms, output)| match output {
            Output::Request { leg, request, .. } if request.method == *method => Some((*ms, *leg)),
            _ => None,
        });
        sent.collect()
    }

    pub(crate) fn last_request(&self) -> (Request, Source) {
        let requests = self.log.iter().rev().filter_map(|(_, output)| match output {
            Output::Request { request, to, .. } => Some((request.clone(), *to)),
            _ => None,
        });
        requests.into_iter().next().unwrap()
    }

    pub(crate) fn resent_ms(&self) -> Vec<u64> {
        let resent = |output: &Output| matches!(output, Output::ResendSuccess { .. });
        self.log.iter().filter(|(_, output)| resent(output)).map(|(ms, _)| *ms).collect()
    }

    pub(crate) fn leg_ends(&self) -> Vec<(LegId, LegEnd)> {
        let ends = self.log.iter().filter_map(|(_, output)| match output {
            Output::LegEnded { leg, cause, .. } => Some((*leg, *cause)),
            _ => None,
        });
        ends.collect()
    }

    pub(crate) fn closed(&self) -> Vec<LegId> {
        let closed = self.log.iter().filter_map(|(_, output)| match output {
            Output::CloseMedia { leg, .. } => Some(*leg),
            _ => None,
        });
        closed.collect()
    }

    pub(crate) fn ended(&self) -> Vec<crate::End> {
        let ended = self.log.iter().filter_map(|(_, output)| match output {
            Output::Ended { cause } => Some(*cause),
            _ => None,
        });
        ended.collect()
    }

    /// The media of a leg as last told.
    pub(crate) fn media(&self, leg: LegId) -> LegMedia {
        let media = self.log.iter().rev().filter_map(|(_, output)| match output {
            Output::OpenMedia { leg: told, media } | Output::UpdateMedia { leg: told, media }
                if *told == leg =>
            {
                Some(media.clone())
            }
            _ => None,
        });
        media.into_iter().next().unwrap()
    }

    pub(crate) fn updates(&self) -> usize {
        self.log.iter().filter(|(_, output)| matches!(output, Output::UpdateMedia { .. })).count()
    }
}

pub(crate) fn header(response: &Response, name: &HeaderName) -> String {
    response.headers.get(name).map(|value| value.text().into_owned()).unwrap_or_default()
}

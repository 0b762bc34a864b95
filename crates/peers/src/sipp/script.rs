//! A dialogue as SIPp reads it, written in a few words.

use std::fmt::Write as _;

/// What must be so in a message that came, or what to remember of it.
#[derive(Clone, Copy, Debug)]
pub enum Check<'a> {
    /// The header matches.
    Header(&'a str, &'a str),
    /// The header does not.
    NoHeader(&'a str, &'a str),
    /// The body matches.
    Body(&'a str),
    /// What of the header matches is `[$name]` from here on; it goes into the log as `name=value` too.
    Keep(&'a str, &'a str, &'a str),
}

/// Remembers the peer of the dialog that our request began, for [`in_dialog`]: in the check of the answer that makes it.
pub const PEER: Check<'static> = Check::Keep("peer", "To", ".*");

/// Remembers the peer of the dialog that their request began, for [`tell`].
pub const ASKER: [Check<'static>; 3] = [
    Check::Keep("from", "From", ".*"),
    Check::Keep("to", "To", ".*"),
    Check::Keep("contact", "Contact", "sip:[^>]*"),
];

/// Remembers a request of theirs, for [`answer_late`].
pub const REQUEST: [Check<'static>; 2] =
    [Check::Keep("via", "Via", ".*"), Check::Keep("cseq", "CSeq", ".*")];

/// A dialogue, step by step. Messages have SIPp's own words in them, as in `[call_id]`.
#[derive(Clone, Debug)]
pub struct Script {
    name: &'static str,
    steps: String,
    variables: Vec<String>,
}

impl Script {
    /// Nothing happens yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, steps: String::new(), variables: Vec::new() }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Sends it once: an answer, an ACK.
    #[must_use]
    pub fn send(mut self, message: &str) -> Self {
        let _ = writeln!(self.steps, "<send><![CDATA[\n\n{message}\n]]></send>");
        self
    }

    /// Sends a request, and again until it is answered (over UDP).
    #[must_use]
    pub fn ask(mut self, message: &str) -> Self {
        let _ = writeln!(self.steps, "<send retrans=\"500\"><![CDATA[\n\n{message}\n]]></send>");
        self
    }

    /// The same, and its first copy is lost on the way.
    #[must_use]
    pub fn ask_lost(mut self, message: &str) -> Self {
        let _ = writeln!(self.steps, "<send lost=\"100\"><![CDATA[\n\n{message}\n]]></send>");
        self.ask(&again(message, 1))
    }

    /// This answer may come, and is taken for lost: nothing is made of it.
    #[must_use]
    pub fn lose(self, status: u16) -> Self {
        self.may_come(status)
    }

    /// The answer must be this; provisional ones may come before it.
    #[must_use]
    pub fn expect(self, status: u16, checks: &[Check<'_>]) -> Self {
        self.may_come(100).may_come(180).receive("response", &status.to_string(), checks)
    }

    /// A request must come.
    #[must_use]
    pub fn take(self, method: &str, checks: &[Check<'_>]) -> Self {
        self.receive("request", method, checks)
    }

    /// A request may come here, and is not waited for.
    #[must_use]
    pub fn may_take(mut self, method: &str) -> Self {
        let _ = writeln!(self.steps, "<recv request=\"{method}\" optional=\"true\"/>");
        self
    }

    /// Waits for [`Sipp::nudge`](super::Sipp::nudge).
    #[must_use]
    pub fn until_nudged(self) -> Self {
        self.take(NUDGE, &[])
    }

    /// Plays this file of µ-law samples again and again, to where the answer to [`sdp_playing`] says.
    #[must_use]
    pub fn playing(mut self, file: &str) -> Self {
        let _ =
            writeln!(self.steps, "<nop><action><exec rtp_stream=\"{file},-1,0\"/></action></nop>");
        self
    }

    /// Plays what another script does, after this one's steps.
    #[must_use]
    pub fn then(mut self, other: impl FnOnce(Self) -> Self) -> Self {
        self = other(self);
        self
    }

    fn may_come(mut self, status: u16) -> Self {
        let _ = writeln!(self.steps, "<recv response=\"{status}\" optional=\"true\"/>");
        self
    }

    fn receive(mut self, kind: &str, what: &str, checks: &[Check<'_>]) -> Self {
        // What makes the dialog says where its requests go: `[next_url]`, `[routes]`.
        let makes_dialog = checks.iter().any(|check| matches!(check, Check::Keep("peer", ..)));
        let record = if makes_dialog { " rrs=\"true\"" } else { "" };
        let _ = write!(self.steps, "<recv {kind}=\"{what}\"{record}>");
        if !checks.is_empty() {
            self.steps.push_str("<action>\n");
            for check in checks {
                self.check(check);
            }
            self.steps.push_str("</action>");
        }
        self.steps.push_str("</recv>\n");
        self
    }

    fn check(&mut self, check: &Check<'_>) {
        let variable = match check {
            Check::Keep(name, ..) => (*name).to_owned(),
            Check::Header(..) | Check::NoHeader(..) | Check::Body(_) => {
                format!("check{}", self.variables.len())
            }
        };
        let place = match check {
            Check::Header(header, _) | Check::NoHeader(header, _) | Check::Keep(_, header, _) => {
                format!("search_in=\"hdr\" header=\"{header}:\"")
            }
            Check::Body(_) => "search_in=\"body\"".to_owned(),
        };
        let (regexp, must) = match check {
            Check::Header(_, regexp) | Check::Body(regexp) | Check::Keep(_, _, regexp) => {
                (regexp, "check_it")
            }
            Check::NoHeader(_, regexp) => (regexp, "check_it_inverse"),
        };
        let regexp = regexp
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;");
        let _ = writeln!(
            self.steps,
            "<ereg regexp=\"{regexp}\" {place} {must}=\"true\" assign_to=\"{variable}\"/>"
        );
        if let Check::Keep(name, ..) = check {
            let _ = writeln!(self.steps, "<log message=\"{name}=[${name}]\"/>");
        }
        if !self.variables.contains(&variable) {
            self.variables.push(variable);
        }
    }

    /// The dialogue as SIPp reads it.
    pub fn xml(&self) -> String {
        let Self { name, steps, variables } = self;
        // A variable that nobody reads is an error to SIPp unless it is named so.
        let used = match variables.as_slice() {
            [] => String::new(),
            names => format!("<Reference variables=\"{}\"/>\n", names.join(",")),
        };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" ?>\n<scenario name=\"{name}\">\n{steps}{used}</scenario>\n"
        )
    }
}

/// The request that nudges: none that a peer sends by itself.
pub(super) const NUDGE: &str = "MESSAGE";

const VIA: &str =
    "Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]\nMax-Forwards: 70";
const FROM: &str = "From: <sip:sipp@[local_ip]:[local_port]>;tag=[pid]sipp[call_number]";
const CONTACT: &str = "Contact: <sip:sipp@[local_ip]:[local_port];transport=[transport]>";

/// A request outside any dialog. `more` are header lines, each with its line break, then a body after an empty line, if any.
pub fn initial(method: &str, uri: &str, cseq: u32, more: &str) -> String {
    let to = format!("To: <{uri}>");
    whole(&format!("{method} {uri} SIP/2.0\n{VIA}\n{FROM}\n{to}"), method, cseq, more)
}

/// A request in the dialog that our request began, its [`PEER`] remembered: to the Contact, by the recorded route.
pub fn in_dialog(method: &str, cseq: u32, more: &str) -> String {
    let head = format!("{method} [next_url] SIP/2.0\n{VIA}\n[routes]\n{FROM}\nTo:[$peer]");
    whole(&head, method, cseq, more)
}

/// The ACK to a success, or to a failure: then to the URI that was asked, with the branch of the INVITE `back` messages above
/// (RFC 3261 §17.1.1.3).
pub fn acknowledge(cseq: u32, failed: Option<(&str, usize)>) -> String {
    match failed {
        None => in_dialog("ACK", cseq, ""),
        Some((uri, back)) => {
            let via = VIA.replace("[branch]", &format!("[branch-{back}]"));
            let head = format!("ACK {uri} SIP/2.0\n{via}\n{FROM}\n[last_To:]");
            whole(&head, "ACK", cseq, "")
        }
    }
}

/// An answer to the request that came last. `tag` is ours, where the request had none.
pub fn answer(status: &str, tag: Option<&str>, more: &str) -> String {
    let tag = tag.map_or_else(String::new, |tag| format!(";tag={tag}"));
    let head = format!(
        "SIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:]{tag}\n[last_Call-ID:]\n[last_CSeq:]\n[last_Record-Route:]"
    );
    let (headers, body) = parted(more);
    format!("{head}\n{CONTACT}\n{headers}Content-Length: [len]\n\n{body}")
}

/// An answer to the [`REQUEST`] remembered, which other messages have followed; its [`ASKER`] too. `tag` is ours, where the
/// request had none.
pub fn answer_late(status: &str, tag: Option<&str>, more: &str) -> String {
    let tag = tag.map_or_else(String::new, |tag| format!(";tag={tag}"));
    let (headers, body) = parted(more);
    format!(
        "SIP/2.0 {status}\nVia:[$via]\nFrom:[$from]\nTo:[$to]{tag}\nCall-ID: [call_id]\n\
         CSeq:[$cseq]\n{CONTACT}\n{headers}Content-Length: [len]\n\n{body}"
    )
}

/// A request in the dialog that their request began, its [`ASKER`] remembered.
pub fn tell(method: &str, tag: &str, cseq: u32, more: &str) -> String {
    let head = format!("{method} [$contact] SIP/2.0\n{VIA}\nFrom:[$to];tag={tag}\nTo:[$from]");
    whole(&head, method, cseq, more)
}

/// The very same request as `back` steps above, those that a script adds by itself included: a copy on the wire.
pub fn again(message: &str, back: usize) -> String {
    message.replace("[branch]", &format!("[branch-{back}]"))
}

/// An audio offer or answer, as headers and body.
pub fn sdp() -> String {
    offer("sendrecv")
}

/// The same from where [`Script::playing`] sends.
pub fn sdp_playing() -> String {
    sdp().replace("[media_port]", "[rtpstream_audio_port]")
}

/// The same with this direction.
pub fn offer(direction: &str) -> String {
    format!(
        "Content-Type: application/sdp\n\nv=0\no=sipp 1 1 IN IP[local_ip_type] [local_ip]\ns=-\n\
         c=IN IP[media_ip_type] [media_ip]\nt=0 0\nm=audio [media_port] RTP/AVP 0\n\
         a=rtpmap:0 PCMU/8000\na={direction}\n"
    )
}

fn whole(head: &str, method: &str, cseq: u32, more: &str) -> String {
    let (headers, body) = parted(more);
    format!(
        "{head}\nCall-ID: [call_id]\nCSeq: {cseq} {method}\n{CONTACT}\n{headers}Content-Length: [len]\n\n{body}"
    )
}

/// Header lines, and the body behind an empty line.
fn parted(more: &str) -> (String, &str) {
    match more.split_once("\n\n") {
        Some((headers, body)) => (format!("{headers}\n"), body),
        None => (more.to_owned(), ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_escapes_its_expressions_and_names_its_variables() {
        let checks =
            [Check::Header("Contact", ">;isfocus"), Check::Keep("uri", "Contact", "sip:[^>]*")];
        let xml = Script::new("x").expect(302, &checks).xml();
        assert!(
            xml.contains(
                "regexp=\"&gt;;isfocus\" search_in=\"hdr\" header=\"Contact:\" check_it=\"true\""
            ),
            "{xml}"
        );
        assert!(xml.contains("<Reference variables=\"check0,uri\"/>"), "{xml}");
    }

    #[test]
    fn a_body_stands_behind_its_length() {
        let message =
            initial("INVITE", "sip:a@b", 1, "Supported: x\nContent-Type: text/plain\n\nhello");
        assert!(
            message.ends_with("Content-Type: text/plain\nContent-Length: [len]\n\nhello"),
            "{message}"
        );
    }
}

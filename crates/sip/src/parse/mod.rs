//! Reads messages.

mod error;
mod head;

#[cfg(test)]
mod tests;

pub use error::{ParseError, ParseFailure, Salvage};
pub(crate) use head::Head;

use crate::{
    essentials::Essentials,
    frame::MESSAGE_BYTES_MAX,
    header::Via,
    headers::{HeaderError, HeaderName, HeaderValue, Headers},
    message::{Message, Request, Response},
    method::Method,
    scan,
    status::StatusCode,
    uri::Uri,
};

/// Reads one datagram by the rules of RFC 3261 §18.3: what comes after Content-Length is thrown away; without
/// Content-Length the body goes to the end; a body that is too short is an error. Line breaks in front are skipped.
///
/// Of a request that is returned, all of Via (the top one), From, To, Call-ID, CSeq, Max-Forwards, Content-Type, Contact,
/// Route and Record-Route can be read; of a response, the first five.
pub fn parse_datagram(bytes: &[u8]) -> Result<Message, ParseFailure> {
    parse_with_essentials(bytes).map(|(message, _)| message)
}

/// The same, with what had to be read of it anyway.
pub(crate) fn parse_with_essentials(bytes: &[u8]) -> Result<(Message, Essentials), ParseFailure> {
    let mut bytes = bytes;
    while let Some(rest) = bytes.strip_prefix(b"\r\n") {
        bytes = rest;
    }
    if bytes.is_empty() {
        return Err(ParseFailure { error: ParseError::Empty, salvage: None, is_response: false });
    }
    if bytes.len() > MESSAGE_BYTES_MAX {
        let error = ParseError::TooLong { got: bytes.len(), max: MESSAGE_BYTES_MAX };
        return Err(failure(&Head::read(&bytes[..MESSAGE_BYTES_MAX]), error));
    }
    let mut head = Head::read(bytes);
    let message = if is_response(&head) {
        read_response(&mut head).map(|(response, it)| (Message::Response(response), it))
    } else {
        read_request(&mut head).map(|(request, it)| (Message::Request(request), it))
    };
    message.map_err(|error| failure(&head, error))
}

/// Pairs an error with what is needed to answer it.
pub(crate) fn failure(head: &Head<'_>, error: ParseError) -> ParseFailure {
    let is_response = is_response(head);
    // Nobody answers a response, nor an ACK (RFC 3261 §17).
    let salvage = if is_response { None } else { salvage(head).map(Box::new) };
    ParseFailure { error, salvage, is_response }
}

/// Reads a Status-Line without its CRLF (RFC 3261 §7.2).
pub(crate) fn status_line(line: &[u8]) -> Result<(StatusCode, String), ParseError> {
    let text = scan::text(line);
    if text.contains(['\r', '\n']) {
        return Err(ParseError::StartLine); // a start line is not folded
    }
    let (version, rest) = text.split_once(' ').ok_or(ParseError::StartLine)?;
    check_version(version)?;
    // The space before an empty reason is often forgotten.
    let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    if code.len() != 3 {
        return Err(ParseError::StatusCode);
    }
    let code = scan::number(code).and_then(|code| u16::try_from(code).ok());
    let status = code.and_then(StatusCode::new).ok_or(ParseError::StatusCode)?;
    Ok((status, reason.to_owned()))
}

fn is_response(head: &Head<'_>) -> bool {
    // "/" stands in no method.
    head.start_line.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"SIP/"))
}

fn read_request(head: &mut Head<'_>) -> Result<(Request, Essentials), ParseError> {
    let (method, uri) = request_line(head.start_line)?;
    if let Some(error) = head.error.take() {
        return Err(error);
    }
    let essentials = check_essentials(&head.headers)?;
    let headers = &head.headers;
    headers.max_forwards().map_err(ParseError::Header)?;
    headers.content_type().map_err(ParseError::Header)?;
    headers.contacts().map_err(ParseError::Header)?;
    headers.routes().map_err(ParseError::Header)?;
    headers.record_routes().map_err(ParseError::Header)?;
    // RFC 3261 §8.1.1.5: the method part of CSeq must match that of the request.
    if essentials.cseq.method != method {
        return Err(ParseError::CSeqMethod { request: method, cseq: essentials.cseq.method });
    }
    let body = body(head)?.to_vec();
    let headers = std::mem::take(&mut head.headers);
    Ok((Request { method, uri, headers, body }, essentials))
}

fn read_response(head: &mut Head<'_>) -> Result<(Response, Essentials), ParseError> {
    let (status, reason) = status_line(head.start_line)?;
    if let Some(error) = head.error.take() {
        return Err(error);
    }
    let essentials = check_essentials(&head.headers)?;
    let body = body(head)?.to_vec();
    let headers = std::mem::take(&mut head.headers);
    Ok((Response { status, reason, headers, body }, essentials))
}

/// Reads a Request-Line: three parts with exactly one space between them (RFC 3261 §7.1).
fn request_line(line: &[u8]) -> Result<(Method, Uri), ParseError> {
    let text = std::str::from_utf8(line).map_err(|_| ParseError::StartLine)?;
    let (method, rest) = text.split_once(' ').ok_or(ParseError::StartLine)?;
    let (uri, version) = rest.rsplit_once(' ').ok_or(ParseError::StartLine)?;
    let method = Method::parse(method).ok_or(ParseError::StartLine)?;
    // The version decides first: of another one we do not know how it is written.
    check_version(version)?;
    if uri.is_empty() || uri.bytes().any(scan::is_lws) {
        return Err(ParseError::StartLine); // RFC 4475 §3.1.2.8, §3.1.2.9
    }
    let uri: Uri = uri.parse().map_err(ParseError::RequestUri)?;
    // RFC 3261 §19.1.1: headers are not allowed in a Request-URI, and they must never be acted on (RFC 4475 §3.1.2.11).
    if uri.as_sip().is_some_and(|uri| !uri.headers.is_empty()) {
        return Err(ParseError::RequestUriHeaders);
    }
    Ok((method, uri))
}

/// RFC 3261 §7.1: the version is compared without regard to case.
fn check_version(text: &str) -> Result<(), ParseError> {
    if text.eq_ignore_ascii_case("SIP/2.0") {
        return Ok(());
    }
    let (name, number) = text.split_once('/').ok_or(ParseError::StartLine)?;
    let (major, minor) = number.split_once('.').ok_or(ParseError::StartLine)?;
    let is_version =
        name.eq_ignore_ascii_case("SIP") && scan::number(major).and(scan::number(minor)).is_some();
    Err(if is_version { ParseError::Version } else { ParseError::StartLine })
}

fn check_essentials(headers: &Headers) -> Result<Essentials, ParseError> {
    let singles = [
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
        HeaderName::CSeq,
        HeaderName::MaxForwards,
        HeaderName::ContentType,
    ];
    for name in singles {
        if headers.count(&name) > 1 {
            return Err(ParseError::Header(HeaderError::Repeated(name)));
        }
    }
    let essentials = Essentials::of(headers).map_err(ParseError::Header)?;
    if essentials.via.protocol.eq_ignore_ascii_case("SIP/2.0") {
        Ok(essentials)
    } else {
        Err(ParseError::Header(HeaderError::Malformed(HeaderName::Via)))
    }
}

fn body<'a>(head: &Head<'a>) -> Result<&'a [u8], ParseError> {
    let expected = match &head.content_length {
        None => return Ok(head.body),
        Some(length) => length.clone().map_err(ParseError::Header)?,
    };
    head.body.get(..expected).ok_or(ParseError::ShortBody { expected, got: head.body.len() })
}

fn salvage(head: &Head<'_>) -> Option<Salvage> {
    let method = head.start_line.split(|byte| *byte == b' ').next()?;
    let method = Method::parse(std::str::from_utf8(method).ok()?)?;
    if method == Method::Ack {
        return None;
    }
    let mut vias = head.headers.all(&HeaderName::Via);
    // As in `Headers::top_via`: what is no UTF-8 cannot go back as it came.
    let top = Via::salvage(vias.next()?.as_str()?)?;
    let mut headers = Headers::new();
    headers.push(HeaderName::Via, top.to_string());
    // The others go back as they came, if they are Via values at all.
    for via in vias.filter(|via| via.text().parse::<Via>().is_ok()) {
        headers.push(HeaderName::Via, via.clone());
    }
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId, HeaderName::CSeq] {
        if let Some(value) = head.headers.get(&name) {
            headers.push(name, HeaderValue::clone(value));
        }
    }
    Some(Salvage { method, headers })
}

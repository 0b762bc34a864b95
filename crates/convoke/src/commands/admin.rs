//! Asking a running server over its HTTP interface.

use std::io::{BufRead as _, BufReader, ErrorKind};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde::Serialize;
use serde_json::Value;

use crate::cli::{AskArgs, Kind};

/// Loopback and one turn of a loop, or one write to a disk: more than this and the server hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks; what it says, unread.
pub(super) fn get(ask: &AskArgs, path: &str, query: &[(&str, String)]) -> anyhow::Result<String> {
    let pairs: Vec<_> =
        query.iter().map(|(key, value)| format!("{key}={}", escaped(value))).collect();
    let mark = if pairs.is_empty() { "" } else { "?" };
    Client::of(ask)?.text("GET", &format!("{path}{mark}{}", pairs.join("&")), None, &[])
}

/// The status of a server that is ours alone.
pub(super) fn status(admin: SocketAddr) -> anyhow::Result<String> {
    Client::new(admin, None)?.text("GET", "/v1/status", None, &[])
}

/// What legs are asked about, as it stands in questions.
pub(super) fn kind(kind: &Kind) -> impl Iterator<Item = (&'static str, String)> {
    let legs =
        [("codec", kind.codec.name().to_owned()), ("ptime", kind.ptime.as_millis().to_string())];
    legs.into_iter().chain(kind.tenant.clone().map(|tenant| ("tenant", tenant)))
}

/// Asks for something to be done; what it says, unread.
pub(super) fn post(ask: &AskArgs, path: &str, body: &impl Serialize) -> anyhow::Result<String> {
    let body = serde_json::to_value(body).context("this cannot be written as JSON")?;
    Client::of(ask)?.text("POST", path, Some(&body), &[])
}

/// Asks for something to be undone; what it says, unread.
pub(super) fn delete(ask: &AskArgs, path: &str) -> anyhow::Result<String> {
    Client::of(ask)?.text("DELETE", path, None, &[])
}

fn token_of_environment() -> Option<String> {
    std::env::var("CONVOKE_TOKEN").ok().filter(|token| !token.is_empty())
}

/// A text as part of a path.
pub(super) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let each = text.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    each.collect()
}

/// What comes of asking for a stream.
pub(super) enum Asked<T> {
    /// It goes on.
    Lines(T),
    /// Not now, and why.
    Later(String),
}

/// Whoever steers a server.
#[derive(Debug)]
pub(super) struct Client {
    admin: SocketAddr,
    token: Option<String>,
}

impl Client {
    /// With the token of this file, else of the environment, else without one.
    pub(super) fn new(admin: SocketAddr, token_file: Option<&Path>) -> anyhow::Result<Self> {
        let token = match token_file {
            Some(path) => {
                let name = path.display();
                let text = std::fs::read_to_string(path);
                let text = text.with_context(|| format!("cannot read {name}"))?;
                Some(text.lines().next().unwrap_or_default().trim().to_owned())
            }
            None => token_of_environment(),
        };
        Ok(Self { admin, token: token.filter(|token| !token.is_empty()) })
    }

    fn of(ask: &AskArgs) -> anyhow::Result<Self> {
        Self::new(ask.admin, ask.token_file.as_deref())
    }

    /// Asks; what it says, unread.
    fn text(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, String)],
    ) -> anyhow::Result<String> {
        let request = self.request(method, path, headers);
        let got = match body {
            Some(body) => {
                let request = request.header("Content-Type", "application/json");
                agent().run(request.body(body.to_string())?)
            }
            None => agent().run(request.body(())?),
        };
        answer(self.admin, got)
    }

    /// Asks, and reads what comes; null where nothing does.
    pub(super) fn send(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        headers: &[(&str, String)],
    ) -> anyhow::Result<Value> {
        let text = self.text(method, path, body, headers)?;
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).context("this is no Convoke server, or one of another version")
    }

    /// The lines of a stream that goes on.
    pub(super) fn lines(
        &self,
        path: &str,
        last: Option<&str>,
    ) -> anyhow::Result<Asked<impl Iterator<Item = std::io::Result<String>> + use<>>> {
        let headers: Vec<_> = last.map(|id| ("Last-Event-ID", id.to_owned())).into_iter().collect();
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build();
        let request = self.request("GET", path, &headers).body(())?;
        let Ok(got) = ureq::Agent::from(config).run(request) else {
            return Ok(Asked::Later(nobody(self.admin)));
        };
        match got.status() {
            status if status.is_success() => {
                Ok(Asked::Lines(BufReader::new(got.into_body().into_reader()).lines()))
            }
            // Too busy, or with too many readers.
            status if status == 503 => Ok(Asked::Later(format!("{} is too busy", self.admin))),
            _ => {
                answer(self.admin, Ok(got))?;
                bail!("the server at {} gives no events", self.admin)
            }
        }
    }

    fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
    ) -> ureq::http::request::Builder {
        let uri = format!("http://{}{path}", self.admin);
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        headers.iter().fold(request, |request, (name, value)| request.header(*name, value))
    }
}

fn nobody(admin: SocketAddr) -> String {
    format!(
        "no server answers at {admin}: start one with `convoke serve`, or name the address that it \
         printed with --admin"
    )
}

/// Why there was no answer, and what to do about it.
fn unanswered(admin: SocketAddr, error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => format!(
            "what listens at {admin} gives no answer within {} s: the server hangs or has too much to do, or another \
             program listens there",
            PATIENCE.as_secs()
        ),
        ureq::Error::Io(error) if error.kind() == ErrorKind::ConnectionRefused => nobody(admin),
        ureq::Error::Io(error) => format!("{}: {error}", nobody(admin)),
        other => format!("what listens at {admin} is no Convoke server: {other}"),
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    config.timeout_global(Some(PATIENCE)).http_status_as_error(false).proxy(None).build().into()
}

/// The body of a good answer; of any other what it says went wrong.
fn answer(
    admin: SocketAddr,
    got: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> anyhow::Result<String> {
    let mut response = got.map_err(|error| anyhow!("{}", unanswered(admin, &error)))?;
    let status = response.status();
    let text =
        response.body_mut().read_to_string().context("the server broke off in the middle")?;
    if status.is_success() {
        return Ok(text);
    }
    let body: Option<Value> = serde_json::from_str(&text).ok();
    match body.as_ref().and_then(|body| body["detail"].as_str()) {
        Some(error) if status == 401 => bail!(
            "{error}. A command takes its token from --token-file FILE, or from CONVOKE_TOKEN"
        ),
        Some(error) => bail!("{error}"),
        None => bail!("the server at {admin} says {status}"),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn who_does_not_answer_is_told_from_who_is_not_there() {
        let admin = server::Config::ADMIN_DEFAULT;
        let io = |kind: ErrorKind| unanswered(admin, &ureq::Error::Io(io::Error::from(kind)));
        let refused = io(ErrorKind::ConnectionRefused);
        assert!(refused.starts_with("no server answers at 127.0.0.1:5080: start one"), "{refused}");
        assert!(refused.ends_with("with --admin") && !refused.contains("io:"), "{refused}");
        assert!(io(ErrorKind::HostUnreachable).ends_with("with --admin: host unreachable"));
        let late = unanswered(admin, &ureq::Error::Timeout(ureq::Timeout::Global));
        assert!(late.contains("no answer within 5 s") && !late.contains("start one"), "{late}");
    }

    #[test]
    fn who_lacks_a_token_is_told_where_commands_have_theirs() {
        let said = |status: u16| {
            let body = ureq::Body::builder().data("{\"detail\":\"this needs a token\"}");
            let response = ureq::http::Response::builder().status(status).body(body);
            let error = answer(server::Config::ADMIN_DEFAULT, Ok(response.expect("whole")));
            error.expect_err("refused").to_string()
        };
        assert!(
            said(401).starts_with("this needs a token. ") && said(401).contains("--token-file")
        );
        assert_eq!(said(403), "this needs a token");
    }
}

//! Asking a running server over its HTTP interface.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
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

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    config.timeout_global(Some(PATIENCE)).http_status_as_error(false).proxy(None).build().into()
}

/// The body of a good answer; of any other what it says went wrong.
fn answer(
    admin: SocketAddr,
    got: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> anyhow::Result<String> {
    let mut response = got.with_context(|| nobody(admin))?;
    let status = response.status();
    let text =
        response.body_mut().read_to_string().context("the server broke off in the middle")?;
    if status.is_success() {
        return Ok(text);
    }
    let body: Option<Value> = serde_json::from_str(&text).ok();
    match body.as_ref().and_then(|body| body["detail"].as_str()) {
        Some(error) => bail!("{error}"),
        None => bail!("the server at {admin} says {status}"),
    }
}

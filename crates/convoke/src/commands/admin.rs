//! Asking a running server over its HTTP interface.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde_json::Value;

use crate::cli::Kind;

/// Loopback and one turn of a loop, or one write to a disk: more than this and the server hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks; what it says, unread.
pub(super) fn get(
    admin: SocketAddr,
    path: &str,
    query: &[(&str, String)],
) -> anyhow::Result<String> {
    let request = agent().get(format!("http://{admin}{path}"));
    let request = query.iter().fold(request, |request, (key, value)| request.query(key, value));
    answer(admin, request.call())
}

/// What legs are asked about, as it stands in questions.
pub(super) fn kind(kind: &Kind) -> impl Iterator<Item = (&'static str, String)> {
    let legs =
        [("codec", kind.codec.name().to_owned()), ("ptime", kind.ptime.as_millis().to_string())];
    legs.into_iter().chain(kind.tenant.clone().map(|tenant| ("tenant", tenant)))
}

/// Asks for something to be done; what it says, unread.
pub(super) fn post(admin: SocketAddr, path: &str, body: &impl Serialize) -> anyhow::Result<String> {
    let body = serde_json::to_string(body).context("this cannot be written as JSON")?;
    let request = agent().post(format!("http://{admin}{path}"));
    answer(admin, request.content_type("application/json").send(body))
}

/// Asks for something to be undone; what it says, unread.
pub(super) fn delete(admin: SocketAddr, path: &str) -> anyhow::Result<String> {
    answer(admin, agent().delete(format!("http://{admin}{path}")).call())
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

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    config.timeout_global(Some(PATIENCE)).http_status_as_error(false).proxy(None).build().into()
}

/// The body of a good answer; of any other what it says went wrong.
fn answer(
    admin: SocketAddr,
    got: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> anyhow::Result<String> {
    let mut response = got.with_context(|| {
        format!(
            "no server answers at {admin}: start one with `convoke serve`, or name the address that it \
             printed with --admin"
        )
    })?;
    let status = response.status();
    let text =
        response.body_mut().read_to_string().context("the server broke off in the middle")?;
    if status.is_success() {
        return Ok(text);
    }
    let body: Option<Value> = serde_json::from_str(&text).ok();
    match body.as_ref().and_then(|body| body["error"].as_str()) {
        Some(error) => bail!("{error}"),
        None => bail!("the server at {admin} says {status}"),
    }
}

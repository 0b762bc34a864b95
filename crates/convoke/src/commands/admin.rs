//! Asking a running server over its HTTP interface.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

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

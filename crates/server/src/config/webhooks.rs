//! `[[webhook]]`: who is told what happens.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use super::Webhook;
use super::check::Origin;
use super::error::Problem;
use crate::admin::KINDS;

/// Receivers at most: each is a thread. Who has more of them wants something that shares out events.
const WEBHOOKS_MAX: usize = 8;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    url: Spanned<String>,
    secret_file: PathBuf,
    ca_file: Option<PathBuf>,
    #[serde(default)]
    events: Vec<Spanned<String>>,
}

/// All that can be used; the rest is noted.
pub(super) fn check(
    written: Vec<Spanned<Written>>,
    origin: &Origin<'_>,
    has_state: bool,
) -> Vec<Webhook> {
    let count = written.len();
    let mut checked: Vec<Webhook> = Vec::new();
    for table in written {
        let span = table.span();
        let Written { url, secret_file, ca_file, events } = table.into_inner();
        let (url_span, url) = (url.span(), url.into_inner());
        let problem = if count > WEBHOOKS_MAX {
            Some(Problem::TooManyWebhooks { count, most: WEBHOOKS_MAX })
        } else if !has_state {
            Some(Problem::WebhookWithoutState)
        } else if !is_url(&url) {
            Some(Problem::BadWebhookUrl)
        } else if checked.iter().any(|it| it.url == url) {
            Some(Problem::WebhookTwice)
        } else {
            None
        };
        if let Some(problem) = problem {
            let at = if has_state && count <= WEBHOOKS_MAX { &url_span } else { &span };
            origin.keep::<()>(Err(origin.error(at, problem)));
        }
        for kind in events.iter().filter(|kind| !KINDS.contains(&kind.get_ref().as_str())) {
            let name = kind.get_ref().clone();
            origin.keep::<()>(Err(origin.error(&kind.span(), Problem::NoEvent { name })));
        }
        let folder = Path::new(origin.path).parent().unwrap_or(Path::new(""));
        checked.push(Webhook {
            url,
            secret_file: folder.join(secret_file),
            ca_file: ca_file.map(|file| folder.join(file)),
            events: events.into_iter().map(Spanned::into_inner).collect(),
        });
    }
    checked
}

/// `http` or `https`, a host, and no user: secrets have files of their own.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?']).next());
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    is_plain
        && host.is_some_and(|host| !host.is_empty() && !host.contains('@'))
        && text.parse::<ureq::http::Uri>().is_ok_and(|uri| {
            let has_port = uri.authority().is_some_and(|it| it.as_str().len() > it.host().len());
            has_port == uri.port_u16().is_some()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_has_a_host_and_no_user() {
        for good in ["http://127.0.0.1:8080", "https://example.com/hook?key=a", "http://[::1]:80/"]
        {
            assert!(is_url(good), "{good}");
        }
        for bad in [
            "",
            "example.com/x",
            "ftp://h/",
            "https://",
            "https://u:p@h/",
            "http://h/a b",
            "http://h/#x",
            "http://h:x/",
        ] {
            assert!(!is_url(bad), "{bad}");
        }
    }
}

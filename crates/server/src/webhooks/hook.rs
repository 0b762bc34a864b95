//! One receiver: where it is, what it wants, and how it knows that it is us.

use std::path::Path;
use std::time::Duration;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::sign::Secrets;
use crate::config::Webhook;

/// Where Debian keeps whom programs trust.
const SYSTEM_ROOTS: &str = "/etc/ssl/certs/ca-certificates.crt";

/// How long a receiver has to answer. It should take the event and do its work afterwards.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A receiver that is ready for use.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(super) url: String,
    pub(super) secrets: Secrets,
    pub(super) events: Vec<String>,
    pub(super) agent: ureq::Agent,
}

/// Why a receiver cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message says it")]
pub enum HookError {
    #[error("{path}: {why}")]
    Secret { path: String, why: String },
    #[error("{path}: {why}")]
    Roots { path: String, why: String },
}

impl Hook {
    /// Reads what the configuration names.
    pub(crate) fn load(written: &Webhook) -> Result<Self, HookError> {
        let path = |path: &Path| path.display().to_string();
        let secrets = Secrets::read(&written.secret_file)
            .map_err(|why| HookError::Secret { path: path(&written.secret_file), why })?;
        let roots = match &written.ca_file {
            Some(file) => {
                read_roots(file).map_err(|why| HookError::Roots { path: path(file), why })?
            }
            None => read_roots(Path::new(SYSTEM_ROOTS)).unwrap_or(RootCerts::WebPki),
        };
        let tls = TlsConfig::builder().root_certs(roots).build();
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            // Whoever answers elsewhere is not whom the configuration names.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("Convoke/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build()
            .into();
        let (url, events) = (written.url.clone(), written.events.clone());
        Ok(Self { url, secrets, events, agent })
    }

    pub(crate) fn load_all(written: &[Webhook]) -> Result<Vec<Self>, HookError> {
        written.iter().map(Self::load).collect()
    }

    /// Whether it wants events of this kind. Who talks is told as often as people do: only to who asks for it.
    pub(super) fn wants(&self, kind: &str) -> bool {
        match self.events.is_empty() {
            true => kind != "talking",
            false => self.events.iter().any(|it| it == kind),
        }
    }
}

fn read_roots(path: &Path) -> Result<RootCerts, String> {
    let bytes = std::fs::read(path).map_err(|error| error.kind().to_string())?;
    let items = parse_pem(&bytes).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(certificate),
        Ok(_) | Err(_) => None,
    });
    let roots: Vec<Certificate<'static>> = items.collect();
    match roots.is_empty() {
        true => Err("there is no certificate in it (PEM)".to_owned()),
        false => Ok(RootCerts::new_with_certs(&roots)),
    }
}

/// Scheme, host and port of a URL: what follows may be a secret.
pub(super) fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |at| host + at);
    &url[..end]
}

#[cfg(test)]
impl Hook {
    /// One that wants these.
    pub(super) fn for_tests(events: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let secret_file = folder.path().join("secret");
        std::fs::write(&secret_file, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("written");
        let events = events.iter().map(ToString::to_string).collect();
        let url = "https://example.com/hook".to_owned();
        Self::load(&Webhook { url, secret_file, ca_file: None, events }).expect("good")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_names_nothing_gets_all_but_who_talks() {
        assert!(Hook::for_tests(&[]).wants("held") && !Hook::for_tests(&[]).wants("talking"));
        let some = Hook::for_tests(&["talking", "left"]);
        assert!(some.wants("talking") && some.wants("left") && !some.wants("held"));
    }

    #[test]
    fn what_follows_the_host_is_not_shown() {
        for url in ["https://h:8/services/T0/secret", "https://h:8?key=secret", "https://h:8"] {
            assert_eq!(origin(url), "https://h:8");
        }
    }
}

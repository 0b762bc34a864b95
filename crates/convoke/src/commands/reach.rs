//! From flags to what the user agent needs to be let in and to be reached.

use anyhow::bail;
use serde_json::json;
use sip::digest::{Account, Password};
use sip::{Host, SipUri, Uri};
use terminal::{Reach, RegisterConfig, RegistrationNews};

use crate::cli::{ReachArgs, TerminalArgs};
use crate::output::{Printer, Tone, harmless};
use crate::password;

/// The variable that the password may stand in. Others who run programs as the same user can see it.
const PASSWORD_VARIABLE: &str = "CONVOKE_PASSWORD";

/// Reads the flags and the password. `called` is whom we call ourselves.
pub(super) fn reach(args: &TerminalArgs, called: Option<&Uri>) -> anyhow::Result<Reach> {
    let register = register(&args.reach, &args.user)?;
    let registrar = register.as_ref().map(|register| &register.registrar);
    let known = [called, args.reach.proxy.as_ref(), registrar];
    let hosts = known.into_iter().flatten().filter_map(host).collect();
    let name = register.as_ref().and_then(|register| user_of(&register.aor));
    let user = args.reach.auth_user.clone().or(name).unwrap_or_else(|| args.user.clone());
    // Which realm it will be is not known before the first challenge; whose challenge is answered is.
    let account = |password| Account { user, password, realm: None, hosts };
    let credentials = password(&args.reach)?.map(account).into_iter().collect();
    let advertise = args.reach.advertise.as_ref().map(|text| (text.host.clone(), text.port));
    let advertise = advertise.and_then(|(host, port)| Some((host?, port)));
    let (proxy, dns) = (args.reach.proxy.clone(), args.reach.dns.clone());
    Ok(Reach { credentials, proxy, register, advertise, dns })
}

/// Whom a terminal's own address should be able to reach, if not whom it calls.
pub(super) fn way_out(args: &ReachArgs) -> Option<&Uri> {
    args.proxy.as_ref().or_else(|| args.register.as_ref()?.as_ref())
}

fn password(args: &ReachArgs) -> anyhow::Result<Option<Password>> {
    if let Some(path) = &args.password_file {
        return password::from_file(path).map(Some);
    }
    match std::env::var(PASSWORD_VARIABLE) {
        Ok(text) if !text.is_empty() => Ok(Some(Password::new(text))),
        Ok(_) | Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => bail!("{PASSWORD_VARIABLE} is no text"),
    }
}

fn register(args: &ReachArgs, user: &str) -> anyhow::Result<Option<RegisterConfig>> {
    let Some(named) = &args.register else { return Ok(None) };
    let Some(Uri::Sip(at)) = named.as_ref().or(args.proxy.as_ref()) else {
        bail!("--register wants to know where: write --register sip:example.com, or add --proxy");
    };
    // RFC 3261 §10.2: the registrar is a domain, without a user; the address-of-record has one and no
    // parameters.
    let domain = SipUri::new(at.host.clone(), at.port);
    let mut aor = domain.with_user(user);
    if named.is_some() && at.user.is_some() {
        aor.user.clone_from(&at.user);
    }
    let mut registrar = at.clone();
    (registrar.user, registrar.password) = (None, None);
    Ok(Some(RegisterConfig { registrar: Uri::Sip(registrar), aor: Uri::Sip(aor) }))
}

fn host(uri: &Uri) -> Option<Host> {
    uri.as_sip().map(|uri| uri.host.clone())
}

fn user_of(uri: &Uri) -> Option<String> {
    let user = uri.as_sip()?.user_unescaped()?;
    Some(String::from_utf8_lossy(&user).into_owned())
}

/// Tells what became of the registration.
pub(super) fn tell_registration(printer: &Printer, news: &RegistrationNews) {
    let about = harmless(&news.to_string());
    match news {
        RegistrationNews::Up { aor, seconds } => {
            let fields = json!({ "aor": aor.to_string(), "seconds": seconds });
            printer.event(Tone::Good, "registered", &about, "registered", fields);
        }
        RegistrationNews::Failed { why, again_in } => {
            let fields = json!({
                "why": why.to_string(),
                "advice": why.advice(),
                "again_in_seconds": again_in.as_secs(),
            });
            printer.event(Tone::Bad, "unreached", &about, "register-failed", fields);
        }
        RegistrationNews::Gone => {
            printer.event(Tone::Quiet, "unlisted", &about, "unregistered", json!({}));
        }
    }
}

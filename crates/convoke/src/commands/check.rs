//! `convoke check` and `convoke print-config`: what a server would go by.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};
use server::config::{Flags, Place, Secrets, Sources};
use server::{Config, Finding, Weight, checkup};

use crate::cli::{CheckArgs, PrintConfigArgs, SettingArgs, USAGE};
use crate::output::{Paint, Tone, complain, harmless, say};

/// A configuration as it is written: a file, or none, and flags.
pub(super) struct Written {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) flags: Flags,
}

impl Written {
    pub(super) fn read(
        config: Option<&Path>,
        settings: &SettingArgs,
        pcap: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let flags = Flags {
            sip: settings.sip,
            media_ip: settings.media_ip,
            rtp_ports: settings.rtp_ports,
            admin: settings.admin,
            admin_tokens: settings.admin_tokens.clone(),
            admin_open: settings.admin_open,
            records: settings.records.clone(),
            pcap: pcap.map(Path::to_owned),
            open: settings.open,
            lab_registrar: settings.lab_registrar,
            state_dir: settings.state_dir.clone(),
        };
        let Some(path) = config else {
            return Ok(Self { name: String::new(), text: String::new(), flags });
        };
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        Ok(Self { name, text, flags })
    }
}

pub(crate) fn check(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let written = Written::read(args.config.as_deref(), &args.settings, args.pcap.as_deref())?;
    let findings = checkup(&written.name, &written.text, &written.flags, args.running);
    let is_good = !findings.iter().any(|it| it.weight == Weight::Wrong);
    if args.json {
        let findings = findings.iter().map(object).collect::<Vec<_>>();
        say(&json!({ "good": is_good, "findings": findings }).to_string());
    } else {
        let paint = Paint::of_stdout();
        findings.iter().for_each(|finding| say(&line(finding, paint)));
        say(&sum(&findings));
    }
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn print(args: &PrintConfigArgs) -> anyhow::Result<ExitCode> {
    let written = Written::read(args.config.as_deref(), &args.settings, args.pcap.as_deref())?;
    let Written { name, text, flags } = &written;
    let config = match Config::examine(name, text, flags) {
        Ok(config) => config,
        Err(errors) => {
            errors.iter().for_each(|error| complain(&harmless(&error.to_string())));
            return Ok(ExitCode::from(USAGE));
        }
    };
    let config = config.with_absolute_paths().context("the working directory is gone")?;
    let secrets = if args.secrets { Secrets::Shown } else { Secrets::Masked };
    say(config.to_toml(&Sources::of(name, text, flags), secrets).trim_end());
    Ok(ExitCode::SUCCESS)
}

fn object(Finding { weight, place, key, what }: &Finding) -> Value {
    let (path, line) = match place {
        Some(Place { path, line }) => (Some(path), Some(line)),
        None => (None, None),
    };
    let key = Some(key).filter(|key| !key.is_empty());
    json!({ "weight": weight.name(), "file": path, "line": line, "key": key, "what": what })
}

/// Where, how bad and what, as compilers write it.
fn line(Finding { weight, place, key, what }: &Finding, paint: Paint) -> String {
    let place = match place {
        Some(Place { path, line }) => format!("{path}:{line}: "),
        None if key.is_empty() => String::new(),
        None => format!("{key}: "),
    };
    let tone = match weight {
        Weight::Wrong => Tone::Bad,
        Weight::Note => Tone::Plain,
    };
    format!("{}{}: {}", harmless(&place), paint.tone(tone, weight.name()), harmless(what))
}

fn sum(findings: &[Finding]) -> String {
    let count = |weight| findings.iter().filter(|it| it.weight == weight).count();
    let notes = match count(Weight::Note) {
        0 => String::new(),
        1 => ", with 1 note".to_owned(),
        notes => format!(", with {notes} notes"),
    };
    match count(Weight::Wrong) {
        0 => format!("A server would start{notes}."),
        1 => format!("A server would not start: 1 thing is wrong{notes}."),
        wrong => format!("A server would not start: {wrong} things are wrong{notes}."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_reads_as_a_compiler_would_say_it() {
        let place = Some(Place { path: "c\x1b.toml".to_owned(), line: 3 });
        let what = "no".to_owned();
        let wrong = Finding { weight: Weight::Wrong, place, key: "pool.capacity".to_owned(), what };
        assert_eq!(line(&wrong, Paint::plain()), "c?.toml:3: wrong: no");
        let note = Finding { weight: Weight::Note, place: None, ..wrong.clone() };
        assert_eq!(line(&note, Paint::plain()), "pool.capacity: note: no");
        assert_eq!(
            object(&note).to_string(),
            "{\"file\":null,\"key\":\"pool.capacity\",\"line\":null,\"weight\":\"note\",\"what\":\"no\"}"
        );
        assert_eq!(sum(&[wrong, note]), "A server would not start: 1 thing is wrong, with 1 note.");
        assert_eq!(sum(&[]), "A server would start.");
    }
}

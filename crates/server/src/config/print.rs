//! A configuration as a file that says all of it, and where each value comes from.

use std::fmt::{Display, Write as _};
use std::path::Path;
use std::time::Duration;

use focus::factory::AnswerRule;
use focus::{DialRules, EntryRules, Pin};
use node::{Limits, OverloadConfig};
use pool::TenantTerms;
use sip::{Nat, Transport};
use toml::Value;

use super::sources::Sources;
use super::{
    AdminConfig, Advertise, Answer, Auth, Config, End, Entry, Factory, Md5, MediaListen, RoomTerms,
    SipListen, Tenant, Webhook,
};
use crate::{AllowList, RecordsTo};

/// Where comments begin, as long as values are short.
const COMMENT_COLUMN: usize = 44;

/// What stands in the place of a secret that is not shown. It is no secret itself, so that whoever takes the page for a
/// configuration opens nothing that was shut: it is refused, in words of its own.
pub(super) const NOT_SHOWN: &str = "not shown";

/// Whether PINs stand in what is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// They do: it can be read again.
    Shown,
    /// They do not: it can be shown around.
    Masked,
}

/// The page that is written.
struct Page<'a> {
    text: String,
    sources: &'a Sources,
    secrets: Secrets,
    /// The table that is written just now, as `Sources` names it, with a dot; empty at the top.
    table: String,
}

impl Config {
    /// The whole as TOML. Read again, with no flags, it is the same configuration; with a PIN that is masked it is refused.
    /// Other secrets stand in files of their own: only their names are here.
    pub fn to_toml(&self, sources: &Sources, secrets: Secrets) -> String {
        // A key that is not named here does not compile.
        let Self {
            sip,
            nat,
            sip_dscp,
            media,
            heard,
            media_dscp,
            mixers,
            factories,
            admin,
            capacity,
            room,
            tenants,
            state_dir,
            access,
            is_open,
            records,
            pcap,
            dns,
            auth,
            dial_out,
            lab_registrar,
            limits,
            webhooks,
            overload,
            fault_in_conference,
        } = self;
        let mut page = Page { text: String::new(), sources, secrets, table: String::new() };
        page.table("[sip]", "sip");
        page.put(
            "nat",
            match nat {
                Nat::Auto => "auto",
                Nat::Off => "off",
            },
        );
        page.put("dscp", i64::from(*sip_dscp));
        page.put("lab_registrar", *lab_registrar);
        sip.iter().enumerate().for_each(|(at, listen)| page.sip(at, listen));
        page.table("[media]", "media");
        page.put("heard", i64::from(*heard));
        page.put("dscp", i64::from(*media_dscp));
        page.put("mixers", i64::from(*mixers));
        media.iter().enumerate().for_each(|(at, listen)| page.media(at, listen));
        factories.iter().enumerate().for_each(|(at, factory)| page.factory(at, factory));
        page.admin(admin);
        page.room(*capacity, room);
        tenants.iter().for_each(|tenant| page.tenant(tenant));
        page.files(state_dir.as_deref(), records.as_ref(), pcap.as_deref());
        page.table("[access]", "access");
        let allow = match access {
            AllowList::Everybody => None,
            AllowList::Only(networks) => Some(texts(networks)),
        };
        page.put_some("allow", allow, "whoever can reach us");
        page.put("open", *is_open);
        page.table("[dns]", "dns");
        page.put("servers", texts(dns));
        if let Some(auth) = auth {
            page.auth(auth);
        }
        page.bounds(dial_out, *limits, *overload);
        webhooks.iter().enumerate().for_each(|(at, webhook)| page.webhook(at, webhook));
        if let Some(conference) = fault_in_conference {
            page.table("[debug]", "debug");
            page.put("fault_in_conference", i64::from(*conference));
        }
        page.text
    }
}

impl Page<'_> {
    /// Begins a table: as it is written, and as [`Sources`] names it.
    fn table(&mut self, header: &str, name: &str) {
        let gap = if self.text.is_empty() { "" } else { "\n" };
        let _ = writeln!(self.text, "{gap}{header}");
        self.table = format!("{name}.");
    }

    fn put(&mut self, key: &str, value: impl Into<Value>) {
        let line = format!("{key} = {}", value.into());
        let source = self.sources.of_key(&format!("{}{key}", self.table));
        let _ = writeln!(self.text, "{line:COMMENT_COLUMN$}  # {source}");
    }

    /// The value, or in a comment what is done without one.
    fn put_some(&mut self, key: &str, value: Option<impl Into<Value>>, without: &str) {
        match value {
            Some(value) => self.put(key, value),
            None => {
                let line = format!("# {key} =");
                let _ = writeln!(self.text, "{line:COMMENT_COLUMN$}  # default: {without}");
            }
        }
    }

    fn sip(&mut self, at: usize, SipListen { bind, advertise }: &SipListen) {
        self.table("[[sip.listen]]", &format!("sip.listen[{at}]"));
        self.put("bind", text(bind));
        self.put_some("advertise", advertised(advertise), "as it is bound");
    }

    fn media(&mut self, at: usize, MediaListen { bind, advertise, ports }: &MediaListen) {
        self.table("[[media.listen]]", &format!("media.listen[{at}]"));
        self.put("bind", text(bind));
        self.put("advertise", text(advertise));
        self.put("ports", text(ports));
    }

    fn admin(&mut self, AdminConfig { bind, tokens, is_open }: &AdminConfig) {
        self.table("[admin]", "admin");
        self.put("bind", text(bind));
        self.put_some("tokens", tokens.as_deref().map(path), "who has no token may look only");
        self.put("open", *is_open);
    }

    fn files(&mut self, state: Option<&Path>, records: Option<&RecordsTo>, pcap: Option<&Path>) {
        self.table("[state]", "state");
        self.put_some("dir", state.map(path), "nothing outlives the process");
        self.table("[records]", "records");
        let file = records.map(|to| match to {
            RecordsTo::Stdout => "-".to_owned(),
            RecordsTo::File(file) => path(file),
        });
        self.put_some("file", file, "no records");
        self.table("[trace]", "trace");
        self.put_some("pcap", pcap.map(path), "no capture");
    }

    fn factory(&mut self, at: usize, factory: &Factory) {
        let Factory {
            users,
            hosts,
            answer,
            answer_rules,
            hold,
            expect,
            end,
            max,
            max_time,
            entry: EntryRules { pin, moderator_pin, lobby },
            tenant,
        } = factory;
        self.table("[[factory]]", &format!("factory[{at}]"));
        self.put("users", users.clone());
        self.put("hosts", texts(hosts));
        self.put(
            "answer",
            match answer {
                Answer::Redirect => "redirect",
                Answer::Deliver => "deliver",
            },
        );
        self.put("hold", duration(*hold));
        self.put("expect", i64::from(*expect));
        self.put(
            "end",
            match end {
                End::LastLeaves => "last-leaves",
                End::CreatorLeaves => "creator-leaves",
            },
        );
        self.put_some("max", max.map(i64::from), "as many as there is room for");
        self.put_some("max_time", max_time.map(duration), "as long as somebody is in");
        let secrets = self.secrets;
        let secret = |pin: &Option<Pin>| {
            pin.map(|pin| match secrets {
                Secrets::Shown => String::from(pin),
                Secrets::Masked => NOT_SHOWN.to_owned(),
            })
        };
        self.put_some("pin", secret(pin), "nobody is asked");
        self.put_some("moderator_pin", secret(moderator_pin), "none");
        self.put("lobby", *lobby);
        self.put_some("tenant", tenant.clone(), "nobody in particular");
        for (number, rule) in answer_rules.iter().enumerate() {
            let AnswerRule { user_agent, source, transport, answer } = rule;
            let table = format!("factory[{at}].answer_rule[{number}]");
            self.table("[[factory.answer_rule]]", &table);
            self.put_some("user_agent", user_agent.as_ref().map(text), "whatever it says");
            self.put_some("source", source.as_ref().map(text), "from anywhere");
            self.put_some("transport", transport.map(Transport::uri_param), "any");
            self.put("answer", answer.to_string());
        }
    }

    fn room(&mut self, capacity: Option<u32>, room: &RoomTerms) {
        let RoomTerms {
            cpu_percent,
            packets_per_second,
            kbit_per_second,
            bookable_percent,
            reserve_ahead,
        } = room;
        self.table("[pool]", "pool");
        self.put_some("capacity", capacity.map(i64::from), "what this machine can do");
        self.put("cpu_percent", i64::from(*cpu_percent));
        let not = "not looked at";
        self.put_some("packets_per_second", packets_per_second.map(i64::from), not);
        self.put_some("kbit_per_second", kbit_per_second.map(i64::from), not);
        self.put("bookable_percent", i64::from(*bookable_percent));
        self.put("reserve_ahead", duration(*reserve_ahead));
    }

    fn tenant(&mut self, Tenant { terms, users, networks }: &Tenant) {
        let TenantTerms { name, quota, reserved, per_minute } = terms;
        let table = format!("tenants.{name}");
        self.table(&format!("[{table}]"), &table);
        self.put("users", users.clone());
        self.put("networks", texts(networks));
        self.put_some("quota", quota.map(i64::from), "no limit");
        // A number that is written must be at least one.
        self.put_some("reserved", (*reserved > 0).then_some(i64::from(*reserved)), "none");
        self.put_some("per_minute", per_minute.map(i64::from), "no limit");
    }

    fn bounds(&mut self, dial_out: &DialRules, limits: Limits, overload: OverloadConfig) {
        self.table("[dial_out]", "dial_out");
        self.put("allow", texts(&dial_out.allow));
        self.put("refers_per_minute", i64::from(dial_out.refers_per_minute));
        self.table("[limits]", "limits");
        self.put("per_second", i64::from(limits.per_second));
        self.put("burst", i64::from(limits.burst));
        self.table("[overload]", "overload");
        self.put("target", format!("{}ms", overload.target.as_millis()));
        self.put_some("per_second", overload.per_second.map(i64::from), "as many as can be done");
    }

    fn webhook(&mut self, at: usize, webhook: &Webhook) {
        let Webhook { url, secret_file, ca_file, events } = webhook;
        self.table("[[webhook]]", &format!("webhook[{at}]"));
        self.put("url", url.clone());
        self.put("secret_file", path(secret_file));
        self.put_some("ca_file", ca_file.as_deref().map(path), "whom the system trusts");
        let events = Some(events.clone()).filter(|events| !events.is_empty());
        self.put_some("events", events, "all but talking");
    }

    fn auth(&mut self, auth: &Auth) {
        let Auth { realm, users, md5, factory, join, subscribe } = auth;
        let entry = |entry: Entry| match entry {
            Entry::Open => "open",
            Entry::Required => "required",
        };
        self.table("[auth]", "auth");
        self.put("realm", realm.clone());
        self.put("users", path(users));
        self.put(
            "md5",
            match md5 {
                Md5::No => Value::from(false),
                Md5::Also => Value::from(true),
                Md5::Only => Value::from("only"),
            },
        );
        self.put("factory", entry(*factory));
        self.put("join", entry(*join));
        self.put("subscribe", entry(*subscribe));
    }
}

fn text(value: &impl Display) -> String {
    value.to_string()
}

fn texts(values: &[impl Display]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn advertised(Advertise { host, port }: &Advertise) -> Option<String> {
    let host = host.as_ref()?;
    Some(port.map_or_else(|| host.to_string(), |port| format!("{host}:{port}")))
}

/// In the largest unit that it is a whole number of.
fn duration(time: Duration) -> String {
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let units = [("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let unit = units.into_iter().find(|(_, of)| millis > 0 && millis.is_multiple_of(*of));
    let (name, of) = unit.unwrap_or(("ms", 1));
    format!("{}{name}", millis / of)
}

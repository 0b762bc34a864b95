//! Where each value of a configuration comes from: a line of the file, a flag, or nowhere, which is the default.

use std::collections::BTreeMap;
use std::fmt;

use toml::de::{DeTable, DeValue};

use super::error::Place;
use super::file::line_of;
use super::{Config, Flags};

/// Where the values of one configuration come from. A key is written with all tables that it is in, as in `pool.capacity`
/// and `sip.listen[0].bind`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    path: String,
    lines: BTreeMap<String, usize>,
    flags: Flags,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything.
    Default,
    /// The file has it.
    File(Place),
    /// The command line has it: its name there.
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(Place { path, line }) => write!(f, "{}:{line}", path.escape_debug()),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

impl Sources {
    /// Of the file named `path` with content `text`, which can be read, and of the flags.
    pub fn of(path: &str, text: &str, flags: &Flags) -> Self {
        let (root, _) = DeTable::parse_recoverable(text);
        let mut lines = BTreeMap::new();
        note(root.get_ref(), "", &mut |key, at| {
            lines.insert(key, line_of(text, at));
        });
        // Whoever says one address means that one alone.
        lines.retain(|key, _| flags.sip.is_none() || !key.starts_with("sip.listen"));
        Self { path: path.to_owned(), lines, flags: flags.clone() }
    }

    /// Where the value of this key comes from.
    pub fn of_key(&self, key: &str) -> Source {
        if let Some(name) = self.flag(key) {
            return Source::Flag(name);
        }
        let place = |line: &usize| Place { path: self.path.clone(), line: *line };
        self.lines.get(key).map(place).map_or(Source::Default, Source::File)
    }

    /// The flag that wins for this key. Each names one more, or it does not compile.
    fn flag(&self, key: &str) -> Option<&'static str> {
        let Flags {
            sip,
            media_ip,
            rtp_ports,
            admin,
            admin_tokens,
            admin_open,
            records,
            pcap,
            open,
            lab_registrar,
            state_dir,
        } = &self.flags;
        let is_ports = key.starts_with("media.listen[") && key.ends_with("].ports");
        let of_flags = [
            ("--sip", sip.is_some(), key == "sip.listen[0].bind"),
            ("--media-ip", media_ip.is_some(), key == "media.listen[0].bind"),
            ("--media-ip", media_ip.is_some(), key == "media.listen[0].advertise"),
            ("--rtp-ports", rtp_ports.is_some(), is_ports),
            ("--admin", admin.is_some(), key == "admin.bind"),
            ("--admin-tokens", admin_tokens.is_some(), key == "admin.tokens"),
            ("--admin-open", *admin_open, key == "admin.open"),
            ("--records", records.is_some(), key == "records.file"),
            ("--pcap", pcap.is_some(), key == "trace.pcap"),
            ("--open", *open, key == "access.open"),
            ("--lab-registrar", *lab_registrar, key == "sip.lab_registrar"),
            ("--state-dir", state_dir.is_some(), key == "state.dir"),
        ];
        of_flags.into_iter().find(|(_, is_said, is_it)| *is_said && *is_it).map(|(name, ..)| name)
    }
}

/// Tells every key of a table, and of the tables in it, and where it stands.
fn note(table: &DeTable<'_>, before: &str, tell: &mut impl FnMut(String, usize)) {
    for (key, value) in table {
        let name = format!("{before}{}", key.get_ref());
        tell(name.clone(), key.span().start);
        match value.get_ref() {
            DeValue::Table(inner) => note(inner, &format!("{name}."), tell),
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    let name = format!("{name}[{index}]");
                    tell(name.clone(), item.span().start);
                    if let DeValue::Table(inner) = item.get_ref() {
                        note(inner, &format!("{name}."), tell);
                    }
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
    }
}

impl Config {
    /// The same with every path from the root, so that it means the same wherever it is written down.
    ///
    /// # Errors
    /// The working directory is gone.
    pub fn with_absolute_paths(mut self) -> std::io::Result<Self> {
        use crate::RecordsTo;
        let paths = [&mut self.state_dir, &mut self.pcap, &mut self.admin.tokens];
        let users = self.auth.as_mut().map(|auth| &mut auth.users);
        let records = match &mut self.records {
            Some(RecordsTo::File(path)) => Some(path),
            Some(RecordsTo::Stdout) | None => None,
        };
        let hooks = self.webhooks.iter_mut();
        let hooks =
            hooks.flat_map(|it| std::iter::once(&mut it.secret_file).chain(&mut it.ca_file));
        let paths = paths.into_iter().filter_map(Option::as_mut);
        for path in paths.chain(users).chain(records).chain(hooks) {
            *path = std::path::absolute(&*path)?;
        }
        Ok(self)
    }
}

//! What a server would find wrong when it starts, without starting one: in the configuration, and on this machine.
//!
//! - `machine`: addresses, ports, files, what is needed and what there is
//!
//! **Invariant:** nothing is left behind, and nothing that is there is changed.

mod machine;

use crate::config::{Config, ConfigError, Flags, Place, Source, Sources};

/// Something to say about a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub weight: Weight,
    /// The line that is to blame; `None`: a flag, or nobody.
    pub place: Option<Place>,
    /// The key that it is about, with its tables, as in `pool.capacity`; empty if a line says enough.
    pub key: String,
    /// What it is, and what to do.
    pub what: String,
}

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// A server would not start.
    Wrong,
    /// It would, but less may be meant or had than is written.
    Note,
}

impl Weight {
    /// As it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Note => "note",
        }
    }
}

impl From<ConfigError> for Finding {
    fn from(error: ConfigError) -> Self {
        let what = error.problem.to_string();
        Self { weight: Weight::Wrong, place: error.place, key: String::new(), what }
    }
}

/// Looks at the file named `path` with content `text`, and at this machine. `is_running`: a server runs with it already, so
/// addresses may be taken.
pub fn checkup(path: &str, text: &str, flags: &Flags, is_running: bool) -> Vec<Finding> {
    let config = match Config::examine(path, text, flags) {
        Ok(config) => config,
        // What the machine has to do with what is not meant so is not worth saying.
        Err(errors) => return errors.into_iter().map(Finding::from).collect(),
    };
    let mut found = Found { sources: Sources::of(path, text, flags), findings: Vec::new() };
    machine::look(&config, is_running, &mut found);
    found.findings.sort_by_key(|it| (it.weight, it.place.as_ref().map_or(0, |it| it.line)));
    found.findings
}

/// What has been found.
struct Found {
    sources: Sources,
    findings: Vec<Finding>,
}

impl Found {
    fn wrong(&mut self, key: &str, what: impl ToString) {
        self.add(Weight::Wrong, key, what.to_string());
    }

    fn note(&mut self, key: &str, what: impl ToString) {
        self.add(Weight::Note, key, what.to_string());
    }

    fn add(&mut self, weight: Weight, key: &str, what: String) {
        let place = match self.sources.of_key(key) {
            Source::File(place) => Some(place),
            Source::Flag(_) | Source::Default => None,
        };
        self.findings.push(Finding { weight, place, key: key.to_owned(), what });
    }
}

#[cfg(test)]
mod tests;

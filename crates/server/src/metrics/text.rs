//! Prometheus' text format, version 0.0.4.

use std::fmt::Write as _;

/// What a family's values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// They only grow.
    Counter,
    /// They come and go.
    Gauge,
}

/// A page of families.
#[derive(Debug, Default)]
pub(super) struct Page(String);

/// A family whose samples are being written.
#[derive(Debug)]
pub(super) struct Family<'a> {
    page: &'a mut String,
    name: &'static str,
}

impl Page {
    /// Begins a family: its help and its type, once, before its samples.
    pub(super) fn family(
        &mut self,
        kind: Kind,
        name: &'static str,
        help: &'static str,
    ) -> Family<'_> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
        };
        let _ = writeln!(self.0, "# HELP convoke_{name} {help}\n# TYPE convoke_{name} {kind}");
        Family { page: &mut self.0, name }
    }

    /// A family with one sample and no labels.
    pub(super) fn one(
        &mut self,
        kind: Kind,
        name: &'static str,
        help: &'static str,
        value: impl TryInto<u64>,
    ) {
        self.family(kind, name, help).sample(&[], value);
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

impl Family<'_> {
    /// One value, told from the others of its family by labels.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: impl TryInto<u64>) {
        let _ = write!(self.page, "convoke_{}", self.name);
        for (n, (label, value)) in labels.iter().enumerate() {
            let begin = if n == 0 { '{' } else { ',' };
            let _ = write!(self.page, "{begin}{label}=\"{}\"", escaped(value));
        }
        let end = if labels.is_empty() { "" } else { "}" };
        let value = value.try_into().unwrap_or(u64::MAX);
        let _ = writeln!(self.page, "{end} {value}");
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_under_their_help_and_type_with_labels_escaped() {
        let mut page = Page::default();
        page.one(Kind::Gauge, "legs", "Legs now.", 3_usize);
        let mut family = page.family(Kind::Counter, "lost_total", "Lost.");
        family.sample(&[("cause", "a\"b\\c\nd"), ("mixer", "0")], 7_u64);
        assert_eq!(
            page.finish(),
            "# HELP convoke_legs Legs now.\n# TYPE convoke_legs gauge\nconvoke_legs 3\n\
             # HELP convoke_lost_total Lost.\n# TYPE convoke_lost_total counter\n\
             convoke_lost_total{cause=\"a\\\"b\\\\c\\nd\",mixer=\"0\"} 7\n"
        );
    }
}

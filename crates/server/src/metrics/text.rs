//! Prometheus' text format, version 0.0.4.

use std::fmt::Write as _;

use units::Histogram;

/// What a family's values do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// They only grow.
    Counter,
    /// They come and go.
    Gauge,
    /// Counts by range.
    Histogram,
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
            Kind::Histogram => "histogram",
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
        self.line("", labels.iter().copied(), &value.try_into().unwrap_or(u64::MAX));
    }

    /// A histogram: each range with how many were no higher, their sum, and how many there were. Its numbers are
    /// `parts` to one of what is shown.
    pub(super) fn histogram<const N: usize>(
        &mut self,
        labels: &[(&str, &str)],
        histogram: &Histogram<N>,
        parts: u32,
    ) {
        let labels = || labels.iter().copied();
        for (bound, count) in histogram.cumulated() {
            let bound = whole(bound, parts).to_string();
            self.line("_bucket", labels().chain([("le", bound.as_str())]), &count);
        }
        self.line("_bucket", labels().chain([("le", "+Inf")]), &histogram.total());
        self.line("_sum", labels(), &whole(histogram.sum(), parts));
        self.line("_count", labels(), &histogram.total());
    }

    fn line<'l>(
        &mut self,
        suffix: &str,
        labels: impl Iterator<Item = (&'l str, &'l str)>,
        value: &dyn std::fmt::Display,
    ) {
        let _ = write!(self.page, "convoke_{}{suffix}", self.name);
        let mut end = "";
        for (label, value) in labels {
            let begin = if end.is_empty() { '{' } else { ',' };
            let _ = write!(self.page, "{begin}{label}=\"{}\"", escaped(value));
            end = "}";
        }
        let _ = writeln!(self.page, "{end} {value}");
    }
}

/// So many parts of one.
#[expect(clippy::cast_precision_loss, reason = "15 digits are enough for a sum of figures")]
fn whole(number: u64, parts: u32) -> f64 {
    number as f64 / f64::from(parts)
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn histograms_are_cumulated_and_in_base_units() {
        let mut page = Page::default();
        let mut late = Histogram::new(&[100, 2_500]);
        [50, 100, 700, 9_000].into_iter().for_each(|micros| late.count(micros));
        let mut family = page.family(Kind::Histogram, "late_seconds", "Late.");
        family.histogram(&[("mixer", "0")], &late, 1_000_000);
        assert_eq!(
            page.finish(),
            "# HELP convoke_late_seconds Late.\n# TYPE convoke_late_seconds histogram\n\
             convoke_late_seconds_bucket{mixer=\"0\",le=\"0.0001\"} 2\n\
             convoke_late_seconds_bucket{mixer=\"0\",le=\"0.0025\"} 3\n\
             convoke_late_seconds_bucket{mixer=\"0\",le=\"+Inf\"} 4\n\
             convoke_late_seconds_sum{mixer=\"0\"} 0.00985\n\
             convoke_late_seconds_count{mixer=\"0\"} 4\n"
        );
    }

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

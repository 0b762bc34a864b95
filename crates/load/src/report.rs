//! What came of it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::Rest;
use crate::process::Usage;
use crate::spread::Spread;

/// What came of a run. Times are in milliseconds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Report {
    pub target: String,
    pub conferences: usize,
    pub talkers: usize,
    pub rest: Rest,
    pub ptime_ms: u32,
    pub rate: u32,
    pub legs: usize,
    /// Legs that came in.
    pub joined: u64,
    /// Of these, the ones that were put out before the end.
    pub dropped_out: u64,
    /// Why the others did not come in.
    pub failures: BTreeMap<String, u64>,
    /// From a leg's first INVITE to the answer that joined.
    pub setup_ms: Option<Millis>,
    /// How long it was measured.
    pub seconds: f64,
    pub media: Media,
    pub delay: Delay,
    /// Of the process that was named.
    pub server: Option<Cost>,
    pub generator: Cost,
    /// How long after its time a packet was sent.
    pub late_ms: Option<Millis>,
    /// Where the generator was the limit; none: the figures are the server's.
    pub limits: Vec<Limit>,
}

/// Some points of a distribution.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Millis {
    #[serde(serialize_with = "millis")]
    pub p50: Duration,
    #[serde(serialize_with = "millis")]
    pub p90: Duration,
    #[serde(serialize_with = "millis")]
    pub p99: Duration,
    #[serde(serialize_with = "millis")]
    pub max: Duration,
}

/// What all legs got.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Media {
    /// Packets that we sent.
    pub sent: u64,
    /// Packets that a server sends that sends to everybody all the time.
    pub due: u64,
    /// Packets that came.
    pub received: u64,
    /// Received over due; may be a hair above 1, since no window cuts between two packets.
    pub ratio: f64,
    /// The same of the leg that got the least.
    pub worst_ratio: f64,
    /// Legs that got nothing at all.
    pub deaf_legs: u64,
    /// Packets whose numbers were left out.
    pub lost: u64,
    /// Of those that the numbers promise.
    pub loss_percent: f64,
    /// Between two packets of a leg.
    pub gap_ms: Option<Millis>,
    /// RFC 3550 §6.4.1, over the legs, at the end.
    pub jitter_ms: Option<Millis>,
}

/// How long a sound takes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delay {
    /// Clicks that were sent.
    pub clicks: u64,
    /// By how many listeners they should be heard.
    pub due: u64,
    /// By how many they were.
    pub heard: u64,
    /// From a click's packet being sent to the click in what a listener gets.
    pub ms: Option<Millis>,
    /// Clicks that came back to their sender: none in a conference, all from a reflector.
    pub echoes: u64,
    /// How long these took.
    pub echo_ms: Option<Millis>,
}

/// What a process used while it was measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cost {
    /// Of one core, its own code.
    pub user_percent: f64,
    /// Of one core, in the kernel.
    pub system_percent: f64,
    /// Both together.
    pub cpu_percent: f64,
    /// Its share of memory at the end.
    pub pss_bytes: u64,
    /// All that it has touched of memory at the end.
    pub rss_bytes: u64,
    /// How much its share has grown since before the first call, for each leg.
    pub pss_bytes_per_leg: u64,
    /// Threads that used anything, the busiest first.
    pub threads: Vec<ThreadCost>,
}

/// What one thread used.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ThreadCost {
    pub name: String,
    pub cpu_percent: f64,
}

/// Why the figures may be the generator's and not the server's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// It used so much of its one core, in percent.
    OwnCpu(f64),
    /// So many ms after its time a packet in a hundred was sent.
    SentLate(f64),
    /// So many packets it did not send at all: it was too late, or the kernel refused them.
    NotSent(u64),
    /// So many packets that came found its queue full.
    QueueFull(u64),
}

/// Above this, one thread has no time left for what comes unexpectedly.
const OWN_CPU_MAX: f64 = 90.0;

/// Packets are sent by the millisecond; a server's own tick is 10 or 20.
const SENT_LATE_MAX: Duration = Duration::from_millis(5);

impl Millis {
    pub(crate) fn of(spread: &Spread) -> Option<Self> {
        Some(Self {
            p50: spread.percentile(50)?,
            p90: spread.percentile(90)?,
            p99: spread.percentile(99)?,
            max: spread.longest(),
        })
    }
}

impl Cost {
    /// What was used from `before` to `after`; `at_rest`: memory before the first call.
    pub(crate) fn between(
        (before, after): (&Usage, &Usage),
        at_rest: &Usage,
        legs: u64,
        time: Duration,
    ) -> Self {
        let percent = |used: Duration| 100.0 * used.as_secs_f64() / time.as_secs_f64().max(1e-9);
        let user = percent(after.user.saturating_sub(before.user));
        let system = percent(after.system.saturating_sub(before.system));
        let mut threads: Vec<ThreadCost> = Vec::new();
        for (number, name, used) in &after.threads {
            let earlier = before.threads.iter().find(|(other, _, _)| other == number);
            let earlier = earlier.map_or(Duration::ZERO, |(_, _, used)| *used);
            let used = used.saturating_sub(earlier);
            if !used.is_zero() {
                threads.push(ThreadCost { name: name.clone(), cpu_percent: percent(used) });
            }
        }
        threads.sort_by(|a, b| b.cpu_percent.total_cmp(&a.cpu_percent));
        Self {
            user_percent: user,
            system_percent: system,
            cpu_percent: user + system,
            pss_bytes: after.pss_bytes,
            rss_bytes: after.rss_bytes,
            pss_bytes_per_leg: after.pss_bytes.saturating_sub(at_rest.pss_bytes) / legs.max(1),
            threads,
        }
    }
}

impl Report {
    /// Where the generator was the limit.
    pub(crate) fn limits(
        generator: &Cost,
        late: Option<&Millis>,
        not_sent: u64,
        queue_full: u64,
    ) -> Vec<Limit> {
        let late = late.filter(|late| late.p99 > SENT_LATE_MAX);
        let busy = generator.cpu_percent > OWN_CPU_MAX;
        [
            busy.then_some(Limit::OwnCpu(generator.cpu_percent)),
            late.map(|late| Limit::SentLate(late.p99.as_secs_f64() * 1_000.0)),
            (not_sent > 0).then_some(Limit::NotSent(not_sent)),
            (queue_full > 0).then_some(Limit::QueueFull(queue_full)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// Whether every leg came in and stayed.
    pub fn is_whole(&self) -> bool {
        u64::try_from(self.legs) == Ok(self.joined) && self.dropped_out == 0
    }
}

/// Two counts as a fraction; nothing of nothing is 0.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}

/// Exact below 2^53.
#[expect(clippy::cast_precision_loss, reason = "packets of a run are fewer than 2^53")]
const fn float(count: u64) -> f64 {
    count as f64
}

fn millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    // Microseconds are all that was measured.
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    serializer.serialize_f64(float(micros) / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(user: u64, pss_bytes: u64, threads: &[(u32, u64)]) -> Usage {
        let thread =
            |(number, ms): &(u32, u64)| (*number, format!("t{number}"), Duration::from_millis(*ms));
        Usage {
            user: Duration::from_millis(user),
            system: Duration::from_millis(100),
            pss_bytes,
            rss_bytes: pss_bytes,
            threads: threads.iter().map(thread).collect(),
        }
    }

    #[test]
    fn cost_is_what_was_used_in_between() {
        let rest = usage(0, 1_000_000, &[]);
        let before = usage(500, 2_000_000, &[(1, 300), (2, 200)]);
        let after = usage(1_500, 3_000_000, &[(1, 300), (2, 900), (3, 300)]);
        let cost = Cost::between((&before, &after), &rest, 10, Duration::from_secs(2));
        assert_eq!((cost.user_percent, cost.system_percent, cost.cpu_percent), (50.0, 0.0, 50.0));
        assert_eq!(cost.pss_bytes_per_leg, 200_000);
        let names: Vec<&str> = cost.threads.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["t2", "t3"]);
        assert_eq!(cost.threads[0].cpu_percent, 35.0);
    }

    #[test]
    fn the_generator_says_when_it_was_the_limit() {
        let idle = Cost::between(
            (&usage(0, 0, &[]), &usage(100, 0, &[])),
            &usage(0, 0, &[]),
            1,
            Duration::from_secs(1),
        );
        let late = |p99| {
            let p99 = Duration::from_micros(p99);
            Millis { p50: p99, p90: p99, p99, max: p99 }
        };
        assert_eq!(Report::limits(&idle, Some(&late(1_000)), 0, 0), []);
        assert_eq!(Report::limits(&idle, Some(&late(6_000)), 0, 0), [Limit::SentLate(6.0)]);
        let busy = Cost { cpu_percent: 95.0, ..idle };
        let all = Report::limits(&busy, None, 3, 4);
        assert_eq!(all, [Limit::OwnCpu(95.0), Limit::NotSent(3), Limit::QueueFull(4)]);
    }

    #[test]
    fn durations_are_written_in_milliseconds() {
        let at = Duration::from_micros(16_250);
        let json = serde_json::to_string(&Millis { p50: at, p90: at, p99: at, max: at }).unwrap();
        assert_eq!(json, r#"{"p50":16.25,"p90":16.25,"p99":16.25,"max":16.25}"#);
    }
}

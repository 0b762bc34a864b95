//! `docs/BENCHMARKS.md`, made from what was measured.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use super::full::{ALL_ON, RESULTS, SHAPES, is_carried};

const PAGE: &str = "docs/BENCHMARKS.md";

const INTRODUCTION: &str = include_str!("page.md");

/// One load, while it is measured.
pub(super) fn line(shape: &str, server: &str, report: &Value) -> String {
    format!(
        "{shape:34} {server:8} {:>5} legs  cpu {:.3}  received {:.4}  delay p50 {:.1} p90 {:.1} ms{}",
        number(report, "/legs"),
        number(report, "/server/cpu_percent") / 100.0,
        number(report, "/media/ratio"),
        number(report, "/delay/ms/p50"),
        number(report, "/delay/ms/p90"),
        if has_limits(report) { "  (the load was the limit)" } else { "" },
    )
}

/// One server that was asked, while it is measured.
pub(super) fn asked_line(report: &Value) -> String {
    format!(
        "302s: {:.0} a second, {:.0} a second of its processor, answered in {:.1} ms; {:.1} % were refused",
        number(report, "/redirects_per_second"),
        number(report, "/redirects_per_cpu_second"),
        number(report, "/answer_ms/p50"),
        refused_percent(report),
    )
}

/// Answers other than 302, of a hundred: where there are many it is not the answer that was measured but a limit.
fn refused_percent(report: &Value) -> f64 {
    let answers = report["answers"].as_object().into_iter().flatten();
    let (found, others) = answers.fold((0.0, 0.0), |(found, others), (status, count)| {
        let count = count.as_f64().unwrap_or(0.0);
        if status == "302" { (found + count, others) } else { (found, others + count) }
    });
    if found + others > 0.0 { 100.0 * others / (found + others) } else { 0.0 }
}

/// Writes the page anew from the results that are there.
pub(super) fn write(root: &Path) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(root.join(RESULTS)).context(RESULTS)?;
    let page = page(&serde_json::from_str(&text)?);
    std::fs::write(root.join(PAGE), page)?;
    println!("{PAGE} is written from {RESULTS}");
    Ok(())
}

fn page(results: &Value) -> String {
    let mut out = INTRODUCTION.to_owned();
    let text = |pointer: &str| {
        let value = results.pointer(pointer).unwrap_or(&Value::Null);
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    };
    let _ = writeln!(
        out,
        "\n## Measured\n\n{} cores of {}, Linux {}, commit `{}`, {} repetitions (lowest / median / highest), scheduled: {}, load average before: {}.",
        text("/machine/cores"),
        text("/machine/processor"),
        text("/machine/kernel"),
        text("/commit"),
        text("/repetitions"),
        text("/machine/scheduling"),
        text("/machine/load_before"),
    );
    let all = results["loads"].as_array().map_or(&[][..], Vec::as_slice);
    for shape in &SHAPES {
        let _ = writeln!(out, "\n### {}\n", shape.name);
        let _ = writeln!(out, "`convoke load URI {} --rate 200`\n", shape.words.join(" "));
        out.push_str(
            "| server | legs | CPU | received | delay p50, ms | delay p90, ms | gap p99, ms | set-up p99, ms | kB a leg | runs |\n\
             |---|---|---|---|---|---|---|---|---|---|\n",
        );
        for ((server, legs), runs) in groups(all, shape.name) {
            let _ = writeln!(out, "{}", row(&server, legs, &runs));
        }
    }
    let _ = writeln!(out, "\n### 302s\n\nCommit `{}`.\n", text("/asked_commit"));
    out.push_str("| server | 302s a second | 302s a second of its processor | answer p50, ms | answer p99, ms | refused, % |\n|---|---|---|---|---|---|\n");
    let asked = results["asked"].as_array().map_or(&[][..], Vec::as_slice);
    for server in ["convoke", ALL_ON, "kamailio", "floor"] {
        let runs: Vec<&Value> =
            asked.iter().filter(|it| it["server"] == server).map(|it| &it["report"]).collect();
        let cell = |pointer, decimals| spread(&runs, pointer, 1.0, decimals);
        let _ = writeln!(
            out,
            "| {server} | {} | {} | {} | {} | {} |",
            cell("/redirects_per_second", 0),
            cell("/redirects_per_cpu_second", 0),
            cell("/answer_ms/p50", 2),
            cell("/answer_ms/p99", 2),
            spread_of(runs.iter().map(|report| refused_percent(report)).collect(), 1),
        );
    }
    out.push_str(&cost_model(&results["cost_model"]));
    out.push_str(&decisions(&results["decisions"]));
    out
}

/// What `convoke calibrate` says that fits, and what did.
fn cost_model(results: &Value) -> String {
    let Some(shapes) = results["saturation"].as_array() else { return String::new() };
    let mut out = "\n### The cost model\n\n".to_owned();
    let cost = |name: &str| number(&results["predicted"], &format!("/costs/{name}"));
    let _ = writeln!(
        out,
        "`convoke calibrate` before the run: a packet in and out {:.1} µs, a leg {:.0} µs a second, a conference {:.0} µs a second.\n\n\
         | shape | most legs carried | predicted | error | let in |\n|---|---|---|---|---|",
        cost("packet_ns") / 1_000.0,
        cost("leg_us_per_s"),
        cost("conference_us_per_s"),
    );
    for it in shapes {
        let text = |key: &str| it[key].as_f64().map_or_else(|| "-".to_owned(), |it| it.to_string());
        let error = it["error_percent"].as_f64().map(|error| format!("{error:+.1} %"));
        let shape = it["shape"].as_str().unwrap_or_default();
        let error = error.unwrap_or_else(|| "-".to_owned());
        // Where the load could not do more, or no more was tried.
        let more = if it["is_limit"] == false { " or more" } else { "" };
        let [carried, predicted, let_in] = ["measured", "predicted", "let_in"].map(text);
        let _ = writeln!(out, "| {shape} | {carried}{more} | {predicted} | {error} | {let_in} |");
    }
    out
}

/// What a decision costs.
fn decisions(results: &Value) -> String {
    let Some(all) = results.as_array() else { return String::new() };
    let head = "\n### A decision\n\n| mixers to choose from | µs |\n|---|---|\n".to_owned();
    all.iter().fold(head, |mut out, it| {
        let _ = writeln!(out, "| {} | {:.2} |", number(it, "/mixers"), number(it, "/us"));
        out
    })
}

/// The runs of one shape by server and legs.
fn groups<'a>(all: &'a [Value], shape: &str) -> BTreeMap<(String, u64), Vec<&'a Value>> {
    let mut groups: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for run in all.iter().filter(|run| run["shape"] == shape) {
        let server = run["server"].as_str().unwrap_or_default().to_owned();
        let legs = run["legs"].as_u64().unwrap_or(0);
        groups.entry((server, legs)).or_default().push(&run["report"]);
    }
    groups
}

fn row(server: &str, legs: u64, runs: &[&Value]) -> String {
    let cell = |pointer, factor, decimals| spread(runs, pointer, factor, decimals);
    let carried = runs.iter().all(|report| is_carried(report));
    let limited = runs.iter().any(|report| has_limits(report));
    let mark = match (carried, limited) {
        (true, false) => "",
        (false, false) => " **too much**",
        (_, true) => " (the load was a limit)",
    };
    format!(
        "| {server} | {legs}{mark} | {} | {} | {} | {} | {} | {} | {} | {} |",
        cell("/server/cpu_percent", 0.01, 3),
        cell("/media/ratio", 1.0, 4),
        cell("/delay/ms/p50", 1.0, 1),
        cell("/delay/ms/p90", 1.0, 1),
        cell("/media/gap_ms/p99", 1.0, 1),
        cell("/setup_ms/p99", 1.0, 1),
        cell("/server/pss_bytes_per_leg", 1.0 / 1_024.0, 0),
        runs.len(),
    )
}

/// `lowest-median-highest`, or the one value that there is; `-`: none.
fn spread(runs: &[&Value], pointer: &str, factor: f64, decimals: usize) -> String {
    let values = runs.iter().filter_map(|run| run.pointer(pointer)?.as_f64());
    spread_of(values.map(|value| value * factor).collect(), decimals)
}

fn spread_of(mut values: Vec<f64>, decimals: usize) -> String {
    values.sort_by(f64::total_cmp);
    let written = |value: f64| format!("{value:.decimals$}");
    match values.as_slice() {
        [] => "-".to_owned(),
        [only] => written(*only),
        [lowest, .., highest] => {
            // Of an even number of runs what lies between the middle two.
            let middle = values.len() / 2;
            let below = values[(values.len() - 1) / 2];
            let median = f64::midpoint(below, values[middle]);
            [*lowest, median, *highest].map(written).join(" / ")
        }
    }
}

fn number(report: &Value, pointer: &str) -> f64 {
    report.pointer(pointer).and_then(Value::as_f64).unwrap_or(0.0)
}

/// Whether the load says that it was itself the limit.
pub(super) fn has_limits(report: &Value) -> bool {
    report["limits"].as_array().is_some_and(|limits| !limits.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(cpu: f64, ratio: f64, limits: &[&str]) -> Value {
        json!({
            "shape": SHAPES[0].name, "server": "convoke", "legs": 100,
            "report": {
                "legs": 100, "joined": 100, "limits": limits,
                "media": { "ratio": ratio }, "server": { "cpu_percent": cpu },
            },
        })
    }

    #[test]
    fn a_row_shows_the_spread_and_what_was_too_much() {
        let runs = [run(31.0, 1.0, &[]), run(35.0, 1.0, &[]), run(30.0, 0.9999, &[])];
        let page = page(&json!({ "loads": runs, "asked": [] }));
        let row = "| convoke | 100 | 0.300 / 0.310 / 0.350 | 0.9999 / 1.0000 / 1.0000 | - |";
        assert!(page.contains(row), "{page}");
        let two = page_of_all(&[run(31.0, 1.0, &[]), run(35.0, 1.0, &[])]);
        assert!(two.contains("| 0.310 / 0.330 / 0.350 |"), "{two}");
        let lossy = page_of(&run(99.0, 0.98, &[]));
        assert!(lossy.contains("| 100 **too much** | 0.990 |"), "{lossy}");
        let limited = page_of(&run(99.0, 0.98, &["own_cpu"]));
        assert!(limited.contains("| 100 (the load was a limit) |"), "{limited}");
    }

    #[test]
    fn the_cost_model_stands_beside_what_was_carried() {
        let page = page(&json!({
            "loads": [], "asked": [],
            "cost_model": {
                "predicted": { "costs": { "packet_ns": 8_123, "leg_us_per_s": 90, "conference_us_per_s": 7 } },
                "saturation": [
                    { "shape": "a", "predicted": 2_000, "let_in": 1_400, "measured": 1_900, "error_percent": 5.3 },
                    { "shape": "b", "predicted": 2_000, "measured": null, "error_percent": null },
                    { "shape": "c", "predicted": 2_000, "measured": 2_500, "is_limit": false, "error_percent": null },
                ],
            },
            "decisions": [{ "mixers": 100, "us": 1.234 }],
        }));
        assert!(page.contains("in and out 8.1 µs, a leg 90 µs"), "{page}");
        assert!(page.contains("| a | 1900 | 2000 | +5.3 % | 1400 |"), "{page}");
        assert!(page.contains("| b | - | 2000 | - | - |"), "{page}");
        assert!(page.contains("| c | 2500 or more | 2000 | - | - |"), "{page}");
        assert!(page.contains("| 100 | 1.23 |"), "{page}");
    }

    /// A limit that is met hides behind cheap refusals.
    #[test]
    fn what_was_refused_stands_beside_what_was_not() {
        let report = json!({ "answers": { "302": 60, "486": 120, "480": 20 } });
        let page = page(&json!({ "loads": [], "asked": [
            { "server": ALL_ON, "report": report },
            { "server": "kamailio", "report": { "answers": { "302": 5 } } },
        ] }));
        assert!(page.contains("| convoke, everything on | - | - | - | - | 70.0 |"), "{page}");
        assert!(page.contains("| kamailio | - | - | - | - | 0.0 |"), "{page}");
        assert!(page.contains("| convoke | - | - | - | - | - |"), "nothing measured: {page}");
    }

    fn page_of(run: &Value) -> String {
        page_of_all(std::slice::from_ref(run))
    }

    fn page_of_all(runs: &[Value]) -> String {
        page(&json!({ "loads": runs, "asked": [] }))
    }
}

//! `convoke explain`.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use pool::{Candidate, Cost, Decision, Limit, LimitKind, Shortage, Verdict};
use server::{AnswerForm, Answering, Explained, ExplainedState, Explanation};

use super::table::{Align, Table, counted, thousands};
use super::{admin, time_of_day};
use crate::cli::ExplainArgs;
use crate::output::{Paint, Tone, harmless, say};

pub(crate) fn run(args: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let text = admin::get(&args.ask, "/v1/explain", &query(args))?;
    if args.ask.json {
        say(text.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let page: Explanation = serde_json::from_str(&text)
        .context("this is no Convoke server, or one of another version")?;
    // Of one thing all is shown, of many one line each.
    let is_whole = args.conference.is_some() || args.legs.is_some();
    say(show(&page, is_whole, Paint::of_stdout()).trim_end());
    let refused =
        args.legs.is_some() && page.decisions.iter().any(|it| it.decision.refusal.is_some());
    Ok(if refused { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn query(args: &ExplainArgs) -> Vec<(&'static str, String)> {
    if let Some(conference) = &args.conference {
        return vec![("conference", conference.clone())];
    }
    let Some(legs) = args.legs else {
        return args.kind.tenant.iter().map(|tenant| ("tenant", tenant.clone())).collect();
    };
    let mut query = vec![("legs", legs.to_string())];
    query.extend(admin::kind(&args.kind));
    query
}

fn show(page: &Explanation, is_whole: bool, paint: Paint) -> String {
    let mut out = String::new();
    if let Some(words) = &page.overload {
        let _ = writeln!(out, "{}", paint.bold(&harmless(words)));
    }
    if page.decisions.is_empty() {
        out.push_str("Nothing was decided yet.\n");
    }
    for explained in &page.decisions {
        out.push_str(&headline(explained, paint));
        if is_whole {
            out.push_str(&details(explained));
        }
    }
    out
}

fn headline(explained: &Explained, paint: Paint) -> String {
    let (tone, verb) = match (explained.state, explained.decision.refusal.is_some()) {
        (ExplainedState::WhatIf, false) => (Tone::Good, "would get"),
        (ExplainedState::WhatIf, true) => (Tone::Bad, "would not get"),
        (ExplainedState::Refused, _) => (Tone::Bad, "refused"),
        (ExplainedState::Held, _) => (Tone::Plain, "held"),
        (ExplainedState::Active, _) => (Tone::Good, "active"),
        (ExplainedState::Ended, _) => (Tone::Quiet, "ended"),
    };
    let what = explained.conference.as_deref().or(explained.asker.as_deref());
    let what = what.map(|what| format!("{}: ", harmless(what))).unwrap_or_default();
    let (at, verb) = (time_of_day(explained.at.0), paint.tone(tone, &format!("{verb:<8}")));
    format!("{at}  {verb}  {what}{}\n", harmless(&explained.words))
}

fn details(explained: &Explained) -> String {
    let Explained { asker, asked, answer, tenant, decision, .. } = explained;
    let mut out = String::new();
    if let (Some(asker), Some(asked)) = (asker, asked) {
        let proved = if decision.is_firm { "" } else { ", address not proved" };
        let _ = writeln!(out, "  asked by {} at {}{proved}", harmless(asker), harmless(asked));
    }
    if let Some(answer) = answer {
        let _ = writeln!(out, "  {}", answered(answer));
    }
    if !tenant.is_empty() {
        let _ = writeln!(out, "  tenant {}", harmless(tenant));
    }
    let _ = writeln!(
        out,
        "  {} cost {}",
        counted(decision.seats.0.into(), "seat"),
        cost(&decision.asked)
    );
    for limit in &decision.limits {
        let _ = writeln!(out, "  {}", of_limit(limit));
    }
    out.push_str(&candidates(decision));
    out
}

fn answered(answer: &Answering) -> String {
    let how = match answer.form {
        AnswerForm::Redirect => "by redirection",
        AnswerForm::Deliver => "by the focus itself",
        AnswerForm::Relay => "by its owner",
    };
    match answer.rule {
        Some(number) => {
            format!("answered {how}: answer_rule {number}, {}", harmless(&answer.because))
        }
        None => format!("answered {how}, as its factory does"),
    }
}

fn of_limit(limit: &Limit) -> String {
    let what = match limit.kind {
        LimitKind::TenantQuota => "seats of the tenant",
        LimitKind::TenantRate => "conferences of the tenant this minute",
        LimitKind::Unproved => "seats of callers whose address is not proved",
    };
    let kept = if limit.is_kept { "within" } else { "over" };
    format!("{kept} the limit: {} of {} {what} were taken", limit.has, limit.most)
}

fn candidates(decision: &Decision) -> String {
    let right = |name| (name, Align::Right);
    let mut table = Table::new(&[
        ("MIXER", Align::Left),
        right("LOAD"),
        right("FREE CPU"),
        right("PACKETS/s"),
        right("KBIT/s"),
        right("PORTS"),
        right("FITS"),
        ("", Align::Left),
    ]);
    for candidate in &decision.candidates {
        table.row(row(candidate));
    }
    let mut out = table.show("  ");
    if decision.left_out > 0 {
        let _ = writeln!(out, "  and {} more", decision.left_out);
    }
    out
}

fn row(candidate: &Candidate) -> Vec<String> {
    let free = candidate.room.free();
    let load = match candidate.load {
        // Out of what it has not got at all.
        u64::MAX => "-".to_owned(),
        load => format!("{}.{} %", load / 10, load % 10),
    };
    vec![
        format!("{}/{}", candidate.node, candidate.shard),
        load,
        cpu(free.cpu_us_per_s),
        free_of(free.tx_pps),
        free_of(free.kbit_per_s),
        thousands(free.sockets),
        candidate.fits.to_string(),
        verdict(candidate),
    ]
}

/// More packets or kilobits each second than any network has: the configuration sets no limit.
const NO_LIMIT: u64 = 1_000_000_000_000;

fn free_of(amount: u64) -> String {
    if amount >= NO_LIMIT { "no limit".to_owned() } else { thousands(amount) }
}

fn verdict(candidate: &Candidate) -> String {
    let kept = match candidate.kept_for_others {
        Cost::ZERO => String::new(),
        kept => format!("; {} is reserved for other tenants", cost(&kept)),
    };
    let verdict = match &candidate.verdict {
        Verdict::Chosen => "chosen: it has the room".to_owned(),
        Verdict::ChosenByPressure { evicted, taken_back } => format!(
            "chosen: {evicted} unproved holds gave way, {taken_back} unused seats were taken back"
        ),
        Verdict::MoreLoad => "not chosen: it has the room, and more load".to_owned(),
        Verdict::Late => "not chosen: it has the room, and its ticks are late".to_owned(),
        Verdict::NoRoom { short_of } | Verdict::NoRoomAtOnce { short_of } => {
            format!("no room: too little {}", shortages(short_of))
        }
        Verdict::NotAsked => "not asked: over a limit anyway".to_owned(),
    };
    verdict + &kept
}

fn shortages(short_of: &[Shortage]) -> String {
    short_of.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A cost in words.
pub(super) fn cost(cost: &Cost) -> String {
    format!(
        "{} of a core, {} packets/s, {} kbit/s, {}",
        cpu(cost.cpu_us_per_s),
        thousands(cost.tx_pps),
        thousands(cost.kbit_per_s),
        counted(cost.sockets, "port")
    )
}

/// Microseconds each second, as percent of a core.
pub(super) fn cpu(us_per_s: u64) -> String {
    format!("{}.{:02} %", us_per_s / 10_000, us_per_s / 100 % 100)
}

#[cfg(test)]
mod tests {
    use pool::{CostModel, HoldRequest, Pool, PoolConfig, Seats};
    use units::{Instant, UnixTime};

    use super::*;

    #[test]
    fn what_has_no_limit_is_not_shown_as_a_number() {
        assert_eq!(free_of(u64::MAX / 1_000_000 - 200), "no limit");
        assert_eq!(free_of(100_000), "100,000");
    }

    fn explained(seats: u32) -> Explained {
        let pool = Pool::new(PoolConfig::new(Seats(9)));
        let request = HoldRequest {
            id: pool::ConferenceId([1; 10]),
            seats: Seats(seats),
            leg: CostModel::default().plain_leg(),
            hold: std::time::Duration::from_secs(60),
            firmness: pool::Firmness::Firm,
            legs_max: None,
            tenant: pool::TenantId::NOBODYS,
        };
        let decision = pool.explain(Instant::ZERO, 1, &request);
        Explained {
            at: UnixTime(45_296),
            state: ExplainedState::WhatIf,
            conference: None,
            asker: None,
            asked: None,
            answer: None,
            tenant: String::new(),
            words: decision.words("nobody"),
            decision,
        }
    }

    #[test]
    fn what_is_granted_shows_what_the_mixer_has() {
        let page = Explanation { overload: None, decisions: vec![explained(4)] };
        assert_eq!(
            show(&page, true, Paint::plain()),
            "12:34:56Z  would get  4 seats on mixer 1/0, the only one, now 44.4 % full\n  \
             4 seats cost 0.56 % of a core, 200 packets/s, 352 kbit/s, 4 ports\n  \
             MIXER    LOAD  FREE CPU  PACKETS/s  KBIT/s  PORTS  FITS\n  \
             1/0    44.4 %    1.26 %        450     792      9     9  chosen: it has the room\n"
        );
    }

    #[test]
    fn that_others_are_refused_for_overload_stands_above() {
        let overload = Some("More new requests come than this server can do".to_owned());
        let page = Explanation { overload, decisions: vec![] };
        assert_eq!(
            show(&page, false, Paint::plain()),
            "More new requests come than this server can do\nNothing was decided yet.\n"
        );
        let page = Explanation { overload: None, decisions: vec![] };
        assert_eq!(show(&page, false, Paint::plain()), "Nothing was decided yet.\n");
    }

    #[test]
    fn how_it_is_answered_is_told_with_the_rule() {
        let because = "user_agent = \"audiocodes*\"".to_owned();
        let answer = Answering { form: AnswerForm::Deliver, rule: Some(2), because };
        let it = Explained { answer: Some(answer.clone()), ..explained(4) };
        let page = Explanation { overload: None, decisions: vec![it] };
        let shown = show(&page, true, Paint::plain());
        let line = "  answered by the focus itself: answer_rule 2, user_agent = \"audiocodes*\"\n";
        assert!(shown.contains(line), "{shown}");
        let usual = Answering { rule: None, because: String::new(), ..answer };
        assert_eq!(answered(&usual), "answered by the focus itself, as its factory does");
    }

    #[test]
    fn what_is_refused_shows_what_is_missing() {
        let page = Explanation { overload: None, decisions: vec![explained(10)] };
        let shown = show(&page, true, Paint::plain());
        assert!(shown.starts_with(
            "12:34:56Z  would not get  no mixer has room for 10 seats, the most is 9 (mixer 1/0): too little \
             processor time (1.40 % of a core asked, 1.26 % of a core to be had)\n"
        ), "{shown}");
        assert!(shown.contains("no room: too little processor time (1.40 % of a core asked, 1.26 % of a core to be had); packets"));
    }
}

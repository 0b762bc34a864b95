//! `convoke reserve`.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use server::config::parse_duration;
use server::{ReservationStatus, ReserveBody};

use super::table::counted;
use super::{admin, moment};
use crate::cli::{ReserveArgs, USAGE};
use crate::output::{complain, harmless, say, unix_micros};

const DAY: u64 = 86_400;

pub(crate) fn run(args: &ReserveArgs) -> anyhow::Result<ExitCode> {
    let text = match &args.cancel {
        Some(conference) => {
            let path = format!("/v1/reservations/{}", admin::escaped(conference));
            admin::delete(&args.ask, &path)?
        }
        None => {
            let now = unix_micros() / 1_000_000;
            let Some(from) = begins(args.from.as_deref().unwrap_or_default(), now) else {
                complain(
                    "--from: write 14:00 (UTC), +2h, 2026-12-24T18:00Z or 2026-12-24T19:00+01:00",
                );
                return Ok(ExitCode::from(USAGE));
            };
            admin::post(&args.ask, "/v1/reservations", &body(args, from)?)?
        }
    };
    if args.ask.json {
        say(text.trim_end());
        return Ok(ExitCode::SUCCESS);
    }
    let status: ReservationStatus = serde_json::from_str(&text)
        .context("this is no Convoke server, or one of another version")?;
    let done = if args.cancel.is_some() { "Given up:" } else { "Reserved:" };
    let who = match status.tenant.as_str() {
        "" => String::new(),
        tenant => format!(" for {}", harmless(tenant)),
    };
    say(&format!(
        "{done} {}{who} from {} to {}\n{}",
        counted(status.legs.into(), "seat"),
        moment(status.from.0),
        moment(status.until.0),
        harmless(&status.conference)
    ));
    Ok(ExitCode::SUCCESS)
}

fn body(args: &ReserveArgs, from: u64) -> anyhow::Result<ReserveBody> {
    let Some(legs) = args.legs else { bail!("--legs is missing") };
    Ok(ReserveBody {
        legs,
        from,
        seconds: args.lasts.as_secs(),
        codec: Some(args.kind.codec.name().to_owned()),
        ptime: u64::try_from(args.kind.ptime.as_millis()).ok(),
        tenant: args.kind.tenant.clone(),
        key: args.key.clone(),
    })
}

/// Seconds since 1970 of `+2h`, `14:00`, `2026-12-24T18:00Z` and `2026-12-24T19:00+01:00` (RFC 3339 §5.6); what has no offset is in
/// UTC, times of the day are the next ones.
fn begins(text: &str, now: u64) -> Option<u64> {
    if let Some(after) = text.strip_prefix('+') {
        return Some(now + parse_duration(after).ok()?.as_secs());
    }
    if let Some((date, time)) = text.split_once('T') {
        let (time, offset) = offset(time)?;
        let mut parts = date.splitn(3, '-').map(|part| part.parse::<u64>().ok());
        let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
        let local = days_since_1970(year, month, day)? * DAY + seconds_of_day(time)?;
        return local.checked_add_signed(-offset);
    }
    let at = now / DAY * DAY + seconds_of_day(text)?;
    Some(if at <= now { at + DAY } else { at })
}

/// The time before an offset, and how many seconds that is ahead of UTC.
fn offset(text: &str) -> Option<(&str, i64)> {
    if let Some(time) = text.strip_suffix(['Z', 'z']) {
        return Some((time, 0));
    }
    let Some(at) = text.find(['+', '-']) else { return Some((text, 0)) };
    let (time, sign) = (&text[..at], if text[at..].starts_with('-') { -1 } else { 1 });
    // As `+01:00`: hours and minutes, and nothing else.
    let ahead = Some(&text[at + 1..]).filter(|ahead| ahead.len() == 5)?;
    Some((time, sign * i64::try_from(seconds_of_day(ahead)?).ok()?))
}

/// Of `14:00` or `14:00:30`.
fn seconds_of_day(text: &str) -> Option<u64> {
    let mut parts = text.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute) = (parts.next()??, parts.next()??);
    let second = match parts.next() {
        Some(second) => second?,
        None => 0,
    };
    (hour < 24 && minute < 60 && second < 60).then_some(hour * 3_600 + minute * 60 + second)
}

fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let at = usize::try_from(month.checked_sub(1)?).ok()?;
    if !(1970..10_000).contains(&year) || day == 0 || day > *months.get(at)? {
        return None;
    }
    let years: u64 = (1970..year).map(|year| if is_leap(year) { 366 } else { 365 }).sum();
    Some(years + months[..at].iter().sum::<u64>() + day - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-23 02:13:20 UTC
    const NOW: u64 = 1_795_400_000;

    #[test]
    fn times_are_read_in_utc() {
        assert_eq!(begins("14:00", NOW), Some(1_795_442_400));
        assert_eq!(
            begins("02:13", NOW),
            Some(1_795_399_980 + DAY),
            "the next time that it is so late"
        );
        assert_eq!(begins("+90m", NOW), Some(NOW + 5_400));
        assert_eq!(begins("2026-11-23T14:00Z", NOW), Some(1_795_442_400));
        assert_eq!(begins("2028-02-29T00:00:01", NOW), Some(1_835_395_201));
        assert_eq!(begins("2026-11-23T15:00+01:00", NOW), Some(1_795_442_400));
        assert_eq!(begins("2026-11-23T04:30:00-09:30", NOW), Some(1_795_442_400));
        for bad in [
            "2026-11-23T15:00+1",
            "2026-11-23T15:00+25:00",
            "2026-11-23T15:00+0100",
            "1970-01-01T00:00+01:00",
        ] {
            assert_eq!(begins(bad, NOW), None, "{bad}");
        }
        for bad in ["", "14", "24:00", "12:60", "2026-02-29T10:00", "2026-13-01T10:00", "+2", "x:y"]
        {
            assert_eq!(begins(bad, NOW), None, "{bad}");
        }
    }

    #[test]
    fn a_day_is_written_as_it_is_read() {
        assert_eq!(moment(1_795_442_400), "2026-11-23 14:00:00Z");
    }
}

//! How values are shown: hashes, sizes, times, durations.

use core::fmt::{self, Write};

use ledger_fmt::Hash;

pub struct Hex<'a>(pub &'a Hash);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads what [`Hex`] shows.
pub fn parse_hash(text: &str) -> Option<Hash> {
    let digits = text.as_bytes();
    let mut hash = Hash::default();
    if digits.len() != 2 * hash.len() {
        return None;
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [pair[0], pair[1]].map(|digit| (digit as char).to_digit(16));
        *byte = (high? << 4 | low?) as u8;
    }
    Some(hash)
}

/// A short text, so that a value can be padded to its column.
type Short = heapless::String<32>;

fn pad(f: &mut fmt::Formatter<'_>, text: fmt::Arguments<'_>) -> fmt::Result {
    let mut short = Short::new();
    short.write_fmt(text)?;
    f.pad(&short)
}

/// How many of something, for a person: `1 record`, `2 records`.
pub struct Count(pub u64, pub &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Count(number, what) = self;
        write!(f, "{number} {what}{}", if *number == 1 { "" } else { "s" })
    }
}

/// A size for a person: bytes, KiB, MiB and so on, three digits or a little more.
pub struct Size(pub u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            return pad(f, format_args!("{} B", self.0));
        }
        let power = (self.0.ilog2() / 10) as usize;
        let tenths = (u128::from(self.0) * 10) >> (10 * power);
        pad(f, format_args!("{}.{} {}", tenths / 10, tenths % 10, UNITS[power - 1]))
    }
}

/// A point in time for a person, in milliseconds since 1970-01-01 UTC: `2026-11-23 08:50:13`. Zero is what stands
/// where no clock had told the time.
pub struct Time(pub u64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.pad("time unknown");
        }
        let seconds = self.0 / 1000;
        let (year, month, day) = date(seconds / 86_400);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        pad(f, format_args!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"))
    }
}

/// The date of a day, counted from 1970-01-01, in the Gregorian calendar. Years begin in March here, so
/// that the leap day comes last: five months from March on have 153 days, 400 years have 146 097.
fn date(day: u64) -> (u64, u64, u64) {
    let day = day + 719_468; // From 0000-03-01.
    let (era, day) = (day / 146_097, day % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (400 * era + year + u64::from(month <= 2), month, day)
}

/// A duration in milliseconds for a person: the two largest units that are not zero.
pub struct Duration(pub u64);

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
        match (days, hours, minutes) {
            (1.., ..) => pad(f, format_args!("{days} d {} h", hours % 24)),
            (_, 1.., _) => pad(f, format_args!("{hours} h {} min", minutes % 60)),
            (_, _, 1..) => pad(f, format_args!("{minutes} min {} s", seconds % 60)),
            _ => pad(f, format_args!("{seconds}.{} s", self.0 % 1000 / 100)),
        }
    }
}

/// A span of time for a person, in milliseconds: its largest unit.
pub struct Span(pub u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
        match (days, hours, minutes) {
            (1.., ..) => pad(f, format_args!("{days} d")),
            (_, 1.., _) => pad(f, format_args!("{hours} h")),
            (_, _, 1..) => pad(f, format_args!("{minutes} min")),
            _ => pad(f, format_args!("{seconds} s")),
        }
    }
}

/// How long ago something was, for a person, with a blank before it. Times are in milliseconds since 1970-01-01
/// UTC; nothing is shown if either is unknown (zero). Of what the clock has not reached (it was set back since) there
/// is no age, so the time itself is shown.
pub struct Age {
    /// When it was.
    pub then_ms: u64,
    pub now_ms: u64,
}

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.then_ms, self.now_ms) {
            (0, _) => Ok(()),
            (then_ms, now_ms) if then_ms <= now_ms => write!(f, " {}", Span(now_ms - then_ms)),
            (then_ms, _) => write!(f, " {}", Time(then_ms)),
        }
    }
}

/// What was found and where, for a person: the first of so many findings.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    pub kind: &'a str,
    pub area: &'a str,
    pub block: u64,
    pub record: Option<u64>,
    pub count: u64,
}

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Found { kind, area, block, record, count } = self;
        write!(f, "{kind} at {area} block {block}")?;
        if let Some(record) = record {
            write!(f, ", record {record}")?;
        }
        match count {
            0 | 1 => Ok(()),
            count => write!(f, ", and {} more findings", count - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn sizes() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1023.9 KiB"),
            (64 << 20, "64.0 MiB"),
            (u64::MAX, "15.9 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(format!("{}", Size(bytes)), text);
        }
        assert_eq!(format!("{:>10}|", Size(1024)), "   1.0 KiB|");
    }

    #[test]
    fn times() {
        let cases = [
            (0, "time unknown"),
            (1000, "1970-01-01 00:00:01"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (1_709_251_199_999, "2024-02-29 23:59:59"),
            (1_709_251_200_000, "2024-03-01 00:00:00"),
            (4_107_542_400_000, "2100-03-01 00:00:00"),
            (1_735_689_599_000, "2024-12-31 23:59:59"),
        ];
        for (ms, text) in cases {
            assert_eq!(format!("{}", Time(ms)), text);
        }
        assert!(format!("{}", Time(u64::MAX)).ends_with(" 14:25:51"), "any number a peer sends is shown");
    }

    #[test]
    fn durations() {
        let cases = [
            (0, "0.0 s"),
            (59_949, "59.9 s"),
            (61_000, "1 min 1 s"),
            (3_600_000, "1 h 0 min"),
            (90_000_000, "1 d 1 h"),
        ];
        for (ms, text) in cases {
            assert_eq!(format!("{}", Duration(ms)), text);
        }
        for (ms, text) in [(59_949, "59 s"), (61_000, "1 min"), (7_199_999, "1 h"), (90_000_000, "1 d")] {
            assert_eq!(format!("{}", Span(ms)), text);
        }
    }

    #[test]
    fn an_age_is_shown_only_of_what_is_known_to_be_past() {
        let now_ms = 1_709_251_261_000;
        let cases =
            [(1_709_251_200_000, " 1 min"), (now_ms, " 0 s"), (0, ""), (now_ms + 1000, " 2024-03-01 00:01:02")];
        for (then_ms, text) in cases {
            assert_eq!(format!("{}", Age { then_ms, now_ms }), text);
        }
        assert_eq!(format!("{}", Age { then_ms: now_ms, now_ms: 0 }), " 2024-03-01 00:01:01", "no clock");
    }

    #[test]
    fn hashes_are_read_as_they_are_shown() {
        let hash: Hash = core::array::from_fn(|i| (i * 37) as u8);
        let text = format!("{}", Hex(&hash));
        assert_eq!(parse_hash(&text), Some(hash));
        assert_eq!(parse_hash(&text[1..]), None);
        assert_eq!(parse_hash(&text.replace('0', "g")), None);
    }
}

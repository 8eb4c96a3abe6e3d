//! Sizes, durations and shares as a person writes them.

use std::fmt::Display;

/// Bytes in a MiB: the grain of volumes and disks.
pub const MIB: u64 = 1 << 20;

/// More bytes than any disk has; sizes up to here can be added and rounded without overflow.
const SIZE_MAX: u64 = 1 << 60;

/// Reads "256 MiB" as bytes. Units: KiB, MiB, GiB, TiB.
pub fn parse_size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let shift = match unit {
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift).filter(|&bytes| bytes <= SIZE_MAX)
}

/// Writes bytes in the largest unit that divides them: "256 MiB".
pub fn show_size(bytes: u64) -> String {
    let units = [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")];
    let fits = units.iter().find(|(shift, _)| bytes != 0 && bytes.is_multiple_of(1 << shift));
    match fits {
        Some((shift, unit)) => format!("{} {unit}", bytes >> shift),
        None if bytes == 0 => "0 MiB".into(),
        None => format!("{bytes} bytes"),
    }
}

/// What [`parse_size`] reads.
pub const SIZE_EXPECTED: &str = "a whole number of KiB, MiB, GiB or TiB";

/// "1 domain", "2 domains".
pub fn count<N: Display + PartialEq + From<u8>>(number: N, what: &str) -> String {
    let is_one = number == N::from(1);
    format!("{number} {what}{}", if is_one { "" } else { "s" })
}

/// Reads "15 min" as seconds. Units: s, min, h, days; "off" is 0.
pub fn parse_duration(text: &str) -> Option<u32> {
    if text == "off" {
        return Some(0);
    }
    let (number, unit) = split(text)?;
    let seconds = match unit {
        "s" => 1,
        "min" => 60,
        "h" => 60 * 60,
        "days" => 24 * 60 * 60,
        _ => return None,
    };
    u32::try_from(number.checked_mul(seconds)?).ok().filter(|&seconds| seconds > 0)
}

/// Reads "5 %" or "2.5 %" as parts per million, above 0 and up to 100 %.
pub fn parse_share(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?.trim_end();
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u32>().ok())?;
    let tenths = digits(tenths).filter(|_| tenths.len() == 1)?;
    let share = digits(whole)?.checked_mul(10)?.checked_add(tenths)?;
    (1..=1000).contains(&share).then_some(share * 1000)
}

/// What a budget in every period is of a CPU, in parts per million, rounded down.
pub fn share_ppm(budget_us: u64, period_us: u64) -> u64 {
    let ppm = u128::from(budget_us) * 1_000_000 / u128::from(period_us.max(1));
    u64::try_from(ppm).unwrap_or(u64::MAX)
}

/// Writes parts per million in percent, rounded to hundredths: "11.66 %".
pub fn show_share(ppm: u64) -> String {
    let hundredths = ppm / 100;
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{whole} %"),
        (whole, rest) if rest % 10 == 0 => format!("{whole}.{} %", rest / 10),
        (whole, rest) => format!("{whole}.{rest:02} %"),
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(parse_size("256 MiB"), Some(256 << 20));
        assert_eq!(parse_size("1TiB"), Some(1 << 40));
        for bad in ["", "256", "MiB", "256 MB", "-1 MiB", "1.5 MiB", "99999999999 TiB", "1048577 TiB", "+1 MiB"] {
            assert_eq!(parse_size(bad), None, "{bad}");
        }
        for text in ["256 MiB", "1 TiB", "12 KiB", "1025 MiB"] {
            assert_eq!(show_size(parse_size(text).unwrap()), text);
        }
    }

    #[test]
    fn durations() {
        assert_eq!(parse_duration("off"), Some(0));
        assert_eq!(parse_duration("15 min"), Some(900));
        for bad in ["0 s", "5", "5 m", "99999999999 h", ""] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn shares() {
        assert_eq!(share_ppm(1166, 10_000), 116_600);
        assert_eq!([share_ppm(1, 0), share_ppm(u64::MAX, 1)], [1_000_000, u64::MAX]);
        assert_eq!(parse_share("5 %"), Some(50_000));
        assert_eq!(parse_share("2.5%"), Some(25_000));
        for bad in ["5", "0 %", "100.1 %", "2.55 %", "-1 %", "%", "1. %", "+1 %"] {
            assert_eq!(parse_share(bad), None, "{bad}");
        }
        assert_eq!(show_share(116_666), "11.66 %");
        assert_eq!(show_share(50_000), "5 %");
        assert_eq!(show_share(25_000), "2.5 %");
    }
}

//! `to_char` of a date or timestamp: PostgreSQL's format pictures, for views and ad-hoc queries alike.
//!
//! A picture is read left to right. At each place the longest pattern that begins there is one part of the date, with
//! what stands before it (`FM`, `TM`) and behind it (`TH`, `th`, `SP`); anything else is copied. Within double quotes
//! everything is copied, and a backslash there takes the next character as it is. The words are English, whatever
//! the locale, and the zone is UTC, which is the zone of every session.

use crate::calendar::{Civil, DAY, HOUR, MINUTE, SECOND, civil, days_from_civil, iso_week, weekday};
use crate::datetime::split;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const ROMAN: [&str; 12] = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"];

/// The width that names of months and days are filled to.
const NAME_WIDTH: usize = 9;

/// A picture, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    items: Vec<Item>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Text(String),
    Part { part: Part, plain: bool, translated: bool, ordinal: Option<Ordinal> },
}

/// The case of the letters behind an ordinal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ordinal {
    Upper,
    Lower,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    Upper,
    Lower,
    /// The first letter is upper.
    Title,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// `AM`, with points or without.
    Meridian(Case, bool),
    /// `BC`, with points or without.
    Era(Case, bool),
    Century,
    Weekday(Case),
    ShortWeekday(Case),
    DayOfYear,
    IsoDayOfYear,
    DayOfMonth,
    /// Sunday is 1.
    DayOfWeek,
    /// Monday is 1.
    IsoDayOfWeek,
    /// Of the second, so many digits.
    Fraction(usize),
    /// Says only how text is read.
    Exactly,
    Hour24,
    Hour12,
    IsoWeek,
    /// The last so many digits.
    Year(usize),
    IsoYear(usize),
    GroupedYear,
    Julian,
    Minute,
    MonthNumber,
    Month(Case),
    ShortMonth(Case),
    RomanMonth(Case),
    Offset,
    OffsetHours,
    OffsetMinutes,
    Quarter,
    SecondOfDay,
    Second,
    Zone(Case),
    WeekOfYear,
    WeekOfMonth,
}

/// The patterns. Of two that begin alike the longer comes first.
const PATTERNS: &[(&str, Part)] = &[
    ("A.D.", Part::Era(Case::Upper, true)),
    ("A.M.", Part::Meridian(Case::Upper, true)),
    ("AD", Part::Era(Case::Upper, false)),
    ("AM", Part::Meridian(Case::Upper, false)),
    ("B.C.", Part::Era(Case::Upper, true)),
    ("BC", Part::Era(Case::Upper, false)),
    ("CC", Part::Century),
    ("DAY", Part::Weekday(Case::Upper)),
    ("DDD", Part::DayOfYear),
    ("DD", Part::DayOfMonth),
    ("DY", Part::ShortWeekday(Case::Upper)),
    ("Day", Part::Weekday(Case::Title)),
    ("Dy", Part::ShortWeekday(Case::Title)),
    ("D", Part::DayOfWeek),
    ("FF1", Part::Fraction(1)),
    ("FF2", Part::Fraction(2)),
    ("FF3", Part::Fraction(3)),
    ("FF4", Part::Fraction(4)),
    ("FF5", Part::Fraction(5)),
    ("FF6", Part::Fraction(6)),
    ("FX", Part::Exactly),
    ("HH24", Part::Hour24),
    ("HH12", Part::Hour12),
    ("HH", Part::Hour12),
    ("IDDD", Part::IsoDayOfYear),
    ("ID", Part::IsoDayOfWeek),
    ("IW", Part::IsoWeek),
    ("IYYY", Part::IsoYear(4)),
    ("IYY", Part::IsoYear(3)),
    ("IY", Part::IsoYear(2)),
    ("I", Part::IsoYear(1)),
    ("J", Part::Julian),
    ("MI", Part::Minute),
    ("MM", Part::MonthNumber),
    ("MONTH", Part::Month(Case::Upper)),
    ("MON", Part::ShortMonth(Case::Upper)),
    ("MS", Part::Fraction(3)),
    ("Month", Part::Month(Case::Title)),
    ("Mon", Part::ShortMonth(Case::Title)),
    ("OF", Part::Offset),
    ("P.M.", Part::Meridian(Case::Upper, true)),
    ("PM", Part::Meridian(Case::Upper, false)),
    ("Q", Part::Quarter),
    ("RM", Part::RomanMonth(Case::Upper)),
    ("SSSSS", Part::SecondOfDay),
    ("SSSS", Part::SecondOfDay),
    ("SS", Part::Second),
    ("TZH", Part::OffsetHours),
    ("TZM", Part::OffsetMinutes),
    ("TZ", Part::Zone(Case::Upper)),
    ("US", Part::Fraction(6)),
    ("WW", Part::WeekOfYear),
    ("W", Part::WeekOfMonth),
    ("Y,YYY", Part::GroupedYear),
    ("YYYY", Part::Year(4)),
    ("YYY", Part::Year(3)),
    ("YY", Part::Year(2)),
    ("Y", Part::Year(1)),
];

/// What some patterns mean in small letters, where the others mean the same in both.
fn lowered(part: Part) -> Part {
    match part {
        Part::Meridian(_, points) => Part::Meridian(Case::Lower, points),
        Part::Era(_, points) => Part::Era(Case::Lower, points),
        Part::Weekday(_) => Part::Weekday(Case::Lower),
        Part::ShortWeekday(_) => Part::ShortWeekday(Case::Lower),
        Part::Month(_) => Part::Month(Case::Lower),
        Part::ShortMonth(_) => Part::ShortMonth(Case::Lower),
        Part::RomanMonth(_) => Part::RomanMonth(Case::Lower),
        Part::Zone(_) => Part::Zone(Case::Lower),
        other => other,
    }
}

/// The pattern that a text begins with, and its length.
fn pattern(text: &str) -> Option<(Part, usize)> {
    PATTERNS.iter().find_map(|&(name, part)| {
        if text.starts_with(name) {
            return Some((part, name.len()));
        }
        // A mixed spelling is a pattern only where the table has it.
        let small = text.get(..name.len())?;
        let is_small = small.bytes().all(|b| !b.is_ascii_uppercase()) && small.eq_ignore_ascii_case(name);
        is_small.then(|| (lowered(part), name.len()))
    })
}

impl Picture {
    /// Reads a picture; every text is one.
    pub(crate) fn read(text: &str) -> Picture {
        let mut items = Vec::new();
        let mut copied = String::new();
        let mut rest = text;
        while !rest.is_empty() {
            let prefix = rest.get(..2).filter(|p| matches!(*p, "FM" | "fm" | "TM" | "tm"));
            rest = if prefix.is_some() { &rest[2..] } else { rest };
            if let Some((part, length)) = pattern(rest) {
                rest = &rest[length..];
                let suffix = rest.get(..2).filter(|s| matches!(*s, "TH" | "th" | "SP"));
                rest = if suffix.is_some() { &rest[2..] } else { rest };
                let ordinal = match suffix {
                    Some("TH") => Some(Ordinal::Upper),
                    Some("th") => Some(Ordinal::Lower),
                    _ => None,
                };
                if !copied.is_empty() {
                    items.push(Item::Text(std::mem::take(&mut copied)));
                }
                let plain = matches!(prefix, Some("FM" | "fm"));
                let translated = prefix.is_some() && !plain;
                items.push(Item::Part { part, plain, translated, ordinal });
            } else if let Some(quoted) = rest.strip_prefix('"') {
                rest = copy_quoted(quoted, &mut copied);
            } else {
                rest = if rest.starts_with("\\\"") { &rest[1..] } else { rest };
                let Some(c) = rest.chars().next() else { break };
                copied.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
        if !copied.is_empty() {
            items.push(Item::Text(copied));
        }
        Picture { items }
    }

    /// Appends the picture of a moment, in microseconds since 1970; `zoned` says that it is one of a zone.
    pub(crate) fn write(&self, micros: i64, zoned: bool, out: &mut Vec<u8>) {
        let moment = Moment::new(micros, zoned);
        for item in &self.items {
            match item {
                Item::Text(text) => out.extend_from_slice(text.as_bytes()),
                Item::Part { part, plain, translated, ordinal } => {
                    let start = out.len();
                    let text = moment.part(*part, *plain, *translated);
                    out.extend_from_slice(text.as_bytes());
                    if let Some(ordinal) = ordinal.filter(|_| part.is_counted()) {
                        let ending = ordinal_ending(&out[start..]);
                        match ordinal {
                            Ordinal::Lower => out.extend_from_slice(ending.as_bytes()),
                            Ordinal::Upper => out.extend(ending.bytes().map(|b| b.to_ascii_uppercase())),
                        }
                    }
                }
            }
        }
    }
}

/// Copies up to the closing quote, and gives what stands behind it.
fn copy_quoted<'t>(text: &'t str, copied: &mut String) -> &'t str {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => copied.push(chars.next().unwrap_or('\\')),
            c => copied.push(c),
        }
    }
    chars.as_str()
}

/// `st`, `nd`, `rd` or `th`.
fn ordinal_ending(digits: &[u8]) -> &'static str {
    let teen = digits.len() > 1 && digits[digits.len() - 2] == b'1';
    match digits.last() {
        Some(b'1') if !teen => "st",
        Some(b'2') if !teen => "nd",
        Some(b'3') if !teen => "rd",
        _ => "th",
    }
}

impl Part {
    /// Whether it is a number that `TH` makes an ordinal.
    fn is_counted(self) -> bool {
        !matches!(
            self,
            Part::Meridian(..)
                | Part::Era(..)
                | Part::Weekday(_)
                | Part::ShortWeekday(_)
                | Part::Month(_)
                | Part::ShortMonth(_)
                | Part::RomanMonth(_)
                | Part::Zone(_)
                | Part::Offset
                | Part::OffsetHours
                | Part::OffsetMinutes
                | Part::Exactly
        )
    }
}

/// A moment taken apart.
struct Moment {
    days: i64,
    date: Civil,
    /// Microseconds of the day.
    time: i64,
    zoned: bool,
}

impl Moment {
    fn new(micros: i64, zoned: bool) -> Moment {
        let (days, time) = split(micros);
        Moment { days, date: civil(days), time, zoned }
    }

    fn day_of_year(&self) -> i64 {
        self.days - days_from_civil(self.date.year, 1, 1) + 1
    }

    /// Monday is 1.
    fn iso_weekday(&self) -> i64 {
        (weekday(self.days) + 6) % 7 + 1
    }

    fn part(&self, part: Part, plain: bool, translated: bool) -> String {
        let number = |value: i64, width: usize| {
            let width = if plain { 0 } else { width };
            format!("{value:0width$}")
        };
        let name = |name: &str, case, width: usize| {
            let name = cased(name, case);
            let width = if plain || translated { 0 } else { width };
            format!("{name:width$}")
        };
        let month = self.date.month as usize - 1;
        let hour = self.time / HOUR;
        match part {
            Part::Meridian(case, points) => {
                let afternoon = hour >= 12;
                cased(if points { ["A.M.", "P.M."] } else { ["AM", "PM"] }[usize::from(afternoon)], case)
            }
            Part::Era(case, points) => {
                let after = self.date.year > 0;
                cased(if points { ["B.C.", "A.D."] } else { ["BC", "AD"] }[usize::from(after)], case)
            }
            Part::Century => {
                let year = self.date.year;
                let century = if year > 0 { (year - 1) / 100 + 1 } else { year / 100 - 1 };
                number(century, if century < 0 { 3 } else { 2 })
            }
            Part::Weekday(case) => name(DAYS[weekday(self.days) as usize], case, NAME_WIDTH),
            Part::ShortWeekday(case) => name(&DAYS[weekday(self.days) as usize][..3], case, 0),
            Part::DayOfYear => number(self.day_of_year(), 3),
            Part::IsoDayOfYear => number((iso_week(self.days).1 - 1) * 7 + self.iso_weekday(), 3),
            Part::DayOfMonth => number(self.date.day, 2),
            Part::DayOfWeek => number(weekday(self.days) + 1, 0),
            Part::IsoDayOfWeek => number(self.iso_weekday(), 0),
            Part::Fraction(digits) => {
                let unit = 10_i64.pow(6 - digits as u32);
                format!("{:0digits$}", self.time % SECOND / unit)
            }
            Part::Exactly => String::new(),
            Part::Hour24 => number(hour, 2),
            Part::Hour12 => number(if hour % 12 == 0 { 12 } else { hour % 12 }, 2),
            Part::IsoWeek => number(iso_week(self.days).1, 2),
            Part::Year(digits) => last_digits(shown(self.date.year), digits, plain),
            Part::IsoYear(digits) => last_digits(shown(iso_week(self.days).0), digits, plain),
            Part::GroupedYear => {
                let year = shown(self.date.year);
                format!("{},{:03}", year / 1000, year % 1000)
            }
            Part::Julian => (self.days + 2_440_588).to_string(),
            Part::Minute => number(self.time % HOUR / MINUTE, 2),
            Part::MonthNumber => number(self.date.month, 2),
            Part::Month(case) => name(MONTHS[month], case, NAME_WIDTH),
            Part::ShortMonth(case) => name(&MONTHS[month][..3], case, 0),
            Part::RomanMonth(case) => {
                let width = if plain { 0 } else { 4 };
                format!("{:width$}", cased(ROMAN[month], case))
            }
            Part::Offset if plain => "+0".to_string(),
            Part::Offset | Part::OffsetHours => "+00".to_string(),
            Part::OffsetMinutes => "00".to_string(),
            Part::Quarter => number((self.date.month - 1) / 3 + 1, 0),
            Part::SecondOfDay => (self.time % DAY / SECOND).to_string(),
            Part::Second => number(self.time % MINUTE / SECOND, 2),
            Part::Zone(case) if self.zoned => cased("UTC", case),
            Part::Zone(_) => String::new(),
            Part::WeekOfYear => number((self.day_of_year() - 1) / 7 + 1, 2),
            Part::WeekOfMonth => number((self.date.day - 1) / 7 + 1, 0),
        }
    }
}

/// Years before Christ are counted from 1: the era says which they are.
fn shown(year: i64) -> i64 {
    if year > 0 { year } else { 1 - year }
}

fn last_digits(year: i64, digits: usize, plain: bool) -> String {
    let value = if digits == 4 { year } else { year % 10_i64.pow(digits as u32) };
    let width = if plain { 0 } else { digits };
    format!("{value:0width$}")
}

fn cased(name: &str, case: Case) -> String {
    match case {
        Case::Upper => name.to_ascii_uppercase(),
        Case::Lower => name.to_ascii_lowercase(),
        Case::Title => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(picture: &str, micros: i64, zoned: bool) -> String {
        let mut out = Vec::new();
        Picture::read(picture).write(micros, zoned, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn pictures_are_postgresqls() {
        // 2026-03-05 15:04:05.067089
        let micros = days_from_civil(2026, 3, 5) * DAY + 15 * HOUR + 4 * MINUTE + 5 * SECOND + 67_089;
        for (picture, expected) in [
            ("YYYY-MM-DD HH24:MI:SS", "2026-03-05 15:04:05"),
            ("Mon YY", "Mar 26"),
            ("[Month|FMMonth|TMMonth|MONTH|month]", "[March    |March|March|MARCH    |march    ]"),
            ("Day, Dy DY dy", "Thursday , Thu THU thu"),
            ("D ID DDD IDDD DD FMDD", "5 4 064 067 05 5"),
            ("HH HH12 FMHH AM a.m. PM", "03 03 3 PM p.m. PM"),
            ("MS US FF1 FF3 FF6 SSSS SSSSS", "067 067089 0 067 067089 54245 54245"),
            ("Q WW W IW IYYY IYY IY I J", "1 10 1 10 2026 026 26 6 2461105"),
            ("CC Y,YYY YYY YY Y AD b.c.", "21 2,026 026 26 6 AD a.d."),
            ("DDth DDTH MIth FMMMth SSSP", "05th 05TH 04th 3rd 05"),
            ("RM|rm|FMRM", "III |iii |III"),
            ("TZ tz OF FMOF TZH TZM", "UTC utc +00 +0 +00 00"),
            ("\"quoted YYYY \\\" \\x\" \\\"YY\\\" \\Y", "quoted YYYY \" x \"26\" \\6"),
            ("FX FM-é", " -é"),
            ("at HH24h", "at 15h"),
        ] {
            assert_eq!(shown(picture, micros, true), expected, "{picture}");
        }
        assert_eq!(shown("TZ|OF", micros, false), "|+00");
        let before_christ = days_from_civil(-43, 3, 15) * DAY;
        assert_eq!(shown("YYYY BC CC DDth", before_christ, false), "0044 BC -01 15th");
        assert_eq!(shown("YYYY YYY", days_from_civil(12_345, 1, 1) * DAY, false), "12345 345");
        for (day, expected) in [(1, "1st"), (2, "2nd"), (3, "3rd"), (11, "11th"), (13, "13th"), (21, "21st")]
        {
            assert_eq!(shown("FMDDth", days_from_civil(2026, 1, day) * DAY, false), expected);
        }
    }
}

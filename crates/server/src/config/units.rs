//! Values as text: sizes with units, spans of time, lists. What is shown is read back as the same value.

use std::path::PathBuf;
use std::time::Duration;

use gnitz::Sync;

use super::LogFormat;

/// A value that a setting can have.
pub trait Text: Sized {
    /// Reads it, or says what would be one.
    fn read(text: &str) -> Result<Self, String>;

    /// The text that [`Text::read`] reads as this value.
    fn show(&self) -> String;
}

impl Text for String {
    fn read(text: &str) -> Result<String, String> {
        Ok(text.to_string())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Text for PathBuf {
    fn read(text: &str) -> Result<PathBuf, String> {
        Ok(PathBuf::from(text))
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Text for Vec<String> {
    fn read(text: &str) -> Result<Vec<String>, String> {
        Ok(text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_string).collect())
    }

    fn show(&self) -> String {
        self.join(",")
    }
}

/// A count, which is never zero.
impl Text for usize {
    fn read(text: &str) -> Result<usize, String> {
        let count = text.trim().parse().ok().filter(|&count| count > 0);
        count.ok_or_else(|| format!("`{text}` is not a count from 1"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

const SIZES: &[(&str, u64)] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1), ("", 1)];

/// A number of bytes.
impl Text for u64 {
    fn read(text: &str) -> Result<u64, String> {
        let refused =
            || format!("`{text}` is not a size: write `512KiB`, `64MiB`, `2GiB` or a number of bytes");
        let (number, unit) = parts(text);
        let (_, factor) = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
        number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor)).ok_or_else(refused)
    }

    fn show(&self) -> String {
        let whole = |factor: u64| *self >= factor && self.is_multiple_of(factor);
        let unit = SIZES.iter().find(|(_, factor)| whole(*factor));
        unit.map_or_else(|| "0B".to_string(), |(name, factor)| format!("{}{name}", self / factor))
    }
}

const SPANS: &[(&str, u64)] = &[("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A span of time, in whole milliseconds.
impl Text for Duration {
    fn read(text: &str) -> Result<Duration, String> {
        let refused = || format!("`{text}` is not a span of time: write `250ms`, `10s`, `5m` or `1h`");
        let (number, unit) = parts(text);
        let (_, factor) = SPANS.iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
        let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
        millis.map(Duration::from_millis).ok_or_else(refused)
    }

    fn show(&self) -> String {
        let millis = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let whole = |factor: u64| millis >= factor && millis.is_multiple_of(factor);
        let unit = SPANS.iter().find(|(_, factor)| whole(*factor));
        unit.map_or_else(|| "0s".to_string(), |(name, factor)| format!("{}{name}", millis / factor))
    }
}

/// A number and what follows it.
fn parts(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

macro_rules! words {
    ($type:ty, $($word:literal => $value:path),*) => {
        impl Text for $type {
            fn read(text: &str) -> Result<$type, String> {
                match text {
                    $($word => Ok($value),)*
                    _ => Err(format!("`{text}` is none of {}", [$($word),*].join(", "))),
                }
            }

            fn show(&self) -> String {
                match self { $($value => $word,)* }.to_string()
            }
        }
    };
}

impl Text for bool {
    fn read(text: &str) -> Result<bool, String> {
        text.parse().map_err(|_| format!("`{text}` is neither true nor false"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

words!(Sync, "full" => Sync::Full, "normal" => Sync::Normal, "off" => Sync::Off);
words!(LogFormat, "text" => LogFormat::Text, "json" => LogFormat::Json);

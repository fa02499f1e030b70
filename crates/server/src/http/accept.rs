//! Formats of answers, and which of them a request accepts.

use axum::http::{HeaderMap, StatusCode, header};

use super::problem::Problem;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON document with every result.
    Json,
    /// A JSON object a row and line.
    Ndjson,
    /// Comma-separated values with a header line.
    Csv,
    /// Arrow's stream format.
    Arrow,
}

/// The formats and the names that requests may call them by; the first is what the answer is called.
const FORMATS: &[(Format, &[&str])] = &[
    (Format::Json, &["application/json"]),
    (Format::Ndjson, &["application/x-ndjson", "application/ndjson", "application/jsonl"]),
    (Format::Csv, &["text/csv"]),
    (Format::Arrow, &["application/vnd.apache.arrow.stream"]),
];

impl Format {
    /// The media type of an answer.
    pub fn media_type(self) -> &'static str {
        let (_, names) = FORMATS.iter().find(|(format, _)| *format == self).unwrap_or(&FORMATS[0]);
        names[0]
    }

    /// The format that a request accepts most.
    pub fn accepted(headers: &HeaderMap) -> Result<Format, Problem> {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let wanted: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
        if wanted.is_empty() {
            return Ok(Format::Json);
        }
        let mut best: Option<(f32, Format)> = None;
        for range in wanted {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
            let Some(format) = named(&name).filter(|_| quality > 0.0) else { continue };
            if best.is_none_or(|(other, _)| quality > other) {
                best = Some((quality, format));
            }
        }
        best.map(|(_, format)| format).ok_or_else(|| {
            let known: Vec<&str> = FORMATS.iter().map(|(format, _)| format.media_type()).collect();
            Problem::new(StatusCode::NOT_ACCEPTABLE, "22023", "none of the accepted formats can be written")
                .with_hint(format!("accept one of {}", known.join(", ")))
        })
    }
}

fn named(range: &str) -> Option<Format> {
    match range {
        "*/*" | "application/*" => Some(Format::Json),
        "text/*" => Some(Format::Csv),
        name => FORMATS.iter().find(|(_, names)| names.contains(&name)).map(|(format, _)| *format),
    }
}

/// The media type of a request's body, without parameters and in lower case.
pub fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(accept: &str) -> Option<Format> {
        let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
        Format::accepted(&headers).ok()
    }

    #[test]
    fn the_best_that_is_known_is_taken() {
        assert_eq!(accepted("*/*"), Some(Format::Json));
        assert_eq!(accepted("text/csv"), Some(Format::Csv));
        assert_eq!(accepted("text/html, application/x-ndjson;q=0.5, */*;q=0.1"), Some(Format::Ndjson));
        assert_eq!(
            accepted("application/json;q=0.2, application/vnd.apache.arrow.stream"),
            Some(Format::Arrow)
        );
        assert_eq!(accepted("image/png"), None);
        assert_eq!(accepted("application/json;q=0"), None);
        assert_eq!(Format::accepted(&HeaderMap::new()).ok(), Some(Format::Json));
    }
}

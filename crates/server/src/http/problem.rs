//! Errors as RFC 9457 has them (`application/problem+json`), with PostgreSQL's words beside: SQLSTATE, hint, line
//! and column.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gnitz::Error;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// The media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The status of the answer.
    pub status: u16,
    /// PostgreSQL's class of the error.
    pub sqlstate: &'static str,
    /// One sentence without a full stop.
    pub detail: String,
    /// What to do instead.
    pub hint: Option<String>,
    /// Where in the statement or the body, counted from 1.
    pub line: Option<u64>,
    /// Where in that line, in characters, counted from 1.
    pub column: Option<u32>,
    /// How many statements of the text were done before the one that failed.
    pub completed: Option<usize>,
}

impl Serialize for Problem {
    /// With the members that the RFC knows first; those without a value are left out.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut members = serializer.serialize_map(None)?;
        members.serialize_entry("type", &format!("urn:gnitz:sqlstate:{}", self.sqlstate))?;
        members.serialize_entry("title", self.code().canonical_reason().unwrap_or("Error"))?;
        members.serialize_entry("status", &self.status)?;
        members.serialize_entry("detail", &self.detail)?;
        members.serialize_entry("sqlstate", self.sqlstate)?;
        if let Some(hint) = &self.hint {
            members.serialize_entry("hint", hint)?;
        }
        let completed = self.completed.map(|statements| statements as u64);
        let numbers = [("line", self.line), ("column", self.column.map(u64::from)), ("completed", completed)];
        for (name, number) in numbers {
            if let Some(number) = number {
                members.serialize_entry(name, &number)?;
            }
        }
        members.end()
    }
}

impl Problem {
    /// A problem of the request rather than of a statement.
    pub fn new(status: StatusCode, sqlstate: &'static str, detail: impl Into<String>) -> Problem {
        let status = status.as_u16();
        Problem {
            status,
            sqlstate,
            detail: detail.into(),
            hint: None,
            line: None,
            column: None,
            completed: None,
        }
    }

    /// A request that makes no sense.
    pub fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "22023", detail)
    }

    /// Something that must not happen did.
    pub fn internal(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "XX000", detail)
    }

    /// The same with a hint.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = Some(hint.into());
        self
    }

    /// The same with a line of the body.
    pub fn at_line(mut self, line: u64) -> Problem {
        self.line = Some(line);
        self.column = None;
        self
    }

    /// The status of the answer.
    fn code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The problem as JSON.
    pub fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Problem {
        let sqlstate = error.sqlstate();
        let mut problem = Problem::new(status(&error), sqlstate, error.message());
        problem.hint = error.hint();
        problem.line = error.position().map(|position| position.line.into());
        problem.column = error.position().map(|position| position.column);
        problem
    }
}

/// The status that fits an error of the engine.
fn status(error: &Error) -> StatusCode {
    if matches!(error, Error::Closed) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    status_of(error.sqlstate())
}

/// The status that fits a SQLSTATE.
fn status_of(sqlstate: &str) -> StatusCode {
    match sqlstate {
        "28000" | "28P01" => StatusCode::UNAUTHORIZED,
        "42501" => StatusCode::FORBIDDEN,
        "42P01" | "42704" | "42883" | "3F000" => StatusCode::NOT_FOUND,
        "42P07" | "42710" | "2BP01" => StatusCode::CONFLICT,
        "57014" => StatusCode::GATEWAY_TIMEOUT,
        "54000" => StatusCode::PAYLOAD_TOO_LARGE,
        "58030" | "57P03" | "57P01" => StatusCode::SERVICE_UNAVAILABLE,
        _ => match &sqlstate[..2.min(sqlstate.len())] {
            "23" | "40" | "25" => StatusCode::CONFLICT,
            "22" | "21" => StatusCode::UNPROCESSABLE_ENTITY,
            "0A" => StatusCode::NOT_IMPLEMENTED,
            "53" => StatusCode::SERVICE_UNAVAILABLE,
            "XX" | "58" => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        },
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.code();
        let mut response = (status, [(header::CONTENT_TYPE, MEDIA_TYPE)], self.json()).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = "Bearer realm=\"gnitz\", Basic realm=\"gnitz\", charset=\"UTF-8\"";
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_fitting_statuses() {
        let statuses = [
            ("42601", 400),
            ("42P01", 404),
            ("23505", 409),
            ("40001", 409),
            ("22P02", 422),
            ("0A000", 501),
            ("57014", 504),
            ("58030", 503),
            ("XX001", 500),
            ("42501", 403),
        ];
        for (sqlstate, status) in statuses {
            assert_eq!(status_of(sqlstate).as_u16(), status, "{sqlstate}");
        }
    }
}

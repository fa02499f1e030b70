//! What every request goes through: where it comes from, who it is from, and how it ended.
//!
//! A browser sends requests for any page it shows. A request that names an origin other than ours is therefore
//! refused before it does anything; CORS headers, which only say who may read an answer, would come too late.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant as Clock;

use axum::extract::connect_info::ConnectInfo;
use axum::extract::{MatchedPath, Request, State as Extract};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use super::auth::{Credentials, Denied, Identity, credentials};
use super::listener::Peer;
use super::problem::Problem;
use super::state::State;
use crate::logging;

/// Routes that tell nothing of the data and are open to all.
const OPEN: &[&str] = &["/health", "/openapi.json"];

/// How long a client waits whose credentials are wrong.
const FAILED_LOGIN: Duration = Duration::from_millis(500);

/// Lets a request in, or does not; counts and logs it.
pub async fn guard(Extract(state): Extract<State>, mut request: Request, next: Next) -> Response {
    let begun = Clock::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_string();
    let peer = request.extensions().get::<ConnectInfo<Peer>>().map(|ConnectInfo(Peer(ip))| *ip);
    let allowed = origin(&state, request.headers());
    let mut response = match admit(&state, &mut request, &route, peer, &allowed).await {
        Ok(None) => next.run(request).await,
        Ok(Some(response)) => response,
        Err(problem) => problem.into_response(),
    };
    if let Ok(Some(origin)) = allowed {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::VARY, HeaderValue::from_static("origin"));
    }
    let (status, took) = (response.status().as_u16(), begun.elapsed());
    state.0.metrics.request(&route, method.as_str(), status, took);
    let (peer, millis) = (peer.map(|ip| ip.to_string()).unwrap_or_default(), took.as_micros() as f64 / 1e3);
    tracing::info!(target: "gnitz::http", method = method.as_str(), route, status, millis, peer, "request");
    response
}

/// Decides on a request: `None` to go on with it, or its answer.
async fn admit(
    state: &State,
    request: &mut Request,
    route: &str,
    peer: Option<IpAddr>,
    allowed: &Result<Option<HeaderValue>, Problem>,
) -> Result<Option<Response>, Problem> {
    let foreign = allowed.clone()?;
    if request.method() == Method::OPTIONS && foreign.is_some() {
        return Ok(Some(preflight()));
    }
    if !OPEN.contains(&route) {
        let identity = identify(state, request.headers(), peer).await?;
        request.extensions_mut().insert(identity);
    }
    Ok(None)
}

async fn identify(state: &State, headers: &HeaderMap, peer: Option<IpAddr>) -> Result<Identity, Problem> {
    let found = credentials(headers).map_err(Problem::bad_request)?;
    let anonymous = found == Credentials::None;
    if anonymous && !is_local(host(headers)) {
        // Whoever owns a name can make it mean this machine; a browser would then take us for the name's owner.
        return Err(refuse(state, &Denied { role: String::new(), reason: "foreign Host header" }, peer));
    }
    let authenticator = Arc::clone(&state.0.authenticator);
    let identified = match found {
        Credentials::Password { .. } => {
            let check = tokio::task::spawn_blocking(move || authenticator.identify(&found, peer));
            check.await.map_err(|_| Problem::internal("the password was not checked"))?
        }
        _ => authenticator.identify(&found, peer),
    };
    match identified {
        Ok(identity) => Ok(identity),
        Err(denied) => {
            let problem = refuse(state, &denied, peer);
            if !anonymous {
                // Guessing is to take time.
                tokio::time::sleep(FAILED_LOGIN).await;
            }
            Err(problem)
        }
    }
}

fn refuse(state: &State, denied: &Denied, peer: Option<IpAddr>) -> Problem {
    let peer = peer.map(|ip| ip.to_string()).unwrap_or_default();
    logging::failed_login("http", &denied.role, &peer, denied.reason);
    state.0.metrics.failed_login("http");
    Problem::new(StatusCode::UNAUTHORIZED, "28000", "the request is from nobody known").with_hint(
        "send a bearer token, or a role and its password; without them only this machine is served",
    )
}

/// The foreign origin that a request names and may name; an error if it may not.
fn origin(state: &State, headers: &HeaderMap) -> Result<Option<HeaderValue>, Problem> {
    let Some(value) = headers.get(header::ORIGIN) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let own = text.split_once("://").is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(host(headers)));
    let known = |listed: &String| listed == "*" || listed.eq_ignore_ascii_case(text);
    if state.0.config.http.cors_origins.iter().any(known) {
        return Ok(Some(value.clone()));
    }
    if own && !text.is_empty() {
        return Ok(None);
    }
    let detail = "requests of pages from this origin are not served";
    Err(Problem::new(StatusCode::FORBIDDEN, "42501", detail).with_hint("add the origin to http.cors_origins"))
}

fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "accept, authorization, content-type, idempotency-key, last-event-id",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

fn host(headers: &HeaderMap) -> &str {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default()
}

/// Whether the host that a request names is the machine itself.
fn is_local(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Waits for leave to run, at most until the request's deadline.
pub async fn permit(of: &Arc<Semaphore>, deadline: Instant) -> Result<OwnedSemaphorePermit, Problem> {
    match timeout_at(deadline, Arc::clone(of).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "53000", "too many requests are running")
            .with_hint("try again, or raise http.max_requests")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_few_names() {
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:80", "127.9.9.9", "[::1]:8080", "[::1]"] {
            assert!(is_local(host), "{host}");
        }
        for host in
            ["", "example.com", "localhost.example.com:80", "10.0.0.1", "[::2]:1", "127.0.0.1.example.com"]
        {
            assert!(!is_local(host), "{host}");
        }
    }
}

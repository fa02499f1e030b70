//! The routes, and serving them.

use std::future::Future;
use std::io;

use axum::Router;
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, get, post};
use tokio::net::TcpListener;

use super::listener::{Guarded, Peer};
use super::problem::Problem;
use super::state::State;
use super::{guard, health, ingest, openapi, query, subscribe};

/// A route: its method, its path, and what answers it.
type Route = (Method, &'static str, fn() -> MethodRouter<State>);

/// Every route; the description in `openapi` has the same ones.
pub(super) const ROUTES: &[Route] = &[
    (Method::POST, "/sql", || post(query::post)),
    (Method::POST, "/ingest/{table}", || post(ingest::post)),
    (Method::GET, "/subscribe/{view}", || get(subscribe::get)),
    (Method::GET, "/health", || get(health::health)),
    (Method::GET, "/metrics", || get(health::metrics)),
    (Method::GET, "/openapi.json", || get(openapi::get)),
];

/// The routes of a server.
pub fn router(state: State) -> Router {
    let mut router = Router::new();
    for (_, path, handler) in ROUTES {
        router = router.route(path, handler());
    }
    router
        .fallback(|| async {
            Problem::new(StatusCode::NOT_FOUND, "42704", "there is no such route")
                .with_hint("GET /openapi.json lists them")
        })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "22023", "the route does not take this method")
        })
        .layer(from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}

/// Serves until `shutdown`, then ends streams of changes, waits for what runs, and returns; at most as long as
/// `shutdown_timeout` says.
pub async fn serve(
    listener: TcpListener,
    state: State,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let longest = state.0.config.shutdown_timeout;
    let service = router(state.clone()).into_make_service_with_connect_info::<Peer>();
    let closing = state.clone();
    let serving = axum::serve(Guarded::new(listener, &state), service).with_graceful_shutdown(async move {
        shutdown.await;
        closing.close();
    });
    let overdue = async {
        state.closed().await;
        tokio::time::sleep(longest).await;
    };
    tokio::select! {
        done = serving => done?,
        () = overdue => tracing::warn!(target: "gnitz::http", "requests were still running at shutdown"),
    }
    state.streams_ended(longest).await;
    Ok(())
}

//! `GET /openapi.json`: the routes for programs, as OpenAPI 3.1 has them.
//!
//! The description is a value made here; a test holds it against the routes that there are.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::problem;

/// Answers `GET /openapi.json`.
pub async fn get() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], description().to_string()).into_response()
}

/// The description.
pub fn description() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Gnitz",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "A SQL database whose materialized views are never stale",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" }
        },
        "servers": [{ "url": "/" }],
        "security": [{}, { "bearer": [] }, { "password": [] }],
        "paths": {
            "/sql": { "post": sql() },
            "/ingest/{table}": { "post": ingest() },
            "/subscribe/{view}": { "get": subscribe() },
            "/health": { "get": health() },
            "/metrics": { "get": metrics() },
            "/openapi.json": { "get": own() }
        },
        "components": {
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "password": { "type": "http", "scheme": "basic", "description": "A role and its password" }
            },
            "schemas": schemas()
        }
    })
}

fn sql() -> Value {
    let results = json!({ "schema": { "$ref": "#/components/schemas/Results" } });
    let text = json!({ "schema": { "type": "string" } });
    json!({
        "operationId": "sql",
        "summary": "Run statements",
        "description": "Statements run one after the other, each as its own transaction unless they say BEGIN. Parameters need a text of one statement.",
        "requestBody": { "required": true, "content": {
            "application/json": { "schema": { "$ref": "#/components/schemas/Script" } },
            "text/plain": text,
            "application/sql": text
        } },
        "responses": responses("The results, in order", json!({
            "application/json": results,
            "application/x-ndjson": text,
            "text/csv": text,
            "application/vnd.apache.arrow.stream": {}
        }), &["400", "401", "403", "404", "406", "408", "409", "413", "415", "422", "500", "501", "503", "504"])
    })
}

fn ingest() -> Value {
    let text = json!({ "schema": { "type": "string" } });
    json!({
        "operationId": "ingest",
        "summary": "Write a batch of rows as one commit",
        "description": "A batch with an id is written once: sent again, it changes nothing and is answered the same.",
        "parameters": [
            parameter("path", "table", "The table", json!({ "type": "string" })),
            parameter("query", "op", "What happens to rows that do not say it", json!({
                "type": "string", "enum": ["insert", "upsert", "delete"], "default": "insert" })),
            parameter("query", "batch", "The batch's id, if no header has it", json!({ "type": "string" })),
            parameter("header", "Idempotency-Key", "The batch's id", json!({ "type": "string", "maxLength": 200 }))
        ],
        "requestBody": { "required": true, "content": { "application/x-ndjson": text, "text/csv": text } },
        "responses": responses("The batch is committed", json!({
            "application/json": { "schema": { "$ref": "#/components/schemas/Ingested" } }
        }), &["400", "401", "403", "404", "408", "409", "413", "415", "422", "500", "501", "503", "504"])
    })
}

fn subscribe() -> Value {
    json!({
        "operationId": "subscribe",
        "summary": "The contents of a table or view, and every later change",
        "description": "Server-sent events; a WebSocket if the request asks for an upgrade. The data of an event is a Message.",
        "parameters": [
            parameter("path", "view", "The table or view", json!({ "type": "string" })),
            parameter("query", "snapshot", "Whether to begin with the contents",
                json!({ "type": "boolean", "default": true })),
            parameter("query", "progress", "Whether to be told of epochs without changes",
                json!({ "type": "boolean", "default": false })),
            parameter("query", "as_of", "The epoch that the client has everything of", json!({ "type": "integer" })),
            parameter("query", "format", "How rows are written; Arrow over WebSockets only",
                json!({ "type": "string", "enum": ["json", "arrow"], "default": "json" })),
            parameter("header", "Last-Event-ID", "As as_of; browsers send it when they reconnect",
                json!({ "type": "integer" }))
        ],
        "responses": responses("The stream", json!({
            "text/event-stream": { "schema": { "$ref": "#/components/schemas/Message" } }
        }), &["400", "401", "403", "404", "410", "422", "503"])
    })
}

fn health() -> Value {
    let health = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Health" } } });
    json!({
        "operationId": "health",
        "summary": "Whether the server is alive and ready",
        "security": [{}],
        "parameters": [parameter("query", "probe", "What to answer for; unless said otherwise for both",
            json!({ "type": "string", "enum": ["live", "ready"] }))],
        "responses": {
            "200": { "description": "It is", "content": health },
            "503": { "description": "It is shutting down, or takes no commits", "content": health }
        }
    })
}

fn metrics() -> Value {
    json!({
        "operationId": "metrics",
        "summary": "Metrics for Prometheus",
        "responses": responses("The metrics", json!({
            "application/openmetrics-text": { "schema": { "type": "string" } }
        }), &["401", "403"])
    })
}

fn own() -> Value {
    json!({
        "operationId": "openapi",
        "summary": "This description",
        "security": [{}],
        "responses": { "200": { "description": "The description", "content": { "application/json": {} } } }
    })
}

fn parameter(place: &str, name: &str, description: &str, schema: Value) -> Value {
    json!({ "in": place, "name": name, "description": description, "required": place == "path", "schema": schema })
}

fn responses(description: &str, content: Value, problems: &[&str]) -> Value {
    let mut responses = json!({ "200": { "description": description, "content": content } });
    for status in problems {
        responses[status] = json!({
            "description": "What is wrong",
            "content": { (problem::MEDIA_TYPE): { "schema": { "$ref": "#/components/schemas/Problem" } } }
        });
    }
    responses
}

fn schemas() -> Value {
    let (string, integer, boolean) =
        (json!({ "type": "string" }), json!({ "type": "integer" }), json!({ "type": "boolean" }));
    let value = json!({
        "description": "A number that a double cannot hold, a moment or bytes: as a string",
        "type": ["null", "boolean", "number", "string"]
    });
    json!({
        "Script": object(&["sql"], json!({ "sql": string, "params": { "type": "array", "items": value } })),
        "Results": object(&["results"], json!({
            "results": { "type": "array", "items": { "$ref": "#/components/schemas/Result" } },
            "error": { "$ref": "#/components/schemas/Problem" }
        })),
        "Result": object(&[], json!({
            "tag": string,
            "columns": { "type": "array", "items": object(&["name", "type", "nullable"],
                json!({ "name": string, "type": string, "nullable": boolean })) },
            "rows": { "type": "array", "items": { "type": "array", "items": value } },
            "rowCount": integer
        })),
        "Ingested": object(&["table", "rows"], json!({
            "table": string, "batch": { "type": ["string", "null"] }, "rows": integer
        })),
        "Message": object(&["event"], json!({
            "event": { "type": "string", "enum": ["snapshot", "delta", "progress", "end", "error"] },
            "epoch": integer, "part": integer, "last": boolean,
            "changes": { "type": "array", "items": object(&["weight", "row"], json!({
                "weight": integer, "row": { "type": "object", "additionalProperties": value } })) },
            "reason": string,
            "problem": { "$ref": "#/components/schemas/Problem" },
            "resume": { "type": ["integer", "null"] }
        })),
        "Health": object(&["live", "ready"], json!({
            "live": boolean, "ready": boolean, "epoch": { "type": ["integer", "null"] },
            "reason": { "type": ["string", "null"] }
        })),
        "Problem": object(&["type", "title", "status", "detail", "sqlstate"], json!({
            "type": string, "title": string, "status": integer, "detail": string, "sqlstate": string,
            "hint": string, "line": integer, "column": integer, "completed": integer
        }))
    })
}

fn object(required: &[&str], properties: Value) -> Value {
    json!({ "type": "object", "required": required, "properties": properties })
}

#[cfg(test)]
mod tests {
    use super::super::routes::ROUTES;
    use super::*;

    #[test]
    fn it_has_the_routes_that_there_are_and_no_others() {
        let description = description();
        let paths = description["paths"].as_object().unwrap();
        let mut described: Vec<(String, String)> = paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(|m| (m.to_uppercase(), path.clone()))
            })
            .collect();
        let mut routed: Vec<(String, String)> =
            ROUTES.iter().map(|(method, path, _)| (method.to_string(), path.to_string())).collect();
        described.sort();
        routed.sort();
        assert_eq!(described, routed);
    }

    #[test]
    fn every_path_parameter_and_reference_is_defined() {
        let description = description();
        for (path, item) in description["paths"].as_object().unwrap() {
            for operation in item.as_object().unwrap().values() {
                let empty = Vec::new();
                let parameters = operation["parameters"].as_array().unwrap_or(&empty);
                for name in path.split('{').skip(1).filter_map(|rest| rest.split('}').next()) {
                    assert!(
                        parameters.iter().any(|p| p["name"] == name && p["in"] == "path"),
                        "{path}: {name}"
                    );
                }
                assert!(operation["operationId"].is_string() && operation["responses"]["200"].is_object());
            }
        }
        let text = description.to_string();
        for reference in text.split("\"#/components/schemas/").skip(1) {
            let name = reference.split('"').next().unwrap();
            assert!(description["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}

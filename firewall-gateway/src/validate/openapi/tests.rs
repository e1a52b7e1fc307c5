//! Documents that can be used, and what is said of those that cannot.

use http::Method;
use serde_json::{Value, json};

use super::{Api, DocumentError};
use crate::policy::DocumentPolicy;

fn api(document: &Value, base_path: Option<&str>) -> Result<Api, DocumentError> {
    let base_path = base_path.map(str::to_owned);
    Api::of_document(
        &DocumentPolicy { name: "a".into(), text: document.to_string(), base_path },
        false,
    )
}

fn document(change: impl FnOnce(&mut Value)) -> Value {
    let mut document = json!({
        "openapi": "3.1.0",
        "paths": {"/a/{b}": {
            "parameters": [{"name": "b", "in": "path", "schema": {"type": "string"}}],
            "get": {},
            "post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/c"}}}}},
        }},
        "components": {"schemas": {"c": {"type": "object"}}},
    });
    change(&mut document);
    document
}

#[test]
fn paths_stand_behind_those_of_the_server() {
    for (servers, base_path, path, expected) in [
        (json!(null), None, "/a/1", true),
        (json!([{"url": "https://api.example"}]), None, "/a/1", true),
        (json!([{"url": "https://api.example/"}]), None, "/a/1", true),
        (json!([{"url": "https://api.example/v1/"}, {"url": "/v2"}]), None, "/v1/a/1", true),
        (json!([{"url": "/v1"}]), None, "/v1/a/1", true),
        (json!([{"url": "/v1"}]), None, "/a/1", false),
        (json!([{"url": "/v1"}]), None, "/v1a/1", false),
        (json!([{"url": "/v1"}]), Some("/api/v3"), "/api/v3/a/1", true),
        (json!([{"url": "/v1"}]), Some(""), "/a/1", true),
        (json!([{"url": "https://{host}/v1"}]), Some("/v1"), "/v1/a/1", true),
    ] {
        let document = document(|document| {
            if !servers.is_null() {
                document["servers"] = servers.clone();
            }
        });
        let api = api(&document, base_path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(
            api.find(path, &Method::GET).is_some(),
            expected,
            "{servers} {base_path:?} {path}"
        );
    }
}

#[test]
fn documents_that_cannot_be_used_say_where() {
    type Change = fn(&mut Value);
    for (change, expected) in [
        (
            (|document| document["openapi"] = json!("2.0")) as Change,
            "#/openapi: expected a document of OpenAPI 3.0 or 3.1, found version \"2.0\"",
        ),
        (
            |document| document["paths"] = json!({}),
            "#/paths: expected at least one operation, found none",
        ),
        (
            |document| document["servers"] = json!([{"url": "//{host}"}]),
            "#/servers/0/url: expected a server without variables",
        ),
        (
            |document| {
                document["paths"]["/a/{other}"] =
                    json!({"get": {"parameters": [{"name": "other", "in": "path", "schema": {}}]}})
            },
            "#/paths/~1a~1{other}: expected one path for each request",
        ),
        (
            |document| document["paths"]["/x{y}"] = json!({"get": {}}),
            "#/paths/~1x{y}: expected {name} as a segment of its own",
        ),
        (
            |document| document["components"]["schemas"]["c"]["type"] = json!("objekt"),
            "#/components/schemas/c/type: ",
        ),
        (
            |document| document["components"]["schemas"]["c"]["$ref"] = json!("other.yaml#/c"),
            "#/components/schemas/c: expected a reference to a place in this document",
        ),
        (
            |document| {
                document["components"]["schemas"]["c"]["$ref"] = json!("#/components/schemas/d")
            },
            "#/components/schemas/c: expected a reference to a place in this document",
        ),
        (
            |document| document["components"]["schemas"]["c"]["pattern"] = json!("a(?!b)"),
            "#/paths/~1a~1{b}/post/requestBody/content/application~1json/schema: ",
        ),
        (
            |document| document["paths"]["/a/{b}"]["$ref"] = json!("#/paths/~1a~1{b}"),
            "#/paths/~1a~1{b}: expected a reference that ends somewhere",
        ),
        (
            |document| document["paths"]["/a/{b}"]["parameters"][0]["in"] = json!("body"),
            "#/paths/~1a~1{b}/parameters/0: in: expected path, query, header or cookie",
        ),
        (
            |document| document["paths"]["/a/{b}"]["parameters"][0]["style"] = json!("matrix"),
            "#/paths/~1a~1{b}/parameters/0: style: expected form",
        ),
        (
            |document| document["paths"]["/a/{b}"]["parameters"][0]["name"] = json!("z"),
            "#/paths/~1a~1{b}/parameters/0: expected {z} in the path, found none",
        ),
        (
            |document| {
                document["paths"]["/a/{b}"]["post"]["requestBody"]["content"] = json!({"json": {}})
            },
            "#/paths/~1a~1{b}/post/requestBody/content/json: expected a content type, found \"json\"",
        ),
    ] {
        let document = document(change);
        let error = api(&document, None).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error.starts_with(expected), "{error}, not {expected}");
    }
}

#[test]
fn an_operation_has_the_parameters_of_its_path_but_for_its_own() {
    let document = document(|document| {
        document["components"]["parameters"] =
            json!({"q": {"name": "q", "in": "query", "schema": {}}});
        document["paths"]["/a/{b}"]["parameters"] = json!([
            {"name": "b", "in": "path", "schema": {}},
            {"$ref": "#/components/parameters/q"},
            {"name": "Accept", "in": "header", "schema": {}},
        ]);
        document["paths"]["/a/{b}"]["get"] =
            json!({"parameters": [{"name": "q", "in": "query", "required": true, "schema": {}}]});
    });
    let api = api(&document, None).unwrap_or_else(|error| panic!("{error}"));
    for (method, expected) in
        [(Method::GET, [("b", true), ("q", true)]), (Method::POST, [("b", true), ("q", false)])]
    {
        let operation = api.find("/a/1", &method).unwrap();
        let found = operation.parameters.iter().map(|it| (it.name.as_str(), it.required));
        assert_eq!(found.collect::<Vec<_>>(), expected, "{method}");
    }
}

//! What routes hold their requests against.

use std::path::Path;

use firewall_gateway::policy::{Against, Undocumented, ValidationMode, ValidationPolicy};

use super::{LEAST, load};
use crate::config::OpenApiConfig;

fn config(openapi: &str, keys: &str) -> String {
    format!(
        "{LEAST}gateway:\n  listen: ['127.0.0.1:1']\n  certificate: a\n  private_key: b\n  {openapi}\n  \
         upstreams: [{{name: api, backends: [{{address: '127.0.0.1:2'}}]}}]\n  \
         routes:\n  - name: r\n    path: /r/{{id}}\n    {keys}\n"
    )
}

const SHOP: &str = "openapi: [{name: shop, file: shop.yaml}]";

#[test]
fn every_key_of_it_acts() {
    let read = |openapi: &str, keys: &str| {
        let keys = format!("upstream: api\n    {keys}");
        let text = config(openapi, &keys);
        load(&text).unwrap_or_else(|error| panic!("{error}")).gateway.expect("a gateway")
    };
    let gateway = read("", "limits: {}");
    assert_eq!((gateway.openapi, gateway.routes[0].validate.clone()), (Vec::new(), None));
    let gateway = read(SHOP, "validate: {openapi: shop}");
    let file = Path::new("/etc/seawall/shop.yaml").to_path_buf();
    let document = OpenApiConfig { name: "shop".into(), file, base_path: None };
    assert_eq!(gateway.openapi, std::slice::from_ref(&document));
    let plain = ValidationPolicy::new(Against::Document("shop".into()));
    assert_eq!(gateway.routes[0].validate, Some(plain.clone()));
    let gateway = read(
        "openapi: [{name: shop, file: /shop.json, base_path: /v1/}]",
        "validate: {openapi: shop, mode: report, responses: enforce, undocumented: pass, undocumented_query: refuse,\n      \
         body_bytes_max: 5, depth_max: 6, values_max: 7}",
    );
    let file = Path::new("/shop.json").to_path_buf();
    let base_path = Some("/v1".to_owned());
    assert_eq!(gateway.openapi, [OpenApiConfig { file, base_path, ..document }]);
    let full = ValidationPolicy {
        mode: ValidationMode::Report,
        responses: Some(ValidationMode::Enforce),
        undocumented: Undocumented::Pass,
        undocumented_query: Undocumented::Refuse,
        body_bytes_max: 5,
        depth_max: 6,
        values_max: 7,
        ..plain
    };
    assert_eq!(gateway.routes[0].validate, Some(full));
    let gateway = read(
        "",
        "validate: {body: {type: object, properties: {n: {const: 1}, s: {pattern: '1'}, o: {enum: ['no', yes, 1.5, null]}}}}",
    );
    let body = r#"{"properties":{"n":{"const":1},"o":{"enum":["no","yes",1.5,null]},"s":{"pattern":"1"}},"type":"object"}"#;
    let against = gateway.routes[0].validate.clone().map(|validate| validate.against);
    assert_eq!(against, Some(Against::Body(body.into())));
    let gateway = read(
        "",
        "validate: {operation: {parameters: [{name: id, in: path, schema: {type: integer}}]}}",
    );
    let operation = r#"{"parameters":[{"in":"path","name":"id","schema":{"type":"integer"}}]}"#;
    let against = gateway.routes[0].validate.clone().map(|validate| validate.against);
    assert_eq!(against, Some(Against::Operation(operation.into())));
}

#[test]
fn what_is_wrong_with_it_is_said() {
    for (openapi, keys, expected) in [
        ("openapi: []", "upstream: api", "openapi: expected 1 to 16 entries, found 0"),
        (SHOP, "upstream: api", "openapi: expected a route that names \"shop\", found none"),
        (
            "openapi: [{name: a, file: b}, {name: a, file: c}]",
            "upstream: api",
            "expected each name once, found \"a\" again",
        ),
        (
            "openapi: [{name: a, file: b, base_path: v1}]",
            "upstream: api",
            "base_path: expected a path from /",
        ),
        (
            SHOP,
            "upstream: api\n    validate: {openapi: other}",
            "openapi: expected a name of gateway.openapi, found \"other\"",
        ),
        (
            SHOP,
            "maintenance: {retry_after_s: 1}\n    validate: {openapi: shop}",
            "validate: expected a route to an upstream",
        ),
        (
            "",
            "upstream: api\n    validate: {}",
            "validate: expected one of openapi, operation and body, found none of them",
        ),
        (
            SHOP,
            "upstream: api\n    validate: {openapi: shop, body: {}}",
            "validate: expected one of openapi, operation and body, found more than one",
        ),
        (
            "",
            "upstream: api\n    validate: {body: {}, undocumented: pass}",
            "undocumented: expected it with openapi alone",
        ),
        (
            "",
            "upstream: api\n    validate: {body: {}, responses: report}",
            "responses: expected it with openapi or operation",
        ),
        (
            "",
            "upstream: api\n    validate: {operation: {responses: {ok: {}}}, responses: report}",
            "validate: operation: #/responses/ok: expected a status",
        ),
        ("", "upstream: api\n    validate: {body: {type: objekt}}", "validate: body: #/type: "),
        (
            "",
            "upstream: api\n    validate: {body: {$ref: 'https://a.example/b'}}",
            "validate: body: #: expected a reference to a place in this document",
        ),
        (
            "",
            "upstream: api\n    validate: {operation: {parameters: [{name: x, in: path, schema: {}}]}}",
            "validate: operation: #/parameters/0: expected {x} in the path, found none",
        ),
        ("", "upstream: api\n    validate: {body: {}, depth_max: 65}", "from 1 to 64"),
        ("", "upstream: api\n    validate: {body: {}, mode: off}", "off"),
    ] {
        let error = load(&config(openapi, keys)).unwrap_err().to_string();
        assert!(error.contains(expected), "{keys}: {error}");
        assert!(error.contains("/etc/seawall/seawall.yaml:"), "{error}");
    }
}

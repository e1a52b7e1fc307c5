//! A document of an API: read by the daemon, acted on by the worker, and read anew with the configuration.

use std::fs;

use seawall_tests::{requirement, upstream};

use crate::site::{Ground, Site};

const DOCUMENT: &str = "\
openapi: 3.0.3
paths:
  /things/{id}:
    get:
      parameters:
        - {name: id, in: path, required: true, schema: {type: integer, maximum: 100}}
        - {name: country, in: query, schema: {type: string, enum: [no, se]}}
      responses:
        200: {description: a thing}
";

#[test]
fn a_document_is_read_with_the_configuration_and_a_bad_one_changes_nothing() {
    if !requirement::root("a_document_is_read_with_the_configuration_and_a_bad_one_changes_nothing")
    {
        return;
    }
    let ground = Ground::prepare();
    let file = ground.world.folder().join("things.yaml");
    fs::write(&file, DOCUMENT).unwrap();
    let (api, name) = (upstream::ADDRESS, upstream::NAME);
    let gateway = format!(
        "  openapi: [{{name: things, file: things.yaml, base_path: /v1}}]
  upstreams:
    - name: api
      backends: [{{address: '{api}'}}]
      tls: {{server_name: {name}, ca: authority.pem}}
  routes:
    - {{name: things, path: '/v1/*', upstream: api, validate: {{openapi: things}}}}
"
    );
    let site = Site::start_of(ground, &gateway);
    let status = |path: &str| site.ground.get(path).send(site.ground.client()).unwrap().status;
    let known = [
        ("/v1/things/7", 200),
        ("/v1/things/7?country=no", 200),
        ("/v1/things/7?country=false", 422),
        ("/v1/things/101", 422),
        ("/v1/others", 404),
    ];
    let check =
        || known.iter().for_each(|(path, expected)| assert_eq!(status(path), *expected, "{path}"));
    check();
    let answer = site.ground.get("/v1/things/101").send(site.ground.client()).unwrap();
    let error = r##"{"expected":"at most 100","in":"path","name":"id","pointer":"#"}"##;
    assert!(answer.body.contains(error), "{answer:?}");
    let verdict = |verdict: &'static str| [("route", "things"), ("verdict", verdict)];
    site.wait_for_metric("seawall_gateway_validations_total", &verdict("passed"), 2);
    site.wait_for_metric("seawall_gateway_validations_total", &verdict("refused"), 4);

    let config = site.ground.config_of("", &gateway);
    fs::write(&file, DOCUMENT.replace("type: integer", "type: whole")).unwrap();
    site.reload(&config);
    check();
    let log = site.seawall.process.log();
    for words in [
        "gateway.openapi: document",
        "things",
        "/paths/~1things~1{id}/get/parameters/0/schema/type",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }

    fs::write(&file, DOCUMENT.replace("maximum: 100", "maximum: 200")).unwrap();
    site.reload(&config);
    assert_eq!((status("/v1/things/101"), status("/v1/things/201")), (200, 422));
}

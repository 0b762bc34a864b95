//! Whether an answer is one that the description has.

use serde_json::{Map, Value};

/// The description that the server gives out.
pub(crate) struct Description(Value);

impl Description {
    pub(crate) fn new() -> Self {
        let text = include_str!("../../../../docs/openapi.json");
        Self(serde_json::from_str(text).expect("JSON"))
    }

    /// The schemas of all types of events.
    pub(crate) fn events(&self) -> &[Value] {
        self.0["components"]["schemas"]["Event"]["oneOf"].as_array().expect("types")
    }

    /// Calls it with each part of the description, paths and components among them.
    pub(crate) fn each_part(&self, mut look: impl FnMut(&str, &Value)) {
        for (part, value) in self.0.as_object().expect("parts") {
            look(part, value);
        }
    }

    /// All operations: method, path, and its entry.
    pub(crate) fn operations(&self) -> Vec<(String, String, Value)> {
        let mut all = Vec::new();
        for (path, entry) in self.0["paths"].as_object().expect("paths") {
            for (method, operation) in entry.as_object().expect("operations") {
                if method != "parameters" {
                    all.push((method.to_uppercase(), path.clone(), operation.clone()));
                }
            }
        }
        all
    }

    /// Checks an answer; gives its `operationId`. `None`: there is no such operation, and the answer says so.
    pub(crate) fn check(
        &self,
        line: &str,
        status: u16,
        head: &str,
        body: &Value,
    ) -> Option<String> {
        let (method, target) = line.split_once(' ').expect("method and path");
        let path = target.split('?').next().unwrap_or_default();
        let found = self.operations().into_iter().find(|(of, template, _)| {
            let same = |(a, b): (&str, &str)| a == b || a.starts_with('{');
            let (a, b) = (template.split('/'), path.split('/'));
            of == method && a.clone().count() == b.clone().count() && a.zip(b).all(same)
        });
        let Some((_, _, operation)) = found else {
            assert!(matches!(status, 404 | 405), "{line}: {status} of no operation");
            return None;
        };
        let response = self.follow(&operation["responses"][status.to_string()]);
        assert!(!response.is_null(), "{line}: {status} is not described");
        match response.get("content").and_then(Value::as_object) {
            None => assert!(body.is_null(), "{line}: a body that is not described"),
            Some(content) => {
                let said = |media: &&String| head.contains(&format!("content-type: {media}"));
                let media = content.keys().find(said);
                let media = media.unwrap_or_else(|| panic!("{line}: {head}"));
                if media.ends_with("json") {
                    self.fits(&content[media]["schema"], body, line);
                }
            }
        }
        operation["operationId"].as_str().map(str::to_owned)
    }

    fn follow<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value.get("$ref").and_then(Value::as_str) {
            Some(path) => self.0.pointer(path.trim_start_matches('#')).expect("a place"),
            None => value,
        }
    }

    /// Every field of an answer is described, even where a client has to be ready for more: else one that was added would be
    /// forgotten here.
    fn every_field_fits(&self, schema: &Value, fields: &Map<String, Value>, at: &str) {
        for (name, value) in fields {
            let at = format!("{at}.{name}");
            match (schema["properties"].get(name), &schema["additionalProperties"]) {
                (Some(schema), _) => self.fits(schema, value, &at),
                (None, Value::Bool(true)) => {}
                (None, any @ Value::Object(_)) => self.fits(any, value, &at),
                (None, _) => panic!("{at} is not described"),
            }
        }
    }

    /// The part of JSON Schema that the description uses; a keyword that is not known here is an error.
    pub(crate) fn fits(&self, schema: &Value, value: &Value, at: &str) {
        let schema = self.follow(schema);
        if let Some(fields) = value.as_object() {
            self.every_field_fits(schema, fields, at);
        }
        for (key, rule) in schema.as_object().expect("a schema") {
            match key.as_str() {
                "type" => assert!(is_of(rule, value), "{at}: {value} is no {rule}"),
                "const" => assert_eq!(rule, value, "{at}"),
                "enum" => {
                    assert!(rule.as_array().expect("values").contains(value), "{at}: {value}")
                }
                "required" if !value.is_object() => {}
                "required" => {
                    for name in rule.as_array().expect("names").iter().filter_map(Value::as_str) {
                        assert!(value.get(name).is_some(), "{at}: {name} is missing in {value}");
                    }
                }
                // By `every_field_fits`.
                "properties" | "additionalProperties" => {}
                "items" => {
                    for value in value.as_array().into_iter().flatten() {
                        self.fits(rule, value, &format!("{at}[]"));
                    }
                }
                "minimum" => {
                    assert!(value.is_null() || value.as_u64() >= rule.as_u64(), "{at}: {value}")
                }
                "maximum" => assert!(value.as_u64() <= rule.as_u64(), "{at}: {value}"),
                "maxLength" | "minLength" | "maxItems" | "pattern" | "format" | "title"
                | "description" | "examples" | "default" => {}
                other => panic!("{at}: what is {other}?"),
            }
        }
    }
}

fn is_of(rule: &Value, value: &Value) -> bool {
    match rule {
        Value::Array(any) => any.iter().any(|rule| is_of(rule, value)),
        _ => match rule.as_str().expect("a type") {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "integer" => value.is_u64() || value.is_i64(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            other => panic!("what is {other}?"),
        },
    }
}

/// The checker itself.
#[test]
fn what_is_not_described_is_caught() {
    let description = Description::new();
    let problem = |body: &str| {
        let body = serde_json::from_str(body).expect("JSON");
        let head = "content-type: application/problem+json";
        std::panic::catch_unwind(|| description.check("GET /v1/conferences", 401, head, &body))
            .is_ok()
    };
    assert!(problem(r#"{"type":"t","title":"t","status":401,"detail":"d"}"#));
    assert!(!problem(r#"{"type":"t","title":"t","status":"401","detail":"d"}"#));
    assert!(!problem(r#"{"type":"t","status":401,"detail":"d"}"#));
    assert!(!problem(r#"{"type":"t","title":"t","status":401,"detail":"d","more":1}"#));
    let body = Value::Null;
    let caught =
        std::panic::catch_unwind(|| description.check("GET /v1/conferences", 418, "", &body));
    assert!(caught.is_err(), "a status that is not described");
}

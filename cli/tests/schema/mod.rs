//! Compares what was printed with its schema in `docs/schema/`. More strictly than the schema says: a field
//! that it does not name is wrong too.
//!
//! It understands the keywords that are in those schemas, and fails at any other.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

/// The one pattern that there is.
const DIGEST: &str = "^sha256:[0-9a-f]{64}$";

/// What a schema says of a value: the names of its fields, or what is wrong with it.
type Checked = Result<BTreeSet<String>, String>;

/// Reads what was printed as the document `name`.
pub(crate) fn printed(name: &str, text: &str) -> Value {
    let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    if let Err(wrong) = compared(name, &value) {
        panic!("not as docs/schema/{name}.json says: {wrong}, in {text}");
    }
    value
}

/// Compares a value with the schema of the document `name`.
pub(crate) fn compared(name: &str, value: &Value) -> Result<(), String> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema");
    let schema = std::fs::read_to_string(directory.join(format!("{name}.json"))).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    whole(&schema, &schema, value)
}

/// Checks a value, and that its schema knows all of its fields.
fn whole(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let known = part(root, schema, value)?;
    let mut names = value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name);
    match names.find(|name| !known.contains(*name)) {
        Some(name) => Err(format!("there is no field `{name}`")),
        None => Ok(()),
    }
}

/// Checks what one schema says of a value.
fn part(root: &Value, schema: &Value, value: &Value) -> Checked {
    let mut known = BTreeSet::new();
    let expect = |holds: bool, keyword: &str, said: &Value| {
        let wrong = || format!("{keyword} is not {said}: {value}");
        if holds { Ok(()) } else { Err(wrong()) }
    };
    let length = value.as_array().map(|elements| elements.len() as u64);
    for (keyword, said) in schema.as_object().unwrap() {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "format" | "default" => {}
            "$ref" => {
                let place = said.as_str().unwrap().trim_start_matches('#');
                known.extend(part(root, root.pointer(place).unwrap(), value)?);
            }
            "type" => {
                let mut types = said
                    .as_array()
                    .map_or(std::slice::from_ref(said), Vec::as_slice)
                    .iter();
                expect(types.any(|word| is_of(value, word)), keyword, said)?;
            }
            "const" => expect(value == said, keyword, said)?,
            "enum" => expect(said.as_array().unwrap().contains(value), keyword, said)?,
            "minimum" => {
                let number = value.as_f64();
                let holds = number.is_none_or(|number| Some(number) >= said.as_f64());
                expect(holds, keyword, said)?;
            }
            "minItems" => expect(
                length.is_none_or(|length| Some(length) >= said.as_u64()),
                keyword,
                said,
            )?,
            "maxItems" => expect(
                length.is_none_or(|length| Some(length) <= said.as_u64()),
                keyword,
                said,
            )?,
            "pattern" => {
                assert_eq!(said, DIGEST, "an unknown pattern");
                expect(value.as_str().is_none_or(is_digest), keyword, said)?;
            }
            "required" => {
                let mut names = said.as_array().unwrap().iter();
                let is_there = |name: &Value| value.get(name.as_str().unwrap()).is_some();
                expect(!value.is_object() || names.all(is_there), keyword, said)?;
            }
            "properties" => {
                for (name, schema) in said.as_object().unwrap() {
                    if let Some(value) = value.get(name) {
                        whole(root, schema, value).map_err(|wrong| format!("{name}: {wrong}"))?;
                        known.insert(name.clone());
                    }
                }
            }
            "additionalProperties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    let is_other = schema["properties"].get(name).is_none();
                    expect(!(is_other && *said == false), keyword, said)?;
                    if is_other {
                        whole(root, said, value).map_err(|wrong| format!("{name}: {wrong}"))?;
                        known.insert(name.clone());
                    }
                }
            }
            "prefixItems" => {
                let elements = value.as_array().into_iter().flatten();
                for (schema, value) in said.as_array().unwrap().iter().zip(elements) {
                    whole(root, schema, value)?;
                }
            }
            "items" => {
                assert!(schema.get("prefixItems").is_none(), "items behind others");
                for (place, value) in value.as_array().into_iter().flatten().enumerate() {
                    whole(root, said, value).map_err(|wrong| format!("{place}: {wrong}"))?;
                }
            }
            "oneOf" | "anyOf" | "allOf" => {
                let parts = said.as_array().unwrap();
                let (hold, wrong): (Vec<_>, Vec<_>) = parts
                    .iter()
                    .map(|schema| part(root, schema, value))
                    .partition(Result::is_ok);
                let enough = match keyword.as_str() {
                    "oneOf" => hold.len() == 1,
                    "anyOf" => !hold.is_empty(),
                    _ => wrong.is_empty(),
                };
                if !enough {
                    return Err(format!("{} of {keyword} hold; {wrong:?}", hold.len()));
                }
                known.extend(hold.into_iter().flatten().flatten());
            }
            _ => panic!("an unknown keyword: {keyword}"),
        }
    }
    Ok(known)
}

fn is_of(value: &Value, kind: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("an unknown type: {other}"),
    }
}

fn is_digest(text: &str) -> bool {
    let digits = text.strip_prefix("sha256:").unwrap_or_default();
    let is_digit = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    digits.len() == 64 && digits.bytes().all(is_digit)
}

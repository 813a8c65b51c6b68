//! A check that a structure in JSON is an object.

use serde_json::Value;

/// Asserts that the message is parsed, but not if any structure in it is an array: of its values, or empty. Returns
/// the number of its structures.
pub(crate) fn check_refused(message: &Value, parse: impl Fn(&str) -> Result<(), String>) -> usize {
    assert_eq!(parse(&message.to_string()), Ok(()), "{message}");
    let variants = with_array(message);
    for variant in &variants {
        let refusal = parse(&variant.to_string()).expect_err(&variant.to_string());
        // Another refusal would only say that the array has the wrong values or too few.
        let is_for_array = refusal.contains("invalid type: sequence") || refusal.contains("is not a JSON object");
        assert!(is_for_array, "{variant}: {refusal}");
    }
    variants.len() / 2
}

/// The value with each of its objects in turn replaced by arrays.
fn with_array(value: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    match value {
        Value::Object(fields) => {
            found.push(Value::Array(fields.values().cloned().collect()));
            found.push(Value::Array(Vec::new()));
            for (name, inner) in fields {
                found.extend(with_array(inner).into_iter().map(|inner| {
                    let mut fields = fields.clone();
                    fields.insert(name.clone(), inner);
                    Value::Object(fields)
                }));
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                found.extend(with_array(item).into_iter().map(|item| {
                    let mut items = items.clone();
                    items[index] = item;
                    Value::Array(items)
                }));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

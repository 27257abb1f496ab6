//! The version of a document: a number that its type fixes.

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of a document. It is raised when a field changes its meaning or goes away; fields may
/// be added without that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version<const NUMBER: u32>;

impl<const NUMBER: u32> Serialize for Version<NUMBER> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(NUMBER)
    }
}

/// Refuses any other version.
impl<'de, const NUMBER: u32> Deserialize<'de> for Version<NUMBER> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        if number == NUMBER {
            return Ok(Self);
        }
        let expected = format!("version {NUMBER}");
        let found = Unexpected::Unsigned(number.into());
        Err(D::Error::invalid_value(found, &expected.as_str()))
    }
}

#[cfg(test)]
impl<const NUMBER: u32> schemars::JsonSchema for Version<NUMBER> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Version{NUMBER}").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "const": NUMBER })
    }
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn a_version_is_its_number_and_no_other_is_read() {
        assert_eq!(serde_json::to_string(&Version::<2>).unwrap(), "2");
        assert!(serde_json::from_str::<Version<2>>("2").is_ok());
        for other in ["1", "3", "\"2\"", "null"] {
            assert!(serde_json::from_str::<Version<2>>(other).is_err());
        }
    }
}

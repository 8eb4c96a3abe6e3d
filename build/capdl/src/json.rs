//! The specification as the Microkit tool writes it with `--capdl-json`.

use serde_json::{Map, Value};

use crate::{Error, Lowering, Spec};

/// What the Microkit tool wrote with `--capdl-json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json {
    text: String,
}

impl Json {
    /// Takes the text for one.
    pub fn parse(text: String) -> Result<Json, Error> {
        let json = Json { text };
        json.spec()?;
        Ok(json)
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    /// The specification. What frames are filled with is left out.
    pub fn spec(&self) -> Result<Spec, Error> {
        serde_json::from_str(&self.text).map_err(not_a_spec)
    }

    /// Lowers rights. The rest of the text stays as it is.
    pub fn lower(&mut self, lowerings: &[Lowering]) -> Result<(), Error> {
        let expected = self.spec()?.lowered(lowerings)?;
        let mut spec: Value = serde_json::from_str(&self.text).map_err(not_a_spec)?;
        for &Lowering { place, rights } in lowerings {
            let object = spec.pointer_mut(&format!("/objects/{}/object", place.object)).and_then(only);
            let slot = object.and_then(|object| object.pointer_mut(&format!("/slots/{}/cap", place.entry)));
            if let Some(Value::Object(old)) = slot.and_then(only).and_then(|cap| cap.get_mut("rights")) {
                old.extend(rights.named().map(|(name, has)| (name.to_owned(), Value::Bool(has))));
            }
        }
        // As the tool writes it.
        self.text = serde_json::to_string_pretty(&spec).map_err(not_a_spec)?;
        if self.spec()? == expected {
            return Ok(());
        }
        Err(Error::new(
            "the JSON does not read back as it was to be written",
            "this is a mistake of the program: please report it; nothing has been written",
        ))
    }
}

/// The value of an object with one key, as JSON has a variant of an enumeration.
fn only(value: &mut Value) -> Option<&mut Value> {
    value.as_object_mut().and_then(|object: &mut Map<String, Value>| object.values_mut().next())
}

fn not_a_spec(error: serde_json::Error) -> Error {
    Error::new(
        format!("not a capDL specification: {error}"),
        "give the file the Microkit tool 2.3.0 wrote with --capdl-json",
    )
}

//! A capDL specification, as JSON and inside a loader image: read, compared with its description, hardened.

use std::path::Path;
use std::sync::OnceLock;

use totebox_capdl::testing::image_of;
use totebox_capdl::{Image, Json, Lowering, Spec};
use totebox_check::built::Built;
use totebox_check::{Made, Waivers, check_built};
use totebox_sdf::System;

use crate::{Target, repository};

/// The target of the JSON. A specification takes many times the place of its text.
pub const JSON: Target =
    Target { name: "capdl_json", run: json, memory: 4 << 20, memory_per_byte: 256, mutations: 300, seeds: jsons };

/// The target of the image.
pub const IMAGE: Target = Target {
    name: "loader_image",
    run: image,
    memory: 4 << 20,
    memory_per_byte: 256,
    mutations: 300,
    seeds: images,
};

fn json(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let mut json = match Json::parse(text.to_owned()) {
        Ok(json) => json,
        Err(error) => return assert!(error.message.contains(" line "), "no place: {error}"),
    };
    let spec = json.spec().expect("it was read before");
    if let Some(lowerings) = judge(&spec) {
        json.lower(&lowerings).unwrap_or_else(|error| panic!("{error}"));
        assert_minimal(&json.spec().expect("it reads back"));
    }
}

fn image(input: &[u8]) {
    let mut image = match Image::parse(input.to_vec()) {
        Ok(image) => image,
        Err(error) => return assert!(!error.help.is_empty(), "no way out: {error}"),
    };
    let spec = image.spec().expect("it was read before");
    if let Some(lowerings) = judge(&spec) {
        image.lower(&lowerings).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(image.bytes().len(), input.len());
        let hardened = Image::parse(image.bytes().to_vec()).expect("it reads back");
        assert_minimal(&hardened.spec().expect("it was read before"));
    }
}

/// The system the specifications are of.
fn declared() -> &'static System {
    static SYSTEM: OnceLock<System> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        let file = "build/tests/built/one-of-each.system";
        System::parse(Path::new(file), &repository::text(file)).unwrap_or_else(|errors| panic!("{errors}"))
    })
}

/// What is to be lowered, if what was built is understood.
fn judge(spec: &Spec) -> Option<Vec<Lowering>> {
    let built = Built::of(spec, declared()).ok()?;
    let made = Made { built: &built, declared: declared() };
    check_built(Path::new("image"), Path::new("system"), &made, None, &mut Waivers::default());
    Some(built.lowerings().into_iter().map(|(_, lowering)| lowering).collect())
}

fn assert_minimal(spec: &Spec) {
    let built = Built::of(spec, declared()).expect("only rights have changed");
    assert_eq!(built.lowerings(), [], "hardened once is hardened");
}

fn stock() -> String {
    repository::text("build/tests/built/one-of-each.json")
}

fn jsons() -> Vec<Vec<u8>> {
    vec![stock().into_bytes()]
}

fn images() -> Vec<Vec<u8>> {
    let spec = Json::parse(stock()).and_then(|json| json.spec()).unwrap_or_else(|error| panic!("{error}"));
    vec![image_of(&spec)]
}

//! Judges a Microkit system description with nothing but this crate and the reader of descriptions:
//!
//!     cargo run -p totebox-check --example judge -- FILE.system

#![allow(clippy::disallowed_macros, reason = "a program of a few lines")]

use std::path::Path;
use std::process::ExitCode;

use totebox_check::{Finding, Waivers, check};
use totebox_sdf::System;
use totebox_shown::{Lines, ShowPath, Shown};

fn main() -> ExitCode {
    let Some(file) = std::env::args_os().nth(1) else {
        eprintln!("usage: judge FILE.system");
        return ExitCode::from(2);
    };
    let file = Path::new(&file);
    let read = std::fs::read_to_string(file).map_err(|error| error.to_string());
    let system = match read.and_then(|xml| System::parse(file, &xml).map_err(|errors| errors.to_string())) {
        Ok(system) => system,
        Err(error) => {
            eprintln!("{}: {}", file.shown(), Lines(error));
            return ExitCode::from(2);
        }
    };
    let report = check(file, &system, None, &mut Waivers::default());
    for Finding { rule, line, column, message, help, .. } in &report.findings {
        println!("{line}:{column}: {rule}: {}\n    {}", Shown(message), Shown(help));
    }
    ExitCode::from(u8::from(report.findings.iter().any(Finding::counts)))
}

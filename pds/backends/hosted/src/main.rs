//! The hosted backend with the programs of the appliance.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    totebox_hosted::main(&totebox_hosted::PROGRAMS)
}

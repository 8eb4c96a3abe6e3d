//! The hosted backend with one program more: the taken-over archive, for tests.

use std::process::ExitCode;

use totebox_hosted::{PROGRAMS, Program};
use totebox_hostile::Hostile;

fn main() -> ExitCode {
    let hostile: Program = |world| Ok(Box::new(Hostile::new(&world.manifest, world.mapped)?));
    let programs: Vec<(&str, Program)> = PROGRAMS.into_iter().chain([("hostile", hostile)]).collect();
    totebox_hosted::main(&programs)
}

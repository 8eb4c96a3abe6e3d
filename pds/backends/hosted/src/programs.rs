//! The programs of the appliance.

use totebox_manifest::ROLES;

use crate::world::{Program, World};

/// The appliance's programs, by the names of their roles.
pub const PROGRAMS: [(&str, Program); ROLES.len()] = {
    let program: Program = |world: &mut World| totebox_programs::domain(&{ world.manifest }, world.mapped, world);
    let mut programs = [("", program); ROLES.len()];
    let mut i = 0;
    while i < ROLES.len() {
        programs[i].0 = ROLES[i].name;
        i += 1;
    }
    programs
};

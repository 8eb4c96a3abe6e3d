//! The programs of the appliance.

use totebox_pds::archive::Archive;
use totebox_pds::auditor::Auditor;
use totebox_pds::clock::Clock;
use totebox_pds::console::Console;
use totebox_pds::orchestrator::Orchestrator;
use totebox_pds::vault::Vault;

use crate::world::Program;

/// The appliance's programs, as `program_image` names them.
pub const PROGRAMS: &[(&str, Program)] = &[
    ("archive.elf", |world| Ok(Box::new(Archive::new(&world.manifest, world.mapped)?))),
    ("console.elf", |world| {
        let uart = world.uart()?;
        Ok(Box::new(Console::new(&world.manifest, world.mapped, uart)?))
    }),
    ("clock.elf", |world| {
        let ticker = world.ticker()?;
        Ok(Box::new(Clock::new(&world.manifest, world.mapped, ticker)?))
    }),
    ("vault.elf", |world| {
        let disk = world.disk()?;
        Ok(Box::new(Vault::new(&world.manifest, world.mapped, disk)?))
    }),
    ("auditor.elf", |world| Ok(Box::new(Auditor::new(&world.manifest, world.mapped)?))),
    ("orchestrator.elf", |world| Ok(Box::new(Orchestrator::new(&world.manifest, world.mapped)?))),
];

//! The programs of the appliance.

use totebox_archive::Archive;
use totebox_auditor::Auditor;
use totebox_clock::Clock;
use totebox_console::Console;
use totebox_orchestrator::Orchestrator;
use totebox_vault::Vault;

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

//! The hosted backend: runs a system description on Linux, one process per protection domain (PD). For
//! development; **not a security boundary**: the kernel below has not been proved, and processes of one
//! user can reach each other in ways no system description names.
//!
//! A supervisor reads the description (`plan`), makes its regions (`region`) and channels, starts itself
//! once more for each PD and grants each process what is its own (`supervisor`, `control`). The process maps
//! its regions (`mapping`), builds its domain from its manifest (`world`) and drives it (`process`). A PD
//! that faults is reported to its parent (`fault`). All PDs die with the supervisor.
//!
//! What Microkit does and this does not: priorities, budgets and periods; device and DMA memory, for which
//! hosted devices stand in (`device`); resuming a PD that has faulted, since its process is gone. A stop is
//! on its way, not yet done, when `Kernel::stop` returns.

#![deny(unsafe_code)]

mod arguments;
mod control;
mod device;
mod fault;
mod mapping;
mod plan;
mod process;
mod programs;
mod region;
mod supervisor;
mod world;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use rustix::fs::Mode;
use rustix::process::umask;

pub use device::{FileDisk, SocketUart, SystemTicker};
pub use programs::PROGRAMS;
pub use world::{Program, World};

use arguments::Arguments;
use plan::Plan;
use supervisor::{Outside, Supervisor};

/// The first argument of a PD's process; its name and program follow.
const PD_ARGUMENT: &str = "--pd";

/// The backend with these programs; `program_image` names them with `.elf` after their name. To be called first thing
/// in a program's `main`; it reads the program's arguments.
pub fn main(programs: &[(&str, Program)]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, name, program] = &arguments[..]
        && first == PD_ARGUMENT
    {
        return exit_code(name, find(programs, program).and_then(|program| process::run(name, program)));
    }
    // The line's socket is its owner's alone.
    umask(Mode::RWXG | Mode::RWXO);
    exit_code("totebox-hosted", supervise(programs, &Arguments::parse()))
}

fn exit_code(name: &str, result: Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn find(programs: &[(&str, Program)], wanted: &str) -> Result<Program> {
    let found = programs.iter().find(|(name, _)| wanted.strip_suffix(".elf") == Some(name));
    found.map(|(_, program)| *program).with_context(|| {
        let known: Vec<&str> = programs.iter().map(|(name, _)| *name).collect();
        format!("no program is called '{wanted}'; this backend has {}", known.join(", "))
    })
}

/// Runs the system until it is killed or its line is gone for good.
fn supervise(programs: &[(&str, Program)], arguments: &Arguments) -> Result<()> {
    eprintln!("hosted backend: for development; not a security boundary");
    let plan = read_plan(&arguments.system)?;
    for pd in &plan.pds {
        find(programs, &pd.program).with_context(|| format!("cannot start '{}'", pd.name))?;
    }
    let disk = arguments.open_disk()?;
    let line = arguments.open_line()?;
    Supervisor::start(&plan, &arguments.manifests, Outside { disk, line })?.watch()
}

fn read_plan(file: &Path) -> Result<Plan> {
    let xml = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    Ok(Plan::new(file, &totebox_sdf::System::parse(file, &xml)?)?)
}

//! Totebox as a store: archives behind the vault, over a disk image.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use totebox_deployment::Deployment;
use totebox_disk::{Image, Pinned, Report, verify};
use totebox_tests::sim::deployment;

use crate::console::Console;
use crate::orchestrator::Orchestrator;
use crate::rig::Rig;
use crate::store::Store;

/// What all deployments have.
const HEAD: &str = r#"
[deployment]
name = "bench"
id = "b1b2b3b4b5b6b7b8b9babbbcbdbebfc0"
board = "qemu_virt_aarch64"

[audit]
volume = "32 MiB"
period = "off"
full_every = 1

"#;

/// How large a deployment is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Archives.
    pub archives: usize,
    /// The volume of each, in MiB.
    pub mib: u64,
}

/// A machine that is in service.
pub struct Appliance {
    /// How large it is.
    pub shape: Shape,
    image: PathBuf,
    rig: Rig,
    console: Console,
    orchestrator: Orchestrator,
    depth: u64,
}

impl Appliance {
    /// A new one, which has `depth` batches under way at a time.
    pub fn new(image: PathBuf, shape: Shape, depth: u64) -> Result<Appliance> {
        shape.deployment().create_disk(&image)?;
        prewrite(&image)?;
        Appliance::start(image, shape, depth)
    }

    /// Switches one on, with the disk it had.
    pub fn start(image: PathBuf, shape: Shape, depth: u64) -> Result<Appliance> {
        let file = OpenOptions::new().read(true).write(true).open(&image)?;
        let mut rig = Rig::new(&shape.deployment(), file)?;
        rig.wait_until_active()?;
        let console = Console::new(&rig.world)?;
        let orchestrator = Orchestrator::new(&rig.world)?;
        Ok(Appliance { shape, image, rig, console, orchestrator, depth })
    }

    /// Has the auditor verify an archive's volume. The records it found.
    pub fn audit(&mut self, volume: u8) -> Result<u64> {
        self.orchestrator.audit(&mut self.rig, volume)
    }
}

/// `totebox disk verify` of a disk; the records there are.
pub fn verify_disk(image: &Path, deployment: &Deployment) -> Result<u64> {
    let image = Image::open(image, Some(deployment))?;
    let kept = Pinned::default();
    let volumes = image.volumes.iter().map(|volume| verify(&image, volume, &kept, |_, _| ())).collect();
    let report = Report::new(&image, volumes);
    ensure!(report.clean, "the disk is not clean:\n{report}");
    Ok(report.volumes.iter().map(|volume| volume.documents).sum())
}

impl Store for Appliance {
    fn name(&self) -> String {
        match self.depth {
            1 => "Totebox, waiting for each batch".to_owned(),
            _ => format!("Totebox {}", env!("CARGO_PKG_VERSION")),
        }
    }

    fn append(&mut self, count: u64, batch: u64) -> Result<()> {
        self.console.submit(&mut self.rig, count, batch, self.depth)
    }

    fn flushes(&self) -> Option<u64> {
        Some(self.rig.flushes())
    }

    fn reopen(&mut self) -> Result<()> {
        Ok(())
    }

    fn verify(&mut self) -> Result<u64> {
        verify_disk(&self.image, &self.shape.deployment())
    }

    fn files(&self) -> PathBuf {
        self.image.clone()
    }
}

impl Shape {
    /// The deployment.
    pub fn deployment(self) -> Deployment {
        deployment(&self.text())
    }

    /// The deployment, as `totebox.toml` has it.
    pub fn text(self) -> String {
        let Shape { archives, mib } = self;
        let disk = archives as u64 * mib + 64;
        let archive = |number| {
            format!("[[archive]]\nname = \"archive-{number}\"\nsize = \"{mib} MiB\"\non_mismatch = \"flag\"\n")
        };
        let archives: String = (1..=archives).map(archive).collect();
        format!("{HEAD}[disk]\nsize = \"{disk} MiB\"\n{archives}")
    }
}

/// Writes every byte of a sparse file, as a disk has a place for each.
fn prewrite(path: &Path) -> Result<()> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    let size = file.metadata()?.len();
    let mut chunk = vec![0; 1 << 20];
    for at in (0..size).step_by(chunk.len()) {
        let len = chunk.len().min((size - at) as usize);
        file.read_exact_at(&mut chunk[..len], at).context("the disk image became shorter")?;
        file.write_all_at(&chunk[..len], at)?;
    }
    Ok(file.sync_all()?)
}

//! The regions of this process: mapped where the system description says, with the rights it gives.
//! The one module that maps memory.
#![allow(unsafe_code)]

use std::os::fd::BorrowedFd;

use anyhow::{Context, Result, ensure};
use rustix::fs::{SealFlags, fcntl_get_seals};
use rustix::mm::{MapFlags, ProtFlags, mmap};
use totebox_manifest::{Manifest, Region};
use totebox_shm::Mapped;

use crate::control::Access;

/// What is mapped, for the rest of the program.
#[derive(Debug, Default)]
pub struct Mappings(Vec<Mapping>);

#[derive(Debug)]
struct Mapping {
    vaddr: u64,
    size: u64,
    access: Access,
}

impl Mappings {
    /// Maps `size` bytes of `memory` at `vaddr`. Fails if something is there already.
    pub fn map(&mut self, memory: BorrowedFd, vaddr: u64, size: u64, access: Access) -> Result<()> {
        let sealed = fcntl_get_seals(memory)?;
        let protection = match access {
            Access::Write => ProtFlags::READ | ProtFlags::WRITE,
            Access::Read => ProtFlags::READ,
            Access::Constant => {
                ensure!(sealed.contains(SealFlags::WRITE), "a constant region is not sealed");
                ProtFlags::READ
            }
        };
        let address = std::ptr::without_provenance_mut(usize::try_from(vaddr)?);
        let flags = MapFlags::SHARED | MapFlags::FIXED_NOREPLACE;
        // SAFETY: FIXED_NOREPLACE maps fresh addresses only, so no memory in use changes.
        let mapped = unsafe { mmap(address, usize::try_from(size)?, protection, flags, memory, 0) }
            .with_context(|| format!("cannot map {size:#x} bytes at {vaddr:#x}"))?;
        // Kernels before 4.17 take the address for a hint.
        ensure!(mapped.expose_provenance() as u64 == vaddr, "{vaddr:#x} is not free in this process");
        self.0.push(Mapping { vaddr, size, access });
        Ok(())
    }

    pub fn constant(&self, vaddr: u64, size: u64) -> Option<&'static [u8]> {
        let wanted = |m: &&Mapping| m.vaddr == vaddr && m.size == size && m.access == Access::Constant;
        let mapping = self.0.iter().find(wanted)?;
        let start = std::ptr::with_exposed_provenance(mapping.vaddr as usize);
        // SAFETY: mapped readable in this size for the rest of the program (nothing here unmaps), and
        // `map` has seen the seal that keeps everyone from ever writing it.
        Some(unsafe { std::slice::from_raw_parts(start, mapping.size as usize) })
    }

    /// Proof that the regions of the manifest's links and its key are mapped as it says.
    pub fn prove(&self, manifest: &Manifest) -> Result<Mapped> {
        for link in manifest.links() {
            self.check(link.mine, true)?;
            self.check(link.theirs, false)?;
        }
        self.check(manifest.header().signing_key, false)?;
        // SAFETY: just checked; mappings last for the rest of the program, they start on a page, and this
        // program has no other access to them: only `constant` regions become slices, which no link names
        // as `mine`, and which nobody writes.
        Ok(unsafe { Mapped::assert() })
    }

    fn check(&self, region: Region, writable: bool) -> Result<()> {
        let (vaddr, size) = (region.vaddr.get(), region.size.get());
        if size == 0 {
            return Ok(());
        }
        let holds = |m: &Mapping| {
            let inside = vaddr >= m.vaddr && size <= m.size && vaddr - m.vaddr <= m.size - size;
            inside && (!writable || m.access == Access::Write)
        };
        let right = if writable { "writable" } else { "readable" };
        ensure!(
            self.0.iter().any(holds),
            "the manifest has a {right} region of {size:#x} bytes at {vaddr:#x}, the system description does not: \
             they are of different deployments"
        );
        Ok(())
    }
}

//! The specification in a finished image: what the Microkit loader puts into memory when the machine starts.
//!
//! An image is the loader's program, and behind it a header, a table of regions, and the regions' bytes:
//! first the kernel's, then the initialiser's. The initialiser's last region is its own table of program
//! headers, one of which says where the specification is. The image is taken for one only if all of that
//! fits to the byte, and if the header is the one the loader at the image's first byte goes by.

use std::ops::Range;

use rkyv::rancor;
use rkyv::util::AlignedVec;
use zerocopy::byteorder::little_endian::U64;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::elf::ProgramHeader;
use crate::spec::{ArchivedCap, ArchivedObject, ArchivedRights, ArchivedSpec, Rights};
use crate::{Error, Lowering, Place, Spec};

/// How the header begins, on a 64-bit machine.
pub(crate) const MAGIC: u64 = 0x5e14_dead_14de_5ead;
/// Most bytes of a loader: its code, page tables, and a stack for each core. Those for QEMU have 52 KiB.
const LOADER_MAX: usize = 1 << 20;
/// Loaders are linked to a multiple of this, on every board of Microkit 2.3.0.
const LINK_ALIGNMENT: u64 = 1 << 24;
/// The type of a region the loader copies.
pub(crate) const COPIED: u64 = 1;
/// The type of the program header that describes the table it stands in.
pub(crate) const PT_PHDR: u32 = 6;
/// The type of the program header of the specification.
pub(crate) const PT_SEL4_CAPDL_SPEC: u32 = 0x64c3_4003;

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Header {
    magic: U64,
    /// Bytes of the header, the table and the regions.
    size: U64,
    kernel_entry: U64,
    initialiser_start: U64,
    initialiser_end: U64,
    /// The initialiser's physical addresses less its virtual ones.
    pv_offset: U64,
    initialiser_entry: U64,
    regions: U64,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Region {
    load_addr: U64,
    size: U64,
    /// From the end of the table.
    offset: U64,
    kind: U64,
}

/// A finished image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    bytes: Vec<u8>,
    spec: Range<usize>,
    /// The content of the domains' frames, which stands between the specification and the table.
    frames: Range<usize>,
    initialiser_start: u64,
}

impl Image {
    pub fn parse(bytes: Vec<u8>) -> Result<Image, Error> {
        let Found { spec, frames, initialiser_start } = find(&bytes)?;
        let image = Image { bytes, spec, frames, initialiser_start };
        image.spec()?;
        Ok(image)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What an image has that no SDK has: its specification, and the content of its frames.
    pub(crate) fn own(&self) -> [&[u8]; 2] {
        [&self.spec, &self.frames].map(|range| &self.bytes[range.clone()])
    }

    /// The physical address the initialiser is put at.
    pub(crate) fn initialiser_start(&self) -> u64 {
        self.initialiser_start
    }

    pub fn spec(&self) -> Result<Spec, Error> {
        rkyv::from_bytes::<Spec, rancor::Error>(&self.archive()).map_err(|error| self.not_a_spec(error))
    }

    /// Lowers rights in the image. Only the bytes that say these rights change.
    pub fn lower(&mut self, lowerings: &[Lowering]) -> Result<(), Error> {
        let expected = self.spec()?.lowered(lowerings)?;
        let archive = self.archive();
        let spec =
            rkyv::access::<ArchivedSpec, rancor::Error>(&archive).map_err(|error| self.not_a_spec(error))?;
        let mut changes = Vec::new();
        for &Lowering { place, rights: Rights { read, write, grant, grant_reply } } in lowerings {
            let Some(old) = rights(spec, place) else { continue };
            let fields = [(&old.read, read), (&old.write, write), (&old.grant, grant)];
            for (field, value) in fields.into_iter().chain([(&old.grant_reply, grant_reply)]) {
                // Where in the archive the field lies.
                let at = std::ptr::from_ref(field).addr() - archive.as_ptr().addr();
                changes.push((self.spec.start + at, value));
            }
        }
        for (at, value) in changes {
            self.bytes[at] = u8::from(value);
        }
        if self.spec()? == expected {
            return Ok(());
        }
        Err(Error::new(
            "the image does not read back as it was to be written",
            "this is a mistake of the program: please report it; nothing has been written",
        ))
    }

    /// The archive, aligned as it is in memory when the machine runs.
    fn archive(&self) -> AlignedVec {
        let mut archive = AlignedVec::new();
        archive.extend_from_slice(&self.bytes[self.spec.clone()]);
        archive
    }

    fn not_a_spec(&self, error: rancor::Error) -> Error {
        Error::new(
            format!(
                "the capDL specification at bytes {:#x} to {:#x} cannot be read: {error}",
                self.spec.start, self.spec.end
            ),
            "it must be as Microkit 2.3.0 writes it; build the image anew",
        )
    }
}

/// The rights of the capability at a place.
fn rights(spec: &ArchivedSpec, place: Place) -> Option<&ArchivedRights> {
    let object = &spec.objects.get(usize::try_from(place.object).ok()?)?.object;
    let slots = match object {
        ArchivedObject::CNode(object) => &object.slots,
        ArchivedObject::Tcb(object) => &object.slots,
        ArchivedObject::Irq(object) => &object.slots,
        ArchivedObject::ArmIrq(object) => &object.slots,
        ArchivedObject::IrqMsi(object) => &object.slots,
        ArchivedObject::IrqIOApic(object) => &object.slots,
        ArchivedObject::RiscvIrq(object) => &object.slots,
        _ => return None,
    };
    match &slots.get(place.entry)?.cap {
        ArchivedCap::Endpoint(cap) | ArchivedCap::Notification(cap) => Some(&cap.rights),
        _ => None,
    }
}

/// What was found of an image.
struct Found {
    spec: Range<usize>,
    frames: Range<usize>,
    initialiser_start: u64,
}

/// Where in an image the specification lies.
fn find(bytes: &[u8]) -> Result<Found, Error> {
    const HELP: &str = "give the image the Microkit tool wrote with -o, for AArch64 or RISC-V, in its binary form";
    let is_elf = bytes.starts_with(b"\x7fELF");
    let is_uimage = bytes.starts_with(&0x2705_1956_u32.to_be_bytes());
    if is_elf || is_uimage {
        let what = if is_elf { "an ELF file" } else { "a U-Boot image" };
        return Err(Error::new(format!("it is {what}, not a loader image"), HELP));
    }
    let headers = bytes.windows(8).enumerate().filter(|(_, window)| *window == MAGIC.to_le_bytes());
    // The loader's own code has the magic number too, to compare with.
    let mut found = headers.filter_map(|(at, _)| Some((at, regions(bytes.get(at..)?)?)));
    let Some((at, (header, regions))) = found.next() else {
        return Err(Error::new(
            "it is no loader image: there is no header whose regions fill it to its end",
            HELP,
        ));
    };
    if at > LOADER_MAX || !goes_by(&bytes[..at]) {
        return Err(Error::new(
            format!("the {at} bytes before its header are no loader that goes by that header"),
            "what stands in front is what boots: take the image as the Microkit tool wrote it",
        ));
    }
    let table = at + size_of::<Header>() + size_of_val(regions);
    let file = |region: &Region| {
        let start = table + region.offset.get() as usize;
        start..start + region.size.get() as usize
    };
    // From the last, since the table of program headers was put behind everything else.
    for (index, region) in regions.iter().enumerate().rev() {
        let vaddr = region.load_addr.get().wrapping_sub(header.pv_offset.get());
        let Ok(headers) = <[ProgramHeader]>::ref_from_bytes(&bytes[file(region)]) else { continue };
        let itself = |header: &&ProgramHeader| header.kind == PT_PHDR;
        let of_itself = headers.iter().find(itself);
        if of_itself.is_none_or(|table| (table.vaddr.get(), table.filesz) != (vaddr, region.size)) {
            continue;
        }
        let spec = headers.iter().find(|header| header.kind == PT_SEL4_CAPDL_SPEC).and_then(|spec| {
            let load_addr = spec.vaddr.get().wrapping_add(header.pv_offset.get());
            regions.iter().find(|region| region.load_addr == load_addr && region.size == spec.filesz)
        });
        if let Some(spec) = spec {
            let frames = index.checked_sub(1).map_or(0..0, |before| file(&regions[before]));
            let initialiser_start = header.initialiser_start.get();
            return Ok(Found { spec: file(spec), frames, initialiser_start });
        }
    }
    Err(Error::new(
        "its initialiser has no program header for a capDL specification",
        "it must be built by Microkit 2.3.0, whose initialiser finds its specification by one",
    ))
}

/// Whether a loader goes by a header that comes right behind it: it has the header's address among its data. A loader
/// with something before it has not, since it is linked to where it is put.
fn goes_by(loader: &[u8]) -> bool {
    let (words, _) = loader.as_chunks::<8>();
    let bases = words.iter().map(|word| u64::from_le_bytes(*word).wrapping_sub(loader.len() as u64));
    bases.into_iter().any(|base| base != 0 && base.is_multiple_of(LINK_ALIGNMENT) && base >> 48 == 0)
}

/// The header that bytes begin with and its regions, if they fill the bytes to the end.
fn regions(bytes: &[u8]) -> Option<(&Header, &[Region])> {
    let (header, rest) = Header::ref_from_prefix(bytes).ok()?;
    if header.size != bytes.len() as u64 {
        return None;
    }
    let count = usize::try_from(header.regions.get()).ok()?;
    let (regions, data) = <[Region]>::ref_from_prefix_with_elems(rest, count).ok()?;
    let mut end = 0_u64;
    for region in regions {
        if region.offset != end || region.kind != COPIED {
            return None;
        }
        end = end.checked_add(region.size.get())?;
    }
    (end == data.len() as u64).then_some((header, regions))
}

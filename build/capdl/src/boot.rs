//! What boots before the specification is carried out: the loader, the kernel and the initialiser. An image is put
//! together again from an SDK's, around what only the image has (the specification and the frames' content), as the
//! Microkit tool does it (2.3.0: `loader.rs` and `capdl/initialiser.rs`). It must be that to the byte.

use zerocopy::IntoBytes;
use zerocopy::byteorder::little_endian::{U32, U64};

use crate::Error;
use crate::elf::{Elf, PT_LOAD, ProgramHeader};
use crate::image::{COPIED, Header, Image, MAGIC, PT_PHDR, PT_SEL4_CAPDL_SPEC, Region};

/// The type of the program header of the frames' content.
const PT_SEL4_CAPDL_FRAME_DATA: u32 = 0x64c3_4004;
const PAGE: u64 = 4096;
/// AArch64's, in an ELF file.
const EM_AARCH64: u16 = 183;
/// A segment that can be read, and nothing else.
const PF_R: u32 = 4;

/// What the Microkit tool puts an image together from: the files of one board and configuration of an SDK.
pub struct Programs {
    loader: Elf,
    kernel: Elf,
    initialiser: Elf,
}

/// Where an image is not what the tool makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In the image.
    pub at: usize,
    pub part: &'static str,
}

/// An image as the tool makes it.
pub(crate) struct Made {
    /// What it is made of, in order, each with its name.
    pub parts: Vec<(&'static str, Vec<u8>)>,
    /// Whether loader, kernel and initialiser are at places of their own in memory.
    is_apart: bool,
}

impl Programs {
    /// From the files `loader.elf`, `sel4.elf` and `initialiser.elf`.
    pub fn parse(loader: &[u8], kernel: &[u8], initialiser: &[u8]) -> Result<Programs, Error> {
        Ok(Programs {
            loader: Elf::parse(loader)?,
            kernel: Elf::parse(kernel)?,
            initialiser: Elf::parse(initialiser)?,
        })
    }

    /// Where an image first differs from what the tool makes of these programs; `None` if it is that.
    pub fn first_difference(&self, image: &Image) -> Result<Option<Difference>, Error> {
        let [spec, frames] = image.own();
        let made = self.put_together(image.initialiser_start(), spec, frames).ok_or_else(|| {
            Error::new(
                "the SDK's programs are not as this tool knows them",
                "it knows Microkit 2.3.0 on AArch64; say with --sdk where that is",
            )
        })?;
        let mut at = 0;
        for (part, expected) in &made.parts {
            let found = image.bytes().get(at..).unwrap_or_default();
            let same = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
            if same < expected.len() {
                return Ok(Some(Difference { at: at + same, part }));
            }
            at += expected.len();
        }
        let header = made.parts.first().map_or(0, |(_, loader)| loader.len());
        Ok(match (at < image.bytes().len(), made.is_apart) {
            (true, _) => Some(Difference { at, part: "end" }),
            (false, false) => Some(Difference { at: header, part: "loader's header" }),
            (false, true) => None,
        })
    }

    /// The image, with the initialiser at a physical address. `None` if the programs are not such as the tool takes.
    pub(crate) fn put_together(&self, start: u64, spec: &[u8], frames: &[u8]) -> Option<Made> {
        let loader = self.loader()?;
        let lowest = self.initialiser.segments.iter().map(|segment| segment.vaddr).min()?;
        let pv_offset = start.wrapping_sub(lowest);
        let mut regions: Vec<(&'static str, u64, Vec<u8>)> = Vec::new();
        regions
            .extend(self.kernel.segments.iter().map(|segment| ("kernel", segment.paddr, segment.bytes.clone())));
        let kernels = regions.len();

        // Behind the initialiser's own come the specification, the frames, and the table that says where they are.
        let mut headers: Vec<ProgramHeader> = Vec::new();
        let mut end = 0;
        for segment in &self.initialiser.segments {
            headers.push(program_header(PT_LOAD, segment.flags, segment.vaddr, segment.bytes.len()));
            end = end.max(segment.end());
        }
        let mut behind = |size: usize| -> Option<u64> {
            let at = end.checked_add(PAGE)? & !(PAGE - 1);
            end = at.checked_add(size as u64)?;
            Some(at)
        };
        let spec_at = behind(spec.len())?;
        let frames_at = behind(frames.len())?;
        let table_size = (headers.len() + 6) * size_of::<ProgramHeader>();
        let table_at = behind(table_size)?;
        for (kind, at, size) in
            [(PT_SEL4_CAPDL_SPEC, spec_at, spec.len()), (PT_SEL4_CAPDL_FRAME_DATA, frames_at, frames.len())]
        {
            headers.extend([PT_LOAD, kind].map(|kind| program_header(kind, PF_R, at, size)));
        }
        headers.extend([PT_PHDR, PT_LOAD].map(|kind| program_header(kind, PF_R, table_at, table_size)));

        let mut initialiser = self.initialiser.clone();
        initialiser.write(initialiser.symbol("sel4_phdrs_patched__vaddr")?, &table_at.to_le_bytes())?;
        let count = u16::try_from(headers.len()).ok()?;
        initialiser.write(initialiser.symbol("sel4_phdrs_patched__phnum")?, &count.to_le_bytes())?;
        let segments = initialiser.segments.into_iter().filter(|segment| !segment.bytes.is_empty());
        regions.extend(segments.map(|s| ("initialiser", s.vaddr.wrapping_add(pv_offset), s.bytes)));
        regions.push(("specification", spec_at.wrapping_add(pv_offset), spec.to_vec()));
        regions.push(("frames' content", frames_at.wrapping_add(pv_offset), frames.to_vec()));
        let table = headers.as_bytes().to_vec();
        regions.push(("table of the initialiser's parts", table_at.wrapping_add(pv_offset), table));

        let initialiser_end = start.checked_add(end.checked_next_multiple_of(PAGE)? - lowest)?;
        let mut taken = vec![(self.loader.entry, loader.len() as u64), (start, initialiser_end - start)];
        taken.extend(regions[..kernels].iter().map(|(_, at, bytes)| (*at, bytes.len() as u64)));
        let is_apart = are_apart(taken);

        let mut table = Vec::new();
        let mut offset = 0;
        for (_, load_addr, bytes) in &regions {
            let size = bytes.len() as u64;
            let region = [*load_addr, size, offset, COPIED].map(U64::new);
            table.extend(region);
            offset += size;
        }
        let size = (size_of::<Header>() + regions.len() * size_of::<Region>()) as u64 + offset;
        let header = [
            MAGIC,
            size,
            self.kernel.entry,
            start,
            initialiser_end,
            pv_offset,
            self.initialiser.entry,
            regions.len() as u64,
        ];
        let mut header: Vec<U64> = header.map(U64::new).to_vec();
        header.extend(table);
        let mut parts = vec![("loader", loader), ("loader's header", header.as_bytes().to_vec())];
        parts.extend(regions.into_iter().map(|(part, _, bytes)| (part, bytes)));
        Some(Made { parts, is_apart })
    }

    /// The loader with the page tables the tool writes into it, which map the kernel.
    fn loader(&self) -> Option<Vec<u8>> {
        let mut loader = self.loader.clone();
        let is_as_known = loader.machine == EM_AARCH64 && loader.segments.first()?.vaddr == loader.entry;
        if !is_as_known {
            return None;
        }
        for (address, page) in self.page_tables()? {
            let page: Vec<u8> = page.into_iter().flat_map(u64::to_le_bytes).collect();
            loader.write(address, &page)?;
        }
        Some(loader.segments.swap_remove(0).bytes)
    }

    /// AArch64's, each with its address.
    fn page_tables(&self) -> Option<[(u64, [u64; 512]); 6]> {
        let index = |address: u64, shift: u32| (address >> shift) as usize % 512;
        let table = |address: u64| address | 0b11;
        // A block that was accessed. Devices' are shared with all, the kernel's with the other cores.
        let block = |shift: u32, address: u64| (address >> shift << shift) | 1 << 10 | 0b01;
        let device = |shift: u32, address: u64| block(shift, address) | 0b10 << 8;
        let normal = |shift: u32, address: u64| block(shift, address) | 0b11 << 8 | 4 << 2;
        let at = |name: &str| self.loader.symbol(name);
        let lower = [at("boot_lvl0_lower")?, at("boot_lvl1_lower")?, at("boot_lvl2_lower")?];
        let upper = [at("boot_lvl0_upper")?, at("boot_lvl1_upper")?, at("boot_lvl2_upper")?];
        let (start, end) = (at("_loader_start")?, at("_loader_end")?);
        let kernel_vaddr = self.kernel.segments.iter().map(|segment| segment.vaddr).min()?;
        let kernel_paddr = self.kernel.segments.iter().map(|segment| segment.paddr).min()?;

        let [mut lower0, mut lower1, mut lower2, mut upper0, mut upper1, mut upper2] = [[0_u64; 512]; 6];
        lower0[0] = table(lower[1]);
        if let Some(uart) = at("uart_addr") {
            let uart = self.loader.word(uart)?;
            lower1[index(uart, 30)] = device(30, uart);
        }
        lower1[index(start, 30)] = table(lower[2]);
        let first = index(start, 21);
        for (entry, number) in lower2.get_mut(first..=index(end, 21))?.iter_mut().zip(0..) {
            *entry = device(21, start + (number << 21));
        }
        if at("cpus_release_addr").is_some() {
            lower2[0] = device(21, 0);
        }
        lower0[index(kernel_vaddr, 39)] = table(upper[1]);
        upper0[index(kernel_vaddr, 39)] = table(upper[1]);
        upper1[index(kernel_vaddr, 30)] = table(upper[2]);
        for (entry, number) in upper2[index(kernel_vaddr, 21)..].iter_mut().zip(0..) {
            *entry = normal(21, kernel_paddr.checked_add(number << 21)?);
        }
        let [lower_at, upper_at] = [lower, upper];
        Some([
            (lower_at[0], lower0),
            (lower_at[1], lower1),
            (lower_at[2], lower2),
            (upper_at[0], upper0),
            (upper_at[1], upper1),
            (upper_at[2], upper2),
        ])
    }
}

fn program_header(kind: u32, flags: u32, vaddr: u64, size: usize) -> ProgramHeader {
    let (vaddr, size) = (U64::new(vaddr), U64::new(size as u64));
    ProgramHeader {
        kind: U32::new(kind),
        flags: U32::new(flags),
        offset: U64::ZERO,
        vaddr,
        paddr: vaddr,
        filesz: size,
        memsz: size,
        align: U64::ZERO,
    }
}

/// Whether no two of these pieces of memory, by address and size, have a byte in common.
fn are_apart(mut pieces: Vec<(u64, u64)>) -> bool {
    pieces.sort_unstable();
    pieces.windows(2).all(|pair| pair[0].0.checked_add(pair[0].1).is_some_and(|end| end <= pair[1].0))
}

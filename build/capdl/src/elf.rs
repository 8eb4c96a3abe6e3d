//! The programs of an SDK: of an ELF file, what is put into memory, and where its symbols are.

use std::collections::BTreeMap;

use zerocopy::byteorder::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::Error;

/// Most bytes a program takes in memory: twenty times Microkit's largest, the kernel.
const MEMORY_MAX: u64 = 64 << 20;
/// The type of a segment that is put into memory.
pub const PT_LOAD: u32 = 1;
/// The type of a section of symbols.
const SHT_SYMTAB: u32 = 2;

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct FileHeader {
    /// The magic number, 64 bits, little-endian.
    ident: [u8; 16],
    kind: U16,
    machine: U16,
    version: U32,
    entry: U64,
    phoff: U64,
    shoff: U64,
    flags: U32,
    ehsize: U16,
    phentsize: U16,
    phnum: U16,
    shentsize: U16,
    shnum: U16,
    shstrndx: U16,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Clone, Copy)]
#[repr(C)]
pub struct ProgramHeader {
    pub kind: U32,
    pub flags: U32,
    pub offset: U64,
    pub vaddr: U64,
    pub paddr: U64,
    pub filesz: U64,
    pub memsz: U64,
    pub align: U64,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct SectionHeader {
    name: U32,
    kind: U32,
    flags: U64,
    addr: U64,
    offset: U64,
    size: U64,
    link: U32,
    info: U32,
    align: U64,
    entsize: U64,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Symbol {
    name: U32,
    info: u8,
    other: u8,
    section: U16,
    value: U64,
    size: U64,
}

/// A program.
#[derive(Clone)]
pub struct Elf {
    pub machine: u16,
    pub entry: u64,
    /// In the order of the file.
    pub segments: Vec<Segment>,
    symbols: BTreeMap<Vec<u8>, u64>,
}

/// What is put into memory in one piece.
#[derive(Clone)]
pub struct Segment {
    pub vaddr: u64,
    pub paddr: u64,
    pub flags: u32,
    /// With the zeros behind what the file has.
    pub bytes: Vec<u8>,
}

impl Segment {
    pub fn end(&self) -> u64 {
        self.vaddr + self.bytes.len() as u64
    }
}

impl Elf {
    pub fn parse(bytes: &[u8]) -> Result<Elf, Error> {
        read(bytes).ok_or_else(|| {
            Error::new("it is no ELF file of 64 bits that can be read whole", "install the Microkit SDK anew")
        })
    }

    /// The address of a symbol.
    pub fn symbol(&self, name: &str) -> Option<u64> {
        self.symbols.get(name.as_bytes()).copied()
    }

    /// Changes bytes where they are in memory. `None` if nothing is there.
    pub fn write(&mut self, address: u64, new: &[u8]) -> Option<()> {
        let segment = self.segments.iter_mut().find(|s| s.vaddr <= address && address < s.end())?;
        let at = usize::try_from(address - segment.vaddr).ok()?;
        segment.bytes.get_mut(at..)?.get_mut(..new.len())?.copy_from_slice(new);
        Some(())
    }

    /// The eight bytes at an address, as a number.
    pub fn word(&self, address: u64) -> Option<u64> {
        let segment = self.segments.iter().find(|s| s.vaddr <= address && address < s.end())?;
        let word = segment.bytes.get(usize::try_from(address - segment.vaddr).ok()?..)?.first_chunk()?;
        Some(u64::from_le_bytes(*word))
    }
}

fn read(bytes: &[u8]) -> Option<Elf> {
    let (header, _) = FileHeader::ref_from_prefix(bytes).ok()?;
    if !header.ident.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let within = |offset: U64, size: u64| bytes.get(range(offset.get(), size)?);
    let headers = |offset: U64, count: U16, size: usize| within(offset, u64::from(count.get()) * size as u64);
    let programs = headers(header.phoff, header.phnum, size_of::<ProgramHeader>())?;
    let mut segments = Vec::new();
    let mut memory = 0_u64;
    for program in <[ProgramHeader]>::ref_from_bytes(programs).ok()?.iter().filter(|p| p.kind == PT_LOAD) {
        memory = memory.checked_add(program.memsz.get()).filter(|&all| all <= MEMORY_MAX)?;
        program.vaddr.get().checked_add(program.memsz.get())?;
        let mut content = within(program.offset, program.filesz.get())?.to_vec();
        if content.len() as u64 > program.memsz.get() {
            return None;
        }
        content.resize(usize::try_from(program.memsz.get()).ok()?, 0);
        let (vaddr, paddr, flags) = (program.vaddr.get(), program.paddr.get(), program.flags.get());
        segments.push(Segment { vaddr, paddr, flags, bytes: content });
    }
    let sections = headers(header.shoff, header.shnum, size_of::<SectionHeader>())?;
    let sections = <[SectionHeader]>::ref_from_bytes(sections).ok()?;
    let mut symbols = BTreeMap::new();
    for table in sections.iter().filter(|section| section.kind == SHT_SYMTAB) {
        let names = sections.get(usize::try_from(table.link.get()).ok()?)?;
        let names = within(names.offset, names.size.get())?;
        for symbol in <[Symbol]>::ref_from_bytes(within(table.offset, table.size.get())?).ok()? {
            let name = names.get(usize::try_from(symbol.name.get()).ok()?..)?.split(|&byte| byte == 0).next()?;
            symbols.insert(name.to_vec(), symbol.value.get());
        }
    }
    Some(Elf { machine: header.machine.get(), entry: header.entry.get(), segments, symbols })
}

fn range(offset: u64, size: u64) -> Option<std::ops::Range<usize>> {
    let end = offset.checked_add(size)?;
    Some(usize::try_from(offset).ok()?..usize::try_from(end).ok()?)
}

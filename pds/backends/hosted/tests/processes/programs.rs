//! The programs of the test system: a driver that passes commands from its line to children and their
//! answers back, and children that do what they are told, also what they should not.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mprotect};
use totebox_domain::device::{BlockDevice, Operation, Uart};
use totebox_domain::{Channel, ChannelSet, Child, Domain, Fault, Kernel};
use totebox_hosted::{FileDisk, Program, SocketUart};
use totebox_manifest::{Link, LinkKind, Role};
use totebox_programs::Devices as _;
use totebox_shm::{PageReader, PageWriter};

pub const PROGRAMS: &[(&str, Program)] = &[
    ("driver", |world| {
        let link = |link: &Link| {
            let orders = PageWriter::new(world.mapped, link.mine).unwrap();
            (orders, PageReader::new(world.mapped, link.theirs).unwrap())
        };
        let children = world.manifest.links().iter().map(link).collect();
        Ok(Box::new(Driver { children, line: world.uart()?, command: None }))
    }),
    ("child", |world| {
        let link = world.manifest.link(Role::Orchestrator, 0, LinkKind::Page).unwrap();
        let orders = PageReader::new(world.mapped, link.theirs).unwrap();
        let answers = PageWriter::new(world.mapped, link.mine).unwrap();
        let disk = world.disk()?;
        Ok(Box::new(Obedient {
            orders,
            answers,
            theirs: link.theirs.vaddr.get(),
            disk,
            submitted: 0,
            completed: Vec::new(),
        }))
    }),
];

type Text = [u8; 512];

/// Takes commands of two bytes: what, and to which child. `s` stop, `r` resume; anything else is the
/// child's order.
struct Driver {
    children: Vec<(PageWriter<u8>, PageReader<Text>)>,
    line: SocketUart,
    command: Option<u8>,
}

impl Driver {
    fn say(&mut self, text: String) {
        assert_eq!(self.line.transmit(format!("{text}\n").as_bytes()), text.len() + 1, "the test does not read");
    }

    fn obey(&mut self, kernel: &mut dyn Kernel, command: u8, child: u8) {
        match command {
            b's' => kernel.stop(Child(child)),
            b'r' => kernel.resume(Child(child)),
            order => {
                self.children[usize::from(child)].0.publish(&order);
                kernel.notify(Channel(child));
            }
        }
    }
}

impl Domain for Driver {
    fn start(&mut self, _: &mut dyn Kernel) {
        self.say("started".into());
    }

    fn notified(&mut self, kernel: &mut dyn Kernel, from: ChannelSet) {
        for child in 0..self.children.len() {
            let mut text = [0; _];
            if from.contains(Channel(child as u8)) && self.children[child].1.read(&mut text) {
                let text = String::from_utf8_lossy(&text).trim_end_matches('\0').to_owned();
                self.say(format!("{child} {text}"));
            }
        }
        self.line.acknowledge();
        let mut byte = [0];
        while self.line.receive(&mut byte) == 1 {
            match self.command.take() {
                Some(command) => self.obey(kernel, command, byte[0] - b'0'),
                None => self.command = Some(byte[0]),
            }
        }
        if self.line.hung_up() {
            self.command = None;
        }
    }

    fn fault(&mut self, _: &mut dyn Kernel, Child(child): Child, fault: Fault) {
        self.say(format!("{child} faulted {:?} {:#x}", fault.kind, fault.address));
    }
}

/// Does what its orders say and answers in a text.
struct Obedient {
    orders: PageReader<u8>,
    answers: PageWriter<Text>,
    /// Where its orders are mapped.
    theirs: u64,
    disk: FileDisk,
    /// Operations the disk has taken.
    submitted: usize,
    /// Operations it has completed: their buffers and whether they went well.
    completed: Vec<(usize, bool)>,
}

impl Obedient {
    fn say(&mut self, kernel: &mut dyn Kernel, text: &str) {
        let mut page = [0; 512];
        page[..text.len()].copy_from_slice(text.as_bytes());
        self.answers.publish(&page);
        kernel.notify(Channel(0));
    }

    fn obey(&mut self, kernel: &mut dyn Kernel, order: u8) {
        let answer = match order {
            b'c' => "is called back".into(),
            b'p' => std::process::id().to_string(),
            b'f' => descriptors(),
            b'b' => break_in(self.theirs),
            b'm' => {
                wild_write(self.theirs + 8);
                "wrote into memory it may only read".into()
            }
            b'w' => {
                wild_write(0x1000);
                "wrote where nothing is mapped".into()
            }
            b'a' => panic!("told to"),
            b'o' => format!("{} levels of stack", overflow(0)),
            b'x' => std::process::exit(0),
            b'd' => {
                self.disk.buffer(1)[..4096].fill(b'D');
                let write = self.disk.submit(1, Operation::Write { block: 1, blocks: 1 });
                let read = self.disk.submit(0, Operation::Read { block: 0, blocks: 1 });
                self.submitted = usize::from(write.is_ok()) + usize::from(read.is_ok());
                if self.submitted > 0 {
                    return;
                }
                format!("no transfer, {} blocks", self.disk.capacity())
            }
            _ => panic!("an order that does not exist"),
        };
        self.say(kernel, &answer);
    }
}

impl Domain for Obedient {
    fn start(&mut self, _: &mut dyn Kernel) {}

    fn notified(&mut self, kernel: &mut dyn Kernel, from: ChannelSet) {
        let mut order = 0;
        if from.contains(Channel(0)) && self.orders.read(&mut order) {
            self.obey(kernel, order);
        }
        if from.contains(Channel(60)) {
            self.disk.acknowledge();
            while let Some((index, result)) = self.disk.completed() {
                self.completed.push((index, result.is_ok()));
            }
            if self.completed.len() == self.submitted {
                self.completed.sort_unstable();
                let read = char::from(self.disk.buffer(0)[0]);
                let text = format!("transfers {:?}, read {read:?}", self.completed);
                self.say(kernel, &text);
            }
        }
    }
}

/// What this process has open beside its standard streams.
fn descriptors() -> String {
    let mut open = Vec::new();
    for entry in fs::read_dir("/proc/self/fd").unwrap() {
        let path = entry.unwrap().path();
        let number: u32 = path.file_name().unwrap().to_string_lossy().parse().unwrap();
        if number > 2 {
            // `anon_inode:[eventfd]`, `socket:[4711]`, or a file's path
            let target = fs::read_link(path).unwrap().to_string_lossy().into_owned();
            let kind = target.trim_start_matches("anon_inode:[").trim_end_matches(']');
            let kind = kind.split(':').next().unwrap().rsplit('/').next().unwrap();
            open.push(kind.to_owned());
        }
    }
    open.sort();
    open.join(" ")
}

/// Tries every way this process has to write a region it may only read; says how each ended.
fn break_in(vaddr: u64) -> String {
    let address = vaddr as *mut core::ffi::c_void;
    // SAFETY: only changes the rights of a mapping, and must fail.
    let rights = unsafe { mprotect(address, 0x1000, MprotectFlags::READ | MprotectFlags::WRITE) };
    let path = format!("/proc/self/map_files/{vaddr:x}-{:x}", vaddr + 0x1000);
    let reopened = OpenOptions::new().read(true).write(true).open(path);
    let (write, map) = match &reopened {
        Ok(memory) => {
            let protection = ProtFlags::READ | ProtFlags::WRITE;
            // SAFETY: a new mapping, which must fail.
            let map = unsafe { mmap(std::ptr::null_mut(), 0x1000, protection, MapFlags::SHARED, memory, 0) };
            (memory.write_at(b"x", 0).is_err(), map.is_err())
        }
        // A user without privileges cannot even reopen it.
        Err(_) => (true, true),
    };
    let own_memory = OpenOptions::new().write(true).open("/proc/self/mem").unwrap().write_at(b"x", vaddr);
    format!("refused: rights {}, write {write}, map {map}, memory {}", rights.is_err(), own_memory.is_err())
}

fn wild_write(address: u64) {
    // SAFETY: not safe at all; the process must be stopped for it.
    unsafe { (address as *mut u8).write_volatile(1) };
}

#[expect(unconditional_recursion, reason = "it is to overflow the stack")]
fn overflow(depth: u64) -> u64 {
    let page = std::hint::black_box([depth; 512]);
    overflow(depth + 1) + page[depth as usize % 512]
}

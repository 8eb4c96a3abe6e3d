//! Board files: everything that can be wrong with one is said at once with its place, one file is all that another
//! board takes, and what it says is compared with a Microkit SDK.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::with_archives;
use tempfile::TempDir;
use totebox_deployment::Deployment;
use totebox_deployment::board::Board;
use totebox_manifest::{DRIVERS, DeviceKind, Driver, Manifest};
use totebox_shown::ShowPath;

const QEMU: &str = include_str!("../boards/qemu_virt_aarch64.toml");

/// A board file with one part of it replaced.
fn board(part: &str, by: &str) -> String {
    assert_eq!(QEMU.matches(part).count(), 1, "{part}");
    QEMU.replace(part, by)
}

fn problems(text: &str) -> String {
    Board::parse(Path::new("my-board.toml"), text.to_owned()).expect_err(text).to_string()
}

/// The line, from 1, that begins with a text.
fn line(text: &str, start: &str) -> usize {
    text.lines().position(|line| line.starts_with(start)).unwrap() + 1
}

/// A message with the names of the drivers there are.
fn named(message: &str) -> String {
    let names = |kind| Driver::of(kind).map(|driver| driver.name).collect::<Vec<_>>().join(", ");
    message.replace("UART", &names(DeviceKind::Uart)).replace("DISK", &names(DeviceKind::Disk))
}

const UART: &str = "driver = \"pl011\"\npage = 0x0900_0000\nirq = 33";
const RTC: &str = "driver = \"pl031\"\npage = 0x0901_0000";
const TIMER: &str = "driver = \"arm-generic\"\nirq = 30";
const DISK: &str = "driver = \"virtio-mmio\"\npage = 0x0a00_3000\noffset = 0xe00\nirq = 79";
const MEMORY: &str = "start = 0x6000_0000\nsize = \"1536 MiB\"\nreserved = \"96 MiB\"";

#[test]
fn each_problem_says_where_what_and_the_way_out() {
    // Table, what stands in it instead of one of the parts above, line of it from the table's, and what is said.
    let cases = [
        (
            "[uart]",
            UART,
            "page = 0x0900_0000\nirq = 33",
            "0:1: [uart] lacks the key `driver`",
            "for example: driver = \"pl011\"",
        ),
        (
            "[uart]",
            UART,
            "driver = 5\npage = 0x0900_0000\nirq = 33",
            "1:10: `driver` is an integer; expected text in quotes",
            "",
        ),
        (
            "[uart]",
            UART,
            "driver = \"16550\"\npage = 0x0900_0000\nirq = 33",
            "1:10: `driver` is \"16550\"; expected one of the drivers for it: UART",
            "for example: driver = \"pl011\"",
        ),
        (
            "[disk]",
            DISK,
            "driver = \"pl011\"\npage = 0x0a00_3000\nirq = 79",
            "1:10: `driver` is \"pl011\"; expected one of the drivers for it: DISK",
            "for example: driver = \"virtio-mmio\"",
        ),
        (
            "[uart]",
            UART,
            "driver = \"pl011\"\nirq = 33",
            "0:1: [uart] lacks the key `page`",
            "for example: page = 0x0900_0000",
        ),
        (
            "[uart]",
            UART,
            "driver = \"pl011\"\npage = \"0x0900_0000\"\nirq = 33",
            "2:8: `page` is not a physical address, of at most 48 bits",
            "for example: page = 0x0900_0000",
        ),
        (
            "[uart]",
            UART,
            "driver = \"pl011\"\npage = 0x1_0000_0000_0000\nirq = 33",
            "2:8: `page` is not a physical address, of at most 48 bits",
            "for example: page = 0x0900_0000",
        ),
        (
            "[uart]",
            UART,
            "driver = \"pl011\"\npage = 0x0900_0010\nirq = 33",
            "2:8: `page` is 0x9000010, which is not the address of a page",
            "write page = 0x9000000 and offset = 0x10",
        ),
        (
            "[uart]",
            UART,
            "driver = \"pl011\"\npage = 0x0900_0000\noffset = 4\nirq = 33",
            "3:10: `offset` is not 0, and the registers of \"pl011\" fill the page",
            "for example: offset = 0",
        ),
        (
            "[disk]",
            DISK,
            "driver = \"virtio-mmio\"\npage = 0x0a00_3000\noffset = 0xe04\nirq = 79",
            "3:10: `offset` is not a multiple of 4 from 0 to 0xe00: so the registers of \"virtio-mmio\" end in the page",
            "for example: offset = 0",
        ),
        (
            "[uart]",
            UART,
            "driver = \"pl011\"\npage = 0x0900_0000",
            "0:1: [uart] lacks the key `irq`",
            "for example: irq = 33",
        ),
        (
            "[uart]",
            UART,
            "driver = \"pl011\"\npage = 0x0900_0000\nirq = 30",
            "3:7: `irq` is not the number of an interrupt of the board's, from 32 to 1019",
            "for example: irq = 33",
        ),
        (
            "[timer]",
            TIMER,
            "driver = \"arm-generic\"\nirq = 33",
            "2:7: `irq` is not the number of an interrupt of the CPU's own, from 16 to 31",
            "for example: irq = 30",
        ),
        (
            "[timer]",
            TIMER,
            "driver = \"arm-generic\"\nirq = 30\npage = 0x0902_0000",
            "3:1: unknown key `page` in [timer]",
            "known here: driver, irq",
        ),
        (
            "[rtc]",
            RTC,
            "driver = \"pl031\"\npage = 0x0901_0000\nspeed = 5",
            "3:1: unknown key `speed` in [rtc]",
            "known here: driver, page, offset",
        ),
        (
            "[rtc]",
            RTC,
            "driver = \"pl031\"\npage = 0x0900_0000",
            "2:8: [rtc] and [uart] have the same page, 0x9000000",
            "a page is one domain's: no device can share it with another",
        ),
        (
            "[uart]",
            UART,
            "driver = \"pl011\"\npage = 0x0900_0000\nirq = 79",
            "3:7: [uart] and [disk] have the same interrupt, 79",
            "an interrupt is one device's: look up the number of each",
        ),
        (
            "[rtc]",
            RTC,
            "driver = \"pl031\"\npage = 0x6000_1000",
            "2:8: the page of [rtc], 0x60001000, is in the memory, 0x60000000 to 0xc0000000",
            "write the address of the device, or mend [memory]",
        ),
        (
            "[memory]",
            MEMORY,
            "start = 0x6000_0800\nsize = \"1536 MiB\"\nreserved = \"96 MiB\"",
            "1:9: `start` is 0x60000800, which is not the address of a page",
            "write start = 0x60000000 or 0x60001000",
        ),
        (
            "[memory]",
            MEMORY,
            "start = 0x6000_0000\nsize = \"1537 KiB\"\nreserved = \"96 KiB\"",
            "2:8: `size` is 1537 KiB, which is not a whole number of 4 KiB pages",
            "write \"1540 KiB\"",
        ),
        (
            "[memory]",
            MEMORY,
            "start = 0x6000_0000\nsize = \"0 MiB\"\nreserved = \"96 KiB\"",
            "2:8: `size` is 0 MiB, which is not a whole number of 4 KiB pages",
            "write \"4 KiB\"",
        ),
        (
            "[memory]",
            MEMORY,
            "start = 0x8000_0000_0000\nsize = \"256 TiB\"\nreserved = \"96 MiB\"",
            "2:8: memory of 256 TiB from 0x800000000000 on ends beyond every address",
            "write \"128 TiB\" or less",
        ),
        (
            "[memory]",
            MEMORY,
            "start = 0x6000_0000\nsize = \"96 MiB\"\nreserved = \"96 MiB\"",
            "3:12: 96 MiB are reserved of 96 MiB, which leaves nothing",
            "reserve less: kernel objects, loader and initialiser take about 96 MiB",
        ),
        (
            "[memory]",
            MEMORY,
            "start = 0x6000_0000\nsize = 1536\nreserved = \"96 MiB\"",
            "2:8: `size` is an integer; expected text in quotes",
            "",
        ),
    ];
    let mut wrong = Vec::new();
    for (table, part, by, expected, help) in cases {
        let (offset, expected) = expected.split_once(':').unwrap();
        let line = line(QEMU, table) + offset.parse::<usize>().unwrap();
        let help = if help.is_empty() { String::new() } else { format!("\n    {help}") };
        let expected = named(&format!("my-board.toml:{line}:{expected}{help}"));
        let found = problems(&board(part, by));
        if found != expected {
            wrong.push(format!("found:    {found}\nexpected: {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_emulators_command_is_a_list_of_words_with_known_blanks() {
    let (hardware, _) = QEMU.split_once("[qemu]").unwrap();
    let found = |command: &str| problems(&format!("{hardware}[qemu]\n{command}\n"));
    let at = line(QEMU, "[qemu]");
    let example = "command = [\"qemu-system-aarch64\", \"-serial\", \"{serial}\"]";
    assert_eq!(
        found(""),
        format!("my-board.toml:{at}:1: [qemu] lacks the key `command`\n    for example: {example}")
    );
    let place = format!("my-board.toml:{}", at + 1);
    assert_eq!(
        found("command = \"qemu\""),
        format!("{place}:11: `command` is a string; expected a list of texts in quotes")
    );
    assert_eq!(
        found("command = [\"qemu\", 5]"),
        format!("{place}:20: `command` is an integer; expected texts in quotes alone")
    );
    let empty = format!("my-board.toml:{at}:1: the `command` of [qemu] is empty\n    for example: {example}");
    assert_eq!(found("command = []"), empty);
    let unknown = "nothing is known to fill in for {imgae}\n    known: {image}, {disk}, {serial}";
    assert_eq!(found("command = [\"qemu\", \"file={imgae}\"]"), format!("{place}:20: {unknown}"));
    // Braces of a shell or of JSON are no blanks.
    let command = "command = [\"sh\", \"-c\", \"x() { y; }; echo ${x} '{\\\"a\\\":1}' {serial}\"]";
    let board = Board::parse(Path::new("b.toml"), format!("{hardware}[qemu]\n{command}\n")).unwrap();
    let words = board.qemu.unwrap().command(Path::new("i"), Path::new("d"), "stdio");
    assert_eq!(words[2], "x() { y; }; echo ${x} '{\"a\":1}' stdio");
    let bare = Board::parse(Path::new("b.toml"), hardware.to_owned()).unwrap();
    assert!(bare.qemu.is_none());
}

#[test]
fn all_problems_are_reported_in_one_go_as_those_of_the_board_file() {
    let directory = TempDir::new().unwrap();
    let text = QEMU
        .replace("reserved = \"96 MiB\"", "reserved = 96")
        .replace("driver = \"pl011\"", "driver = \"uart\"")
        .replace("page = 0x0901_0000", "page = 0x0901_0001")
        .replace("irq = 79", "irq = 7\ncolour = \"red\"");
    fs::write(directory.path().join("mine.toml"), text).unwrap();
    let deployment = with_archives(1)
        .replace("board = \"qemu_virt_aarch64\"", "board = \"./mine.toml\"")
        .replace("full_every = 4", "full = 4");
    fs::write(directory.path().join("totebox.toml"), deployment).unwrap();
    let (code, out, said) = totebox(&directory, Path::new("no-sdk"), &["system"]);
    assert_eq!((code, out.as_str()), (2, ""));
    let places: Vec<String> = said.lines().filter(|line| line.contains(".toml:")).map(str::to_owned).collect();
    let expected = [
        "./mine.toml:9:12: `reserved` is an integer; expected text in quotes",
        "./mine.toml:13:10: `driver` is \"uart\"; expected one of the drivers for it: UART",
        "./mine.toml:20:8: `page` is 0x9010001, which is not the address of a page",
        "./mine.toml:33:7: `irq` is not the number of an interrupt of the board's, from 32 to 1019",
        "./mine.toml:34:1: unknown key `colour` in [disk]",
        "totebox.toml:14:1: unknown key `full` in [audit]",
    ];
    assert_eq!(places, expected.map(named), "{said}");
}

#[test]
fn a_board_is_called_as_its_file() {
    let parse = |file: &str| Board::parse(Path::new(file), QEMU.to_owned());
    assert_eq!(parse("x/my-board_2.toml").unwrap().name, "my-board_2");
    for name in ["my--board", "my board", "b\u{fc}rett", ".toml"] {
        let said = parse(&format!("{name}.toml")).unwrap_err().0[0].message.clone();
        assert!(said.starts_with("a board cannot be called \""), "{said}");
    }
    let named = Board::parse(Path::new("b.toml"), format!("microkit = \"a_board\"\n{QEMU}")).unwrap();
    assert_eq!((named.name.as_str(), named.microkit.as_str()), ("b", "a_board"));
    let file = directory_with("b.toml", QEMU);
    let missing = with_archives(1).replace("\"qemu_virt_aarch64\"", "\"boards/b.toml\"");
    let error = Deployment::parse(&file.path().join("totebox.toml"), &missing).unwrap_err().to_string();
    assert!(
        error.contains("6:9: the board \"boards/b.toml\" cannot be used: it cannot be read: No such file"),
        "{error}"
    );
    assert!(error.contains("known: qemu_virt_aarch64"), "{error}");
}

/// A deployment's folder on a board of its own, whose file is all that is added: another slot for the disk, other
/// memory.
fn on_a_board_of_its_own() -> TempDir {
    let text = QEMU
        .replace("page = 0x0a00_3000\noffset = 0xe00\nirq = 79", "page = 0x0a00_1000\noffset = 0x200\nirq = 57")
        .replace("size = \"1536 MiB\"", "size = \"1 GiB\"");
    let directory = directory_with("my-board.toml", &format!("microkit = \"qemu_virt_aarch64\"\n{text}"));
    let deployment = with_archives(2).replace("\"qemu_virt_aarch64\"", "\"./my-board.toml\"");
    fs::write(directory.path().join("totebox.toml"), deployment).unwrap();
    directory
}

#[test]
fn a_board_with_drivers_that_exist_is_one_file() {
    let directory = on_a_board_of_its_own();
    let run = |arguments: &[&str]| {
        let (code, out, said) = totebox(&directory, Path::new("no-sdk"), arguments);
        assert_eq!(code, 0, "{arguments:?}\n{out}{said}");
        out
    };
    run(&["keys", "--make"]);
    run(&["system", "--manifests", "manifests"]);
    let xml = fs::read_to_string(directory.path().join("system.xml")).unwrap();
    assert!(xml.contains("on the board my-board."), "{xml}");
    assert!(xml.contains(r#"phys_addr="0xa001000""#) && xml.contains(r#"<irq irq="57""#), "{xml}");
    assert!(run(&["check"]).contains("rules hold"));
    assert_eq!(fs::read_to_string(directory.path().join("manifests/board")).unwrap(), "qemu_virt_aarch64\n");
    let vault = fs::read(directory.path().join("manifests/vault.manifest")).unwrap();
    let disk = *Manifest::parse(&vault).unwrap().device(DeviceKind::Disk).unwrap();
    assert_eq!(disk.region.vaddr.get() % 0x1000, 0x200);
}

#[test]
fn a_manifest_carries_the_driver_the_board_names() {
    let deployment = Deployment::load(on_a_board_of_its_own().path()).unwrap();
    let manifests = deployment.manifests();
    let device = |domain: &str, kind: DeviceKind| {
        let bytes = &manifests.iter().find(|(pd, _)| pd == domain).unwrap().1;
        *Manifest::parse(bytes).unwrap().device(kind).unwrap()
    };
    let expected = [
        ("vault", DeviceKind::Disk, "virtio-mmio"),
        ("console", DeviceKind::Uart, "pl011"),
        ("clock", DeviceKind::Rtc, "pl031"),
        ("clock", DeviceKind::Timer, "arm-generic"),
    ];
    for (domain, kind, name) in expected {
        assert_eq!(Driver::numbered(device(domain, kind).driver).unwrap().name, name);
    }
    assert_eq!(device("vault", DeviceKind::DmaMemory).driver, 0);
}

#[test]
fn drivers_are_named_in_the_documentation() {
    let text = include_str!("../../docs/deployment.md");
    for driver in DRIVERS {
        let row = format!("| `[{}]` | `{}` |", driver.kind.name(), driver.name);
        assert!(text.contains(&row), "docs/deployment.md has no row {row}");
    }
}

#[test]
fn a_board_is_compared_with_the_sdk() {
    let directory = on_a_board_of_its_own();
    let sdk = TempDir::new().unwrap();
    let system = || totebox(&directory, sdk.path(), &["system"]);
    let (code, out, _) = system();
    assert_eq!(code, 0);
    let without = format!(
        "the board my-board was not compared with an SDK: there is no Microkit SDK in {} (",
        sdk.path().shown()
    );
    assert!(out.contains(&without), "{out}");

    fs::create_dir_all(sdk.path().join("board/other/debug")).unwrap();
    let (code, _, said) = system();
    assert_eq!(code, 2);
    assert!(
        said.contains("./my-board.toml:1:12: the Microkit SDK has no board \"qemu_virt_aarch64\"\n"),
        "{said}"
    );
    assert!(
        said.contains("name the one that this is, as microkit = \"NAME\" in the first lines; it has: other"),
        "{said}"
    );

    for config in ["debug", "release"] {
        fs::create_dir_all(sdk.path().join("board/qemu_virt_aarch64").join(config)).unwrap();
    }
    assert!(system().2.contains("has a platform_gen.json"));
    let says = |platform: &str| {
        for config in ["debug", "release"] {
            let file = format!("board/qemu_virt_aarch64/{config}/platform_gen.json");
            fs::write(sdk.path().join(file), platform).unwrap();
        }
        system()
    };
    // What the SDK says of this board, with its numbers: RAM from 0x60000000 to 0xc0000000, and the kernel's interrupt
    // controller at 0x8000000.
    let devices = "{\"start\": 0, \"end\": 134217728}, {\"start\": 134418432, \"end\": 1610612736}";
    let memory = "{\"start\": 1610612736, \"end\": 3221225472}";
    let platform = |devices: &str, memory: &str| format!("{{\"devices\": [{devices}], \"memory\": [{memory}]}}");
    let (code, out, _) = says(&platform(devices, memory));
    assert_eq!(code, 0);
    assert!(out.contains("the board my-board is one of the Microkit SDK in "), "{out}");

    // Each is said once, although two configurations say it.
    let (code, _, said) =
        says(&platform("{\"start\": 0, \"end\": 150999040}", "{\"start\": 1610612736, \"end\": 2147483648}"));
    assert_eq!(code, 2);
    let expected = [
        "./my-board.toml:8:9: 0x60000000 to 0xa0000000 is not all memory on \"qemu_virt_aarch64\", by the Microkit SDK",
        "./my-board.toml:21:8: the page of [rtc], 0x9010000, can be no driver's on \"qemu_virt_aarch64\", by the Microkit SDK",
        "./my-board.toml:32:8: the page of [disk], 0xa001000, can be no driver's on \"qemu_virt_aarch64\", by the Microkit SDK",
    ];
    let found: Vec<&str> = said.lines().filter(|line| line.starts_with("./my-board")).collect();
    assert_eq!(found, expected, "{said}");
    assert!(said.contains("    write a part of start = 0x60000000 and size = \"512 MiB\"\n"), "{said}");
    assert!(said.contains("    devices can be at 0x0 to 0x9001000"), "{said}");

    let all = "{\"start\": 0, \"end\": 3221225472}";
    let (code, _, said) = says(&platform(all, all));
    assert_eq!(code, 2);
    assert!(
        said.contains("the page of [uart], 0x9000000, is memory on \"qemu_virt_aarch64\", by the Microkit SDK"),
        "{said}"
    );
    assert!(says("{\"devices\": 5}").2.contains("platform_gen.json"));
}

#[test]
fn no_text_makes_the_reader_panic() {
    let read = |text: &str| match Board::parse(Path::new("b.toml"), text.to_owned()) {
        Ok(board) => assert_eq!(board.devices.len(), 4),
        Err(problems) => assert!(!problems.0.is_empty() && problems.to_string().contains("b.toml:")),
    };
    let is_start = |at: &usize| QEMU.is_char_boundary(*at) && QEMU.is_char_boundary(at + 1);
    for at in (0..QEMU.len()).filter(is_start) {
        read(&QEMU[..at]);
        for by in ["\"", "[", "9", "\u{fffd}"] {
            read(&format!("{}{by}{}", &QEMU[..at], &QEMU[at + 1..]));
        }
    }
    for number in ["-1", "18446744073709551615", "18446744073709551616", "0xffff_ffff_f000", "1.5"] {
        for key in ["start", "page", "offset", "irq"] {
            let line = |line: &str| {
                if line.starts_with(key) { format!("{key} = {number}\n") } else { format!("{line}\n") }
            };
            read(&QEMU.lines().map(line).collect::<String>());
        }
    }
}

fn directory_with(name: &str, text: &str) -> TempDir {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join(name), text).unwrap();
    directory
}

/// Runs `totebox` in a directory, with an SDK: exit code, standard output, standard error.
fn totebox(directory: &TempDir, sdk: &Path, arguments: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_totebox"));
    let output = command.args(arguments).current_dir(directory.path()).env("MICROKIT_SDK", sdk).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

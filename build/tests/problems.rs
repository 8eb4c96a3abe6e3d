//! Every problem `totebox.toml` can have: where it is said to be, what is said, and the way out.

mod common;

use std::path::Path;

use common::with_archives;
use totebox_deployment::Deployment;
use totebox_manifest::ARCHIVES_MAX;

/// Lines of the file `with_archives(2)`.
const NAME: &str = "name = \"test\"";
const ID: &str = "id = \"00112233445566778899aabbccddeeff\"";
const BOARD: &str = "board = \"qemu_virt_aarch64\"";
const DISK: &str = "size = \"64 MiB\"";
const VOLUME: &str = "volume = \"1 MiB\"";
const PERIOD: &str = "period = \"15 min\"";
const FULL: &str = "full_every = 4";
/// Of its second archive, from line 22.
const LAST: &str = "name = \"a1\"\nsize = \"1 MiB\"\non_mismatch = \"flag\"\n";

fn problems(text: &str) -> String {
    let file = Path::new("totebox.toml");
    Deployment::parse(file, text).expect_err(text).to_string()
}

/// The file with one part of it replaced.
fn broken(part: &str, by: &str) -> String {
    let text = with_archives(2);
    assert_eq!(text.matches(part).count(), 1, "{part}");
    text.replace(part, by)
}

#[test]
fn each_problem_says_where_what_and_the_way_out() {
    let archive = |keys: &str| broken(LAST, keys);
    let cases = [
        (broken(NAME, "name = \"test"), "4:13: not TOML: invalid basic string, expected `\"`"),
        (broken(NAME, "name = \"a\"\nname = \"b\""), "5:1: not TOML: duplicate key"),
    ];
    for (text, expected) in cases {
        let found = problems(&text);
        let first = found.lines().find(|line| line.starts_with("totebox.toml:")).unwrap();
        assert_eq!(first, format!("totebox.toml:{expected}"), "{found}");
    }
    let cases = [
        (broken(NAME, ""), "3:1: [deployment] lacks the key `name`", "for example: name = \"my-archives\""),
        (broken(NAME, "name = 5"), "4:8: `name` is an integer; expected text in quotes", ""),
        (
            broken(NAME, "name = \"Test\""),
            "4:8: the deployment's name, \"Test\", cannot be used",
            "a name is a small letter, then small letters, digits and single `-` between them, at most 32 in all",
        ),
        (
            broken(ID, "id = \"0123\""),
            "5:6: `id` is \"0123\"; expected 32 hexadecimal digits",
            "for example: id = \"0123456789abcdef0123456789abcdef\"",
        ),
        (
            broken(ID, "id = \"+0112233445566778899aabbccddeeff\""),
            "5:6: `id` is \"+0112233445566778899aabbccddeeff\"; expected 32 hexadecimal digits",
            "for example: id = \"0123456789abcdef0123456789abcdef\"",
        ),
        (
            broken(BOARD, "board = \"toaster\""),
            "6:9: there is no board \"toaster\"",
            "known: qemu_virt_aarch64; a file boards/NAME.toml beside this one adds one",
        ),
        (
            broken(BOARD, "board = \"../x\""),
            "6:9: there is no board \"../x\"",
            "known: qemu_virt_aarch64; a file boards/NAME.toml beside this one adds one",
        ),
        (
            broken(NAME, "name = \"test\"\ncolour = \"red\""),
            "5:1: unknown key `colour` in [deployment]",
            "known here: name, id, board",
        ),
        (
            broken("# Another comment.", "[disks]\n"),
            "16:2: unknown key `disks` in this file",
            "known here: deployment, disk, audit, archive",
        ),
        (broken("[disk]\nsize = \"64 MiB\"\n", ""), "1:1: the table [disk] is missing", ""),
        (
            broken(DISK, "size = \"64 MB\""),
            "9:8: `size` is \"64 MB\"; expected a whole number of KiB, MiB, GiB or TiB",
            "for example: size = \"512 MiB\"",
        ),
        (
            broken(DISK, "size = \"65537 KiB\""),
            "9:8: the disk has 65537 KiB, which is not a whole number of MiB",
            "write \"65 MiB\"",
        ),
        (
            broken(DISK, "size = \"4 MiB\""),
            "9:8: the disk has 4 MiB, and the volumes and partition tables need 5 MiB: 1 MiB too little",
            "write size = \"5 MiB\", or make the volumes smaller by that much in all",
        ),
        (broken(VOLUME, ""), "11:1: [audit] lacks the key `volume`", "for example: volume = \"128 MiB\""),
        (
            broken(VOLUME, "volume = \"0 MiB\""),
            "12:10: the volume has 0 MiB; the smallest there can be has 1 MiB",
            "write \"1 MiB\", or anything from 1 MiB to 16 TiB",
        ),
        (
            broken(PERIOD, "period = \"often\""),
            "13:10: `period` is \"often\"; expected \"off\", or a whole number of s, min, h or days",
            "for example: period = \"15 min\"",
        ),
        (
            broken(FULL, "full_every = 0"),
            "14:14: `full_every` is not a whole number above 0",
            "for example: full_every = 10",
        ),
        (
            broken(FULL, "full_every = \"often\""),
            "14:14: `full_every` is not a whole number above 0",
            "for example: full_every = 10",
        ),
        (
            archive("size = \"1 MiB\"\non_mismatch = \"flag\"\n"),
            "23:1: [[archive]] lacks the key `name`",
            "for example: name = \"contracts\"",
        ),
        (
            archive("name = \"a1\"\non_mismatch = \"flag\"\n"),
            "23:1: [[archive]] lacks the key `size`",
            "for example: size = \"128 MiB\"",
        ),
        (
            archive("name = \"a1\"\nsize = \"1 MiB\"\n"),
            "23:1: [[archive]] lacks the key `on_mismatch`",
            "for example: on_mismatch = \"suspend\"",
        ),
        (
            archive("name = \"a1\"\nsize = \"1 MiB\"\non_mismatch = \"panic\"\n"),
            "26:15: `on_mismatch` is \"panic\"; expected \"suspend\" or \"flag\"",
            "for example: on_mismatch = \"suspend\"",
        ),
        (
            archive("name = \"a1\"\nsize = \"512 KiB\"\non_mismatch = \"flag\"\n"),
            "25:8: the volume has 512 KiB, which is not a whole number of MiB",
            "write \"1 MiB\"",
        ),
        (
            archive("name = \"a1\"\nsize = \"17 TiB\"\non_mismatch = \"flag\"\n"),
            "25:8: the volume has 17 TiB; the largest there can be has 16 TiB",
            "write \"16 TiB\", or anything from 1 MiB to 16 TiB",
        ),
        (
            archive("name = \"a1\"\nsize = \"1 MiB\"\nledger = \"128 KiB\"\non_mismatch = \"flag\"\n"),
            "26:10: a ledger has no size of its own: it shares the volume with the documents",
            "take this line out",
        ),
        (
            broken(VOLUME, "volume = \"1 MiB\"\nledger = \"704 KiB\""),
            "13:10: a ledger has no size of its own: it shares the volume with the documents",
            "take this line out",
        ),
        (
            archive("name = \"a1\"\nsize = \"1 MiB\"\non_mismatch = \"flag\"\ncpu = \"5\"\n"),
            "27:7: `cpu` is \"5\"; expected a share such as \"5 %\" or \"2.5 %\"",
            "for example: cpu = \"5 %\"",
        ),
        (
            archive("name = \"a1\"\nsize = \"1 MiB\"\non_mismatch = \"flag\"\ncpu = \"34.9 %\"\n")
                + "\n[[archive]]\nname = \"a2\"\nsize = \"1 MiB\"\non_mismatch = \"flag\"\n",
            "27:7: the CPU shares given are 34.9 % of 35 %, which leaves too little for 2 more",
            "give less, or leave `cpu` out to share equally; the least is 0.1 %",
        ),
        (
            broken("name = \"a0\"", "name = \"a0\"\ncpu = \"20 %\"")
                .replace(LAST, &format!("{LAST}cpu = \"20 %\"\n")),
            "28:7: the archives' CPU shares are 40 % in all; there is 35 %",
            "give less, or leave `cpu` out to share equally; the least is 0.1 %",
        ),
        (
            with_archives(0),
            "1:1: there is no [[archive]]",
            "a deployment has at least one: add [[archive]] with name, size and on_mismatch",
        ),
        (
            with_archives(1).replace("[[archive]]", "[archive]"),
            "18:1: `archive` is a table; expected tables, [[archive]]",
            "",
        ),
    ];
    let mut wrong = Vec::new();
    for (text, expected, help) in cases {
        let mut expected = format!("totebox.toml:{expected}");
        if !help.is_empty() {
            expected += &format!("\n    {help}");
        }
        let found = problems(&text);
        if found != expected {
            wrong.push(format!("found:    {found}\nexpected: {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_that_cannot_be_used_are_refused() {
    let called = |name: &str| problems(&broken("name = \"a1\"", &format!("name = \"{name}\"")));
    let rule =
        "a name is a small letter, then small letters, digits and single `-` between them, at most 24 in all";
    for name in ["", "Finance", "2024", "a_b", "a b", "-a", "a-", "a--b", "straße", "a-name-of-25-characters-x"] {
        let expected = format!("totebox.toml:24:8: the archive's name, \"{name}\", cannot be used\n    {rule}");
        assert_eq!(called(name), expected);
    }
    for name in ["orchestrator", "auditor", "vault", "console", "clock", "audit"] {
        let expected = format!(
            "totebox.toml:24:8: an archive cannot be called \"{name}\": the appliance uses that name\n    choose another name"
        );
        assert_eq!(called(name), expected);
    }
    assert_eq!(
        called("a0"),
        "totebox.toml:24:8: two archives are called \"a0\": [[archive]] 1 and 2\n    choose another name for one of them"
    );
    let usable =
        broken("name = \"a1\"", "name = \"a-name-of-24-characters-\"").replace("characters-", "characters");
    assert!(Deployment::parse(Path::new("totebox.toml"), &usable).is_ok());
}

#[test]
fn one_archive_more_than_the_largest_deployment_is_refused_and_the_largest_is_stated() {
    assert_eq!(ARCHIVES_MAX, 58);
    let found = problems(&with_archives(ARCHIVES_MAX + 1));
    // The 59th [[archive]], of five lines each from line 18.
    assert_eq!(
        found,
        "totebox.toml:308:1: 59 archives are too many: Microkit has 63 protection domains, and 5 of them are \
         no archives\n    58 is the most; leave out the last 1"
    );
}

#[test]
fn a_board_with_little_memory_bounds_the_archives() {
    let directory = tempfile::tempdir().unwrap();
    let board = include_str!("../boards/qemu_virt_aarch64.toml");
    let board = board.replace("size = \"1536 MiB\"", "size = \"136 MiB\"");
    std::fs::create_dir(directory.path().join("boards")).unwrap();
    std::fs::write(directory.path().join("boards/tiny.toml"), board).unwrap();
    let text = |archives| with_archives(archives).replace("qemu_virt_aarch64", "tiny");
    let file = directory.path().join("totebox.toml");
    let error = Deployment::parse(&file, &text(9)).unwrap_err();
    let [problem] = &error.0[..] else { panic!("{error}") };
    assert_eq!(problem.message, "9 archives are too many: the board tiny has 40 MiB of memory for them");
    assert_eq!(problem.help, "3 is the most; leave out the last 6");
    let fits = Deployment::parse(&file, &text(3)).unwrap();
    assert!(fits.system_xml().contains("There can be 3: the board tiny has 40 MiB of memory for them."));
}

#[test]
fn a_board_that_cannot_be_used_says_why() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::create_dir(directory.path().join("boards")).unwrap();
    let problem = |board: &str| {
        std::fs::write(directory.path().join("boards/mine.toml"), board).unwrap();
        let text = with_archives(1).replace("qemu_virt_aarch64", "mine");
        let error = Deployment::parse(&directory.path().join("totebox.toml"), &text).unwrap_err();
        error.0[0].clone()
    };
    let good = include_str!("../boards/qemu_virt_aarch64.toml");
    let found = problem(&good.replace("page = 0x0900_0000", "page = 0x0900_0010"));
    assert_eq!(found.message, "`page` is 0x9000010, which is not the address of a page");
    assert_eq!(found.help, "write page = 0x9000000 and offset = 0x10");
    let found = problem(&good.replace("driver = \"pl031\"", "driver = \"sundial\""));
    assert!(found.message.starts_with("`driver` is \"sundial\"; expected one of the drivers for it: pl031"));
    let found = problem(&good.replace("[timer]", "[metronome]"));
    assert_eq!(found.message, "the table [timer] is missing");
    assert_eq!(problem(&format!("{good}[metronome]\n")).message, "unknown key `metronome` in this file");
}

#[test]
fn all_problems_are_reported_in_one_go_and_in_the_order_of_the_file() {
    let text = with_archives(2)
        .replace(ID, "id = \"x\"")
        .replace(DISK, "size = \"64\"")
        .replace(FULL, "full = 4")
        .replace("name = \"a1\"", "name = \"vault\"\nsise = 4");
    let found = problems(&text);
    let places: Vec<&str> = found.lines().filter(|line| line.starts_with("totebox.toml:")).collect();
    assert_eq!(found.lines().next(), Some("5 problems:"));
    assert_eq!(
        places,
        [
            "totebox.toml:5:6: `id` is \"x\"; expected 32 hexadecimal digits",
            "totebox.toml:9:8: `size` is \"64\"; expected a whole number of KiB, MiB, GiB or TiB",
            "totebox.toml:14:1: unknown key `full` in [audit]",
            "totebox.toml:24:8: an archive cannot be called \"vault\": the appliance uses that name",
            "totebox.toml:25:1: unknown key `sise` in [[archive]]",
        ]
    );
}

#[test]
fn no_text_makes_the_reader_panic() {
    let file = Path::new("totebox.toml");
    let text = with_archives(1) + "cpu = \"2.5 %\"\n";
    let read = |text: &str| match Deployment::parse(file, text) {
        Ok(deployment) => assert!(!deployment.volumes.is_empty()),
        Err(problems) => assert!(!problems.0.is_empty() && problems.to_string().contains("totebox.toml:")),
    };
    for at in 0..text.len() {
        read(&text[..at]);
        for by in ["\"", "[", "9", "\u{fffd}"] {
            read(&format!("{}{by}{}", &text[..at], &text[at + 1..]));
        }
    }
    for size in ["18014398509481983 KiB", "0 KiB", "1048576 TiB"] {
        read(&text.replace("1 MiB", size));
        read(&text.replace("64 MiB", size));
        read(&text.replace("128 KiB", size));
    }
}

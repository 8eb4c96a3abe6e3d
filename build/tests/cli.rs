//! The commands as a person or a script sees them: what they print and how they exit.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use common::with_archives;
use totebox_deployment::Deployment;
use totebox_shown::Quoted;

/// Runs `totebox` in `directory`: exit code, standard output, standard error.
fn totebox(directory: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_totebox")).args(args).current_dir(directory).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_fresh_deployment_is_complete() {
    let directory = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| totebox(directory.path(), args);
    let (code, out, _) = run(&["new", "house", "--archive", "contracts", "--archive", "finance"]);
    assert_eq!((code, out.lines().next()), (0, Some("made the deployment \"house\" in house")));
    let deployment = Deployment::load(&directory.path().join("house")).unwrap();
    assert_eq!(deployment.archives.iter().map(|a| a.name.as_str()).collect::<Vec<_>>(), ["contracts", "finance"]);
    assert_eq!(run(&["system", "house", "--check"]).0, 0);
    let (code, out, _) = run(&["disk", "create", "disk.img", "--deployment", "house"]);
    assert_eq!((code, out.as_str()), (0, "made disk.img: 1 GiB, 3 volumes\n"));
    let (code, out, _) = run(&["provision", "minutes", "--disk", "disk.img", "--deployment", "house"]);
    assert_eq!((code, out.as_str()), (0, "added the archive \"minutes\"; 606 MiB of the disk are free\n"));
    assert_eq!(run(&["system", "house", "--check"]).0, 0);

    assert_eq!(run(&["new", "other"]).0, 0);
    let other = Deployment::load(&directory.path().join("other")).unwrap();
    assert_ne!(other.id, deployment.id, "ids are random");
}

/// The first file that is opened would be the stream that is missing, and what is printed would go into it.
#[test]
fn nothing_that_is_printed_goes_into_a_file_when_a_standard_stream_is_closed() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("house")).unwrap();
    fs::write(directory.path().join("house/totebox.toml"), with_archives(1)).unwrap();
    assert_eq!(totebox(directory.path(), &["keys", "house", "--make"]).0, 0);
    assert_eq!(totebox(directory.path(), &["system", "house"]).0, 0);
    let tree = || {
        let keys = directory.path().join("house/keys");
        let mut files: Vec<_> = fs::read_dir(&keys).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.extend(["totebox.toml", "system.xml"].map(|name| directory.path().join("house").join(name)));
        files.into_iter().map(|path| (fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
    };
    let before = tree();
    assert_eq!(totebox(directory.path(), &["disk", "create", "open.img", "--deployment", "house"]).0, 0);
    for (number, closed) in ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"].into_iter().enumerate() {
        let disk = format!("{number}.img");
        for (command, code) in [
            (format!("disk create {disk} --deployment house"), 0),
            (format!("disk create {disk} --deployment house"), 2),
            (format!("disk ls {disk}"), 0),
            ("keys house".into(), 0),
            ("system house".into(), 0),
            ("provision a0 --deployment house".into(), 2),
        ] {
            let run = format!("exec \"$0\" {command} {closed}");
            let mut shell = Command::new("sh");
            shell.args(["-c", &run, env!("CARGO_BIN_EXE_totebox")]).current_dir(directory.path());
            assert_eq!(shell.output().unwrap().status.code(), Some(code), "{run}");
        }
        let read = |name: &str| fs::read(directory.path().join(name)).unwrap();
        assert!(read(&disk) == read("open.img"), "{closed}: the disk has something else in it");
        assert!(tree() == before, "{closed}");
    }
}

#[test]
fn what_is_no_number_is_said_to_be_none() {
    let directory = tempfile::tempdir().unwrap();
    for (line, says) in [
        ("get letters abc", "expected a whole number"),
        ("get letters 1 --timeout 1.5", "expected a whole number"),
        ("ls letters --from -1x", "unexpected argument"),
        ("history --from 99999999999999999999", "there is no such large number here"),
        ("ack 4294967296 seen", "there is no such large number here"),
        ("disk prove disk.img a --record x", "expected a whole number"),
        ("status --watch=0", "expected 1 to 86400 seconds"),
    ] {
        let (code, _, error) = totebox(directory.path(), &line.split(' ').collect::<Vec<_>>());
        assert!(code == 2 && error.contains(says), "{line}: {error}");
    }
}

#[test]
fn a_deployment_is_not_made_over_another_or_with_a_bad_name() {
    let directory = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| totebox(directory.path(), args);
    assert_eq!(run(&["new", "house"]).0, 0);
    let before = fs::read(directory.path().join("house/totebox.toml")).unwrap();
    let (code, _, error) = run(&["new", "house"]);
    assert_eq!((code, error.as_str()), (2, "totebox: house is not empty; name a new directory\n"));
    assert_eq!(fs::read(directory.path().join("house/totebox.toml")).unwrap(), before);
    let (code, _, error) = run(&["new", "yard", "--archive", "vault"]);
    assert_eq!(code, 2);
    assert!(error.contains("an archive cannot be called \"vault\""), "{error}");
    // Whatever is given, it is that which is judged, not the file it would break.
    for (option, what) in [("--name", "the deployment's name"), ("--archive", "the archive's name")] {
        for name in ["a\"b", "a\\b", "a\nb", "a\n[disk]\nsize = \"1 MiB\"", "'", "\u{202e}a", ""] {
            let (code, _, error) = run(&["new", "yard", option, name]);
            assert_eq!(code, 2);
            let expected = format!("{what}, {}, cannot be used", Quoted(name.as_bytes()));
            assert!(error.contains(&expected) && error.contains("a name is a small letter"), "{name:?}: {error}");
        }
    }
    let (code, _, error) = run(&["new", "yard", "--board", "no\"board"]);
    assert!(code == 2 && error.contains("there is no board \"no\"board\""), "{error}");
    assert!(!directory.path().join("yard").exists());
}

#[test]
fn a_stale_system_description_is_found_with_its_first_difference() {
    let directory = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| totebox(directory.path(), args);
    fs::write(directory.path().join("totebox.toml"), with_archives(2)).unwrap();
    let (code, _, error) = run(&["system", "--check"]);
    assert_eq!(code, 2);
    assert!(error.contains("cannot read") && error.contains("system.xml"), "{error}");
    assert_eq!(run(&["system"]).0, 0);
    assert_eq!(run(&["system", "--check"]).0, 0);

    let system = directory.path().join("system.xml");
    let xml = fs::read_to_string(&system).unwrap();
    let line = xml.lines().position(|line| line.contains("perms=\"r\"")).unwrap() + 1;
    fs::write(&system, xml.replacen("perms=\"r\"", "perms=\"rw\"", 1)).unwrap();
    let (code, out, _) = run(&["system", "--check"]);
    assert_eq!(code, 1);
    assert!(out.contains(&format!("system.xml:{line}:1: stale")), "{out}");
    assert!(out.contains("there:    <map mr=\"clock-manifest\"") && out.contains("expected: <map"), "{out}");
    assert_eq!(run(&["system"]).0, 0);
    assert_eq!(fs::read_to_string(&system).unwrap(), xml);
}

#[test]
fn manifests_are_written_where_they_are_wanted() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("totebox.toml"), with_archives(2)).unwrap();
    let (code, _, error) = totebox(directory.path(), &["system", "--manifests", "out/manifests"]);
    assert_eq!(code, 2);
    assert!(error.contains("\"a0\" has no signing key") && error.contains("`totebox keys --make`"), "{error}");
    assert_eq!(totebox(directory.path(), &["keys", "--make"]).0, 0);
    let (code, _, error) = totebox(directory.path(), &["system", "--manifests", "out/manifests"]);
    assert_eq!((code, error.as_str()), (0, ""));
    let deployment = Deployment::load(directory.path()).unwrap();
    for (pd, bytes) in deployment.manifests() {
        assert_eq!(fs::read(directory.path().join(format!("out/manifests/{pd}.manifest"))).unwrap(), bytes);
    }
    let keys = deployment.keys().unwrap();
    let public = [keys[0].verifier().key(), keys[1].verifier().key()].map(|key| &key[..]).concat();
    let filled = [("archive-a0", vec![]), ("archive-a1", vec![]), ("auditor", public)];
    for ((name, others), key) in filled.iter().zip(&keys) {
        let path = directory.path().join(format!("out/manifests/{name}.key"));
        assert_eq!(fs::read(&path).unwrap(), [&key.seed()[..], others].concat(), "{name}");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn keys_are_made_once_and_kept_from_others() {
    let directory = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| totebox(directory.path(), args);
    assert_eq!(run(&["new", "house", "--archive", "contracts"]).0, 0);
    let path = |name: &str| directory.path().join("house/keys").join(name);
    assert_eq!(fs::metadata(path("contracts.key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_to_string(path(".gitignore")).unwrap(), "*.key\n");
    let (code, printed, _) = run(&["keys", "house"]);
    let public = |name: &str| fs::read_to_string(path(&format!("{name}.vkey"))).unwrap();
    assert_eq!((code, printed), (0, public("contracts") + &public("audit")), "the auditor has one, too");
    let printed = public("contracts");
    let id = Deployment::load(&directory.path().join("house")).unwrap().id;
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(printed.starts_with(&format!("totebox/{id}/contracts+")), "{printed}");

    assert_eq!(run(&["provision", "minutes", "--deployment", "house"]).0, 0);
    let (code, both, _) = run(&["keys", "house", "--make"]);
    assert_eq!(code, 0);
    assert!(both.starts_with(&printed) && both.ends_with(&public("audit")), "the first key stays: {both}");
    assert_eq!(both.lines().count(), 3);

    // A key that was lost is not made again unasked.
    let contracts = fs::read(path("contracts.key")).unwrap();
    fs::remove_file(path("contracts.key")).unwrap();
    assert_eq!(run(&["provision", "deeds", "--deployment", "house"]).0, 0);
    assert!(path("deeds.key").exists() && !path("contracts.key").exists());
    fs::write(path("contracts.key"), contracts).unwrap();

    // One that others can read is no secret, and one they can replace is not the archive's.
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    for bits in [0o644, 0o640, 0o604, 0o620] {
        mode(&path("contracts.key"), bits);
        let (code, out, error) = run(&["keys", "house"]);
        assert_eq!((code, out.as_str()), (2, ""));
        let way_out = format!("its mode is {bits:04o}; chmod 600 house/keys/contracts.key\n");
        assert!(error.contains("contracts.key is not secret") && error.ends_with(&way_out), "{error}");
    }
    mode(&path("contracts.key"), 0o600);
    mode(&path(""), 0o770);
    let (code, _, error) = run(&["keys", "house"]);
    assert_eq!(code, 2);
    assert!(
        error.ends_with("can replace the keys in house/keys: its mode is 0770; chmod 700 house/keys\n"),
        "{error}"
    );
    mode(&path(""), 0o755);
    assert_eq!(run(&["keys", "house"]).0, 0);

    let minutes = fs::read(path("minutes.key")).unwrap();
    for (content, reason) in [
        (&b"nonsense"[..], "is no key: it does not have the form of a key"),
        (&minutes, "is the key of totebox/"),
        (b"\xff", "cannot read"),
    ] {
        fs::write(path("contracts.key"), content).unwrap();
        let (code, out, error) = run(&["keys", "house", "--make"]);
        assert_eq!((code, out.as_str()), (2, ""));
        assert!(error.contains("house/keys/contracts.key") && error.contains(reason), "{error}");
        assert_eq!(fs::read(path("contracts.key")).unwrap(), content, "nothing is replaced");
    }
}

#[test]
fn problems_are_printed_once_and_exit_with_2() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("totebox.toml"), with_archives(1).replace("64 MiB", "1 MiB")).unwrap();
    let (code, out, error) = totebox(directory.path(), &["system"]);
    assert_eq!((code, out.as_str()), (2, ""));
    assert_eq!(error.matches("the disk has 1 MiB").count(), 1, "{error}");
    assert!(error.starts_with("totebox: totebox.toml:9:8: "), "{error}");
    let (code, _, error) = totebox(directory.path(), &["disk", "create", "x.img"]);
    assert_eq!((code, error.matches("the disk has 1 MiB").count()), (2, 1));
    let (code, _, error) = totebox(directory.path(), &["system", "nowhere"]);
    assert_eq!(code, 2);
    assert!(error.contains("cannot read nowhere") && error.contains("totebox new DIR"), "{error}");
    assert_eq!(totebox(directory.path(), &["frobnicate"]).0, 2);
}

#[test]
fn every_command_shows_an_example() {
    let directory = tempfile::tempdir().unwrap();
    for command in [&["new"][..], &["provision"], &["system"], &["disk", "create"]] {
        let (code, out, _) = totebox(directory.path(), &[command, &["--help"]].concat());
        assert_eq!(code, 0);
        assert!(out.contains(&format!("Example: totebox {}", command.join(" "))), "{out}");
    }
}

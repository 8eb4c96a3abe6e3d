//! The console scripts on every backend: simulator, hosted, and seL4 in QEMU, debug and release. Without a
//! Microkit SDK the tests on seL4 are reported as ignored, with the reason; they never count as passed.

use std::path::PathBuf;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use totebox_hostile::Failure;
use totebox_tests::appliance::{Appliance, Hosted, Qemu, Sim, Site};
use totebox_tests::attacks::{ATTACKS, only_hardening_stops};
use totebox_tests::checkpoints::pinned_checkpoints_bind_the_disk;
use totebox_tests::orchestrated::{self, WATCHED};
use totebox_tests::scripts::{SCRIPTS, Script, forty_archives};
use totebox_tests::{hostile, image, kills, life};

/// The reference deployment's archives, on volumes small enough to be simulated.
const SMALL: &str = r#"
[deployment]
name = "small"
id = "5a6c4f0d9a3be2c8d170674f1e0b0b95"
board = "qemu_virt_aarch64"
[disk]
size = "32 MiB"
[audit]
volume = "4 MiB"
period = "15 min"
[[archive]]
name = "contracts"
size = "8 MiB"
on_mismatch = "flag"
[[archive]]
name = "finance"
size = "8 MiB"
on_mismatch = "flag"
[[archive]]
name = "correspondence"
size = "8 MiB"
on_mismatch = "flag"
"#;

/// A backend, by the name its tests have.
type Backend = (&'static str, fn() -> Box<dyn Appliance>, u64);

const HERE: [Backend; 2] = [
    ("sim", || Box::new(Sim::new(Site::new(SMALL), 1)), 1 << 20),
    ("hosted", || Box::new(Hosted::new(Site::reference())), 64 << 20),
];

const ON_SEL4: [Backend; 2] = [
    ("qemu_debug", || Box::new(Qemu::new(Site::reference(), "debug")), 300_000),
    ("qemu_release", || Box::new(Qemu::new(Site::reference(), "release")), 300_000),
];

/// What orchestration does, where the disk is a file.
const ORCHESTRATED: [(&str, Script); 3] = [
    ("changes_are_flagged", orchestrated::changes_are_flagged),
    ("archives_go_through_their_lifecycle", orchestrated::archives_go_through_their_lifecycle),
    ("yesterdays_copy_is_a_rollback", orchestrated::yesterdays_copy_is_a_rollback),
];

fn main() -> ExitCode {
    let missing = image::missing();
    let mut trials = Vec::new();
    for (backends, ignored) in [(HERE, false), (ON_SEL4, missing.is_some())] {
        for (backend, appliance, largest) in backends {
            for (name, script) in SCRIPTS {
                let trial = Trial::test(format!("{backend}::{name}"), move || {
                    script(&mut *appliance(), largest);
                    Ok(())
                });
                trials.push(trial.with_ignored_flag(ignored));
            }
        }
    }
    for (name, script) in ORCHESTRATED {
        trials.push(Trial::test(format!("hosted::{name}"), move || {
            script(&mut Hosted::new(Site::new(WATCHED)), 0);
            Ok(())
        }));
    }
    let hosted_hostile = |deployment| {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_hosted-hostile"));
        Hosted::with_program(Site::new(deployment), program)
    };
    trials.push(Trial::test("hosted::taken_over_archives_reach_nothing", move || {
        hostile::taken_over_archives_reach_nothing(&mut hosted_hostile(hostile::DEPLOYMENT), |_| ());
        Ok(())
    }));
    trials.push(Trial::test("hosted::misbehaving_archives_are_contained", move || {
        hostile::misbehaving_archives_are_contained(&mut hosted_hostile(hostile::MISBEHAVING), |_| ());
        Ok(())
    }));
    trials.push(Trial::test("hosted::every_receipt_holds_after_kills", || {
        kills::every_receipt_holds(|| Box::new(Hosted::new(Site::new(SMALL))), kills::kills(40));
        Ok(())
    }));
    trials.push(Trial::test("hosted::forty_archives_take_a_document_each", || {
        forty_archives(&mut Hosted::new(forty()));
        Ok(())
    }));
    trials.push(Trial::test("hosted::kept_checkpoints_bind_the_disk", || {
        pinned_checkpoints_bind_the_disk(&mut Hosted::new(signing_soon()));
        Ok(())
    }));
    for domain in life::DOMAINS {
        let hosted = || Hosted::new(Site::new(life::DEPLOYMENT));
        let outcome = life::outcome(domain);
        trials.push(Trial::test(format!("hosted::a_killed_{domain}_{outcome}"), move || {
            life::killed(&mut hosted(), domain);
            Ok(())
        }));
        trials.push(Trial::test(format!("hosted::a_stopped_{domain}_{outcome}"), move || {
            life::stopped(&mut hosted(), domain);
            Ok(())
        }));
    }
    for (name, config) in [("qemu_debug", "debug"), ("qemu_release", "release")] {
        let mut on_sel4 = vec![
            Trial::test(format!("{name}::taken_over_archives_reach_nothing"), move || {
                let mut appliance = Qemu::new(Site::new(hostile::DEPLOYMENT), config);
                hostile::taken_over_archives_reach_nothing(&mut appliance, |qemu| qemu.put_together(config));
                Ok(())
            }),
            Trial::test(format!("{name}::kept_checkpoints_bind_the_disk"), move || {
                pinned_checkpoints_bind_the_disk(&mut Qemu::new(signing_soon(), config));
                Ok(())
            }),
            Trial::test(format!("{name}::forty_archives_take_a_document_each"), move || {
                let mut appliance = Qemu::new(forty(), config);
                forty_archives(&mut appliance);
                let size = std::fs::metadata(appliance.image()).expect("the image is there").len();
                println!("{name}: 40 archives in an image of {size} bytes");
                Ok(())
            }),
            Trial::test(format!("{name}::the_same_image_from_two_folders"), move || {
                let sites = [(); 2].map(|()| Site::reference());
                sites[1].take_keys_of(&sites[0]);
                let both = sites.map(|site| Qemu::new(site, config));
                let read = |qemu: &Qemu| std::fs::read(qemu.image()).expect("the image is there");
                let [one, other] = both.each_ref().map(read);
                assert!(one == other, "the images differ");
                image::says_what_stands_beside_it(both[0].image());
                Ok(())
            }),
        ];
        for attack in &ATTACKS {
            let name = format!("{name}::only_hardening_stops_the_attack_by_{}", attack.system);
            on_sel4.push(Trial::test(name, move || {
                only_hardening_stops(attack, config);
                Ok(())
            }));
        }
        trials.extend(on_sel4.into_iter().map(|trial| trial.with_ignored_flag(missing.is_some())));
    }
    // Minutes of waiting for schedules and time-outs: in the configuration that is the product.
    let mut on_sel4 = vec![
        Trial::test("qemu_release::misbehaving_archives_are_contained", || {
            let mut appliance = Qemu::new(Site::new(hostile::MISBEHAVING), "release");
            hostile::misbehaving_archives_are_contained(&mut appliance, |qemu| qemu.put_together("release"));
            Ok(())
        }),
        Trial::test("qemu_release::every_receipt_holds_after_kills", || {
            kills::every_receipt_holds(|| Box::new(Qemu::new(Site::new(SMALL), "release")), kills::kills(24));
            Ok(())
        }),
        Trial::test("qemu_release::a_spinning_archive_takes_nothing", || {
            let mut appliance = Qemu::new(Site::new(hostile::MISBEHAVING), "release");
            hostile::a_spinning_archive_takes_nothing(&mut appliance, |qemu| qemu.put_together("release"));
            Ok(())
        }),
    ];
    for domain in life::DOMAINS {
        for (how, failure) in [("spins", Failure::Spin), ("faults", Failure::Panic)] {
            let outcome = life::outcome(domain);
            on_sel4.push(Trial::test(format!("qemu_release::a_{domain}_that_{how}_{outcome}"), move || {
                let mut appliance = Qemu::new(Site::new(life::DEPLOYMENT), "release");
                life::fails(&mut appliance, domain, failure, |qemu| qemu.put_together("release"));
                Ok(())
            }));
        }
    }
    for (name, script) in ORCHESTRATED {
        on_sel4.push(Trial::test(format!("qemu_release::{name}"), move || {
            script(&mut Qemu::new(Site::new(WATCHED), "release"), 0);
            Ok(())
        }));
    }
    trials.extend(on_sel4.into_iter().map(|trial| trial.with_ignored_flag(missing.is_some())));
    let on_sel4 = trials.iter().filter(|trial| trial.name().starts_with("qemu")).count();
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    if let Some(reason) = missing {
        println!("SKIPPED: {on_sel4} tests on seL4: {reason}\n");
    }
    conclusion.exit_code()
}

/// A deployment whose archives sign a checkpoint every second in which there is anything new.
fn signing_soon() -> Site {
    Site::new(&SMALL.replace("15 min", "1 s"))
}

/// Forty small archives.
fn forty() -> Site {
    let archive = |n| format!("[[archive]]\nname = \"archive-{n}\"\nsize = \"1 MiB\"\non_mismatch = \"flag\"\n");
    let archives: String = (0..40).map(archive).collect();
    let head = SMALL.split("[[archive]]").next().expect("a text has a beginning");
    Site::new(&format!("{}{archives}", head.replace("32 MiB", "64 MiB")))
}

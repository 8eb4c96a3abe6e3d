//! Where an appliance lives: a folder with its deployment, its manifests, its disk and its socket.

use std::path::{Path, PathBuf};

use totebox_deployment::Deployment;

/// The root of the repository.
pub fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests' folder has a parent")
}

/// A deployment in a folder of its own, with a disk.
pub struct Site {
    /// The folder; removed with this value.
    pub folder: tempfile::TempDir,
    /// The deployment.
    pub deployment: Deployment,
    /// Its archives' names.
    pub archives: Vec<String>,
    /// The system description.
    pub system: PathBuf,
    /// The folder of the manifests.
    pub manifests: PathBuf,
    /// The disk's image.
    pub disk: PathBuf,
    /// The socket of the operator's line.
    pub socket: PathBuf,
}

impl Site {
    /// The deployment this repository comes with.
    pub fn reference() -> Site {
        let text = std::fs::read_to_string(workspace().join("totebox.toml")).expect("there is a totebox.toml");
        Site::new(&text)
    }

    /// The deployment `text` describes, with an empty disk.
    pub fn new(text: &str) -> Site {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("totebox.toml"), text).expect("the folder can be written");
        let deployment = match Deployment::parse(&path("totebox.toml"), text) {
            Ok(deployment) => deployment,
            Err(problems) => panic!("{problems}"),
        };
        let site = Site {
            archives: deployment.archives.iter().map(|archive| archive.name.clone()).collect(),
            system: path("system.xml"),
            manifests: path("manifests"),
            disk: path("disk.img"),
            socket: path("console"),
            deployment,
            folder,
        };
        std::fs::write(&site.system, site.deployment.system_xml()).expect("the folder can be written");
        std::fs::create_dir(&site.manifests).expect("the folder can be written");
        site.deployment.make_keys().expect("the folder can be written");
        site.deployment.write_manifests(&site.manifests).expect("the folder can be written");
        site.deployment.create_disk(&site.disk).expect("a disk can be made");
        site
    }

    /// Gives it the archives' keys of another site of the same deployment: they are made by chance.
    pub fn take_keys_of(&self, other: &Site) {
        let [from, to] = [other, self].map(|site| site.folder.path().join("keys"));
        for entry in std::fs::read_dir(&from).expect("a site has keys") {
            let name = entry.expect("the folder can be read").file_name();
            std::fs::copy(from.join(&name), to.join(&name)).expect("the folder can be written");
        }
        self.deployment.write_manifests(&self.manifests).expect("the folder can be written");
    }

    /// The file of a domain's manifest.
    pub fn manifest(&self, pd: &str) -> PathBuf {
        self.manifests.join(format!("{pd}.manifest"))
    }
}

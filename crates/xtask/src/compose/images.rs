//! The images that the Dockerfile and the compose file name: pulled where they can be, else made here, so that both files are tried
//! as they are. What is made here carries a label, and is told at the end.

use super::engine::Docker;
use crate::shell::{root, said};
use anyhow::{Context as _, Result, ensure};
use kafka_node::Jars;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const STAND_IN: &str = "kafka-dojo.stand-in";
/// Where Debian keeps the authorities that this machine trusts besides its own.
const AUTHORITIES: &str = "/usr/local/share/ca-certificates";

pub(crate) const DEBIAN: &str = "debian:bookworm-slim";
pub(crate) const KAFKA: &str = "apache/kafka:4.3.1";

/// Makes the image of that name.
type Make = fn(&Docker, &str) -> Result<()>;

/// Each with how it is made where it cannot be pulled; a later one may be made from an earlier one.
const IMAGES: [(&str, Make); 4] = [
    (DEBIAN, debian),
    ("rust:1-slim-bookworm", rust),
    (KAFKA, kafka),
    ("ghcr.io/kafbat/kafka-ui:v1.5.0", kafka_ui),
];

/// What compose builds.
const BUILT: [&str; 2] = ["kafka-dojo", "kafka-dojo-development"];

/// The images that stand in for others.
#[derive(Default)]
pub(crate) struct StandIns {
    all: Vec<&'static str>,
    /// Those that were not there before.
    made: Vec<&'static str>,
}

/// Has an image of every name.
pub(crate) fn find_or_make(docker: &Docker) -> Result<StandIns> {
    let mut stand_ins = StandIns::default();
    for (image, make) in IMAGES {
        let label = format!("{{{{index .Config.Labels {STAND_IN:?}}}}}");
        let here = docker.says(["image", "inspect", "--format", &label, image]);
        if here.is_err() && docker.says(["pull", "--quiet", image]).is_err() {
            println!("{image} cannot be pulled; a stand-in is made");
            make(docker, image).with_context(|| format!("no stand-in for {image}"))?;
            stand_ins.all.push(image);
            stand_ins.made.push(image);
        } else if here.is_ok_and(|label| label == "true") {
            stand_ins.all.push(image);
        }
    }
    Ok(stand_ins)
}

impl StandIns {
    /// Their names, or that there are none.
    pub(crate) fn names(&self) -> String {
        if self.all.is_empty() { "nothing".to_owned() } else { self.all.join(", ") }
    }

    /// Takes those away that were made, so that nobody takes them for the real ones, and what was built from the copy.
    pub(crate) fn forget(&self, docker: &Docker) -> Result<()> {
        let ours = BUILT.iter().chain(self.made.iter().rev());
        for image in ours.filter(|image| docker.says(["image", "inspect", image]).is_ok()) {
            docker.says(["image", "rm", "--force", image])?;
        }
        Ok(())
    }
}

/// What the registry's image is made of: Debian's own packages of that release.
fn debian(docker: &Docker, image: &str) -> Result<()> {
    let folder = tempfile::tempdir().context("a folder for Debian")?;
    said(Command::new("debootstrap").args(["--variant=minbase", "bookworm"]).arg(folder.path()))?;
    // As in the registry's image: what apt keeps for next time would only make every image larger.
    let keep_nothing = "Dir::Cache::pkgcache \"\";\nDir::Cache::srcpkgcache \"\";\nBinary::apt::APT::Keep-Downloaded-Packages \"false\";\n";
    fs::write(folder.path().join("etc/apt/apt.conf.d/docker-clean"), keep_nothing)
        .context("cannot write in it")?;
    let mut tar = Command::new("tar");
    let mut tar = tar.arg("-C").arg(folder.path()).args(["-c", "."]).stdout(Stdio::piped()).spawn()?;
    let mut import = docker.command(["import", "--change", "CMD [\"bash\"]"]);
    import.args(["--change", &format!("LABEL {STAND_IN}=true"), "-", image]);
    import.stdin(tar.stdout.take().context("tar gives nothing")?);
    said(&mut import)?;
    ensure!(tar.wait()?.success(), "tar failed");
    Ok(())
}

fn rust(docker: &Docker, image: &str) -> Result<()> {
    let toolchain = said(Command::new("rustc").args(["--print", "sysroot"]))?;
    let nobody_else = tempfile::tempdir().context("an empty folder")?;
    let authorities = Path::new(AUTHORITIES);
    let authorities = if authorities.is_dir() { authorities } else { nobody_else.path() };
    let contexts = [("toolchain", PathBuf::from(toolchain)), ("authorities", authorities.to_owned())];
    build(docker, image, "rust.Dockerfile", &contexts)
}

fn kafka(docker: &Docker, image: &str) -> Result<()> {
    build(docker, image, "kafka.Dockerfile", &[("jars", jars()?)])
}

fn kafka_ui(docker: &Docker, image: &str) -> Result<()> {
    build(docker, image, "kafka-ui.Dockerfile", &[("jars", jars()?)])
}

fn jars() -> Result<PathBuf> {
    Ok(Jars::fetch(&kafka_node::cache())?.libraries())
}

fn build(docker: &Docker, image: &str, dockerfile: &str, contexts: &[(&str, PathBuf)]) -> Result<()> {
    let folder = root().join("crates/xtask/images");
    let mut build = docker.command(["build", "--quiet", "--tag", image, "--file"]);
    build.arg(folder.join(dockerfile));
    for (name, path) in contexts {
        build.arg("--build-context").arg(format!("{name}={}", path.display()));
    }
    build.arg(&folder);
    said(&mut build).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_those_that_the_files_name() {
        let debian = "ARG DEBIAN=bookworm";
        let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
        let (dockerfile, compose) = (read("Dockerfile"), read("docker-compose.yml"));
        assert!(dockerfile.contains(debian));
        let froms = dockerfile.replace("${DEBIAN}", "bookworm");
        let named = |text: &str, before: &str| -> Vec<String> {
            let lines = text.lines().filter_map(|line| line.trim().strip_prefix(before));
            lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
        };
        let stages = named(&froms.replace(" AS ", "\nAS "), "AS ");
        let mut all = named(&froms, "FROM ");
        all.retain(|image| !stages.contains(image));
        all.extend(named(&compose, "image: "));
        all.retain(|image| image != "kafka-dojo");
        all.sort();
        all.dedup();
        let mut ours = IMAGES.map(|(image, _)| image);
        ours.sort_unstable();
        assert_eq!(all, ours);
    }
}

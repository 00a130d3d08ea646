//! Kafka's own jars, which are in a folder or fetched by Maven, and the Java programs in them.

use crate::{Error, properties::properties};
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The version of Apache Kafka, which is that of the compose file's image.
pub const VERSION: &str = "4.3.1";

/// The dependencies for Maven. The last one binds Kafka's logging to log4j, without which the broker logs nothing; its version is
/// that of Kafka's own log4j.
const DEPENDENCIES: [(&str, &str, &str); 3] = [
    ("org.apache.kafka", "kafka_2.13", VERSION),
    ("org.apache.kafka", "kafka-tools", VERSION),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"),
];

/// A folder with all jars that Kafka needs.
#[derive(Debug, Clone)]
pub struct Jars {
    folder: PathBuf,
}

impl Jars {
    /// Returns the jars below `cache`.
    ///
    /// # Errors
    /// [`Error::NoJars`] without jars, [`Error::Program`] without a Java runtime.
    pub fn find(cache: &Path) -> Result<Self, Error> {
        let jars = Self { folder: cache.join(VERSION) };
        if !jars.libraries().is_dir() {
            return Err(Error::NoJars(jars.folder));
        }
        let mut java = Command::new("java");
        succeed("java", java.arg("-version"), "install a Java runtime, 17 or later")?;
        Ok(jars)
    }

    /// Returns the jars below `cache`, after fetching them from Maven Central if they are missing: 54 MB, some seconds.
    ///
    /// # Errors
    /// [`Error::Program`] if Java or Maven is missing or Maven can't reach Maven Central; [`Error::File`] if `cache` can't be
    /// written.
    pub fn fetch(cache: &Path) -> Result<Self, Error> {
        match Self::find(cache) {
            Err(Error::NoJars(_)) => {}
            found => return found,
        }
        fs::create_dir_all(cache).map_err(Error::file(cache))?;
        // Under another name until it is complete, so that a process that finds the folder finds every jar in it.
        let making =
            tempfile::Builder::new().prefix("fetching-").tempdir_in(cache).map_err(Error::file(cache))?;
        let jars = Self { folder: making.path().to_owned() };
        let pom = making.path().join("pom.xml");
        fs::write(&pom, pom_xml()).map_err(Error::file(&pom))?;
        let mut maven = Command::new("mvn");
        maven
            .args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"])
            .arg(format!("-DoutputDirectory={}", jars.libraries().display()))
            .current_dir(making.path());
        succeed("mvn", &mut maven, "install Maven, and see that it reaches Maven Central")?;
        jars.format()?;
        let whole = cache.join(VERSION);
        let made = making.keep();
        // If another process was faster, its folder is as good.
        if fs::rename(&made, &whole).is_err() {
            fs::remove_dir_all(&made).map_err(Error::file(&made))?;
        }
        Self::find(cache)
    }

    /// Returns the command of a Java program in the jars, by its class: `org.apache.kafka.tools.TopicCommand` is
    /// `kafka-topics.sh`.
    pub fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp"]);
        command.arg(self.classpath()).arg(class).stdin(Stdio::null());
        command
    }

    pub(crate) fn classpath(&self) -> OsString {
        self.libraries().join("*").into_os_string()
    }

    /// Returns the storage of a node that has never run: a node starts from a copy of it.
    pub(crate) fn formatted(&self) -> PathBuf {
        self.folder.join("formatted")
    }

    /// Returns the folder of the jars, for `-cp FOLDER/*`.
    pub fn libraries(&self) -> PathBuf {
        self.folder.join("lib")
    }

    /// Formats storage once for all nodes: its contents (a cluster id, a node id) don't depend on ports.
    fn format(&self) -> Result<(), Error> {
        let path = self.folder.join("format.properties");
        let text = properties(&self.formatted(), 9092, 9093, "localhost:9092", &[]);
        fs::write(&path, text).map_err(Error::file(&path))?;
        let mut format = self.java("kafka.tools.StorageTool");
        format.args(["format", "--cluster-id", CLUSTER_ID, "--config"]).arg(&path);
        succeed("java", &mut format, "can't format Kafka's storage")
    }
}

/// Any base64 UUID will do.
const CLUSTER_ID: &str = "a2Fma2EtZG9qby10ZXN0cw";

fn pom_xml() -> String {
    let dependencies: String = DEPENDENCIES
        .iter()
        .map(|(group, artifact, version)| {
            format!(
                "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
                 <version>{version}</version></dependency>"
            )
        })
        .collect();
    format!(
        "<project><modelVersion>4.0.0</modelVersion><groupId>test</groupId><artifactId>node</artifactId>\
         <version>1</version><dependencies>{dependencies}</dependencies></project>"
    )
}

/// Runs a program to its end. The error has the program's output.
fn succeed(program: &'static str, command: &mut Command, remedy: &str) -> Result<(), Error> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Program { program, problem: format!("can't be run ({error}): {remedy}") })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let problem =
        format!("ended with {} ({remedy}); its output:\n{}", output.status, String::from_utf8_lossy(&said));
    Err(Error::Program { program, problem })
}

//! Kafka's own jars: found in a folder, or brought there by Maven; and the Java programs in them.

use crate::Error;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The version of Apache Kafka; the one of the compose file's image.
pub const VERSION: &str = "4.3.1";

/// What Maven is asked for. The last one binds Kafka's logging to log4j, without which the broker logs nothing; its version is
/// that of the log4j that comes with Kafka.
const DEPENDENCIES: [(&str, &str, &str); 3] = [
    ("org.apache.kafka", "kafka_2.13", VERSION),
    ("org.apache.kafka", "kafka-tools", VERSION),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4"),
];

/// A folder with everything Kafka needs to run.
#[derive(Debug, Clone)]
pub struct Jars {
    folder: PathBuf,
}

impl Jars {
    /// The jars below `cache`.
    ///
    /// # Errors
    /// [`Error::NoJars`] where they are not there, [`Error::Program`] where no Java runtime is.
    pub fn find(cache: &Path) -> Result<Self, Error> {
        let jars = Self { folder: cache.join(VERSION) };
        if !jars.libraries().is_dir() {
            return Err(Error::NoJars(jars.folder));
        }
        let mut java = Command::new("java");
        succeed("java", java.arg("-version"), "install a Java runtime, 17 or later")?;
        Ok(jars)
    }

    /// The jars below `cache`; brought there from Maven Central first where they are missing: 54 MB, some seconds.
    ///
    /// # Errors
    /// [`Error::Program`] where Java or Maven is missing or Maven cannot reach Maven Central; [`Error::File`] where `cache` cannot
    /// be written.
    pub fn fetch(cache: &Path) -> Result<Self, Error> {
        match Self::find(cache) {
            Err(Error::NoJars(_)) => {}
            found => return found,
        }
        fs::create_dir_all(cache).map_err(Error::file(cache))?;
        // Under another name until it is whole: whoever finds the folder finds everything in it.
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
        // Where somebody else was faster, theirs is as good.
        if fs::rename(&made, &whole).is_err() {
            fs::remove_dir_all(&made).map_err(Error::file(&made))?;
        }
        Self::find(cache)
    }

    /// A Java program out of the jars, by its class: `org.apache.kafka.tools.TopicCommand` is `kafka-topics.sh`.
    pub fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp"]);
        command.arg(self.classpath()).arg(class).stdin(Stdio::null());
        command
    }

    pub(crate) fn classpath(&self) -> OsString {
        self.libraries().join("*").into_os_string()
    }

    /// The storage of a node that has never run: a node starts from a copy of it.
    pub(crate) fn formatted(&self) -> PathBuf {
        self.folder.join("formatted")
    }

    /// The folder that they are in: `-cp FOLDER/*` runs any of them.
    pub fn libraries(&self) -> PathBuf {
        self.folder.join("lib")
    }

    /// Formats storage once for all nodes: what is in it (a cluster id, a node id) does not depend on ports.
    fn format(&self) -> Result<(), Error> {
        let properties = self.folder.join("format.properties");
        let text = crate::node::properties(&self.formatted(), 9092, 9093, "localhost:9092", &[]);
        fs::write(&properties, text).map_err(Error::file(&properties))?;
        let mut format = self.java("kafka.tools.StorageTool");
        format.args(["format", "--cluster-id", CLUSTER_ID, "--config"]).arg(&properties);
        succeed("java", &mut format, "cannot format Kafka's storage")
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

/// Runs a program to its end. What it said comes with the error.
fn succeed(program: &'static str, command: &mut Command, remedy: &str) -> Result<(), Error> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Program { program, problem: format!("cannot be run ({error}): {remedy}") })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let problem =
        format!("ended with {} ({remedy}); it said:\n{}", output.status, String::from_utf8_lossy(&said));
    Err(Error::Program { program, problem })
}

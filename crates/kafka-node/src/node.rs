//! One node: a folder, a configuration, a process.

use crate::{Error, Jars, probe, properties::properties};
use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A start takes three seconds, and several times as long on a loaded machine.
const START_WITHIN: Duration = Duration::from_secs(90);
const STOP_WITHIN: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How often a node is started on ports that were free a moment before.
const TRIES: u32 = 3;
/// A node's log has this if its port was taken (`java.net.BindException`).
const PORT_TAKEN: &str = "Address already in use";
/// A node's log has this once it has its ports.
const HAS_STARTED: &[u8] = b"Kafka Server started";

/// Runs the node, and beside it a guard that reads standard input. The input ends with the process that holds its other end, even
/// if that is killed; then the guard kills the node and removes its folder. `$1` is the folder, the rest is the node's command.
///
/// The guard ignores signals that a terminal or an operator sends to all processes at once. If the node ends by itself, its folder
/// stays and a signal ends the guard, which ignores that signal once it has begun to clean up.
const GUARD: &str = r#"
folder=$1; shift
exec 3<&0
"$@" </dev/null 3<&- &
node=$!
echo "$node" >"$folder/pid.new" && mv "$folder/pid.new" "$folder/pid"
{
  trap '' TERM INT HUP
  cat <&3 >/dev/null
  trap '' USR1
  kill -9 "$node"
  for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$node" || break; sleep 0.1; done
  rm -rf "$folder"
} 2>/dev/null &
alone=$!
exec 3<&-
wait "$node"
status=$?
kill -USR1 "$alone"
exit "$status"
"#;

/// Options of a node.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Port for clients; by default a free one.
    pub port: Option<u16>,
    /// The address that clients are given, `host:port`; by default the node's own. For a proxy in between.
    pub advertised: Option<String>,
    /// Broker configs in addition to the defaults or instead of them, such as `group.initial.rebalance.delay.ms`.
    pub configs: Vec<(String, String)>,
    /// Where the node's folder is created; by default among the system's temporary files.
    pub parent_folder: Option<PathBuf>,
    /// The largest heap of the JVM in MiB; by default 384.
    pub heap_mib: Option<u32>,
}

/// A running node. Dropping it ends the node and removes its folder.
#[derive(Debug)]
pub struct Node {
    jars: Jars,
    port: u16,
    advertised: String,
    heap_mib: u32,
    /// `None` while the node is stopped.
    process: Option<Child>,
    folder: TempDir,
}

impl Node {
    /// Starts a node and waits until it answers.
    ///
    /// # Errors
    /// [`Error::Ended`] and [`Error::NoAnswer`] with the end of the node's log; [`Error::Port`], [`Error::File`].
    pub fn start(jars: &Jars, options: Options) -> Result<Self, Error> {
        let parent = options.parent_folder.clone().unwrap_or_else(std::env::temp_dir);
        let folder = tempfile::Builder::new()
            .prefix("kafka-node-")
            .tempdir_in(&parent)
            .map_err(Error::file(parent))?;
        copy_folder(&jars.formatted(), &folder.path().join("logs"))?;
        let mut node = Self {
            jars: jars.clone(),
            port: 0,
            advertised: String::new(),
            heap_mib: options.heap_mib.unwrap_or(384),
            process: None,
            folder,
        };
        let mut tries = 0;
        loop {
            node.configure(&options)?;
            tries += 1;
            match node.start_again() {
                // Another program took the port between its choice and the node's start.
                Err(Error::Ended { log, .. }) if tries < TRIES && log.contains(PORT_TAKEN) => {}
                result => return result.map(|()| node),
            }
        }
    }

    /// Chooses the ports that aren't given, and writes the configuration.
    fn configure(&mut self, options: &Options) -> Result<(), Error> {
        let (port, controller) = ports(options.port)?;
        self.port = port;
        self.advertised = options.advertised.clone().unwrap_or_else(|| format!("localhost:{port}"));
        let path = self.folder.path().join("server.properties");
        let logs = self.folder.path().join("logs");
        let text = properties(&logs, port, controller, &self.advertised, &options.configs);
        fs::write(&path, text).map_err(Error::file(&path))
    }

    /// Returns the address for clients, `host:port`.
    pub fn bootstrap_servers(&self) -> &str {
        &self.advertised
    }

    /// Returns the port on which the node itself listens, whatever it advertises.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the node's process id while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref()?;
        fs::read_to_string(self.pid_file()).ok()?.trim().parse().ok()
    }

    /// Starts a stopped node with its data and waits until it answers. Does nothing if the node runs.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub fn start_again(&mut self) -> Result<(), Error> {
        if self.process.is_some() {
            return Ok(());
        }
        let path = self.log_file();
        let log_begins = fs::metadata(&path).map_or(0, |file| file.len());
        let log = File::options().create(true).append(true).open(&path).map_err(Error::file(&path))?;
        let errors = log.try_clone().map_err(Error::file(&path))?;
        let mut command = Command::new("sh");
        command
            .args(["-c", GUARD, "kafka-node"])
            .arg(self.folder.path())
            .args(["java", "-XX:+UseSerialGC", &format!("-Xmx{}m", self.heap_mib)])
            .arg("-Dorg.apache.logging.log4j.level=INFO")
            .arg("-cp")
            .arg(self.jars.classpath())
            .arg("kafka.Kafka")
            .arg(self.folder.path().join("server.properties"))
            .stdin(Stdio::piped())
            .stdout(log)
            .stderr(errors);
        let started = command
            .spawn()
            .map_err(|error| Error::Program { program: "sh", problem: format!("can't be run: {error}") })?;
        self.process = Some(started);
        self.wait_until_up(log_begins)
    }

    /// Waits until the node answers. Asks only after its log shows that it has its port: before, another program might
    /// answer there.
    fn wait_until_up(&mut self, log_begins: u64) -> Result<(), Error> {
        let begun = Instant::now();
        while !(self.has_started(log_begins) && probe::is_up(self.port)) {
            if let Some(status) = self.ended() {
                self.process = None;
                return Err(Error::Ended { status: status.to_string(), log: self.log() });
            }
            if begun.elapsed() > START_WITHIN {
                let address = format!("localhost:{}", self.port);
                return Err(Error::NoAnswer { address, waited: START_WITHIN, log: self.log() });
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    fn has_started(&self, log_begins: u64) -> bool {
        let mut log = Vec::new();
        let read = File::open(self.log_file()).and_then(|mut file| {
            file.seek(SeekFrom::Start(log_begins))?;
            file.read_to_end(&mut log)
        });
        read.is_ok() && log.windows(HAS_STARTED.len()).any(|part| part == HAS_STARTED)
    }

    /// Stops the node as an operator would, and keeps its data. Does nothing if the node is stopped.
    ///
    /// # Errors
    /// [`Error::Program`] if no signal can be sent.
    pub fn stop(&mut self) -> Result<(), Error> {
        if self.process.is_none() {
            return Ok(());
        }
        self.signal("-TERM")?;
        let begun = Instant::now();
        while self.ended().is_none() && begun.elapsed() < STOP_WITHIN {
            std::thread::sleep(LOOK_AGAIN);
        }
        self.end()
    }

    /// Kills the node without a warning, and keeps its data.
    ///
    /// # Errors
    /// As [`Node::stop`].
    pub fn kill(&mut self) -> Result<(), Error> {
        self.end()
    }

    /// Returns the end of the node's log.
    pub fn log(&self) -> String {
        const END: u64 = 4_000;
        let mut bytes = Vec::new();
        let read = File::open(self.log_file()).and_then(|mut file| {
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(END)))?;
            file.read_to_end(&mut bytes)
        });
        match read {
            Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(error) => format!("(no log: {error})"),
        }
    }

    fn signal(&self, signal: &str) -> Result<(), Error> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let told = Command::new("kill").args([signal, &pid.to_string()]).status();
        told.map(drop)
            .map_err(|error| Error::Program { program: "kill", problem: format!("can't be run: {error}") })
    }

    /// Returns how the node's process ended, if it has.
    fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut()?.try_wait().ok().flatten()
    }

    /// Kills the node if it still runs, and waits for its end.
    fn end(&mut self) -> Result<(), Error> {
        if self.ended().is_none() {
            self.signal("-KILL")?;
        }
        let begun = Instant::now();
        // Its standard input stays open until it has ended; otherwise the guard would remove the folder.
        while self.process.is_some() && self.ended().is_none() {
            if begun.elapsed() > STOP_WITHIN {
                let problem = format!("with process id {:?} can't be ended", self.pid());
                return Err(Error::Program { program: "java", problem });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.process = None;
        Ok(())
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.path().join("pid")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("kafka.log")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("Apache Kafka may still run: {error}");
        }
    }
}

/// Returns the wanted port, or a free one, and a free one for the controller.
fn ports(wanted: Option<u16>) -> Result<(u16, u16), Error> {
    let listen = |port: Option<u16>| {
        TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0)))
            .map_err(|source| Error::Port { port, source })
    };
    // Both are held until both are known, so that they differ.
    let (client, controller) = (listen(wanted)?, listen(None)?);
    let port = |listener: &TcpListener| {
        let address = listener.local_addr();
        address.map(|address| address.port()).map_err(|source| Error::Port { port: None, source })
    };
    Ok((port(&client)?, port(&controller)?))
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Error> {
    fs::create_dir_all(to).map_err(Error::file(to))?;
    for entry in fs::read_dir(from).map_err(Error::file(from))? {
        let entry = entry.map_err(Error::file(from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else {
            fs::copy(&path, &target).map_err(Error::file(&path))?;
        }
    }
    Ok(())
}

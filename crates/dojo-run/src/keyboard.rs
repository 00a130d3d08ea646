//! Who answers the questions of a scenario, and what a person types in the terminal: lines of stdin, which a thread reads, because
//! nothing else can wait for them and still be stopped.

use std::{
    io::{self, BufRead, IsTerminal, Read},
    sync::{Arc, LazyLock},
};
use tokio::sync::broadcast;

/// Lines that wait to be read. Older ones are dropped.
const UNREAD: usize = 16;
/// The longest line that is read at once, in bytes.
const MAX_LINE_BYTES: u64 = 1_024;

/// Who is asked the questions of a scenario.
#[derive(Debug, Clone)]
pub enum Asks {
    /// Nobody, for this reason.
    Nobody(&'static str),
    /// The room, on the page.
    Room,
    /// The room, and the terminal.
    RoomAndTerminal(Keyboard),
}

impl Default for Asks {
    fn default() -> Self {
        Self::Nobody("nobody is there to answer")
    }
}

/// The keyboard, on which a person may type answers. The process has one stdin, so there is one keyboard.
#[derive(Debug, Clone)]
pub struct Keyboard(Arc<broadcast::Receiver<String>>);

static KEYBOARD: LazyLock<Option<Keyboard>> =
    LazyLock::new(|| io::stdin().is_terminal().then(Keyboard::listen));

impl Keyboard {
    /// Begins to read stdin, if that is a terminal. What is typed while no question is open is dropped.
    pub(crate) fn open() -> Option<Self> {
        KEYBOARD.clone()
    }

    fn listen() -> Self {
        let stdin = io::stdin();
        let (lines, typed) = broadcast::channel(UNREAD);
        // The thread ends with stdin or with the process.
        std::thread::spawn(move || {
            let mut line = Vec::new();
            while stdin.lock().take(MAX_LINE_BYTES).read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0)
            {
                // Fails if no question is open.
                let _ = lines.send(String::from_utf8_lossy(&line).into_owned());
                line.clear();
            }
        });
        Self(Arc::new(typed))
    }

    /// Returns what is typed from now on.
    pub(crate) fn lines(&self) -> broadcast::Receiver<String> {
        self.0.resubscribe()
    }
}

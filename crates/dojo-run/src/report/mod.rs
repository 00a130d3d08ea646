//! The text of the verdict on stdout, and with `--report` the files `report.html`, `report.json` and `junit.xml`.
//!
//! In reading order: the text of the verdict (`text`); the data of the files (`data`), which a `recorder` collects while scenarios are
//! played; the three files that are written from them (`junit`; `charts`, `timeline` and `html`), and the folder that they stand in (`files`).

mod text;
pub use text::report;

mod data;
mod recorder;

mod charts;
mod timeline;

mod html;
mod junit;

mod files;
pub use files::FolderError;

use crate::{Played, Progress, Target, player::Audience};
use chrono::Utc;
use dojo_scenario::Scenario;
use files::Folder;
use recorder::Recorder;
use std::{path::Path, time::Instant};

/// Writes the report files of the scenarios that a command plays.
///
/// The files are there from the beginning, and are replaced after each scenario. So they have what was played, also if the command
/// is interrupted.
#[derive(Debug)]
pub struct ReportFiles {
    folder: Folder,
    recorder: Recorder,
    began: Instant,
    written: Result<(), FolderError>,
}

impl ReportFiles {
    /// Creates the folder if it doesn't exist, and writes the report of no scenario.
    ///
    /// # Errors
    /// The folder can't be created, or the files can't be written in it.
    pub fn create(folder: &Path, target: &Target) -> Result<Self, FolderError> {
        let recorder = Recorder::new(target.to_string(), Utc::now());
        let folder = Folder::create(folder)?;
        let files = Self { folder, recorder, began: Instant::now(), written: Ok(()) };
        files.write()?;
        Ok(files)
    }

    /// Returns why the files couldn't be written the last time. Each time they are written anew, so an earlier time doesn't
    /// count.
    pub fn error(&self) -> Option<&FolderError> {
        self.written.as_ref().err()
    }

    /// Writes the files once more if the command ends with a graver exit code than its scenarios, as after Ctrl-C between two of them.
    pub fn finish(&mut self, exit_code: u8) {
        if self.recorder.finish(exit_code) {
            self.written = self.write();
        }
    }

    fn write(&self) -> Result<(), FolderError> {
        let report = self.recorder.report();
        self.folder.write("report.json", || Ok(serde_json::to_string_pretty(report)? + "\n"))?;
        self.folder.write("junit.xml", || Ok(junit::xml(report)?))?;
        self.folder.write("report.html", || Ok(html::page(report)?))
    }
}

impl Audience for ReportFiles {
    fn begin(&mut self, _: &Scenario) {
        self.recorder.begin(self.began.elapsed());
    }

    fn progress(&mut self, progress: &Progress) {
        self.recorder.progress(self.began.elapsed(), progress);
    }

    fn end(&mut self, scenario: &Scenario, played: &Played) {
        self.recorder.end(self.began.elapsed(), scenario, played);
        self.written = self.write();
    }
}

//! The program `dojo-run`. `dojo run` is the same.

use clap::Parser;
use dojo_run::{Cli, exit, run};
use std::{
    io::{self, Write},
    process::ExitCode,
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // This includes `--help` and `--version`. A closed pipe is ignored.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::COMMAND_LINE } else { exit::MET });
        }
    };
    match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => ExitCode::from(runtime.block_on(run(&cli))),
        Err(error) => {
            // A closed stderr is ignored.
            let _ = writeln!(io::stderr(), "error: cannot start the asynchronous runtime: {error}");
            ExitCode::from(exit::COULD_NOT_RUN)
        }
    }
}

//! `cargo xtask compose`: the container stack as its users have it, from end to end. The Dockerfile and docker-compose.yml are
//! used as they are, on a copy of the project, so that the edits on the way don't change yours.
//!
//! If Docker answers, that is used; otherwise, as root on Debian, an engine is installed, started, and ended afterwards.
//! Where an image can't be pulled, a stand-in is built (`images.rs`) and reported at the end.

mod docs;
mod ending;
mod engine;
mod images;
mod load;
mod parts;
mod stack;

use crate::shell::step;
use anyhow::Result;
use ending::{continue_unless_ending, end_on_signal};
use engine::Engine;
use parts::PARTS;
use stack::Stack;

/// Tries the parts in `wanted`, or all of them if it is empty.
pub(crate) fn compose(wanted: &[String]) -> Result<()> {
    let names = PARTS.map(|part| part.name);
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(&name.as_str())) {
        anyhow::bail!("no part is called {unknown}: choose from {}", names.join(", "));
    }
    end_on_signal()?;
    let engine = step("Docker", Engine::find_or_start)?;
    let stand_ins = step("images", || images::find_or_make(engine.docker()))?;
    let stack = Stack::copy(engine.docker())?;
    let mut parts =
        PARTS.iter().filter(|part| wanted.is_empty() || wanted.iter().any(|name| name == part.name));
    let tried = parts.try_for_each(|part| {
        continue_unless_ending()?;
        step(&format!("{}: {}", part.name, part.what), || (part.run)(&stack))
    });
    if tried.is_err() {
        println!("{}", stack.logs());
    }
    let gone = step("take everything down", || {
        stack.take_down()?;
        stand_ins.forget(engine.docker())
    });
    tried?;
    gone?;
    println!("\nwith a stand-in for: {}", stand_ins.names());
    Ok(())
}

//! `cargo xtask compose`: the container stack as its users have it, from end to end. The Dockerfile and docker-compose.yml are
//! used as they are, on a copy of the project, so that what is edited on the way is not yours.
//!
//! Where Docker answers, that is used; as root on Debian an engine of its own is installed and started, and ended
//! afterwards. Images that cannot be pulled are made here (`images.rs`), and told at the end.

mod docs;
mod engine;
mod images;
mod load;
mod parts;
mod stack;

use crate::shell::step;
use anyhow::{Result, ensure};
use engine::Engine;
use parts::PARTS;
use stack::Stack;

/// Tries the parts whose names are given, or all of them.
pub(crate) fn compose(wanted: &[String]) -> Result<()> {
    let names = PARTS.map(|part| part.name);
    let unknown = wanted.iter().find(|name| !names.contains(&name.as_str()));
    ensure!(unknown.is_none(), "no part is called {:?}; there are {}", unknown, names.join(", "));
    let engine = step("Docker", Engine::find_or_start)?;
    let stand_ins = step("images", || images::find_or_make(engine.docker()))?;
    let stack = Stack::copy(engine.docker())?;
    let tried = PARTS
        .iter()
        .filter(|part| wanted.is_empty() || wanted.iter().any(|name| name == part.name))
        .try_for_each(|part| step(&format!("{}: {}", part.name, part.what), || (part.run)(&stack)));
    if tried.is_err() {
        println!("{}", stack.logs());
    }
    let gone = step("take everything down", || stack.take_down());
    tried?;
    gone?;
    println!(
        "\nwith a stand-in for: {}",
        if stand_ins.is_empty() { "nothing".into() } else { stand_ins.join(", ") }
    );
    Ok(())
}

//! The commands that WORKSHOP.md shows, for those that need the container stack.

/// The commands of a document in its order: lines that begin with `$ ` in a console block, and pieces of code in a sentence.
pub(crate) fn commands(document: &str) -> Vec<String> {
    let mut commands = Vec::new();
    let (mut in_block, mut continued) = (false, None::<String>);
    for line in document.lines() {
        if line.starts_with("```") {
            in_block = line == "```console";
        } else if in_block {
            let begun = continued.take();
            let piece = match (&begun, line.strip_prefix("$ ")) {
                (None, Some(command)) => command,
                (Some(_), _) => line.trim(),
                (None, None) => continue,
            };
            let whole = begun.map_or_else(|| piece.to_owned(), |begun| format!("{begun} {piece}"));
            match whole.strip_suffix('\\') {
                Some(begun) => continued = Some(begun.trim_end().to_owned()),
                None => commands.push(whole),
            }
        } else {
            commands.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    commands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_sentences_show_commands() {
        let document = "Stop it (`docker compose stop fraud`).\n```console\n$ curl -s \\\n    localhost\nan answer\n```\n";
        assert_eq!(commands(document), ["docker compose stop fraud", "curl -s localhost"]);
    }
}

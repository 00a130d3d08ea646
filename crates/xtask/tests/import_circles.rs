//! No import circles between the files of a crate: a reader can read them one after another.
//!
//! A file imports another one if it names something in it: in a `use`, or by a path that begins with `crate`, `self`,
//! `super` or a module below it. A name that a module only passes on, by `use` or `pub use`, counts as an import of the file
//! that it comes from; and `pub use` alone imports nothing. Code for tests doesn't count.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, missing_docs, reason = "a test panics")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::read_to_string,
    path::{Path, PathBuf},
};

/// The names of a path, such as `["crate", "consume", "ConsumerOptions"]`.
type Names = Vec<String>;

/// The text of a file as names and signs, without comments, texts and characters.
fn tokens(text: &str) -> Names {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Names::new();
    let mut i = 0;
    while i < chars.len() {
        let c = at(i);
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && at(i) != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            while i < chars.len() {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 {
                    break;
                }
            }
        } else if let Some(end) = end_of_raw_text(&chars, i) {
            i = end;
        } else if c == '"' {
            i += 1;
            while i < chars.len() && at(i) != '"' {
                i += if at(i) == '\\' { 2 } else { 1 };
            }
            i += 1;
        } else if c == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            i += if at(i + 1) == '\\' { 3 } else { 2 };
            while i < chars.len() && at(i) != '\'' {
                i += 1;
            }
            i += 1;
        } else if is_name(c) {
            let start = i;
            while is_name(at(i)) {
                i += 1;
            }
            found.push(chars[start..i].iter().collect());
        } else if c == ':' && at(i + 1) == ':' {
            found.push("::".to_owned());
            i += 2;
        } else {
            if !c.is_whitespace() {
                found.push(c.to_string());
            }
            i += 1;
        }
    }
    found
}

/// Where the text `r#"…"#` ends that begins at `start`, if one does.
fn end_of_raw_text(chars: &[char], start: usize) -> Option<usize> {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let begins_name = start > 0 && (at(start - 1).is_alphanumeric() || at(start - 1) == '_');
    let after_r = match (at(start), at(start + 1)) {
        _ if begins_name => return None,
        ('r', _) => start + 1,
        ('b' | 'c', 'r') => start + 2,
        _ => return None,
    };
    let hashes = (after_r..).take_while(|i| at(*i) == '#').count();
    if at(after_r + hashes) != '"' {
        return None;
    }
    let is_end = |i: &usize| at(*i) == '"' && (1..=hashes).all(|n| at(i + n) == '#');
    (after_r + hashes + 1..chars.len()).find(is_end).map(|quote| quote + hashes + 1)
}

/// A module: the file that it is in, the names that it passes on, and the paths that it names.
#[derive(Debug, Default)]
struct Module {
    file: PathBuf,
    /// What a `use` calls a name here, and the path that it stands for.
    uses: BTreeMap<String, Names>,
    /// The modules whose every name is passed on: `use x::*`.
    globs: Vec<Names>,
    /// Names that are declared here.
    declared: BTreeSet<String>,
    paths: Vec<Names>,
}

/// The modules of one crate, from its `lib.rs` or `main.rs` on.
#[derive(Debug, Default)]
struct Modules(BTreeMap<Names, Module>);

impl Modules {
    fn read(root: &Path) -> Self {
        let mut modules = Self::default();
        modules.read_file(Names::new(), root, root.parent().unwrap());
        modules
    }

    /// Reads the module `name` from `file`, and the modules in files of their own that it declares, from `folder`.
    fn read_file(&mut self, name: Names, file: &Path, folder: &Path) {
        let text = read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let tokens = tokens(&text);
        for declared in self.read_module(&name, file, &tokens) {
            let last = declared.last().unwrap();
            let below = folder.join(last);
            let (flat, nested) = (folder.join(format!("{last}.rs")), below.join("mod.rs"));
            let file = if flat.exists() { flat } else { nested };
            self.read_file(declared, &file, &below);
        }
    }

    /// Reads one module; returns the modules that it declares without a body.
    fn read_module(&mut self, name: &Names, file: &Path, tokens: &[String]) -> Vec<Names> {
        let mut module = Module { file: file.to_owned(), ..Module::default() };
        let mut elsewhere = Vec::new();
        let mut is_public = false;
        let mut i = 0;
        while let Some(token) = tokens.get(i) {
            let next = tokens.get(i + 1).map_or("", String::as_str);
            match token.as_str() {
                "#" if is_for_tests(&tokens[i..]) => {
                    i = end_of_item(tokens, i);
                    continue;
                }
                "use" => {
                    let end = (i..tokens.len()).find(|i| tokens[*i] == ";").unwrap_or(tokens.len());
                    for (called, path) in used(&tokens[i + 1..end]) {
                        if !is_public {
                            module.paths.push(path.clone());
                        }
                        match called.as_str() {
                            "*" => module.globs.push(path),
                            _ => drop(module.uses.insert(called, path)),
                        }
                    }
                    i = end;
                }
                "mod" if tokens.get(i + 2).is_some_and(|sign| sign == ";") => {
                    elsewhere.push([name.as_slice(), &[next.to_owned()]].concat());
                }
                "mod" if tokens.get(i + 2).is_some_and(|sign| sign == "{") => {
                    let end = end_of_item(tokens, i);
                    let inner = [name.as_slice(), &[next.to_owned()]].concat();
                    elsewhere.extend(self.read_module(&inner, file, &tokens[i + 3..end - 1]));
                    i = end;
                    continue;
                }
                "fn" | "struct" | "enum" | "trait" | "type" | "const" | "static" | "union" => {
                    module.declared.insert(next.to_owned());
                }
                _ if next == "::" && (i == 0 || tokens[i - 1] != "::") => {
                    let path = tokens[i..].chunks(2).map_while(|pair| match pair {
                        [name, sign] if sign == "::" => Some((name, true)),
                        [name, ..] => Some((name, false)),
                        [] => None,
                    });
                    let mut names = Names::new();
                    for (name, goes_on) in path {
                        names.push(name.clone());
                        if !goes_on {
                            break;
                        }
                    }
                    module.paths.push(names);
                }
                _ => {}
            }
            is_public = match token.as_str() {
                "pub" => true,
                // `pub(crate)`, `pub(in x::y)`
                "(" | ")" | "crate" | "super" | "self" | "in" | "::" => is_public,
                _ => false,
            };
            i += 1;
        }
        self.0.insert(name.clone(), module);
        elsewhere
    }

    /// The file that `path` leads to from the module `from`; `None`: it leads out of the crate.
    fn file_of(&self, from: &Names, path: &[String], steps: usize) -> Option<&Path> {
        let mut module = from.clone();
        let mut rest = path;
        let below = |module: &Names, name: &String| [module.as_slice(), std::slice::from_ref(name)].concat();
        match rest.first().map(String::as_str) {
            Some("crate") => (module, rest) = (Names::new(), &rest[1..]),
            Some("self") => rest = &rest[1..],
            Some("super") => {}
            Some(_) if self.0.contains_key(&below(&module, &rest[0])) => {}
            Some(_) if self.0[&module].uses.contains_key(&rest[0]) => {}
            _ => return None,
        }
        while let Some((name, after)) = rest.split_first() {
            if name == "super" {
                module.pop();
            } else if self.0.contains_key(&below(&module, name)) {
                module = below(&module, name);
            } else {
                let here = &self.0[&module];
                // A name may be passed on a few times, and never in a ring.
                if steps > 10 || here.declared.contains(name) {
                    break;
                }
                let passed_on = here.uses.get(name).map(|from| [from.as_slice(), after].concat());
                let globs = here.globs.iter().map(|from| [from.as_slice(), rest].concat());
                return match passed_on {
                    Some(path) => self.file_of(&module, &path, steps + 1),
                    None => globs
                        .filter_map(|path| self.file_of(&module, &path, steps + 1))
                        .next()
                        .or(Some(&here.file)),
                };
            }
            rest = after;
        }
        Some(&self.0[&module].file)
    }

    /// Which file imports which.
    fn imports(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let mut imports = BTreeMap::<_, BTreeSet<_>>::new();
        for (name, module) in &self.0 {
            let files = module.paths.iter().filter_map(|path| self.file_of(name, path, 0));
            imports.entry(&*module.file).or_default().extend(files.filter(|file| *file != module.file));
        }
        imports
    }
}

/// Whether an attribute keeps the next item for tests.
fn is_for_tests(tokens: &[String]) -> bool {
    let attribute: Vec<_> = tokens.iter().take(6).map(String::as_str).collect();
    attribute == ["#", "[", "cfg", "(", "test", ")"]
}

/// Where the item ends that begins at `start`, with its attributes: behind its `;` or its closing brace.
fn end_of_item(tokens: &[String], start: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(start) {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(token.as_str(), ";" | "}") {
            return i + 1;
        }
    }
    tokens.len()
}

/// The names that a `use` brings, and the paths that they stand for; `*` is every name below its path.
fn used(tokens: &[String]) -> Vec<(String, Names)> {
    let mut found = Vec::new();
    let mut prefix = Names::new();
    let mut i = 0;
    while let Some(token) = tokens.get(i) {
        match token.as_str() {
            "::" => {}
            "{" => {
                let (mut depth, mut start) = (0, i + 1);
                for (end, token) in tokens.iter().enumerate().skip(i) {
                    match token.as_str() {
                        "{" => depth += 1,
                        "}" => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 || (depth == 1 && token == ",") {
                        let parts = used(&tokens[start..end]).into_iter();
                        found.extend(parts.map(|(called, path)| {
                            // `a::{self}` is `a`.
                            let path = if path == ["self"] { Names::new() } else { path };
                            let path = [prefix.as_slice(), &path].concat();
                            (if called == "self" { path.last().unwrap().clone() } else { called }, path)
                        }));
                        start = end + 1;
                    }
                    if depth == 0 {
                        break;
                    }
                }
                return found;
            }
            "*" => return vec![("*".to_owned(), prefix)],
            "as" => return vec![(tokens[i + 1].clone(), prefix)],
            name => prefix.push(name.to_owned()),
        }
        i += 1;
    }
    prefix.last().cloned().map(|called| (called, prefix)).into_iter().collect()
}

/// A circle of imports, as `a.rs -> b.rs -> a.rs`, if there is one.
fn circle(root: &Path) -> Option<String> {
    fn search<'a>(
        file: &'a Path,
        imports: &BTreeMap<&'a Path, BTreeSet<&'a Path>>,
        way: &mut Vec<&'a Path>,
        done: &mut BTreeSet<&'a Path>,
    ) -> bool {
        let closes = way.contains(&file);
        way.push(file);
        if closes {
            return true;
        }
        if !done.contains(file) {
            if imports[file].iter().any(|next| search(next, imports, way, done)) {
                return true;
            }
            done.insert(file);
        }
        way.pop();
        false
    }
    let modules = Modules::read(root);
    let imports = modules.imports();
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    if !imports.keys().any(|file| search(file, &imports, &mut way, &mut done)) {
        return None;
    }
    let last = way.last().copied();
    let ring = way.into_iter().skip_while(|file| Some(*file) != last);
    let folder = root.parent().unwrap();
    let names = ring.map(|file| file.strip_prefix(folder).unwrap().display().to_string());
    Some(names.collect::<Vec<_>>().join(" -> "))
}

#[test]
fn no_crate_has_a_circle_of_imports() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut roots = Vec::new();
    for entry in std::fs::read_dir(&crates).unwrap() {
        let folder = entry.unwrap().path();
        roots.extend(
            ["lib.rs", "main.rs"]
                .map(|file| folder.join("src").join(file))
                .into_iter()
                .filter(|r| r.exists()),
        );
    }
    assert!(roots.len() > 7, "{roots:?}");
    let circles: Vec<_> =
        roots.iter().filter_map(|root| Some(format!("{}: {}", root.display(), circle(root)?))).collect();
    assert!(circles.is_empty(), "\n{}\n", circles.join("\n"));
}

/// A crate made of these files, for a test.
fn made_up(files: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let root = folder.path().join(files[0].0);
    (folder, root)
}

fn circle_of(files: &[(&str, &str)]) -> Option<String> {
    circle(&made_up(files).1)
}

#[test]
fn a_circle_is_found_by_every_kind_of_import() {
    let root = ("lib.rs", "mod a; mod b; pub use a::A;");
    let b = ("b.rs", "use crate::A; pub struct B;");
    for a in [
        "use crate::b::B; pub struct A;",
        "use super::{b::{self, B}}; pub struct A;",
        "pub struct A; fn f() { crate::b::B; }",
        "mod inner { pub fn f() { super::super::b::B } } pub struct A;",
        "pub struct A; impl A { const B: &'static str = r#\"\"#; fn f(c: char) -> super::b::B { if c == '\"' {} } }",
    ] {
        assert_eq!(circle_of(&[root, ("a.rs", a), b]).as_deref(), Some("a.rs -> b.rs -> a.rs"), "{a}");
    }
}

#[test]
fn a_module_and_the_modules_below_it_can_be_a_circle() {
    let root = ("lib.rs", "mod a;");
    let below = ("a/below.rs", "use super::A; pub struct Below(A);");
    let circle = circle_of(&[root, ("a/mod.rs", "mod below; use below::Below; pub struct A;"), below]);
    assert_eq!(circle.as_deref(), Some("a/below.rs -> a/mod.rs -> a/below.rs"));
    // A module that only names those below it, and passes on what is in them, imports nothing.
    let apart = ("a/apart.rs", "pub struct A;");
    let passing_on = ("a/mod.rs", "mod apart; mod below; pub use {apart::A, below::Below};");
    assert_eq!(circle_of(&[root, passing_on, apart, below]), None);
}

#[test]
fn a_name_that_is_passed_on_counts_as_an_import_of_its_file() {
    let root = ("lib.rs", "mod a; mod b; mod c; pub use b::*; pub(crate) use c::C as See;");
    let files =
        |c| [root, ("a.rs", "use crate::{B, See};"), ("b.rs", "pub struct B; use crate::See;"), ("c.rs", c)];
    assert_eq!(circle_of(&files("pub struct C;")), None);
    assert_eq!(circle_of(&files("use crate::B; pub struct C;")).as_deref(), Some("b.rs -> c.rs -> b.rs"));
}

#[test]
fn neither_tests_nor_comments_nor_texts_import_anything() {
    let a = r##"
        //! See [`crate::b`].
        pub struct A; /* crate::b::B /* nested */ crate::b::B */
        const TEXT: [&str; 2] = ["\" crate::b::B", r#"" crate::b::B"#];
        #[cfg(test)] mod tests { use crate::b::B; }
        #[cfg(test)] use crate::b::B;
        #[cfg(test)] mod a_tests;
    "##;
    let b = "use crate::a::A; pub struct B; fn f<'a>(x: &'a str) -> std::io::Result<&'a str> { Ok(x) }";
    assert_eq!(circle_of(&[("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b.rs", b)]), None);
}

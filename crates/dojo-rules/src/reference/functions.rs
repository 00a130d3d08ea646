//! The functions of rhai that a rule can call, as the engine has them.

use crate::sandbox::OWN_COMPARISONS;
use rhai::Engine;

/// A function of rhai: its name, the names and types of its parameters, what it returns, and rhai's description.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RhaiFunction {
    pub name: String,
    pub parameters: Vec<(String, &'static str)>,
    /// Whether it is a property: `text.len`.
    pub is_property: bool,
    pub returns: &'static str,
    pub text: String,
}

impl RhaiFunction {
    /// Returns the type whose method it is.
    pub fn owner(&self) -> &'static str {
        self.parameters.first().map_or("", |&(_, kind)| kind)
    }

    /// Returns how it is written behind a value, or alone if it isn't a method.
    pub fn written(&self) -> String {
        if self.is_property {
            return self.name.clone();
        }
        let skipped = usize::from(self.is_method());
        let names: Vec<&str> = self.parameters.iter().skip(skipped).map(|(name, _)| name.as_str()).collect();
        format!("{}({})", self.name, names.join(", "))
    }

    /// Returns whether rules write it behind a value.
    pub fn is_method(&self) -> bool {
        !matches!(self.name.as_str(), "range" | "PI" | "E" | "min" | "max" | "parse_int" | "parse_decimal")
    }
}

/// Returns the functions of `engine`, sorted. Left out are operators, deprecated functions, those that the sandbox refuses, and those
/// without a description, which are other names of operators.
pub(super) fn of(engine: &Engine) -> Vec<RhaiFunction> {
    let mut all: Vec<RhaiFunction> = engine
        .collect_fn_metadata(
            None,
            |function| {
                let function = function.metadata;
                let name = function.name.strip_prefix("get$").unwrap_or(&function.name);
                let is_name = name.chars().all(|c| c.is_alphanumeric() || c == '_');
                let comments = function.comments.join("\n");
                if !is_name || comments.is_empty() || comments.contains("# Deprecated") {
                    return None;
                }
                let mut parameters = Vec::new();
                for parameter in &function.params_info {
                    let (name, kind) = parameter.split_once(':')?;
                    parameters.push((name.trim().trim_start_matches("mut ").to_owned(), kind_of(kind)?));
                }
                let compares = parameters.iter().any(|&(_, kind)| kind == "Fn");
                // Rules use `print` and `debug` of the language.
                if OWN_COMPARISONS.contains(&name) && compares
                    || ["print", "debug", "parse_float"].contains(&name)
                {
                    return None;
                }
                Some(RhaiFunction {
                    name: name.to_owned(),
                    parameters,
                    is_property: name != function.name,
                    returns: kind_of(&function.return_type)?,
                    text: described(name, &comments),
                })
            },
            true,
        )
        .into_iter()
        .collect();
    all.sort();
    all.dedup();
    all
}

/// Returns a type of rhai in the words of its language server; `None` for a type that rules don't have.
fn kind_of(kind: &str) -> Option<&'static str> {
    let kind = kind.trim().trim_start_matches("&mut ").replace(' ', "");
    let kind = kind.strip_prefix("RhaiResultOf<").and_then(|kind| kind.strip_suffix('>')).unwrap_or(&kind);
    Some(match kind {
        "INT" => "int",
        "Decimal" => "decimal",
        "&str" | "ImmutableString" | "String" => "String",
        "char" => "char",
        "bool" => "bool",
        "Array" => "array",
        "Map" => "map",
        "FnPtr" => "Fn",
        "Dynamic" | "RhaiResult" => "?",
        "()" => "()",
        _ if kind.contains("Blob") => return None,
        _ if kind.contains("Range") && !kind.contains("BitRange") && !kind.contains("StepRange") => "range",
        _ if kind.contains("Range") || kind.contains("Stream") => "iterator",
        _ => return None,
    })
}

/// Returns the first sentence of rhai's description.
fn described(name: &str, comments: &str) -> String {
    match name {
        // rhai 1.27 describes each of them as the other.
        "PI" => return "Return the number π.".to_owned(),
        "E" => return "Return the base of the natural logarithm, _e_.".to_owned(),
        "max" => return "Return the greater of two numbers, texts or characters.".to_owned(),
        "min" => return "Return the smaller of two numbers, texts or characters.".to_owned(),
        _ => {}
    }
    let lines = comments.lines().map(|line| line.trim_start_matches("///").trim());
    let paragraph: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
    let text = paragraph.join(" ");
    let end = text.find(". ").map_or(text.len(), |end| end + 1);
    text[..end].replace(" according to the following:", ": 1, 0 or -1.")
}

//! Finds unknown names before the script runs, even in branches that no sample order takes.
//!
//! rhai looks up a property or a function only when it evaluates it, so a typo in a rare branch would show with the first
//! order that takes the branch. Therefore the syntax tree is checked once, when the rule is saved.
//!
//! A value may have any type, so the check covers only properties of a fact itself (`order.totl`), and functions by name
//! and number of arguments.

use crate::{
    error::{Mistake, RuleErrorKind},
    traps, vocabulary,
};
use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, Position};
use std::collections::BTreeSet;

/// Functions of the language itself, which no package registers.
const KEYWORDS: [&str; 8] = ["print", "debug", "type_of", "Fn", "call", "curry", "is_def_var", "is_def_fn"];

/// Checks every property of a fact and every function that the script names.
///
/// # Errors
/// The first unknown name.
pub(crate) fn check(engine: &Engine, ast: &AST, facts: &[&str]) -> Result<(), Mistake> {
    let functions = Functions::of(engine, ast);
    first(ast, |expression| match expression {
        Expr::Dot(chain, ..) => misspelled_property(&chain.lhs, &chain.rhs, facts)
            .or_else(|| functions.misspelled_method(&chain.lhs, &chain.rhs, facts)),
        Expr::FnCall(call, position) if !functions.has(call, 0) => {
            Some(functions.unknown(call, 0, *position))
        }
        Expr::MethodCall(call, position) if !functions.has(call, 1) => {
            Some(functions.unknown(call, 1, *position))
        }
        _ => None,
    })?;
    first(&ast.clone_functions_only(), |expression| {
        let (fact, position) = fact(expression, facts)?;
        let message = format!("`{fact}` is not visible here");
        Some(Mistake::new(RuleErrorKind::Name, position, message).mend(format!(
            "a function or closure sees only its parameters; pass `{fact}` to it as an argument"
        )))
    })
}

/// Returns the first mistake that `look` finds in an expression.
pub(crate) fn first(ast: &AST, mut look: impl FnMut(&Expr) -> Option<Mistake>) -> Result<(), Mistake> {
    let mut found = None;
    ast.walk(&mut |path| {
        if let Some(ASTNode::Expr(expression)) = path.last() {
            found = look(expression);
        }
        found.is_none()
    });
    found.map_or(Ok(()), Err)
}

/// Returns the name of a fact that is the expression. A variable of the script with the same name has an index into the
/// stack; a fact comes from outside and has none.
pub(crate) fn fact<'a>(expression: &'a Expr, facts: &[&str]) -> Option<(&'a str, Position)> {
    let Expr::Variable(variable, _, position) = expression else { return None };
    let (index, name, namespace, _) = &**variable;
    let is_fact = index.is_none() && namespace.is_empty() && facts.contains(&name.as_str());
    is_fact.then_some((name.as_str(), *position))
}

fn misspelled_property(owner: &Expr, chain: &Expr, facts: &[&str]) -> Option<Mistake> {
    let (fact, _) = fact(owner, facts)?;
    let property = match chain {
        Expr::Dot(rest, ..) | Expr::Index(rest, ..) => &rest.lhs,
        single => single,
    };
    let Expr::Property(property, position) = property else { return None };
    let (_, _, name) = &**property;
    let known: Vec<&str> = vocabulary::properties(fact)?.into_iter().map(|(known, ..)| known).collect();
    if known.contains(&name.as_str()) {
        return None;
    }
    let unknown = Mistake::new(RuleErrorKind::Name, *position, format!("`{fact}` has no `{name}`"));
    Some(match traps::closest(name, known.iter().copied()) {
        Some(meant) => unknown.mend(format!("did you mean `{meant}`?")),
        None if known.is_empty() => unknown.mend(calls_of(Some(fact), None)),
        None => unknown.mend(format!("it has {}", known.join(", "))),
    })
}

/// Says how the functions of a fact, or those with a name, are called.
fn calls_of(of: Option<&str>, name: Option<&str>) -> String {
    let calls = vocabulary::FUNCTIONS
        .iter()
        .filter(|function| of.is_none_or(|of| function.of == Some(of)))
        .filter(|function| name.is_none_or(|name| function.name == name))
        .map(|function| format!("write `{}`: {}", function.call(), function.text));
    calls.collect::<Vec<_>>().join("\n")
}

/// Every function that the script can call, by name and number of parameters.
struct Functions {
    all: BTreeSet<(String, usize)>,
    /// The names of the script's own ones.
    own: BTreeSet<String>,
}

impl Functions {
    fn of(engine: &Engine, ast: &AST) -> Self {
        let native = engine
            .collect_fn_metadata(
                None,
                |function| Some((function.metadata.name.to_string(), function.metadata.num_params)),
                true,
            )
            .into_iter();
        let own = ast.iter_functions().map(|function| (function.name.to_owned(), function.params.len()));
        Self {
            all: native.chain(own).collect(),
            own: ast.iter_functions().map(|function| function.name.to_owned()).collect(),
        }
    }

    /// Explains a call such as `customer.order(60)`: a fact that has only functions has none but those.
    fn misspelled_method(&self, owner: &Expr, chain: &Expr, facts: &[&str]) -> Option<Mistake> {
        let (fact, _) = fact(owner, facts)?;
        let call = match chain {
            Expr::Dot(rest, ..) | Expr::Index(rest, ..) => &rest.lhs,
            single => single,
        };
        let Expr::MethodCall(call, position) = call else { return None };
        let name = call.name.as_str();
        let mut known = vocabulary::FUNCTIONS.iter().filter(|function| function.of == Some(fact)).peekable();
        known.peek()?;
        let own = self.own.contains(name) || ["type_of", "to_string", "to_debug"].contains(&name);
        if own || known.any(|function| function.name == name) {
            return None;
        }
        let message = format!("`{fact}` has no `{name}`");
        Some(Mistake::new(RuleErrorKind::Name, *position, message).mend(calls_of(Some(fact), None)))
    }

    /// Explains a call of a function that doesn't exist. `receivers` is as for [`Functions::has`].
    fn unknown(&self, call: &FnCallExpr, receivers: usize, position: Position) -> Mistake {
        let name = call.name.as_str();
        let numbers: Vec<String> = self
            .all
            .iter()
            .filter(|(known, number)| known == name && *number >= receivers)
            .map(|(_, number)| (number - receivers).to_string())
            .collect();
        let unknown = |message| Mistake::new(RuleErrorKind::Name, position, message);
        if !numbers.is_empty() {
            let message = format!(
                "`{name}` takes {} argument{}, not {}",
                numbers.join(" or "),
                if numbers == ["1"] { "" } else { "s" },
                call.args.len()
            );
            return if vocabulary::FUNCTIONS.iter().any(|function| function.name == name) {
                unknown(message).mend(calls_of(None, Some(name)))
            } else {
                unknown(message)
            };
        }
        let unknown = unknown(format!("there is no function `{name}` here"));
        let names = self.all.iter().map(|(known, _)| known.as_str()).filter(|known| !known.contains('$'));
        match (traps::mend(name), traps::closest(name, names)) {
            (Some(mend), _) => unknown.mend(mend),
            (_, Some(meant)) => unknown.mend(format!("did you mean `{meant}`?")),
            _ => unknown.mend("rules/REFERENCE.md lists the functions"),
        }
    }

    /// Returns whether the function of a call exists. `receivers` is 1 for a method call, whose receiver may be the first
    /// parameter or `this`.
    fn has(&self, call: &FnCallExpr, receivers: usize) -> bool {
        let name = call.name.as_str();
        call.is_operator_call()
            || !call.namespace.is_empty()
            || KEYWORDS.contains(&name)
            || (0..=receivers).any(|extra| self.all.contains(&(name.to_owned(), call.args.len() + extra)))
    }
}

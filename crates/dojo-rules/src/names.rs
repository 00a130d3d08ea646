//! Finds unknown names before the script runs, even in branches that no sample order takes.
//!
//! rhai looks up a property or a function only when it evaluates it, so a typo in a rare branch would show with the first
//! order that takes the branch. Therefore the syntax tree is checked once, when the rule is saved.
//!
//! A value may have any type, so the check covers only properties of a fact itself (`order.totl`), and functions by name
//! and number of arguments.

use crate::vocabulary;
use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, Position};
use std::collections::HashSet;

/// Functions of the language itself, which no package registers.
const KEYWORDS: [&str; 8] = ["print", "debug", "type_of", "Fn", "call", "curry", "is_def_var", "is_def_fn"];

/// An unknown name.
pub(crate) struct Unknown {
    pub position: Position,
    pub message: String,
}

/// Checks every property of a fact and every function that the script names.
///
/// # Errors
/// The first unknown name.
pub(crate) fn check(engine: &Engine, ast: &AST, facts: &[&str]) -> Result<(), Unknown> {
    let functions = Functions::of(engine, ast);
    first(ast, |expression| match expression {
        Expr::Dot(chain, ..) => misspelled_property(&chain.lhs, &chain.rhs, facts),
        Expr::FnCall(call, position) if !functions.has(call, 0) => Some(unknown_function(call, *position)),
        Expr::MethodCall(call, position) if !functions.has(call, 1) => {
            Some(unknown_function(call, *position))
        }
        _ => None,
    })?;
    first(&ast.clone_functions_only(), |expression| {
        let (fact, position) = fact(expression, facts)?;
        Some(Unknown {
            position,
            message: format!("a function sees only its parameters; pass `{fact}` to it as an argument"),
        })
    })
}

fn first(ast: &AST, mut look: impl FnMut(&Expr) -> Option<Unknown>) -> Result<(), Unknown> {
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
fn fact<'a>(expression: &'a Expr, facts: &[&str]) -> Option<(&'a str, Position)> {
    let Expr::Variable(variable, _, position) = expression else { return None };
    let (index, name, namespace, _) = &**variable;
    let is_fact = index.is_none() && namespace.is_empty() && facts.contains(&name.as_str());
    is_fact.then_some((name.as_str(), *position))
}

fn misspelled_property(owner: &Expr, chain: &Expr, facts: &[&str]) -> Option<Unknown> {
    let (fact, _) = fact(owner, facts)?;
    let property = match chain {
        Expr::Dot(rest, ..) | Expr::Index(rest, ..) => &rest.lhs,
        single => single,
    };
    let Expr::Property(property, position) = property else { return None };
    let (_, _, name) = &**property;
    let known = vocabulary::properties(fact)?;
    if known.contains(&name.as_str()) {
        return None;
    }
    let message = format!("`{fact}` has no `{name}`; it has {}", known.join(", "));
    Some(Unknown { position: *position, message })
}

fn unknown_function(call: &FnCallExpr, position: Position) -> Unknown {
    let arguments = match call.args.len() {
        1 => "1 argument".to_owned(),
        several => format!("{several} arguments"),
    };
    let message =
        format!("there is no function `{}` with {arguments}; check its name and its arguments", call.name);
    Unknown { position, message }
}

/// Every function that the script can call, by name and number of parameters.
struct Functions(HashSet<(String, usize)>);

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
        Self(native.chain(own).collect())
    }

    /// Returns whether the function of a call exists. `receivers` is 1 for a method call, whose receiver may be the first
    /// parameter or `this`.
    fn has(&self, call: &FnCallExpr, receivers: usize) -> bool {
        let name = call.name.as_str();
        call.is_operator_call()
            || !call.namespace.is_empty()
            || KEYWORDS.contains(&name)
            || (0..=receivers).any(|extra| self.0.contains(&(name.to_owned(), call.args.len() + extra)))
    }
}

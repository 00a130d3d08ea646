//! What the types of a rule's values tell before it runs: comparisons that can never be right, and spans of an hour.
//!
//! rhai answers `false` when a rule compares a number with a text, so `order.total > "100"` would look like a rule and never
//! find anything. The types of facts, literals and most variables are known when the rule is saved. Where a type isn't known,
//! the comparison is checked when it runs (see [`crate::sandbox`]).

use crate::{
    MAX_SPAN,
    comparisons::UNLIKE_MEND,
    error::{Mistake, RuleErrorKind},
    names,
    vocabulary::{self, FUNCTIONS, Type},
};
use rhai::{AST, ASTNode, Expr, FnCallExpr, INT, Position, Stmt, Token};
use std::collections::{HashMap, HashSet};

/// What is known about a rule.
pub(crate) struct Known {
    /// Whether every comparison is known to be of like types.
    pub all_comparisons: bool,
    /// The longest span that stands in the source, in seconds.
    pub longest_span: u32,
}

/// Checks the comparisons, the `switch` statements and the spans in `ast`.
///
/// # Errors
/// The first one that can't be right.
pub(crate) fn check(ast: &AST, facts: &[&str]) -> Result<Known, Mistake> {
    let types = Types::of(ast, facts);
    let mut known = Known { all_comparisons: true, longest_span: 0 };
    names::first(ast, |expression| {
        let call = match expression {
            Expr::FnCall(call, position) | Expr::MethodCall(call, position) => Some((call, *position)),
            _ => None,
        };
        if let Some((call, position)) = call {
            if let Some(span) = types.span(call) {
                match u32::try_from(span) {
                    Ok(span @ 1..=MAX_SPAN) => known.longest_span = known.longest_span.max(span),
                    _ => return Some(span_mistake(span, position)),
                }
            }
            // These functions compare values, whose types nobody knows.
            if ["contains", "index_of", "dedup"].contains(&call.name.as_str()) {
                known.all_comparisons = false;
            }
            if is_comparison(call) {
                match types.compared(call) {
                    Comparison::Like => {}
                    Comparison::Unknown => known.all_comparisons = false,
                    Comparison::Unlike(message, mend) => {
                        return Some(Mistake::new(RuleErrorKind::Type, position, message).mend(mend));
                    }
                }
            }
        }
        None
    })?;
    types.check_switches(ast)?;
    Ok(known)
}

/// How to correct a `switch` on a value that it can't compare.
const SWITCH: &str =
    "write `switch x.to_string() { … }` for a text, or `switch x.to_int() { … }` for a whole number";

fn span_mistake(span: INT, position: Position) -> Mistake {
    Mistake::new(RuleErrorKind::Evaluation, position, format!("a span of {span} seconds"))
        .mend(format!("give 1 to {MAX_SPAN} seconds (an hour at most)"))
}

fn is_comparison(call: &FnCallExpr) -> bool {
    use Token::{EqualsTo, GreaterThan, GreaterThanEqualsTo, LessThan, LessThanEqualsTo, NotEqualsTo};
    let sign = &call.op_token;
    matches!(
        sign,
        Some(EqualsTo | NotEqualsTo | LessThan | LessThanEqualsTo | GreaterThan | GreaterThanEqualsTo)
    )
}

enum Comparison {
    Like,
    Unknown,
    Unlike(String, String),
}

/// The types of variables: those that every declaration and assignment agrees on.
struct Types<'a> {
    facts: &'a [&'a str],
    variables: HashMap<String, Type>,
    /// Variables with a whole number that never changes.
    constants: HashMap<String, INT>,
    /// Functions of the script, which may hide others.
    functions: HashSet<String>,
}

impl<'a> Types<'a> {
    fn of(ast: &AST, facts: &'a [&'a str]) -> Self {
        let functions = ast.iter_functions().map(|function| function.name.to_owned()).collect();
        let mut types = Self { facts, variables: HashMap::new(), constants: HashMap::new(), functions };
        let mut unknown: HashSet<String> =
            ast.iter_functions().flat_map(|function| function.params).map(str::to_owned).collect();
        // A second round meets assignments of variables whose types the first one has forgotten.
        for _ in 0..2 {
            types.variables.clear();
            let mut assigned = HashSet::new();
            ast.walk(&mut |path| {
                if let Some(ASTNode::Stmt(statement)) = path.last() {
                    types.note(statement, &mut unknown, &mut assigned);
                }
                true
            });
            types.variables.retain(|name, _| !unknown.contains(name));
            types.constants.retain(|name, _| !unknown.contains(name) && !assigned.contains(name));
        }
        types
    }

    fn note(&mut self, statement: &Stmt, unknown: &mut HashSet<String>, assigned: &mut HashSet<String>) {
        match statement {
            Stmt::Var(variable, ..) => {
                let (name, value) = (variable.0.as_str(), &variable.1);
                let kind = if unknown.contains(name) { None } else { self.of_expression(value) };
                if let Expr::IntegerConstant(number, _) = value
                    && self.constants.insert(name.to_owned(), *number).is_some_and(|before| before != *number)
                {
                    assigned.insert(name.to_owned());
                }
                self.agree(name, kind, unknown);
            }
            Stmt::Assignment(assignment) => {
                if let Expr::Variable(variable, ..) = &assignment.1.lhs {
                    let name = variable.1.as_str();
                    assigned.insert(name.to_owned());
                    let value = self.of_expression(&assignment.1.rhs);
                    let stays =
                        self.variables.get(name) == Some(&Type::Text) && assignment.0.is_op_assignment();
                    if !stays {
                        self.agree(name, value, unknown);
                    }
                }
            }
            Stmt::For(parts, _) => {
                unknown.insert(parts.0.as_str().to_owned());
                unknown.extend(parts.1.as_ref().map(|counter| counter.as_str().to_owned()));
            }
            Stmt::TryCatch(parts, _) => {
                if let Expr::Variable(variable, ..) = &parts.expr {
                    unknown.insert(variable.1.as_str().to_owned());
                }
            }
            _ => {}
        }
    }

    fn agree(&mut self, name: &str, kind: Option<Type>, unknown: &mut HashSet<String>) {
        match (self.variables.get(name), kind) {
            (None, Some(kind)) => {
                self.variables.insert(name.to_owned(), kind);
            }
            (Some(before), Some(kind)) if *before == kind => {}
            _ => {
                unknown.insert(name.to_owned());
            }
        }
    }

    fn of_expression(&self, expression: &Expr) -> Option<Type> {
        Some(match expression {
            Expr::IntegerConstant(..) => Type::Whole,
            Expr::DynamicConstant(value, _) if value.is_decimal() => Type::Decimal,
            Expr::DynamicConstant(value, _) if value.is_array() => Type::Array,
            Expr::DynamicConstant(value, _) if value.is_map() => Type::Map,
            Expr::StringConstant(..) | Expr::InterpolatedString(..) => Type::Text,
            Expr::CharConstant(..) => Type::Character,
            Expr::BoolConstant(..) | Expr::And(..) | Expr::Or(..) => Type::Truth,
            Expr::Unit(_) => Type::Nothing,
            Expr::Array(..) => Type::Array,
            Expr::Map(..) => Type::Map,
            // A variable with the name of a fact hides it.
            Expr::Variable(variable, ..) => return self.variables.get(variable.1.as_str()).copied(),
            Expr::Dot(chain, ..) => return self.of_chain(&chain.lhs, &chain.rhs),
            Expr::FnCall(call, _) => return self.of_call(call),
            _ => return None,
        })
    }

    /// Returns the type of `owner.chain`.
    fn of_chain(&self, owner: &Expr, chain: &Expr) -> Option<Type> {
        let fact = names::fact(owner, self.facts).map(|(fact, _)| fact);
        let (first, rest) = match chain {
            Expr::Dot(parts, ..) => (&parts.lhs, Some(&parts.rhs)),
            Expr::Index(..) => return None,
            single => (single, None),
        };
        let of_first = match (first, fact) {
            (Expr::Property(property, _), Some(fact)) => {
                let known = vocabulary::properties(fact)?;
                known.into_iter().find(|(name, ..)| *name == property.2.as_str())?.1
            }
            (Expr::MethodCall(call, _), Some(fact)) => {
                FUNCTIONS
                    .iter()
                    .find(|known| known.of == Some(fact) && known.name == call.name.as_str())?
                    .returns
            }
            (Expr::MethodCall(call, _), None) => self.of_method(&call.name)?,
            (Expr::Property(property, _), None) if property.2 == "len" => Type::Whole,
            _ => return None,
        };
        let Some(mut rest) = rest else { return Some(of_first) };
        while let Expr::Dot(parts, ..) = rest {
            rest = &parts.rhs;
        }
        match rest {
            Expr::MethodCall(call, _) => self.of_method(&call.name),
            Expr::Property(property, _) if property.2 == "len" => Some(Type::Whole),
            _ => None,
        }
    }

    fn of_method(&self, name: &str) -> Option<Type> {
        if self.functions.contains(name) {
            return None;
        }
        Some(match name {
            "len" | "to_int" => Type::Whole,
            "contains" | "starts_with" | "ends_with" | "is_empty" => Type::Truth,
            "to_string" | "to_debug" | "type_of" | "to_lower" | "to_upper" | "sub_string" => Type::Text,
            "to_decimal" => Type::Decimal,
            _ => return None,
        })
    }

    fn of_call(&self, call: &FnCallExpr) -> Option<Type> {
        use Token::{Bang, Divide, Minus, Modulo, Multiply, Plus, UnaryMinus};
        if is_comparison(call) {
            return Some(Type::Truth);
        }
        let mut operands = call.args.iter().map(|operand| self.of_expression(operand));
        match &call.op_token {
            Some(Bang) => Some(Type::Truth),
            Some(Minus | UnaryMinus) if call.args.len() == 1 => operands.next().flatten(),
            Some(sign @ (Plus | Minus | Multiply | Divide | Modulo)) => {
                match (operands.next()??, operands.next()??) {
                    (Type::Whole, Type::Whole) => Some(Type::Whole),
                    (Type::Whole | Type::Decimal, Type::Whole | Type::Decimal) => Some(Type::Decimal),
                    (Type::Text, _) | (_, Type::Text) if *sign == Plus => Some(Type::Text),
                    _ => None,
                }
            }
            Some(_) => None,
            None if self.functions.contains(call.name.as_str()) => None,
            None => FUNCTIONS
                .iter()
                .find(|known| known.of.is_none() && known.name == call.name.as_str())
                .map(|known| known.returns)
                .or_else(|| self.of_method(&call.name)),
        }
    }

    fn compared(&self, call: &FnCallExpr) -> Comparison {
        let [left, right] = &call.args[..] else { return Comparison::Unknown };
        let sign = call.name.as_str();
        for side in [left, right] {
            if let Some((fact, _)) = names::fact(side, self.facts)
                && !self.variables.contains_key(fact)
            {
                return Comparison::Unlike(
                    format!("`{sign}` compares `{fact}` as a whole"),
                    format!("compare one of its properties, such as `{}`", example(fact)),
                );
            }
        }
        let (Some(a), Some(b)) = (self.of_expression(left), self.of_expression(right)) else {
            return Comparison::Unknown;
        };
        let equality = matches!(call.op_token, Some(Token::EqualsTo | Token::NotEqualsTo));
        if a.is_like(b) || equality && (a == Type::Nothing || b == Type::Nothing) {
            return Comparison::Like;
        }
        let mend = [left, right]
            .into_iter()
            .find_map(|side| match side {
                Expr::StringConstant(text, _) if text.parse::<rust_decimal::Decimal>().is_ok() => {
                    Some(format!("write `{text}` without quotes"))
                }
                _ => None,
            })
            .unwrap_or_else(|| UNLIKE_MEND.to_owned());
        Comparison::Unlike(format!("`{sign}` compares {} with {}", a.described(), b.described()), mend)
    }

    /// Refuses a `switch` on a value that may be a decimal number: rhai finds a case by hash, and 100 and 100.0 have different
    /// ones. It finds `_` without a word, and nothing of it can be checked when the rule runs, so the type must be known.
    fn check_switches(&self, ast: &AST) -> Result<(), Mistake> {
        let mut found = None;
        ast.walk(&mut |path| {
            if let Some(ASTNode::Stmt(Stmt::Switch(parts, position))) = path.last() {
                let (message, mend) = match self.of_expression(&parts.0) {
                    Some(Type::Whole | Type::Text | Type::Character | Type::Truth | Type::Nothing) => {
                        return true;
                    }
                    Some(Type::Decimal) => (
                        "`switch` doesn't compare decimal numbers as `==` does".to_owned(),
                        "write `if x == 100 { … } else if x < 50 { … } else { … }`, or switch on a whole number",
                    ),
                    Some(kind) => (format!("`switch` doesn't compare {} as `==` does", kind.described()), SWITCH),
                    None => ("the type of what `switch` compares isn't known before the rule runs".to_owned(), SWITCH),
                };
                found = Some(Mistake::new(RuleErrorKind::Type, *position, message).mend(mend));
            }
            found.is_none()
        });
        found.map_or(Ok(()), Err)
    }

    /// Returns the span that a call asks about, if it stands in the source.
    fn span(&self, call: &FnCallExpr) -> Option<INT> {
        let is_known = FUNCTIONS.iter().any(|known| known.of.is_some() && known.name == call.name.as_str());
        if !is_known || self.functions.contains(call.name.as_str()) {
            return None;
        }
        match call.args.last()? {
            Expr::IntegerConstant(span, _) => Some(*span),
            Expr::Variable(variable, ..) => self.constants.get(variable.1.as_str()).copied(),
            _ => None,
        }
    }
}

fn example(fact: &str) -> String {
    let property = vocabulary::properties(fact).and_then(|known| known.first().map(|&(name, ..)| name));
    match (property, FUNCTIONS.iter().find(|function| function.of == Some(fact))) {
        (Some(name), _) => format!("{fact}.{name}"),
        (None, Some(function)) => function.call(),
        (None, None) => fact.to_owned(),
    }
}

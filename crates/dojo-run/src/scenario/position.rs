//! Finds positions in a YAML text, and refuses what no scenario may contain.
//!
//! The YAML parser gives positions only with errors. So both passes here build nothing: one fails at what no document may
//! contain, the other fails on purpose at the position in question.

use super::Position;
use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::{collections::HashSet, fmt};

/// One step down into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Into the member with this name.
    Member(String),
    /// Into the element with this index, from 0.
    Element(usize),
}

impl From<&str> for Segment {
    fn from(name: &str) -> Self {
        Self::Member(name.to_owned())
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Self::Element(index)
    }
}

/// Most values of a scenario once its aliases are expanded. A few hundred bytes of aliases of aliases would otherwise
/// expand to billions.
const MAX_VALUES: usize = 100_000;

/// Refuses members given twice (the YAML parser would take either), aliases that expand too far, and infinite numbers.
pub(super) fn survey(source: &str) -> Result<(), serde_yaml::Error> {
    let mut left = MAX_VALUES;
    Survey { left: &mut left }.deserialize(serde_yaml::Deserializer::from_str(source))
}

/// Returns the position of the value at `path`, or of its nearest ancestor that exists.
pub(super) fn of(source: &str, path: &[Segment]) -> Position {
    (0..=path.len())
        .rev()
        .filter_map(|end| path.get(..end))
        .find_map(|path| {
            let found = Locate { path }.deserialize(serde_yaml::Deserializer::from_str(source));
            let at = found.err()?.location()?;
            Some(Position { line: at.line(), column: at.column() })
        })
        .unwrap_or(Position::START)
}

struct Survey<'a> {
    left: &'a mut usize,
}

impl Survey<'_> {
    fn again(&mut self) -> Survey<'_> {
        Survey { left: self.left }
    }
}

impl<'de> DeserializeSeed<'de> for Survey<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        *self.left =
            self.left.checked_sub(1).ok_or_else(|| de::Error::custom("repetition limit exceeded"))?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Survey<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text, a number, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_i128<E>(self, _: i128) -> Result<(), E> {
        Ok(())
    }

    fn visit_u128<E>(self, _: u128) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<(), E> {
        // JSON has no such number. serde_json would write null, which removes a setting.
        if number.is_finite() {
            Ok(())
        } else {
            Err(E::custom("JSON can't represent this number; quote it if it is text"))
        }
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        while elements.next_element_seed(self.again())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while members.next_key_seed(NewName { seen: &mut seen })?.is_some() {
            members.next_value_seed(self.again())?;
        }
        Ok(())
    }

    fn visit_enum<A: EnumAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(de::Error::custom("a YAML tag (`!…`) has no meaning in a scenario; remove it"))
    }
}

/// Reads a member's name, and fails if it was read before, so that the error has the position of the second one.
struct NewName<'a> {
    seen: &'a mut HashSet<String>,
}

impl<'de> DeserializeSeed<'de> for NewName<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NewName<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name before the `:`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<(), E> {
        if self.seen.insert(name.to_owned()) {
            Ok(())
        } else {
            Err(E::custom(format_args!("`{name}` is given twice; keep one of them")))
        }
    }
}

struct Locate<'a> {
    path: &'a [Segment],
}

impl<'de> DeserializeSeed<'de> for Locate<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// Serde's default methods refuse every other value. At the end of the path, that error is what is wanted.
impl<'de> Visitor<'de> for Locate<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the place looked for")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        let Some((Segment::Element(index), rest)) = self.path.split_first() else {
            return Err(de::Error::custom("here"));
        };
        for _ in 0..*index {
            elements.next_element::<IgnoredAny>()?;
        }
        elements.next_element_seed(Locate { path: rest })?;
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let Some((Segment::Member(name), rest)) = self.path.split_first() else {
            return Err(de::Error::custom("here"));
        };
        while let Some(key) = members.next_key::<String>()? {
            if key == *name {
                members.next_value_seed(Locate { path: rest })?;
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

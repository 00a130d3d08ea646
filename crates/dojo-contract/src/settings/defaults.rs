//! The values that apply where the topic has none.

use super::{
    Guarantee, OnExhausted, Setting, SettingValue,
    value::{MAX_RETRIES_LIMIT, is_rate},
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a value comes from, the highest priority first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ValueSource {
    /// The topic `dojo-settings`.
    Topic,
    /// The process's environment or command line.
    Environment,
    /// The built-in default.
    Default,
}

/// The values that apply where the topic has none: flags of every service that shows or uses them.
#[derive(clap::Args, Debug, Clone, PartialEq, Eq, Default)]
pub struct Defaults {
    /// Probability of a failed notification, 0 to 1, while the settings have no other; 0.3 without this flag. Every
    /// service should be given the same
    #[arg(long, env = "FAIL_RATE", value_name = "RATE", value_parser = parse_rate)]
    pub fail_rate: Option<Decimal>,

    /// How often a failed notification is retried, 0 to 10, while the settings have no other number; 2 without this flag.
    /// Every service should be given the same
    #[arg(
        long,
        env = "MAX_RETRIES",
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(..=i64::from(MAX_RETRIES_LIMIT)),
    )]
    pub max_retries: Option<u32>,
}

/// Reads a probability, as a flag gives it.
fn parse_rate(text: &str) -> Result<Decimal, String> {
    let rate = text.parse().ok().filter(is_rate);
    rate.ok_or_else(|| format!("`{text}` isn't a probability: give a number from 0 to 1, such as 0.3"))
}

impl Defaults {
    /// The built-in failure rate, 0.3.
    pub const FAIL_RATE: Decimal = Decimal::from_parts(3, 0, 0, false, 1);
    /// The built-in number of retries, 2.
    pub const MAX_RETRIES: u32 = 2;

    pub(super) fn get(&self, setting: Setting) -> (SettingValue, ValueSource) {
        let (given, default) = match setting {
            Setting::FailRate => (self.fail_rate, SettingValue::Number(Self::FAIL_RATE)),
            Setting::MaxRetries => {
                let default = SettingValue::Number(Self::MAX_RETRIES.into());
                (self.max_retries.map(Decimal::from), default)
            }
            Setting::OnExhausted => (None, SettingValue::OnExhausted(OnExhausted::default())),
            Setting::DeliveryMillis => (None, SettingValue::Number(Decimal::ZERO)),
            Setting::Guarantee => (None, SettingValue::Guarantee(Guarantee::default())),
        };
        given.map_or((default, ValueSource::Default), |value| {
            (SettingValue::Number(value), ValueSource::Environment)
        })
    }
}

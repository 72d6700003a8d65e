//! One test per scene and provider.

/// Makes `built_in::scene`, `netes::scene` and `faasd::scene` of each function that takes a
/// `Stage`.
macro_rules! on_every_provider {
    ($($scene:ident),* $(,)?) => {
        mod built_in {
            $(#[test] fn $scene() {
                super::$scene(&crate::api::stage::Stage::start(crate::api::stage::Behind::BuiltIn));
            })*
        }
        mod netes {
            $(#[test] fn $scene() {
                super::$scene(&crate::api::stage::Stage::start(crate::api::stage::Behind::Netes));
            })*
        }
        mod faasd {
            $(#[test] fn $scene() {
                super::$scene(&crate::api::stage::Stage::start(crate::api::stage::Behind::Faasd));
            })*
        }
    };
}

pub(crate) use on_every_provider;

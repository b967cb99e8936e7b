//! The bar on a terminal. Elsewhere than on Unix there is none.

use super::Meter;

/// A bar that is shown.
#[derive(Debug)]
pub(super) struct Bar(#[cfg(unix)] indicatif::ProgressBar);

#[cfg(unix)]
impl Bar {
    pub(super) fn of(meter: &Meter) -> Self {
        use std::fmt;

        use indicatif::{ProgressBar, ProgressState, ProgressStyle};

        use super::Unit;
        use crate::units;

        let template = match meter.total {
            Some(_) if meter.unit == Unit::Inputs => "{wide_msg} [{bar:30}] {pos} of {len} inputs, {left}",
            None if meter.unit == Unit::Inputs => "{wide_msg} {spinner} {pos} inputs",
            Some(_) => "{wide_msg} [{bar:30}] {percent:>3} %  {rate}, {left}",
            None => "{wide_msg} {spinner} {rate}",
        };
        let bar = meter
            .total
            .map_or_else(ProgressBar::new_spinner, ProgressBar::new)
            .with_elapsed(meter.elapsed())
            .with_position(meter.far)
            .with_message(meter.name.clone());
        // The averages since the start: the bar's own know nothing of the time before it was shown.
        let rate_of = |state: &ProgressState| super::rate(state.pos(), state.elapsed());
        if let Ok(style) = ProgressStyle::with_template(template) {
            let rate = move |state: &ProgressState, out: &mut dyn fmt::Write| {
                // What cannot be drawn is drawn next time.
                let _ = write!(out, "{}/s", units::size(rate_of(state)));
            };
            let left = move |state: &ProgressState, out: &mut dyn fmt::Write| {
                let rest = state.len().unwrap_or(0).saturating_sub(state.pos());
                let _ = write!(out, "{} s left", rest / rate_of(state).max(1));
            };
            bar.set_style(style.with_key("rate", rate).with_key("left", left));
        }
        bar.tick();
        Self(bar)
    }

    pub(super) fn reached(&self, far: u64) {
        self.0.set_position(far);
    }

    pub(super) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

#[cfg(not(unix))]
impl Bar {
    pub(super) fn of(_: &Meter) -> Self {
        Self()
    }

    pub(super) fn reached(&self, _: u64) {}

    pub(super) fn clear(&self) {}
}

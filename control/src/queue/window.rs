//! How many calls at once a function takes, as it says by answering 429. Pure.

/// Less than the limit while the function says that it has too many calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Window(Option<f64>);

impl Window {
    /// How many calls may run, at least 1.
    pub(super) fn room(self, limit: usize) -> usize {
        self.0.map_or(limit, |w| limit.min(w as usize)).max(1)
    }

    /// The function has too many calls, or took one: its share shrinks by half, or grows by one
    /// per round of calls.
    pub(super) fn adapt(&mut self, crowded: bool, running: usize, limit: usize) {
        if crowded {
            self.0 = Some((running as f64 / 2.0).max(1.0));
        } else if let Some(window) = self.0 {
            let grown = window + 1.0 / window;
            self.0 = (grown < limit as f64).then_some(grown);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shrinks_at_once_and_grows_back() {
        let mut window = Window::default();
        assert_eq!((window.room(8), window.room(0)), (8, 1));
        window.adapt(true, 8, 8);
        assert_eq!(window.room(8), 4);
        for _ in 0..200 {
            window.adapt(false, 4, 8);
        }
        assert_eq!(window, Window::default());
    }
}

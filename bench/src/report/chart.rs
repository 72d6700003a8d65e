//! One bar chart as SVG: shaded bars, a line over each for the spread, a dashed line for the floor.

use std::fmt::Write as _;

use super::table::figure;

/// Bars of one figure, the shortest first.
pub(crate) struct Chart {
    /// Of its file.
    pub(crate) name: String,
    pub(crate) title: String,
    /// A line under the title.
    pub(crate) about: String,
    pub(crate) unit: &'static str,
    pub(crate) bars: Vec<Bar>,
    /// A line across all bars, and what it says.
    pub(crate) floor: Option<(f64, &'static str)>,
    /// Whether it stands in the README too, not on the page alone.
    pub(crate) is_in_readme: bool,
}

/// One bar.
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: f64,
    pub(crate) spread: Option<(f64, f64)>,
    /// Behind the figure, such as a ratio.
    pub(crate) note: String,
    pub(crate) tone: Tone,
}

/// Whose bar it is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Ours,
    Floor,
    Other,
}

impl Chart {
    /// The picture, which needs nothing else and follows the reader's light or dark.
    pub(crate) fn svg(&self) -> String {
        let most = self.bars.iter().map(|bar| {
            let high = bar.spread.map_or(bar.value, |(_, high)| high);
            // A wild spread must not make the bars invisible.
            high.min(bar.value * 1.5).max(bar.value)
        });
        let most = most.fold(f64::MIN_POSITIVE, f64::max);
        let height = TOP + ROW * self.bars.len() as f64 + BOTTOM;
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
             role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"13\">\n\
             <title>{}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\" rx=\"10\"/>\n\
             <text class=\"title\" x=\"20\" y=\"30\">{}</text>\n\
             <text class=\"soft\" x=\"20\" y=\"50\">{}</text>\n",
            escaped(&self.title),
            escaped(&self.title),
            escaped(&self.about),
        );
        for (row, bar) in self.bars.iter().enumerate() {
            self.bar(bar, TOP + ROW * row as f64, most, &mut out);
        }
        if let Some((at, says)) = self.floor {
            let x = LEFT + at / most * SPAN;
            let (top, bottom) = (TOP - 4.0, height - BOTTOM + 4.0);
            let _ = writeln!(
                out,
                "<line class=\"floor\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top}\" y2=\"{bottom}\"/>\
                 <text class=\"soft\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                x + 4.0,
                bottom + 10.0,
                escaped(says),
            );
        }
        out.push_str("</svg>\n");
        out
    }

    fn bar(&self, bar: &Bar, y: f64, most: f64, out: &mut String) {
        let class = match bar.tone {
            Tone::Ours => "ours",
            Tone::Floor => "base",
            Tone::Other => "other",
        };
        let long = (bar.value / most * SPAN).max(1.5);
        let middle = y + ROW / 2.0;
        let _ = write!(
            out,
            "<text class=\"label {class}-text\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
             <rect class=\"{class}\" x=\"{LEFT}\" y=\"{:.1}\" width=\"{long:.1}\" \
             height=\"{:.1}\" rx=\"3\"/>",
            LEFT - 10.0,
            middle + 4.5,
            escaped(&bar.label),
            y + 4.0,
            ROW - 8.0,
        );
        let mut end = LEFT + long;
        if let Some((low, high)) = bar.spread {
            let at = |value: f64| LEFT + value.clamp(0.0, most) / most * SPAN;
            end = end.max(at(high));
            let _ = write!(
                out,
                "<path class=\"spread\" d=\"M{:.1} {middle:.1}H{:.1}\"/>",
                at(low),
                at(high),
            );
        }
        let _ = writeln!(
            out,
            "<text class=\"figure\" x=\"{:.1}\" y=\"{:.1}\">{} {}\
             <tspan class=\"soft\" dx=\"6\">{}</tspan></text>",
            end + 8.0,
            middle + 4.5,
            figure(bar.value),
            self.unit,
            escaped(&bar.note),
        );
    }
}

/// Text inside of elements and attributes.
pub(super) fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

const WIDTH: f64 = 760.0;
const LEFT: f64 = 130.0;
const SPAN: f64 = 400.0;
const TOP: f64 = 66.0;
const ROW: f64 = 26.0;
const BOTTOM: f64 = 26.0;

const STYLE: &str = "\
.paper{fill:#fff;stroke:#e3e6ea}.title{font-size:16px;font-weight:600;fill:#1b1f24}\
.soft{fill:#6b7480;font-size:12px}.label{text-anchor:end;fill:#3b434c}\
.figure{fill:#1b1f24;font-variant-numeric:tabular-nums}\
.ours{fill:#e4572e}.base{fill:#9aa5b1}.other{fill:#7aa2c9}\
.ours-text{fill:#c2411a;font-weight:600}\
.spread{stroke:#1b1f24;stroke-opacity:.55;stroke-width:1.5}\
.floor{stroke:#6b7480;stroke-dasharray:3 4}\
@media(prefers-color-scheme:dark){.paper{fill:#14181d;stroke:#2a3038}\
.title,.figure{fill:#eef1f4}.soft{fill:#98a2ad}.label{fill:#c8cfd6}\
.ours-text{fill:#ff8a65}.spread{stroke:#eef1f4}.base{fill:#5d6874}.other{fill:#4f7aa5}}";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_picture_is_well_formed() {
        let bar = |label: &str, value, tone| Bar {
            label: label.to_owned(),
            value,
            spread: Some((value * 0.9, value * 9.0)),
            note: "1.00 & more".to_owned(),
            tone,
        };
        let svg = Chart {
            name: "w1".to_owned(),
            title: "<W1>".to_owned(),
            about: String::new(),
            unit: "us",
            bars: vec![bar("ringway", 9.5, Tone::Ours), bar("b", 0.0, Tone::Other)],
            floor: Some((9.0, "relay")),
            is_in_readme: true,
        }
        .svg();
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("&lt;W1&gt;") && svg.contains("1.00 &amp; more"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
        assert_eq!(svg.matches("<rect").count(), 3);
    }
}

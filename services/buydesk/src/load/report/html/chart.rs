//! Charts as SVG.
#![expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "positions in a drawing, not money")]

use std::fmt::Write;

use super::escape;
use crate::load::statistics::format_count;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = 24.0;
/// The margin at the top, which contains the legend.
const TOP: f64 = 40.0;
const BOTTOM: f64 = 36.0;
/// The length of a line sample in the legend.
const SAMPLE: f64 = 28.0;
/// The width of an entry of the legend.
const ENTRY_WIDTH: f64 = 130.0;
/// Maximum number of labels of the horizontal axis.
const X_LABELS: usize = 6;

/// How values are mapped to heights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// From zero to the lowest tick that is not below the highest value.
    Linear,
    /// From a power of ten that is at most the lowest positive value to a power of ten that is at least the highest value.
    Logarithmic,
}

#[derive(Debug)]
pub struct Line {
    pub name: &'static str,
    pub values: Vec<u64>,
}

/// Lines over the seconds of a load.
#[derive(Debug)]
pub struct LineChart {
    pub id: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub scale: Scale,
    pub format: fn(u64) -> String,
    /// The label of each point on the horizontal axis. Only some labels are drawn.
    pub times: Vec<String>,
    pub lines: Vec<Line>,
}

/// Bars, each with a label and a value.
#[derive(Debug)]
pub struct BarChart {
    pub id: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    pub bars: Vec<(String, u64)>,
}

/// The vertical axis.
struct Axis {
    scale: Scale,
    low: f64,
    high: f64,
    ticks: Vec<u64>,
}

impl Axis {
    fn new(scale: Scale, values: impl Iterator<Item = u64> + Clone) -> Self {
        let highest = values.clone().max().unwrap_or(0).max(1);
        let ticks: Vec<u64> = match scale {
            Scale::Linear => {
                let step = nice_step(highest);
                (0..=highest.div_ceil(step)).map(|tick| tick * step).collect()
            }
            Scale::Logarithmic => {
                let lowest = values.filter(|&value| value > 0).min().unwrap_or(1);
                (lowest.ilog10()..=(highest - 1).checked_ilog10().map_or(1, |power| power + 1))
                    .map(|power| 10_u64.pow(power))
                    .collect()
            }
        };
        let position = |value: Option<&u64>| value.map_or(0.0, |&value| scale.position(value));
        let (low, high) = (position(ticks.first()), position(ticks.last()));
        // A single tick must not lead to a division by zero in `y`.
        Self { scale, low, high: if high > low { high } else { low + 1.0 }, ticks }
    }

    fn y(&self, value: u64) -> f64 {
        let share = (self.scale.position(value) - self.low) / (self.high - self.low);
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - share.clamp(0.0, 1.0))
    }
}

impl Scale {
    fn position(self, value: u64) -> f64 {
        match self {
            Self::Linear => value as f64,
            Self::Logarithmic => (value.max(1) as f64).log10(),
        }
    }
}

/// The distance between ticks: 1, 2 or 5 times a power of ten. Returns the smallest such distance for which at most
/// five steps reach `highest`.
fn nice_step(highest: u64) -> u64 {
    let magnitude = 10_u64.pow(highest.ilog10());
    [magnitude / 5, magnitude / 2, magnitude, magnitude * 2]
        .into_iter()
        .find(|&step| step > 0 && highest.div_ceil(step) <= 5)
        .unwrap_or(magnitude.max(1) * 2)
}

/// The beginning of an image. Screen readers announce its title and its description.
fn open(id: &str, title: &str, description: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
         aria-labelledby=\"{id}-title {id}-description\">\n<title id=\"{id}-title\">{}</title>\n\
         <desc id=\"{id}-description\">{}</desc>\n",
        escape(title),
        escape(description)
    )
}

fn grid(svg: &mut String, axis: &Axis, format: fn(u64) -> String) {
    for &tick in &axis.ticks {
        let y = axis.y(tick);
        let (right, label_x, label_y) = (WIDTH - RIGHT, LEFT - 8.0, y + 4.0);
        let label = escape(&format(tick));
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>\
             <text x=\"{label_x}\" y=\"{label_y:.1}\" text-anchor=\"end\">{label}</text>"
        );
    }
}

/// The names of the lines, each beside a sample of its line.
fn legend(svg: &mut String, lines: &[Line]) {
    for (number, Line { name, .. }) in lines.iter().enumerate() {
        let start = LEFT + ENTRY_WIDTH * number as f64;
        let (end, x, y) = (start + SAMPLE, start + SAMPLE + 6.0, TOP - 24.0);
        let text_y = y + 4.0;
        let _ = writeln!(
            svg,
            "<line class=\"line s{number}\" x1=\"{start}\" y1=\"{y}\" x2=\"{end}\" y2=\"{y}\"/>\
             <text x=\"{x}\" y=\"{text_y}\">{}</text>",
            escape(name)
        );
    }
}

fn x_label(svg: &mut String, x: f64, label: &str) {
    let y = HEIGHT - BOTTOM + 18.0;
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", escape(label));
}

impl LineChart {
    pub fn svg(&self) -> String {
        let Self { id, title, description, scale, format, times, lines } = self;
        let mut svg = open(id, title, description);
        let axis = Axis::new(*scale, lines.iter().flat_map(|line| line.values.iter().copied()));
        grid(&mut svg, &axis, *format);
        let span = (WIDTH - LEFT - RIGHT) / (times.len().saturating_sub(1).max(1) as f64);
        for (index, time) in times.iter().enumerate().step_by(times.len().div_ceil(X_LABELS).max(1)) {
            x_label(&mut svg, LEFT + span * index as f64, time);
        }
        for (number, Line { values, .. }) in lines.iter().enumerate() {
            let points: Vec<_> = values
                .iter()
                .enumerate()
                .map(|(index, &value)| format!("{:.1},{:.1}", LEFT + span * index as f64, axis.y(value)))
                .collect();
            // A single point is drawn as a horizontal line.
            let only = values
                .first()
                .filter(|_| values.len() == 1)
                .map(|&value| format!("{:.1},{:.1}", LEFT + span, axis.y(value)));
            let points = points.into_iter().chain(only).collect::<Vec<_>>().join(" ");
            let _ = writeln!(svg, "<polyline class=\"line s{number}\" points=\"{points}\"/>");
        }
        legend(&mut svg, lines);
        svg + "</svg>\n"
    }
}

impl BarChart {
    pub fn svg(&self) -> String {
        let Self { id, title, description, bars } = self;
        let mut svg = open(id, title, description);
        let axis = Axis::new(Scale::Linear, bars.iter().map(|(_, value)| *value));
        grid(&mut svg, &axis, format_count);
        let span = (WIDTH - LEFT - RIGHT) / (bars.len().max(1) as f64);
        let base = HEIGHT - BOTTOM;
        let step = bars.len().div_ceil(X_LABELS).max(1);
        for (index, (label, value)) in bars.iter().enumerate() {
            let (x, y) = (LEFT + span * index as f64, axis.y(*value));
            let (width, height) = ((span - 1.0).max(1.0), base - y);
            let _ = writeln!(
                svg,
                "<rect class=\"bar\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
            );
            if index % step == 0 {
                x_label(&mut svg, x + span, label);
            }
        }
        svg + "</svg>\n"
    }
}

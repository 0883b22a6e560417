//! Draws a chart as SVG. Coordinates are whole pixels, and prices are whole hundred-millionths. Prices are never
//! converted to floating point.

use std::time::Duration;

use common::{
    money::{CurrencyPair, Rate},
    time::{Timestamp, format_age},
};
use plotters::{
    backend::SVGBackend,
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea},
    element::{Circle, PathElement, Polygon, Rectangle, Text},
    style::{
        Color, FontStyle, FontTransform, IntoFont, RGBAColor, RGBColor, TextStyle, WHITE,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    axes::{Scale, format_price_label, format_rate, format_time_label, price_step, time_step},
    series::{Point, Series},
};

const SIZE: (u32, u32) = (900, 420);
/// The edges of the plot area, in pixels.
const LEFT: i32 = 104;
const TOP: i32 = 76;
const RIGHT: i32 = 872;
const BOTTOM: i32 = 356;
const MAX_PRICE_LABELS: i64 = 6;
const MAX_TIME_LABELS: i64 = 8;
/// Minimum length of a shortened time axis, in seconds.
const MIN_SPAN_SECS: i64 = 600;

const INK: RGBColor = RGBColor(31, 41, 55);
const GREY: RGBColor = RGBColor(107, 114, 128);
const GRID: RGBColor = RGBColor(229, 231, 235);
const LINE: RGBColor = RGBColor(29, 78, 216);
const RED: RGBColor = RGBColor(185, 28, 28);

/// Font sizes. The SVG backend divides each by 1.24.
const SMALL: f64 = 14.88;
const MIDDLE: f64 = 19.84;
const LARGE: f64 = 27.28;
const HUGE: f64 = 99.2;

/// On a narrow screen, the chart shrinks and the labels of its axes become larger. The caption of the price axis gives way to
/// them; the heading names the pair.
const NARROW_STYLE: &str = "<style>@media(max-width:600px){text[font-size=\"12\"]:not([text-anchor=\"start\"])\
                            {font-size:17px}text[transform]{display:none}}</style>";

const NO_CURRENT_PRICE: &str = "no current price";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type DrawResult = Result<(), String>;

/// The content of a chart.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) pair: CurrencyPair,
    pub(super) hours: u32,
    pub(super) now: Timestamp,
    pub(super) current_price: Option<Rate>,
    /// The age of the current price, if it is prolonged.
    pub(super) prolonged_age: Option<Duration>,
    pub(super) series: Series,
    /// Whether the market snapshot contains a course of the pair. True without a market snapshot.
    pub(super) reported: bool,
    pub(super) simulated: bool,
}

/// The period on the time axis.
#[derive(Debug, Clone, Copy)]
struct Span {
    /// Seconds since 1970.
    begin: i64,
    /// Whether the axis begins later than requested.
    shortened: bool,
}

impl Chart {
    /// Fails only if the drawing library fails.
    pub(super) fn to_svg(&self) -> Result<String, String> {
        let mut svg = String::with_capacity(32 * 1024);
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            area.fill(&WHITE).map_err(|error| error.to_string())?;
            self.draw(&area)?;
            area.present().map_err(|error| error.to_string())?;
        }
        // Shrinks the chart to fit a narrower window.
        svg = svg.replacen("<svg ", "<svg style=\"max-width:100%;height:auto\" ", 1);
        // Screen readers read the title aloud, and browsers show it as a tooltip.
        let content_start = svg.find("<svg").and_then(|start| svg[start..].find('>').map(|end| start + end + 1));
        if let Some(content_start) = content_start {
            svg.insert_str(content_start, &format!("\n<title>{}</title>\n{NARROW_STYLE}", self.title()));
        }
        Ok(svg)
    }

    fn title(&self) -> String {
        let price = match self.current_price {
            Some(rate) => format!(", now {}", format_rate(rate)),
            None if self.lacks_current_price() => format!(", {NO_CURRENT_PRICE}"),
            None => String::new(),
        };
        let simulated = if self.simulated { ", simulated" } else { "" };
        let prolonged =
            self.prolonged_age.map(|age| format!(", prolonged, {} old", format_age(age))).unwrap_or_default();
        let empty =
            if self.series.last_point().is_none() { format!(", {}", self.empty_message()) } else { String::new() };
        let gaps = match self.series.gaps().count() {
            0 => String::new(),
            1 => ", with one gap without data".to_owned(),
            count => format!(", with {count} gaps without data"),
        };
        format!("{}, the last {}{price}{prolonged}{simulated}{empty}{gaps}", self.pair, format_hours(self.hours))
    }

    /// Whether the chart has data, but the pair has no price now.
    fn lacks_current_price(&self) -> bool {
        self.current_price.is_none() && self.series.last_point().is_some()
    }

    fn empty_message(&self) -> &'static str {
        if self.reported { "no data yet" } else { "no exchange reports this pair at the moment" }
    }

    /// The period on the time axis. If there is data for less than half of the requested period, as after the first
    /// start of the service, the axis is shortened to the data.
    fn span(&self) -> Span {
        let (now, requested) = (self.now_secs(), i64::from(self.hours) * 3600);
        let available = self.series.points().next().map_or(requested, |first| now - first.time);
        let short = (available + available / 20).max(MIN_SPAN_SECS);
        let shortened = available * 2 < requested && short < requested;
        Span { begin: now - if shortened { short } else { requested }, shortened }
    }

    fn now_secs(&self) -> i64 {
        self.now.micros() / 1_000_000
    }

    fn draw(&self, area: &Area<'_>) -> DrawResult {
        let times = Scale { first: self.span().begin, last: self.now_secs(), pixels: (LEFT, RIGHT) };
        let center = (i32::midpoint(LEFT, RIGHT), i32::midpoint(TOP, BOTTOM));
        if self.simulated {
            let style = font(HUGE, FontStyle::Bold, RED.mix(0.08), HPos::Center, VPos::Center);
            draw_text(area, "SIMULATED", center, &style)?;
        }
        self.draw_header(area)?;
        let price_axis = self.price_axis();
        if let Some((scale, step)) = &price_axis {
            draw_price_axis(area, scale, *step)?;
        }
        draw_time_axis(area, &times)?;
        let time_caption = format!("time (UTC), up to {}", self.now.to_datetime().format("%-d %b %Y, %H:%M"));
        let style = font(SMALL, FontStyle::Normal, GREY.into(), HPos::Center, VPos::Top);
        draw_text(area, &time_caption, (center.0, BOTTOM + 34), &style)?;
        let price_caption = format!("{} for 1 {}", self.pair.quote, self.pair.base);
        let upwards =
            font(SMALL, FontStyle::Normal, GREY.into(), HPos::Center, VPos::Center).transform(FontTransform::Rotate270);
        draw_text(area, &price_caption, (18, center.1), &upwards)?;
        let Some((prices, _)) = &price_axis else {
            let style = font(MIDDLE, FontStyle::Normal, GREY.into(), HPos::Center, VPos::Center);
            return draw_text(area, self.empty_message(), center, &style);
        };
        for (before, after) in self.series.gaps() {
            draw_gap(area, times.pixel(before.time), times.pixel(after.time))?;
        }
        for segment in &self.series.segments {
            draw_segment(area, segment, &times, prices)?;
        }
        // The dot at the end of the line shows that there is a current price.
        if let Some(last) = self.series.last_point().filter(|_| self.current_price.is_some()) {
            let position = (times.pixel(last.time), prices.pixel(last.median));
            area.draw(&Circle::new(position, 4, LINE.filled())).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn draw_header(&self, area: &Area<'_>) -> DrawResult {
        let title = match self.current_price {
            Some(rate) => format!("{} {}", self.pair, format_rate(rate)),
            // An expired price must not look like a current price.
            None if self.lacks_current_price() => format!("{}: {NO_CURRENT_PRICE}", self.pair),
            None => self.pair.to_string(),
        };
        draw_text(area, &title, (24, 24), &font(LARGE, FontStyle::Bold, INK.into(), HPos::Left, VPos::Center))?;
        let legend = match self.series.exchangers {
            0 => String::new(),
            1 => "One exchange, and the band from its lowest to its highest".to_owned(),
            n => format!("Median of {n} exchanges, and the band from the lowest to the highest"),
        };
        let since = match (self.span().shortened, self.series.points().next()) {
            (true, Some(first)) => format!(", known since {}", format_moment(first.time, self.hours)),
            _ => String::new(),
        };
        let subtitle = if legend.is_empty() {
            format!("The last {}", format_hours(self.hours))
        } else {
            format!("{legend}; the last {}{since}", format_hours(self.hours))
        };
        let style = font(SMALL, FontStyle::Normal, GREY.into(), HPos::Left, VPos::Center);
        draw_text(area, &subtitle, (24, 50), &style)?;
        let simulated = self.simulated.then(|| "SIMULATED, worth nothing".to_owned());
        let prolonged = self.prolonged_age.map(|age| format!("PROLONGED, {} old", format_age(age)));
        let marks: Vec<_> = simulated.into_iter().chain(prolonged).collect();
        let style = font(MIDDLE, FontStyle::Bold, RED.into(), HPos::Right, VPos::Center);
        draw_text(area, &marks.join("; "), (RIGHT, 24), &style)
    }

    /// The scale of prices and the step between its labels. The scale spans the medians with a margin, and the part of
    /// the band that lies within this margin. A wide band is cut off, so that it does not flatten the line. `None` if
    /// there are no points.
    fn price_axis(&self) -> Option<(Scale, i64)> {
        let lowest = self.series.points().map(|point| point.median).min()?;
        let highest = self.series.points().map(|point| point.median).max()?;
        let band_margin = (highest - lowest).max(lowest / 200).max(1);
        let bottom = self.series.points().map(|point| point.low).min()?.max(lowest - band_margin);
        let top = self.series.points().map(|point| point.high).max()?.min(highest.saturating_add(band_margin));
        // The minimum keeps a flat line in the middle of the chart.
        let margin = ((top - bottom) / 12).max(lowest / 20_000).max(1);
        let scale = Scale { first: (bottom - margin).max(0), last: top.saturating_add(margin), pixels: (BOTTOM, TOP) };
        Some((scale, price_step(scale.last - scale.first, MAX_PRICE_LABELS)))
    }
}

/// Formats seconds since 1970. Charts of more than a day need the date, too.
fn format_moment(seconds: i64, chart_hours: u32) -> String {
    let format = if chart_hours > 24 { "%-d %b, %H:%M UTC" } else { "%H:%M UTC" };
    let time = Timestamp::from_micros(seconds.saturating_mul(1_000_000));
    time.map_or_else(|_| String::new(), |time| time.to_datetime().format(format).to_string())
}

fn format_hours(hours: u32) -> String {
    if hours == 1 { "hour".to_owned() } else { format!("{hours} hours") }
}

fn font(size: f64, style: FontStyle, color: RGBAColor, h: HPos, v: VPos) -> TextStyle<'static> {
    ("sans-serif", size, style).into_font().color(&color).pos(Pos::new(h, v))
}

fn draw_text(area: &Area<'_>, text: &str, position: (i32, i32), style: &TextStyle<'static>) -> DrawResult {
    area.draw(&Text::new(text.to_owned(), position, style.clone())).map_err(|error| error.to_string())
}

fn draw_line(area: &Area<'_>, points: Vec<(i32, i32)>, color: RGBColor, width: u32) -> DrawResult {
    area.draw(&PathElement::new(points, color.stroke_width(width))).map_err(|error| error.to_string())
}

fn draw_price_axis(area: &Area<'_>, scale: &Scale, step: i64) -> DrawResult {
    let style = font(SMALL, FontStyle::Normal, INK.into(), HPos::Right, VPos::Center);
    for value in scale.multiples_of(step) {
        let y = scale.pixel(value);
        draw_line(area, vec![(LEFT, y), (RIGHT, y)], GRID, 1)?;
        draw_text(area, &format_price_label(value, step), (LEFT - 8, y), &style)?;
    }
    Ok(())
}

fn draw_time_axis(area: &Area<'_>, scale: &Scale) -> DrawResult {
    let style = font(SMALL, FontStyle::Normal, INK.into(), HPos::Center, VPos::Top);
    let step = time_step(scale.last - scale.first, MAX_TIME_LABELS);
    for value in scale.multiples_of(step) {
        let x = scale.pixel(value);
        draw_line(area, vec![(x, BOTTOM), (x, BOTTOM + 5)], GREY, 1)?;
        draw_text(area, &format_time_label(value, step), (x, BOTTOM + 10), &style)?;
    }
    draw_line(area, vec![(LEFT, BOTTOM), (RIGHT, BOTTOM)], GREY, 1)
}

/// Shades a period without data, and labels it if it is wide enough.
fn draw_gap(area: &Area<'_>, left: i32, right: i32) -> DrawResult {
    const LABEL_WIDTH: i32 = 56;
    let corners = [(left, TOP), (right, BOTTOM)];
    area.draw(&Rectangle::new(corners, GRID.mix(0.6).filled())).map_err(|error| error.to_string())?;
    if right - left < LABEL_WIDTH {
        return Ok(());
    }
    let style = font(SMALL, FontStyle::Normal, GREY.into(), HPos::Center, VPos::Top);
    draw_text(area, "no data", (i32::midpoint(left, right), TOP + 6), &style)
}

/// Draws the band and the line of a segment. A segment of one point becomes a dot on a vertical line.
fn draw_segment(area: &Area<'_>, segment: &[Point], times: &Scale, prices: &Scale) -> DrawResult {
    let position = |point: &Point, value: i64| (times.pixel(point.time), prices.pixel(value));
    if let [point] = segment {
        draw_line(area, vec![position(point, point.low), position(point, point.high)], LINE, 1)?;
        let dot = Circle::new(position(point, point.median), 2, LINE.filled());
        return area.draw(&dot).map_err(|error| error.to_string());
    }
    let upper_edge = segment.iter().map(|point| position(point, point.high));
    let lower_edge = segment.iter().rev().map(|point| position(point, point.low));
    let band = Polygon::new(upper_edge.chain(lower_edge).collect::<Vec<_>>(), LINE.mix(0.16).filled());
    area.draw(&band).map_err(|error| error.to_string())?;
    draw_line(area, segment.iter().map(|point| position(point, point.median)).collect(), LINE, 2)
}

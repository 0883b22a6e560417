//! The picture itself. All that is computed is whole pixels and whole hundred-millionths; no float touches a price.

use common::{money::CurrencyPair, money::Rate, time::Timestamp};
use plotters::{
    backend::SVGBackend,
    coord::Shift,
    drawing::{DrawingArea, IntoDrawingArea},
    element::{Circle, PathElement, Polygon, Text},
    style::{
        Color, FontStyle, IntoFont, RGBAColor, RGBColor, TextStyle, WHITE,
        text_anchor::{HPos, Pos, VPos},
    },
};

use super::{
    axes::{Scale, price_step, price_text, rate_text, time_step, time_text},
    fold::{Point, Series},
};

const SIZE: (u32, u32) = (900, 420);
/// The area of the line: left, top, right, bottom.
const LEFT: i32 = 104;
const TOP: i32 = 76;
const RIGHT: i32 = 872;
const BOTTOM: i32 = 356;
const NAMED_PRICES: i64 = 6;
const NAMED_TIMES: i64 = 8;
/// Shortest time that is shown, in seconds.
const MIN_SPAN_SECS: i64 = 600;

const INK: RGBColor = RGBColor(31, 41, 55);
const GREY: RGBColor = RGBColor(107, 114, 128);
const GRID: RGBColor = RGBColor(229, 231, 235);
const LINE: RGBColor = RGBColor(29, 78, 216);
const RED: RGBColor = RGBColor(185, 28, 28);

/// The backend writes a size divided by 1.24.
const SMALL: f64 = 14.88;
const MIDDLE: f64 = 19.84;
const LARGE: f64 = 27.28;
const HUGE: f64 = 99.2;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), String>;

/// What a chart shows.
#[derive(Debug, Clone)]
pub(super) struct Chart {
    pub(super) direction: CurrencyPair,
    pub(super) hours: u32,
    pub(super) now: Timestamp,
    /// The agreed price, where there is one that is current.
    pub(super) agreed: Option<Rate>,
    pub(super) series: Series,
    /// Whether exchanges tell of it at all; the price of what none does is computed.
    pub(super) told: bool,
    pub(super) simulated: bool,
}

impl Chart {
    /// Fails where the drawing library does, which has no reason to.
    pub(super) fn svg(&self) -> Result<String, String> {
        let mut svg = String::with_capacity(32 * 1024);
        {
            let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            area.fill(&WHITE).map_err(|error| error.to_string())?;
            self.draw(&area)?;
            area.present().map_err(|error| error.to_string())?;
        }
        // What is read aloud, and shown under the pointer.
        let head = svg.find("<svg").and_then(|start| svg[start..].find('>').map(|end| start + end + 1));
        if let Some(head) = head {
            svg.insert_str(head, &format!("\n<title>{}</title>", self.spoken()));
        }
        Ok(svg)
    }

    fn spoken(&self) -> String {
        let price = self.agreed.map(|rate| format!(", now {}", rate_text(rate))).unwrap_or_default();
        let simulated = if self.simulated { ", simulated" } else { "" };
        let empty = if self.series.last().is_none() { format!(", {}", self.why_empty()) } else { String::new() };
        format!("{}, the last {}{price}{simulated}{empty}", self.direction, hours(self.hours))
    }

    fn why_empty(&self) -> &'static str {
        if self.told { "no data yet" } else { "no exchange tells of it: its price is computed of others" }
    }

    /// From when on time is shown, and whether that is later than was asked for: a service that has just begun to write
    /// courses down would show a dot at the edge of an empty picture.
    fn begin(&self) -> (i64, bool) {
        let (now, whole) = (self.seconds(), i64::from(self.hours) * 3600);
        let known = self.series.points().next().map_or(whole, |first| now - first.at);
        let shown = (known + known / 20).max(MIN_SPAN_SECS);
        if known * 2 < whole && shown < whole { (now - shown, true) } else { (now - whole, false) }
    }

    fn seconds(&self) -> i64 {
        self.now.micros() / 1_000_000
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        let times = Scale { first: self.begin().0, last: self.seconds(), pixels: (LEFT, RIGHT) };
        if self.simulated {
            let middle = (i32::midpoint(LEFT, RIGHT), i32::midpoint(TOP, BOTTOM));
            text(area, "SIMULATED", middle, &font(HUGE, FontStyle::Bold, RED.mix(0.08), HPos::Center, VPos::Center))?;
        }
        self.head(area)?;
        let prices = self.prices();
        if let Some((scale, step)) = &prices {
            price_axis(area, scale, *step)?;
        }
        time_axis(area, &times)?;
        let until = format!("time (UTC), up to {}", self.now.to_datetime().format("%-d %b %Y, %H:%M"));
        let style = font(SMALL, FontStyle::Normal, GREY.into(), HPos::Center, VPos::Top);
        text(area, &until, (i32::midpoint(LEFT, RIGHT), BOTTOM + 34), &style)?;
        let unit = format!("{} for 1 {}", self.direction.quote, self.direction.base);
        let upwards = font(SMALL, FontStyle::Normal, GREY.into(), HPos::Center, VPos::Center)
            .transform(plotters::style::FontTransform::Rotate270);
        text(area, &unit, (18, i32::midpoint(TOP, BOTTOM)), &upwards)?;
        let Some((prices, _)) = &prices else {
            let style = font(MIDDLE, FontStyle::Normal, GREY.into(), HPos::Center, VPos::Center);
            return text(area, self.why_empty(), (i32::midpoint(LEFT, RIGHT), i32::midpoint(TOP, BOTTOM)), &style);
        };
        for piece in &self.series.pieces {
            draw_piece(area, piece, &times, prices)?;
        }
        if let Some(last) = self.series.last() {
            let at = (times.pixel(last.at), prices.pixel(last.median));
            area.draw(&Circle::new(at, 4, LINE.filled())).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn head(&self, area: &Area<'_>) -> Drawn {
        let title = match self.agreed {
            Some(rate) => format!("{} {}", self.direction, rate_text(rate)),
            // An old price is not shown as if it were the price.
            None => self.direction.to_string(),
        };
        text(area, &title, (24, 24), &font(LARGE, FontStyle::Bold, INK.into(), HPos::Left, VPos::Center))?;
        let told = match self.series.exchangers {
            0 => String::new(),
            1 => "One exchange, and the band from its lowest to its highest".to_owned(),
            n => format!("Median of {n} exchanges, and the band from the lowest to the highest"),
        };
        let without = match (self.agreed, self.series.last()) {
            (None, Some(_)) => "no current price; ",
            _ => "",
        };
        let since = match (self.begin(), self.series.points().next()) {
            ((_, true), Some(first)) => format!(", known since {}", moment(first.at, self.hours)),
            _ => String::new(),
        };
        let line = if told.is_empty() {
            format!("The last {}", hours(self.hours))
        } else {
            format!("{told}; {without}the last {}{since}", hours(self.hours))
        };
        text(area, &line, (24, 50), &font(SMALL, FontStyle::Normal, GREY.into(), HPos::Left, VPos::Center))?;
        if self.simulated {
            let style = font(MIDDLE, FontStyle::Bold, RED.into(), HPos::Right, VPos::Center);
            text(area, "SIMULATED, worth nothing", (RIGHT, 24), &style)?;
        }
        Ok(())
    }

    /// From the lowest to the highest median with some room, and the band where it is near: what goes far beyond is cut off,
    /// and does not make the line flat.
    fn prices(&self) -> Option<(Scale, i64)> {
        let low = self.series.points().map(|point| point.median).min()?;
        let high = self.series.points().map(|point| point.median).max()?;
        let room = (high - low).max(low / 200).max(1);
        let bottom = self.series.points().map(|point| point.low).min()?.max(low - room);
        let top = self.series.points().map(|point| point.high).max()?.min(high.saturating_add(room));
        // A flat line is drawn in the middle.
        let margin = ((top - bottom) / 12).max(low / 20_000).max(1);
        let scale = Scale { first: (bottom - margin).max(0), last: top.saturating_add(margin), pixels: (BOTTOM, TOP) };
        Some((scale, price_step(scale.last - scale.first, NAMED_PRICES)))
    }
}

/// With the day where several are asked for.
fn moment(seconds: i64, hours: u32) -> String {
    let format = if hours > 24 { "%-d %b, %H:%M UTC" } else { "%H:%M UTC" };
    let time = Timestamp::from_micros(seconds.saturating_mul(1_000_000));
    time.map_or_else(|_| String::new(), |time| time.to_datetime().format(format).to_string())
}

fn hours(hours: u32) -> String {
    if hours == 1 { "hour".to_owned() } else { format!("{hours} hours") }
}

fn font(size: f64, style: FontStyle, color: RGBAColor, h: HPos, v: VPos) -> TextStyle<'static> {
    ("sans-serif", size, style).into_font().color(&color).pos(Pos::new(h, v))
}

fn text(area: &Area<'_>, text: &str, at: (i32, i32), style: &TextStyle<'static>) -> Drawn {
    area.draw(&Text::new(text.to_owned(), at, style.clone())).map_err(|error| error.to_string())
}

fn line(area: &Area<'_>, points: Vec<(i32, i32)>, color: RGBColor, width: u32) -> Drawn {
    area.draw(&PathElement::new(points, color.stroke_width(width))).map_err(|error| error.to_string())
}

fn price_axis(area: &Area<'_>, scale: &Scale, step: i64) -> Drawn {
    let style = font(SMALL, FontStyle::Normal, INK.into(), HPos::Right, VPos::Center);
    for value in scale.multiples(step) {
        let y = scale.pixel(value);
        line(area, vec![(LEFT, y), (RIGHT, y)], GRID, 1)?;
        text(area, &price_text(value, step), (LEFT - 8, y), &style)?;
    }
    Ok(())
}

fn time_axis(area: &Area<'_>, scale: &Scale) -> Drawn {
    let style = font(SMALL, FontStyle::Normal, INK.into(), HPos::Center, VPos::Top);
    let step = time_step(scale.last - scale.first, NAMED_TIMES);
    for value in scale.multiples(step) {
        let x = scale.pixel(value);
        line(area, vec![(x, BOTTOM), (x, BOTTOM + 5)], GREY, 1)?;
        text(area, &time_text(value, step), (x, BOTTOM + 10), &style)?;
    }
    line(area, vec![(LEFT, BOTTOM), (RIGHT, BOTTOM)], GREY, 1)
}

fn draw_piece(area: &Area<'_>, piece: &[Point], times: &Scale, prices: &Scale) -> Drawn {
    let at = |point: &Point, value: i64| (times.pixel(point.at), prices.pixel(value));
    if let [point] = piece {
        let alone = vec![at(point, point.low), at(point, point.high)];
        line(area, alone, LINE, 1)?;
        let dot = Circle::new(at(point, point.median), 2, LINE.filled());
        return area.draw(&dot).map_err(|error| error.to_string());
    }
    let there = piece.iter().map(|point| at(point, point.high));
    let back = piece.iter().rev().map(|point| at(point, point.low));
    let band = Polygon::new(there.chain(back).collect::<Vec<_>>(), LINE.mix(0.16).filled());
    area.draw(&band).map_err(|error| error.to_string())?;
    line(area, piece.iter().map(|point| at(point, point.median)).collect(), LINE, 2)
}

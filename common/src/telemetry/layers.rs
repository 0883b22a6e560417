//! The two layers of the subscriber: [`Levels`] selects events and spans, and [`Logs`] writes and copies the events.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tracing::{
    Event, Metadata, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id},
    subscriber::Interest,
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::{
    Config, WarningSink,
    format::Style,
    output::Output,
    record::{self, Fields, REPORTED},
};
use crate::{level::Level, request_context::RequestContext};

/// Verbose crates. At log level info, only their events of level warning or worse are logged.
const VERBOSE_CRATES: [&str; 10] =
    ["h2", "hyper", "hyper_util", "poem", "poem_openapi", "redis", "reqwest", "rustls", "sqlx", "tower"];

/// Modules whose events are dropped. The connection pool of sqlx logs each failed attempt, although its caller logs the
/// failure.
const REDUNDANT_MODULES: [&str; 1] = ["sqlx_core::pool::inner"];

pub(super) fn layers(config: Config, service: &'static str, output: Output, sink: WarningSink) -> (Levels, Logs) {
    let levels = Levels(Arc::new(AtomicU8::new(0)));
    levels.set(config.level);
    let style = Style { format: config.format, colours: config.colours };
    (levels.clone(), Logs { levels, style, service, output, sink })
}

/// The log level, shared by both layers. Selects the events and spans that are processed. tracing caches the result for
/// each call site, so events and spans that are not selected cost almost nothing.
#[derive(Clone)]
pub(super) struct Levels(Arc<AtomicU8>);

impl Levels {
    pub(super) fn set(&self, level: Level) {
        self.0.store(level as u8, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> Level {
        Level::ALL.into_iter().find(|&level| level as u8 == self.0.load(Ordering::Relaxed)).unwrap_or(Level::Info)
    }

    /// Whether an event of this level and target is written to the log.
    fn is_written(&self, level: Level, target: &str) -> bool {
        let least_severe = match self.get() {
            Level::Info if belongs_to(target, &VERBOSE_CRATES) => Level::Warning,
            configured => configured,
        };
        level <= least_severe
    }

    fn is_processed(&self, metadata: &Metadata<'_>) -> bool {
        if REDUNDANT_MODULES.contains(&metadata.target()) {
            return false;
        }
        if is_reported(metadata) {
            return true;
        }
        let is_verbose = belongs_to(metadata.target(), &VERBOSE_CRATES);
        let least_severe = match self.get() {
            Level::Debug => tracing::Level::DEBUG,
            Level::Info if !is_verbose => tracing::Level::INFO,
            // Warnings are copied at every log level, with the fields of their enclosing spans.
            _ if metadata.is_span() && !is_verbose => tracing::Level::INFO,
            _ => tracing::Level::WARN,
        };
        *metadata.level() <= least_severe
    }
}

impl<S: Subscriber> Layer<S> for Levels {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.is_processed(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.is_processed(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(if self.get() == Level::Debug { LevelFilter::DEBUG } else { LevelFilter::INFO })
    }
}

/// Writes events to the log, and copies events of level warning or worse and events with the field `reported` to the
/// sink.
pub(super) struct Logs {
    levels: Levels,
    style: Style,
    service: &'static str,
    output: Output,
    sink: WarningSink,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Logs {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let target = event.metadata().target();
        let level = record::level_of(event.metadata(), &fields);
        let written = self.levels.is_written(level, target);
        let mut copied = (level <= Level::Warning || is_reported(event.metadata()))
            && target != self.sink.transport_target
            && !belongs_to(target, self.sink.transport_crates);
        if !written && !copied {
            return;
        }
        for span in context.event_scope(event).into_iter().flatten() {
            copied &= span.metadata().target() != self.sink.transport_target;
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.inherit(outer);
            }
        }
        if let Some(request) = RequestContext::current() {
            fields.add_request(&request);
        }
        let record = fields.into_record(level, event.metadata(), self.service);
        if written {
            let line = self.style.line(&record);
            self.output.write(&line, |count| self.style.line(&record::dropped_lines(self.service, count)));
        }
        if copied {
            (self.sink.receive)(record);
        }
    }
}

/// Whether the event is copied to the sink at every level, because it has the field `reported`.
fn is_reported(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && metadata.fields().field(REPORTED).is_some()
}

/// Whether `target` is a module of one of `crates`.
fn belongs_to(target: &str, crates: &[&str]) -> bool {
    crates.contains(&target.split("::").next().unwrap_or_default())
}

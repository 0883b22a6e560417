//! The spans of commands, groups and transactions. A group is the batch of commands that is committed together.
//!
//! Each command whose trace is recorded has a span `commit`, from its submission to its answer, as a child of the span
//! of its request. A group has a span `group`, as a child of the first span `commit`, and one span `transaction` for
//! each attempt to commit. The span `group` and the spans `commit` of the group are linked to each other.

use common::{
    request_context::RequestContext,
    traces::{Span, SpanKind, Trace},
};
use tokio::time::Instant;

use super::{Attempt, WriteError};
use crate::database::DatabaseError;

/// The trace contexts of the commands that one request contains.
#[derive(Debug, Default)]
pub struct CommandTraces {
    /// The trace context of the request. `None` if nothing is recorded.
    request: Option<Trace>,
    /// The trace context of each command. If empty, all commands have the trace context of the request.
    commands: Vec<Option<Trace>>,
}

impl CommandTraces {
    /// All commands have the trace context of the current request.
    pub fn of_request() -> Self {
        Self { request: RequestContext::current_trace().filter(Trace::has_tracer), commands: Vec::new() }
    }

    /// The current request contains commands of several client requests. Each element is the `traceparent` of one
    /// command.
    pub fn of_batch<'a>(traceparents: impl Iterator<Item = Option<&'a str>>) -> Self {
        let traces = Self::of_request();
        let Some(request) = &traces.request else { return traces };
        let commands: Vec<_> = traceparents.map(|text| request.of_batch_member(text?)).collect();
        if commands.iter().all(Option::is_none) { traces } else { Self { commands, ..traces } }
    }

    /// Begins the span of the command with this index.
    pub(super) fn start_command(&self, index: usize) -> Option<Box<Span>> {
        let trace = match self.commands.get(index) {
            Some(trace) => trace.as_ref(),
            None => self.request.as_ref(),
        };
        trace?.start_span("commit", SpanKind::Internal).map(Box::new)
    }
}

/// The span of a command in a group.
pub(super) struct CommandSpan {
    pub(super) span: Box<Span>,
    pub(super) submitted_at: Instant,
}

/// The spans of a group that is being committed. The spans end when this value is dropped.
pub(super) struct GroupSpans {
    group: Span,
    commands: Vec<CommandSpan>,
}

impl GroupSpans {
    /// Begins the span of a group of `size` commands. `None` if none of `commands` has a recorded span.
    pub(super) fn start(aggregate: &'static str, size: usize, mut commands: Vec<CommandSpan>) -> Option<Self> {
        let mut group = commands.first()?.span.trace().start_span("group", SpanKind::Internal)?;
        group.set("buydesk.aggregate", aggregate);
        group.set_count("buydesk.group.size", size);
        for CommandSpan { span, submitted_at } in &mut commands {
            group.link(span.trace());
            span.link(group.trace());
            span.set_count("buydesk.group.size", size);
            let queued = i64::try_from(submitted_at.elapsed().as_micros()).unwrap_or(i64::MAX);
            span.set("buydesk.queued_us", queued);
        }
        Some(Self { group, commands })
    }

    pub(super) fn start_transaction(&self, number: usize) -> Option<Span> {
        let mut span = self.group.trace().start_span("transaction", SpanKind::Internal)?;
        span.set_count("buydesk.transaction.attempt", number);
        Some(span)
    }

    /// Ends the spans of a group. `error` is the first error among its answers.
    pub(super) fn end(mut self, error: Option<WriteError>) {
        let Some(error) = error else { return };
        let kind = match error {
            WriteError::QueueFull => "queue_full",
            WriteError::Unavailable => "database_unavailable",
            WriteError::Indeterminate => "outcome_unknown",
            WriteError::Clock(_) => "clock",
            WriteError::Internal => "internal",
            WriteError::ShuttingDown => "shutting_down",
        };
        self.group.fail(kind);
        for command in &mut self.commands {
            command.span.fail(kind);
        }
    }
}

pub(super) fn end_transaction(span: Option<Span>, attempt: &Attempt, result: Result<(), &DatabaseError>) {
    let Some(mut span) = span else { return };
    span.set("buydesk.transaction.commit_sent", attempt.commit_sent);
    if let Err(error) = result {
        span.fail(error.to_string());
    }
}

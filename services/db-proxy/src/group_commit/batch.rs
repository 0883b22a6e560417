//! The commands of one transaction and the callers that wait for them.

use common::traces::Span;
use tokio::{sync::oneshot, time::Instant};

use super::{BatchStore, WriteResult, spans::CommandSpan};

/// A command in the queue.
pub(super) struct Submission<S: BatchStore> {
    pub command: S::Command,
    pub submitted_at: Instant,
    pub answer: oneshot::Sender<WriteResult<S::Decision>>,
    /// `None` if the trace of the command is not recorded.
    pub span: Option<Box<Span>>,
}

/// Commands that are committed together. The caller of a command is at the same index as the command.
pub(super) struct Batch<S: BatchStore> {
    pub commands: Vec<S::Command>,
    callers: Vec<oneshot::Sender<WriteResult<S::Decision>>>,
    /// When the oldest command was submitted.
    pub oldest: Instant,
    /// The spans of the commands whose traces are recorded.
    pub spans: Vec<CommandSpan>,
}

impl<S: BatchStore> Batch<S> {
    /// Moves all submissions into a batch. `submissions` keeps its capacity.
    pub fn from_submissions(submissions: &mut Vec<Submission<S>>) -> Self {
        let count = submissions.len();
        let (mut commands, mut callers) = (Vec::with_capacity(count), Vec::with_capacity(count));
        let mut oldest = Instant::now();
        let mut spans = Vec::new();
        for Submission { command, submitted_at, answer, span } in submissions.drain(..) {
            commands.push(command);
            callers.push(answer);
            oldest = oldest.min(submitted_at);
            spans.extend(span.map(|span| CommandSpan { span, submitted_at }));
        }
        Self { commands, callers, oldest, spans }
    }

    pub fn len(&self) -> usize {
        self.commands.len()
    }

    /// Removes the commands whose callers no longer wait.
    pub fn drop_cancelled(&mut self) {
        if self.callers.iter().any(oneshot::Sender::is_closed) {
            let pairs = self.commands.drain(..).zip(self.callers.drain(..));
            (self.commands, self.callers) = pairs.filter(|(_, caller)| !caller.is_closed()).unzip();
        }
    }

    /// Sends each caller its answer. If a caller no longer waits, the answer is lost, although the command was decided.
    pub fn answer_callers(self, answers: Vec<WriteResult<S::Decision>>) {
        for (caller, answer) in self.callers.into_iter().zip(answers) {
            let _ = caller.send(answer);
        }
    }
}

#[cfg(test)]
mod tests;

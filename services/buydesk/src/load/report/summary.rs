//! The report as tables and sentences.

use std::{fmt, time::Duration};

use super::{Check, FailureCount, LoadReport, OperationResult};
use crate::{
    load::{
        measures::{Latency, Model, Schedule},
        statistics::{format_count, format_duration, format_latency, format_rate},
    },
    table::Table,
};

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title())?;
        write!(f, "{}", self.latency_table())?;
        if !self.failures.is_empty() {
            write!(f, "\n{}", self.failure_table())?;
        }
        for sentence in self.sentences() {
            write!(f, "\n{sentence}")?;
        }
        Ok(())
    }
}

impl LoadReport {
    /// The requested load and the platform that receives it.
    pub fn title(&self) -> String {
        let plan = &self.plan;
        let marks = match plan.simulated {
            Some(true) => " (SIMULATED)",
            Some(false) => " (real)",
            None => "",
        };
        let duration = format_duration(Duration::from_millis(plan.duration_ms));
        format!("Load of {} at {}{marks}: {}, {duration}", plan.kind, plan.server, plan.model)
    }

    fn latency_table(&self) -> Table {
        let header = ["operation", "responses", "per second", "p50", "p90", "p99", "p99.9", "max"];
        let mut table = Table::new(header, &[1, 2, 3, 4, 5, 6, 7]).optional(["p99.9", "p90"]);
        let mut add_row = |name: &str, responses, rate, latency: Latency| {
            let Latency { p50, p90, p99, p99_9, max } = latency;
            let latencies = [p50, p90, p99, p99_9, max].map(format_latency);
            table.add_row([name.to_owned(), format_count(responses), format_rate(rate)].into_iter().chain(latencies));
        };
        if self.operations.len() > 1 {
            for OperationResult { name, responses, rate_per_second, latency_us } in &self.operations {
                add_row(name, *responses, *rate_per_second, *latency_us);
            }
        }
        add_row("all", self.responses, self.rate_per_second, self.latency_us);
        table
    }

    fn failure_table(&self) -> Table {
        let mut table = Table::new(["unexpected response", "status", "count"], &[1, 2]);
        for failure in &self.failures {
            let status = failure.status.map_or_else(|| "none".to_owned(), |status| status.to_string());
            table.add_row([&failure.code, &status, &format_count(failure.count)]);
        }
        table
    }

    /// The results that are not in the tables, as sentences.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        if self.interrupted {
            sentences.push("The load was interrupted.".to_owned());
        }
        if self.warm_up.responses > 0 {
            let warm_up = format_duration(Duration::from_millis(self.plan.warm_up_ms));
            let responses = format_count(self.warm_up.responses);
            sentences.push(format!("{responses} responses to requests of the warm-up of {warm_up} are not measured."));
        }
        for FailureCount { code, first_detail, .. } in &self.failures {
            sentences.extend(first_detail.iter().map(|detail| format!("The first response with {code}: {detail}")));
        }
        sentences.extend(self.schedule.iter().map(|schedule| schedule_sentence(schedule, self.plan.model)));
        sentences.extend(self.check.iter().flat_map(check_sentences));
        sentences.extend(self.notes.iter().cloned());
        if self.failures.is_empty() && self.responses > 0 {
            sentences.push("Every response was as expected.".to_owned());
        }
        sentences
    }
}

fn schedule_sentence(schedule: &Schedule, model: Model) -> String {
    let Schedule { planned, sent, late, max_lateness_us, waited_for_slot, not_sent } = schedule;
    let (planned, sent) = (format_count(*planned), format_count(*sent));
    if *late == 0 && *not_sent == 0 && *waited_for_slot == 0 {
        return format!("{sent} requests were sent, each within 10 ms of the time at which it was due.");
    }
    let limit = match model {
        Model::Open { max_in_flight, .. } => format_count(max_in_flight.into()),
        Model::Closed { .. } => "the maximum of".to_owned(),
    };
    format!(
        "Of {planned} planned requests, {sent} were sent: {} of them late, by up to {}, and {} were not sent. {} were due while \
         {limit} requests were in flight (--max-in-flight).",
        format_count(*late),
        format_latency(*max_lateness_us),
        format_count(*not_sent),
        format_count(*waited_for_slot),
    )
}

fn check_sentences(check: &Check) -> Vec<String> {
    let Check { acknowledged, looked_up, repeated, resolved, unresolved, violations, examples } = check;
    let verdict = if *violations == 0 { "no violation".to_owned() } else { format!("VIOLATIONS: {violations}") };
    let mut sentences = vec![format!(
        "Check: {} acknowledged, {} of them looked up, {} repeated with their key; {verdict}.",
        format_count(*acknowledged),
        format_count(*looked_up),
        format_count(*repeated)
    )];
    if *resolved > 0 {
        sentences.push(format!("The outcome of {} requests was found out with their key.", format_count(*resolved)));
    }
    if *unresolved > 0 {
        sentences.push(format!("The outcome of {} requests is still UNKNOWN.", format_count(*unresolved)));
    }
    sentences.extend(examples.iter().cloned());
    sentences
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { connections } => write!(f, "closed model, {connections} connections"),
            Self::Open { rate_per_second, max_in_flight } => {
                write!(f, "open model, {rate_per_second} requests per second, at most {max_in_flight} in flight")
            }
        }
    }
}

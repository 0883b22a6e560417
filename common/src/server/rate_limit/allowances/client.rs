//! The allowance of one client at this instance: the requests that were drawn from the shared store and may be accepted
//! without another draw. This module does no I/O. Its caller sends the draws to the store.

use std::{collections::VecDeque, num::NonZeroU32, time::Duration};

use tokio::{sync::oneshot, time::Instant};

use super::store::{Draw, DrawRequest};
use crate::server::rate_limit::bucket::{Bucket, Decision, MICROREQUESTS, Share};

/// A draw fills the allowance of an instance up to the limit divided by this number and by the number of instances, but
/// at least to one request. The unused allowances of all instances together are therefore normally at most 2 % of the
/// limit, or one request per instance.
const ALLOWANCE_DIVISOR: u32 = 50;
/// Minimum time between a draw that left no request in the store and the next draw. While its limit is used up, a client
/// therefore causes at most about ten draws per second at each instance.
const MIN_PAUSE: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(super) struct ClientAllowance {
    /// The requests that this instance accepted.
    own: Bucket,
    /// The limit of the last request. 0 before the first request.
    limit: u32,
    /// The requests that were drawn and are not used yet.
    allowance: u32,
    /// The requests that remained in the store after the last draw.
    remaining: u32,
    /// Requests that were accepted without the store and are not reported to it.
    unreported: u32,
    /// The epoch of the store at the last draw. 0 before the first draw.
    epoch: u64,
    /// No draw starts before this time, because the last draw left no request in the store.
    next_draw_at: Option<Instant>,
    /// Boxed, because most clients have no draw in flight.
    in_flight: Option<Box<DrawInFlight>>,
}

struct DrawInFlight {
    /// The requests that wait for an allowance, in the order of their arrival.
    waiting: VecDeque<oneshot::Sender<Decision>>,
    /// The share at the last request that waits, or at the start of the draw.
    share: Share,
}

/// The result of counting a request.
pub(super) struct Counting {
    pub counted: Counted,
    /// A draw that the caller has to start.
    pub draw: Option<DrawRequest>,
}

pub(super) enum Counted {
    Decided(Decision),
    /// The decision follows at the end of the draw in flight, or of a later draw.
    Waiting(oneshot::Receiver<Decision>),
}

/// A draw fills the allowance up to this number of requests. A draw is larger if more requests wait.
fn chunk(share: Share) -> u32 {
    (share.limit.get() / ALLOWANCE_DIVISOR / share.instances).max(1)
}

impl ClientAllowance {
    /// Counts a request while the store is available.
    pub fn count(&mut self, share: Share, now: Instant) -> Counting {
        self.apply_limit(share);
        let pause = self.next_draw_at.map(|at| at.duration_since(now)).filter(|pause| !pause.is_zero());
        if let Some(decision) = self.use_allowance(share, now) {
            // The next draw starts early, so that the requests of a busy client do not wait for it.
            let draws_early = self.allowance < chunk(share) / 2 && pause.is_none() && self.in_flight.is_none();
            let draw = draws_early.then(|| self.start_draw(share, VecDeque::new(), now));
            return Counting { counted: Counted::Decided(decision), draw };
        }
        if let Some(reset) = pause {
            let refused = Decision { allowed: false, remaining: 0, reset };
            return Counting { counted: Counted::Decided(refused), draw: None };
        }
        let (sender, receiver) = oneshot::channel();
        let draw = if let Some(in_flight) = &mut self.in_flight {
            in_flight.waiting.push_back(sender);
            in_flight.share = share;
            None
        } else {
            Some(self.start_draw(share, VecDeque::from([sender]), now))
        };
        Counting { counted: Counted::Waiting(receiver), draw }
    }

    /// Counts a request against the share of this instance, while the store is unavailable.
    pub fn count_locally(&mut self, share: Share, now: Instant) -> Decision {
        self.apply_limit(share);
        let decision = self.own.take(share, now);
        self.unreported = self.unreported.saturating_add(decision.allowed.into());
        decision
    }

    /// Applies the reply to a draw. Returns the next draw, if requests still wait for an allowance.
    pub fn finish_draw(
        &mut self,
        request: &DrawRequest,
        drawn: &Draw,
        instances: NonZeroU32,
        now: Instant,
    ) -> Option<DrawRequest> {
        let in_flight = self.in_flight.take();
        self.epoch = drawn.epoch;
        self.unreported = self.unreported.saturating_sub(request.unreported);
        self.allowance = self.allowance.saturating_add(drawn.granted);
        // The rest of the reply is valid only for the limit of the draw.
        if self.limit == request.limit.get() {
            let is_empty = drawn.remaining == 0 || drawn.granted == 0;
            self.remaining = if is_empty { 0 } else { drawn.remaining };
            self.next_draw_at = is_empty.then(|| now + drawn.refill.max(MIN_PAUSE));
        }
        let DrawInFlight { mut waiting, share } = *in_flight?;
        let share = Share { instances, ..share };
        while let Some(sender) = waiting.pop_front_if(|_| self.allowance > 0) {
            self.allowance -= 1;
            if sender.send(self.allowed(now)).is_ok() {
                self.own.add(share, now);
            } else {
                // The client has disconnected.
                self.allowance += 1;
            }
        }
        let Some(at) = self.next_draw_at else {
            return (!waiting.is_empty()).then(|| self.start_draw(share, waiting, now));
        };
        for sender in waiting {
            let _ = sender.send(Decision { allowed: false, remaining: 0, reset: at.duration_since(now) });
        }
        None
    }

    /// Ends a failed draw: counts the waiting requests against the share of this instance. Returns their number.
    pub fn fail_draw(&mut self, now: Instant) -> usize {
        let Some(in_flight) = self.in_flight.take() else { return 0 };
        let DrawInFlight { waiting, share } = *in_flight;
        let number = waiting.len();
        for sender in waiting {
            let _ = sender.send(self.count_locally(share, now));
        }
        number
    }

    fn start_draw(&mut self, share: Share, waiting: VecDeque<oneshot::Sender<Decision>>, now: Instant) -> DrawRequest {
        let (chunk, own) = (chunk(share), self.own.microrequests(share, now));
        let needed = u32::try_from(waiting.len()).unwrap_or(u32::MAX).max(chunk);
        self.in_flight = Some(Box::new(DrawInFlight { waiting, share }));
        DrawRequest {
            limit: share.limit,
            requested: needed.saturating_sub(self.allowance).max(1),
            chunk,
            epoch: self.epoch,
            unreported: self.unreported,
            unreported_microrequests: own.min(u64::from(self.unreported) * MICROREQUESTS),
            estimated_microrequests: own.saturating_mul(share.instances.get().into()),
        }
    }

    /// Uses one request of the allowance, if there is one.
    fn use_allowance(&mut self, share: Share, now: Instant) -> Option<Decision> {
        self.allowance = self.allowance.checked_sub(1)?;
        self.own.add(share, now);
        Some(self.allowed(now))
    }

    /// The decision about a request that was just taken from the allowance. `remaining` is an estimate, because other
    /// instances possibly accepted requests after the last draw.
    fn allowed(&self, now: Instant) -> Decision {
        let remaining = self.allowance.saturating_add(self.remaining).min(self.limit.saturating_sub(1));
        let reset = self.next_draw_at.filter(|_| remaining == 0).map_or(Duration::ZERO, |at| at.duration_since(now));
        Decision { allowed: true, remaining, reset }
    }

    /// Sets the limit. If it changed, resets the values that were computed for the earlier limit, and reduces the allowance
    /// to at most one chunk of the new limit. Accepted requests still count.
    fn apply_limit(&mut self, share: Share) {
        if self.limit != share.limit.get() {
            self.limit = share.limit.get();
            self.remaining = 0;
            self.next_draw_at = None;
            self.allowance = self.allowance.min(chunk(share));
        }
    }
}

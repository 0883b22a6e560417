//! Many small questions asked as a few large ones.
//!
//! A question that comes alone is asked at once. While as many groups as allowed are under way, further questions gather
//! and leave together: the cost of a call is shared by the more of them the more there are, and nothing is ever delayed to
//! make a group larger.

use std::{future::Future, sync::Arc};

use tokio::sync::{Semaphore, mpsc, oneshot};

/// How much a batcher holds.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most questions that wait.
    pub queue: usize,
    /// Most questions in a group.
    pub group: usize,
    /// Most groups that are under way at once. One gathers what the next will take; many only cut the same questions into
    /// smaller groups.
    pub under_way: u32,
}

/// Why a question has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Not asked: too many wait already.
    #[error("too much waits already")]
    Full,
    /// Not asked: the service is going down.
    #[error("the service is going down")]
    Stopped,
    /// Asked, and nobody answered.
    #[error("the question was lost on the way")]
    Lost,
}

/// Hands questions over, and brings each its own answer.
pub struct Batcher<Q, A> {
    queue: mpsc::Sender<(Q, oneshot::Sender<A>)>,
}

impl<Q, A> Clone for Batcher<Q, A> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<Q: Send + 'static, A: Send + 'static> Batcher<Q, A> {
    /// The handle, and the task to run until every handle is gone and all that waits is answered.
    ///
    /// `ask` is given a group and gives an answer for each question, in the same order.
    pub fn new<F, Fut>(limits: Limits, ask: F) -> (Self, impl Future<Output = ()> + Send)
    where
        F: Fn(Vec<Q>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Vec<A>> + Send,
    {
        let (queue, waiting) = mpsc::channel(limits.queue);
        (Self { queue }, run(limits, Arc::new(ask), waiting))
    }

    /// Asks, and waits for the answer.
    pub async fn ask(&self, question: Q) -> Result<A, BatchError> {
        let (answer, receiver) = oneshot::channel();
        self.queue.try_send((question, answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => BatchError::Full,
            mpsc::error::TrySendError::Closed(_) => BatchError::Stopped,
        })?;
        receiver.await.map_err(|_| BatchError::Lost)
    }
}

async fn run<Q, A, F, Fut>(limits: Limits, ask: Arc<F>, mut queue: mpsc::Receiver<(Q, oneshot::Sender<A>)>)
where
    Q: Send + 'static,
    A: Send + 'static,
    F: Fn(Vec<Q>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Vec<A>> + Send,
{
    let places = Arc::new(Semaphore::new(limits.under_way as usize));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        let mut group = Vec::new();
        if queue.recv_many(&mut group, limits.group).await == 0 {
            drop(place);
            break;
        }
        // Who has gone away while it waited wants nothing asked.
        group.retain(|(_, caller)| !caller.is_closed());
        let ask = ask.clone();
        tokio::spawn(async move {
            if group.is_empty() {
                return;
            }
            let (questions, callers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
            for (caller, answer) in callers.into_iter().zip(ask(questions).await) {
                // A caller that has gone away wants no answer.
                let _ = caller.send(answer);
            }
            drop(place);
        });
    }
    // What is under way is answered before this ends.
    let _ = places.acquire_many(limits.under_way).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { queue: 8, group: 4, under_way: 1 };

    #[tokio::test]
    async fn each_gets_its_own_answer_and_groups_are_bounded() {
        let (sizes, mut seen) = mpsc::unbounded_channel();
        let (batcher, task) = Batcher::new(LIMITS, move |group: Vec<u32>| {
            let _ = sizes.send(group.len());
            async move { group.into_iter().map(|n| n * 2).collect() }
        });
        let task = tokio::spawn(task);
        let answers = futures_util::future::join_all((0..8).map(|n| batcher.ask(n))).await;
        assert_eq!(answers, (0..8).map(|n| Ok(n * 2)).collect::<Vec<_>>());
        drop(batcher);
        task.await.unwrap();
        let mut sizes = Vec::new();
        while let Some(size) = seen.recv().await {
            sizes.push(size);
        }
        assert_eq!(sizes.iter().sum::<usize>(), 8);
        assert!(sizes.iter().all(|size| *size <= 4), "{sizes:?}");
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_a_lost_question_is_told() {
        let (batcher, task) = Batcher::new(LIMITS, |_: Vec<u32>| async { Vec::<u32>::new() });
        let waiting: Vec<_> = (0..8).map(|n| batcher.ask(n)).collect();
        let mut waiting: Vec<_> = waiting.into_iter().map(polled).collect();
        assert_eq!(batcher.ask(9).await, Err(BatchError::Full));
        let task = tokio::spawn(task);
        for ask in &mut waiting {
            assert_eq!(ask.await, Err(BatchError::Lost));
        }
        drop(waiting);
        drop(batcher);
        task.await.unwrap();
    }

    /// Polls once, so that the question is in the queue.
    fn polled<F: Future>(future: F) -> std::pin::Pin<Box<F>> {
        let mut future = Box::pin(future);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(&mut context).is_pending());
        future
    }
}

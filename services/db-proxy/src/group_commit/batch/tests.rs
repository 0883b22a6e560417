use std::time::Duration;

use super::*;
use crate::group_commit::tests::scripted_store::{Outcome::Committed, ScriptedStore};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn batch_has_the_time_of_its_oldest_command_and_matches_callers_to_commands() {
    let submission = |command, submitted_at| {
        let (answer, receiver) = oneshot::channel();
        (Submission::<ScriptedStore> { command, submitted_at, answer, span: None }, receiver)
    };
    let now = Instant::now();
    let earlier = |seconds| now.checked_sub(SECOND * seconds).unwrap();
    let submitted = [submission(1, earlier(1)), submission(2, earlier(3)), submission(3, earlier(2))];
    let (mut submissions, mut receivers): (Vec<_>, Vec<_>) = submitted.into_iter().unzip();
    let mut batch = Batch::from_submissions(&mut submissions);
    assert!(submissions.is_empty());
    assert_eq!((batch.len(), batch.oldest), (3, earlier(3)));
    // The remaining callers and the remaining commands have the same indices.
    drop(receivers.remove(0));
    batch.drop_cancelled();
    assert_eq!((batch.len(), &batch.commands[..]), (2, &[2, 3][..]));
    batch.answer_callers(vec![Ok(Committed(2)), Ok(Committed(3))]);
    let answers: Vec<_> = receivers.iter_mut().map(|receiver| receiver.try_recv().unwrap()).collect();
    assert_eq!(answers, [Ok(Committed(2)), Ok(Committed(3))]);
}

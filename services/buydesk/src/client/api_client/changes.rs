//! Changes with an idempotency key, and the errors of failed changes.

use std::time::Duration;

use common::ids::IdempotencyKey;
use serde::Serialize;

use super::{ApiClient, ConfirmedChange, ServiceResponse, json};
use crate::client::{
    attempts::{ChangeKey, FailedAttempts, Failure, OutcomeTexts},
    endpoint::Endpoint,
    error::{ClientError, UnknownChange},
};

/// The pause between two attempts of a change.
const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// A change: the request that makes it, and the sentences about its outcome.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a, B> {
    pub(in crate::client) endpoint: &'a Endpoint,
    pub(in crate::client) path: &'a str,
    pub(in crate::client) body: &'a B,
    pub(in crate::client) texts: &'a OutcomeTexts,
}

impl<B> Change<'_, B> {
    /// The sentences for an unknown outcome: the possible effect, and how the user finds out.
    fn unknown(&self, possible_effect: &'static str, key: &IdempotencyKey) -> UnknownChange {
        let only_once = self.texts.only_once;
        let next_step = format!("To find out, run the command again with --key {key}. {only_once}");
        UnknownChange { possible_effect, next_step }
    }
}

impl ApiClient {
    /// Makes a change that has an idempotency key. A failed request is sent again with the same key, unless it was
    /// refused or all attempts are used.
    pub(in crate::client) async fn make_change<B: Serialize>(
        &self,
        change: Change<'_, B>,
        key: &ChangeKey,
    ) -> anyhow::Result<ServiceResponse> {
        let Change { endpoint, path, body, .. } = change;
        let mut attempts = FailedAttempts::default();
        loop {
            let request = json(self.http.post(endpoint.url(path)?), body)?;
            let request = request.header(IdempotencyKey::HEADER, key.key().as_str());
            let error = match self.send_with_credentials(request, endpoint).await {
                Ok(response) => {
                    let (key, unknown) = (key.key().clone(), change.unknown(change.texts.unknown, key.key()));
                    return Ok(ServiceResponse { change: Some(ConfirmedChange { key, unknown }), ..response });
                }
                Err(error) => error,
            };
            if let Some(failure) = attempts.add(error.into(), key) {
                return Err(self.explain(failure, &change, key).await.into());
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// The error for the user if all attempts of a change failed.
    async fn explain<B>(&self, failure: Failure, change: &Change<'_, B>, change_key: &ChangeKey) -> ClientError {
        let Change { endpoint, texts, .. } = change;
        let key = change_key.key();
        let unknown = |possible_effect| change.unknown(possible_effect, key);
        match failure {
            // An earlier command may have made the change with a key that the user chose, so the change is not denied.
            Failure::Refused(error) if matches!(change_key, ChangeKey::Chosen(_)) => error,
            Failure::Refused(error) | Failure::NotSent(error) => error.with_denial(&format!("{}.", texts.not_made)),
            Failure::NoEffect(error) => {
                let readiness = self.readiness(endpoint).await;
                // The details are omitted, because they may contain internal addresses. `buydesk health` shows them to operators.
                let parts = readiness.map(|readiness| readiness.parts).unwrap_or_default();
                let missing: Vec<_> =
                    parts.iter().filter(|part| part.is_fatal()).map(|part| part.name.as_str()).collect();
                let reason = if missing.is_empty() {
                    "a part of the platform cannot be used at the moment".to_owned()
                } else {
                    format!("{} cannot work without {}", endpoint.service, missing.join(" and "))
                };
                error.into_denial(texts.not_made, &reason, &self.health_hint())
            }
            Failure::Unknown(error) => error.with_unknown_change(key, unknown(texts.unknown)),
            Failure::UnknownEarlier(error) => error.with_unknown_change(key, unknown(texts.unknown_earlier)),
        }
    }
}

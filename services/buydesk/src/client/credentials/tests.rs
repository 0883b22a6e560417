use super::*;

const TOKEN: &str = "the token of operators";

fn credentials(options: CredentialOptions, settings: &[(&str, &str)]) -> Result<Credentials, ClientError> {
    Credentials::new(&mut Env::from_pairs(settings.iter().copied()), options)
}

fn sent(credentials: &Credentials, audience: Audience) -> Option<&str> {
    credentials.of(audience).map(|credential| credential.secret().expose())
}

#[test]
fn key_is_preferred_for_orders_and_operator_token_for_users() {
    let key = KeySecret::generate();
    let settings = [("BUYDESK_API_KEY", key.expose()), ("OPERATOR_TOKEN", TOKEN)];
    let both = credentials(CredentialOptions::default(), &settings).unwrap();
    assert_eq!(sent(&both, Audience::Customers), Some(key.expose()));
    assert_eq!(sent(&both, Audience::UserManagers), Some(TOKEN));
    let key_only = credentials(CredentialOptions::default(), &settings[..1]).unwrap();
    assert_eq!(sent(&key_only, Audience::UserManagers), Some(key.expose()));
    let token_only = credentials(CredentialOptions::default(), &settings[1..]).unwrap();
    assert_eq!(sent(&token_only, Audience::Customers), Some(TOKEN));
    // Services for operators accept no API key, and prices need no credentials.
    for credentials in [&both, &key_only, &token_only] {
        assert_ne!(sent(credentials, Audience::Operators), Some(key.expose()));
        assert_eq!(sent(credentials, Audience::Everybody), None);
    }
}

#[test]
fn credentials_of_the_command_line_replace_all_settings() {
    let [named, set] = [KeySecret::generate(), KeySecret::generate()];
    let settings = [("BUYDESK_API_KEY", set.expose()), ("OPERATOR_TOKEN", TOKEN)];
    let api_key = Some(Secret::new(named.expose()));
    let with_key = credentials(CredentialOptions { api_key, operator_token: None }, &settings).unwrap();
    assert_eq!(sent(&with_key, Audience::UserManagers), Some(named.expose()));
    let operator_token = Some(Secret::new("another token of operators"));
    let with_token = credentials(CredentialOptions { api_key: None, operator_token }, &settings).unwrap();
    assert_eq!(sent(&with_token, Audience::Customers), Some("another token of operators"));
}

#[test]
fn mistyped_key_is_refused_and_not_shown() {
    let key = KeySecret::generate();
    for mistyped in [&format!("{}x", key.expose()), "short"] {
        let mut env = Env::from_pairs([("BUYDESK_API_KEY", mistyped), ("OPERATOR_TOKEN", "brief")]);
        Credentials::new(&mut env, CredentialOptions::default()).unwrap();
        let from_setting = env.finish().unwrap_err().to_string();
        assert!(from_setting.contains("BUYDESK_API_KEY=\"***\" is not allowed; it is incomplete"), "{from_setting}");
        assert!(from_setting.contains("OPERATOR_TOKEN=\"***\" is not allowed"), "{from_setting}");
        let options = CredentialOptions { api_key: Some(Secret::new(mistyped)), operator_token: None };
        for text in [from_setting, credentials(options, &[]).unwrap_err().to_string()] {
            assert!(text.contains("which begins with bdk_") && !text.contains(mistyped), "{text}");
        }
    }
}

#[test]
fn remedy_for_refused_credentials_depends_on_what_was_sent() {
    let secret = Secret::new(TOKEN);
    let (key, token) = (Some(Credential::ApiKey(&secret)), Some(Credential::OperatorToken(&secret)));
    let remedy_names = |code, subcode, sent, names: &[&str], not: &str| {
        let remedy = remedy(code, subcode, sent, CredentialSource::Settings).unwrap();
        assert!(names.iter().all(|name| remedy.contains(name)) && !remedy.contains(not), "{remedy}");
    };
    let (operators_only, missing_scope) = (Some(Subcode::OperatorsOnly), Some(Subcode::MissingScope));
    for (code, sent) in [(Code::Unauthorized, None), (Code::Forbidden, key)] {
        remedy_names(code, operators_only, sent, &["OPERATOR_TOKEN"], "BUYDESK_API_KEY");
    }
    remedy_names(Code::Forbidden, missing_scope, key, &["BUYDESK_API_KEY", "key create"], "OPERATOR_TOKEN");
    remedy_names(Code::Unauthorized, None, None, &["BUYDESK_API_KEY", "OPERATOR_TOKEN"], "unset");
    remedy_names(Code::Unauthorized, None, key, &["BUYDESK_API_KEY"], "OPERATOR_TOKEN");
    remedy_names(Code::Unauthorized, None, token, &["OPERATOR_TOKEN"], "BUYDESK_API_KEY");
    for (code, sent) in [(Code::Forbidden, token), (Code::NotFound, key)] {
        assert_eq!(remedy(code, None, sent, CredentialSource::Settings), None);
    }
}

#[test]
fn remedy_for_a_credential_of_an_option_names_the_option() {
    let secret = Secret::new(TOKEN);
    for (sent, option, setting) in [
        (Credential::ApiKey(&secret), "Set --api-key to", "BUYDESK_API_KEY"),
        (Credential::OperatorToken(&secret), "Set --operator-token to", "OPERATOR_TOKEN"),
    ] {
        let remedy = remedy(Code::Unauthorized, None, Some(sent), CredentialSource::Options).unwrap();
        assert!(remedy.starts_with(option) && !remedy.contains(setting), "{remedy}");
    }
    let options = CredentialOptions { api_key: None, operator_token: Some(Secret::new(TOKEN)) };
    assert_eq!(credentials(options, &[]).unwrap().source(), CredentialSource::Options);
    assert_eq!(credentials(CredentialOptions::default(), &[]).unwrap().source(), CredentialSource::Settings);
}

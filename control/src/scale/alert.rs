//! Alertmanager's webhook document, as much of it as scaling needs.

use serde::Deserialize;

/// Whether an alert is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It is.
    Firing,
    /// Any other word.
    Resolved,
}

/// One alert about a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// Its own status; that of the whole document is about no function.
    pub status: Status,
    /// `name` or `name.namespace`.
    pub function_name: String,
}

/// The alerts of a webhook's body that name a function.
///
/// # Errors
/// The text says what is wrong with the document.
pub fn alerts(body: &[u8]) -> Result<Vec<Alert>, String> {
    // A sequence would be read field by field.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err("it must be a JSON object".to_owned());
    }
    let document: Document = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    let alerts = document.alerts.unwrap_or_default().into_iter().flatten();
    let alerts = alerts.map(|alert| Alert {
        status: match alert.status.as_deref() {
            Some("firing") => Status::Firing,
            _ => Status::Resolved,
        },
        function_name: alert
            .labels
            .and_then(|labels| labels.function_name)
            .unwrap_or_default(),
    });
    Ok(alerts.filter(|a| !a.function_name.is_empty()).collect())
}

/// `null` is what is absent, everywhere.
#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    alerts: Option<Vec<Option<One>>>,
}

#[derive(Deserialize)]
struct One {
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    labels: Option<Labels>,
}

#[derive(Deserialize)]
struct Labels {
    #[serde(default)]
    function_name: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_alert_has_its_own_status() {
        let body = br#"{"receiver":"scale-up","status":"firing","alerts":[
            {"status":"firing","labels":{"alertname":"x","function_name":"a.ns"}},
            {"status":"resolved","labels":{"function_name":"b"}},
            {"status":"firing","labels":{"alertname":"none"}}, {"status":"firing"}],"version":"3"}"#;
        let found = alerts(body).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].status, found[0].function_name.as_str()),
            (Status::Firing, "a.ns")
        );
        assert_eq!(
            (found[1].status, found[1].function_name.as_str()),
            (Status::Resolved, "b")
        );
    }

    #[test]
    fn what_is_no_document_is_an_error() {
        for bad in ["", "{", "[]", "7", r#"{"alerts":{}}"#, r#"{"alerts":[1]}"#] {
            assert!(alerts(bad.as_bytes()).is_err(), "{bad}");
        }
        for none in [
            "{}",
            r#"{"alerts":null}"#,
            r#"{"alerts":[null,{"status":null,"labels":null},{"labels":{"function_name":null}}]}"#,
        ] {
            assert_eq!(alerts(none.as_bytes()), Ok(Vec::new()), "{none}");
        }
    }
}

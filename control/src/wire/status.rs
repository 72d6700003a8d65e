//! `FunctionStatus`: a row of the list.

use serde::Serialize;

use super::deployment::Deployment;

/// What is known of one function.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FunctionStatus {
    /// The function's name.
    pub name: String,
    /// What was deployed; `service` stands in `name`.
    #[serde(flatten)]
    pub deployment: Shown,
    /// Calls that ended; absent when there were none.
    #[serde(skip_serializing_if = "is_zero")]
    pub invocation_count: u64,
    /// Replicas wanted.
    pub replicas: u32,
    /// Replicas that take traffic.
    pub available_replicas: u32,
    /// When it was first deployed, RFC 3339.
    pub created_at: String,
    /// What it uses now, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// A deployment in a row: everything but `service`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown(pub Deployment);

/// `FunctionUsage`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Thousandths of a core.
    pub cpu: f64,
    /// Resident bytes of all its processes.
    pub total_memory_bytes: f64,
}

impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let value = serde_json::to_value(&self.0).map_err(serde::ser::Error::custom)?;
        let fields = value.as_object().into_iter().flatten();
        serializer.collect_map(fields.filter(|(key, _)| *key != "service"))
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_fields_are_absent_and_counts_are_numbers() {
        let deployment = Deployment {
            service: "a".into(),
            image: "i".into(),
            env_process: "cat".into(),
            ..Deployment::default()
        };
        let status = FunctionStatus {
            name: "a".into(),
            deployment: Shown(deployment),
            invocation_count: 0,
            replicas: 1,
            available_replicas: 0,
            created_at: "2026-01-01T00:00:00Z".into(),
            usage: None,
        };
        assert_eq!(
            serde_json::to_value(&status).unwrap(),
            serde_json::json!({
                "name": "a", "image": "i", "envProcess": "cat", "replicas": 1,
                "availableReplicas": 0, "createdAt": "2026-01-01T00:00:00Z"
            })
        );
    }
}

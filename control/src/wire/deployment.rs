//! `FunctionDeployment`: the body of a deploy and of an update.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::fields::{Fields, WireError};

/// A deployment as a client wrote it; nothing but the types is checked.
///
/// `registryAuth` and `network` are read over, as the API document says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Deployment {
    /// The function's name.
    pub service: String,
    /// What to run; here a label, or the working directory when it is an absolute path.
    pub image: String,
    /// The namespace; empty is the default one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The command line.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub env_process: String,
    /// Environment of the process.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env_vars: BTreeMap<String, String>,
    /// Placement constraints.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// Names of secrets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
    /// Labels; the scaling ones have a meaning.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations; the `com.ringway.*` ones have a meaning.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Most it may use.
    #[serde(skip_serializing_if = "Resources::is_empty")]
    pub limits: Resources,
    /// What it asks for.
    #[serde(skip_serializing_if = "Resources::is_empty")]
    pub requests: Resources,
    /// Whether the root file system is read-only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only_root_filesystem: bool,
}

/// Amounts, as Kubernetes quantities; empty is not set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// Bytes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub memory: String,
    /// Cores.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cpu: String,
    /// Devices of this maker.
    #[serde(rename = "nvidia.com/gpu", skip_serializing_if = "String::is_empty")]
    pub nvidia_gpu: String,
    /// Devices of this maker.
    #[serde(rename = "amd.com/gpu", skip_serializing_if = "String::is_empty")]
    pub amd_gpu: String,
    /// Devices of this maker.
    #[serde(rename = "intel.com/gpu", skip_serializing_if = "String::is_empty")]
    pub intel_gpu: String,
}

impl Deployment {
    /// Reads a request body.
    ///
    /// # Errors
    /// [`WireError`] names the field.
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let mut fields = Fields::parse(body)?;
        Ok(Self {
            service: fields.text("service")?,
            image: fields.text("image")?,
            namespace: fields.text("namespace")?,
            env_process: fields.text("envProcess")?,
            env_vars: fields.text_map("envVars")?,
            constraints: fields.texts("constraints")?,
            secrets: fields.texts("secrets")?,
            labels: fields.text_map("labels")?,
            annotations: fields.text_map("annotations")?,
            limits: Resources::take(&mut fields, "limits")?,
            requests: Resources::take(&mut fields, "requests")?,
            read_only_root_filesystem: fields.truth("readOnlyRootFilesystem")?,
        })
    }
}

impl Resources {
    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn take(parent: &mut Fields, field: &str) -> Result<Self, WireError> {
        let Some(mut fields) = parent.object(field)? else {
            return Ok(Self::default());
        };
        Ok(Self {
            memory: fields.text("memory")?,
            cpu: fields.text("cpu")?,
            nvidia_gpu: fields.text("nvidia.com/gpu")?,
            amd_gpu: fields.text("amd.com/gpu")?,
            intel_gpu: fields.text("intel.com/gpu")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(body: &str) -> String {
        Deployment::parse(body.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_full_document_is_read_and_unknown_fields_are_ignored() {
        let body = br#"{"service":"a","image":"i","namespace":"n","envProcess":"cat",
            "envVars":{"k":"v"},"constraints":["c"],"secrets":["s"],"labels":{"l":"1"},
            "annotations":{"a":"2"},"limits":{"memory":"1Mi","nvidia.com/gpu":"1"},
            "requests":{"cpu":"1"},"readOnlyRootFilesystem":true,"registryAuth":"x",
            "network":"y","fromTheFuture":[{}]}"#;
        let deployment = Deployment::parse(body).unwrap();
        assert_eq!(deployment.service, "a");
        assert_eq!(deployment.env_vars["k"], "v");
        assert_eq!(deployment.limits.memory, "1Mi");
        assert_eq!(deployment.limits.nvidia_gpu, "1");
        assert_eq!(deployment.requests.cpu, "1");
        assert!(deployment.read_only_root_filesystem);
        let stored = serde_json::to_vec(&deployment).unwrap();
        assert_eq!(Deployment::parse(&stored).unwrap(), deployment);
        assert_eq!(
            serde_json::from_slice::<Deployment>(&stored).unwrap(),
            deployment
        );
    }

    #[test]
    fn null_is_absent() {
        let body = br#"{"service":"a","image":null,"labels":null,"annotations":null,"limits":null,
            "envVars":null,"secrets":null}"#;
        let deployment = Deployment::parse(body).unwrap();
        assert!(deployment.labels.is_empty() && deployment.limits.is_empty());
    }

    #[test]
    fn a_wrong_type_names_its_field() {
        assert!(error(r#"{"service":1}"#).starts_with("service: "));
        assert!(error(r#"{"service":"a","labels":{"x":1}}"#).starts_with("labels.x: "));
        assert!(error(r#"{"labels":[]}"#).starts_with("labels: "));
        assert!(error(r#"{"secrets":"s"}"#).starts_with("secrets: "));
        assert!(error(r#"{"secrets":[1]}"#).starts_with("secrets: "));
        assert!(error(r#"{"limits":{"memory":5}}"#).starts_with("limits.memory: "));
        assert!(error(r#"{"limits":"x"}"#).starts_with("limits: "));
        assert!(error(r#"{"readOnlyRootFilesystem":"yes"}"#).starts_with("readOnlyRoot"));
        assert!(error("{").contains("not JSON"));
        assert!(error("").contains("not JSON"));
        assert!(error("[]").contains("object"));
    }
}

//! Namespaces: faas-netes CE has one, faasd makes and removes them.

use serde_json::{Map, Value, json};

use super::kind::{DEFAULT_NAMESPACE, Kind};
use super::world::World;
use crate::server::{Answer, Seen};

impl World {
    pub(super) fn namespaces(&self) -> Answer {
        match self.kind() {
            Kind::Netes => Answer::json(&json!([DEFAULT_NAMESPACE])),
            Kind::Faasd => {
                let names: Vec<String> = self.state().namespaces.keys().cloned().collect();
                Answer::json(&json!(names))
            }
        }
    }

    pub(super) fn namespace(&self, request: &Seen, name: &str) -> Answer {
        if self.kind() == Kind::Netes {
            return Answer::status(501);
        }
        if request.method == "GET" {
            return match self.state().namespaces.get(name) {
                Some(labels) => Answer::json(&json!({"name": name, "labels": labels})),
                None => Answer::text(404, "no such namespace\n"),
            };
        }
        let (name, labels) = match wanted(request, name) {
            Ok(wanted) => wanted,
            Err(why) => return Answer::text(400, &format!("{why}\n")),
        };
        let mut state = self.state();
        let exists = state.namespaces.contains_key(&name);
        match (request.method.as_str(), exists) {
            ("POST", true) => Answer::text(409, "the namespace exists\n"),
            ("POST", false) => {
                state.namespaces.insert(name, labels);
                Answer::status(201)
            }
            (_, false) => Answer::text(404, "no such namespace\n"),
            ("PUT", true) => {
                // The set is replaced: labels that are not named are gone.
                state.namespaces.insert(name, labels);
                Answer::status(202)
            }
            _ => {
                state.namespaces.remove(&name);
                Answer::status(202)
            }
        }
    }
}

/// The namespace a body describes; POST may leave the URL's name empty, the others must agree.
fn wanted(request: &Seen, url: &str) -> Result<(String, Map<String, Value>), String> {
    let body = request.json();
    let name = body["name"].as_str().unwrap_or_default();
    if name.is_empty() || (request.method != "POST" && name != url) {
        return Err(format!("the body names {name:?}, the URL {url:?}"));
    }
    let labels = body["labels"].as_object().cloned().unwrap_or_default();
    if labels.get("openfaas") != Some(&json!("1")) {
        return Err("label openfaas=1 is missing".to_owned());
    }
    Ok((name.to_owned(), labels))
}

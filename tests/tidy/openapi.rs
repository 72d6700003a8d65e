//! Our API document has every operation and every field of OpenFaaS's document, but for a short
//! list of differences, each of which has its line in `docs/COMPAT.md`.

use yaml_rust2::{Yaml, YamlLoader};

use crate::{report, top};

/// Where ours differs from theirs on purpose.
const REVIEWED: [&str; 4] = [
    // The document is ours.
    "/info/description",
    // faas-cli takes 204 for a failure.
    "/paths/~system~secrets/delete/responses/204",
    // The list is a list.
    "/paths/~system~secrets/get/responses/200/content/application~json/schema/$ref",
    // A text that says more.
    "/paths/~system~function~{functionName}/get/responses/404/description",
];

fn document(path: &str) -> Yaml {
    let text = std::fs::read_to_string(top().join(path)).expect(path);
    let mut documents = YamlLoader::load_from_str(&text).expect(path);
    documents.remove(0)
}

fn name(key: &Yaml) -> String {
    let text = match key {
        Yaml::String(text) | Yaml::Real(text) => text.clone(),
        Yaml::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    text.replace('/', "~")
}

/// Collects the places of `theirs` that `ours` lacks or has otherwise.
fn compare(theirs: &Yaml, ours: &Yaml, at: &str, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Yaml::Hash(theirs), Yaml::Hash(ours)) => {
            for (key, value) in theirs {
                let at = format!("{at}/{}", name(key));
                match ours.get(key) {
                    Some(own) => compare(value, own, &at, found),
                    None => found.push(at),
                }
            }
        }
        (Yaml::Array(theirs), Yaml::Array(ours)) => {
            for (index, value) in theirs.iter().enumerate() {
                let at = format!("{at}/{index}");
                // Order says nothing: parameters and required fields are sets.
                let same = ours.iter().any(|own| {
                    let mut differences = Vec::new();
                    compare(value, own, "", &mut differences);
                    differences.is_empty()
                });
                if !same {
                    found.push(at);
                }
            }
        }
        (theirs, ours) if theirs == ours => {}
        _ => found.push(at.to_owned()),
    }
}

#[test]
fn every_operation_and_field_of_openfaas_is_there() {
    let theirs = document("tests/fixtures/openfaas-0.8.12.yml");
    let ours = document("docs/openapi.yml");
    let mut found = Vec::new();
    compare(&theirs, &ours, "", &mut found);
    let unexpected = found
        .iter()
        .filter(|place| !REVIEWED.contains(&place.as_str()));
    report(&unexpected.cloned().collect::<Vec<_>>());
    // What was reviewed and is not a difference any more does not belong on the list.
    let stale = REVIEWED
        .iter()
        .filter(|place| !found.iter().any(|f| f == *place));
    report(
        &stale
            .map(|s| format!("{s} differs no more"))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn a_missing_field_would_be_found() {
    let load = |text: &str| YamlLoader::load_from_str(text).unwrap().remove(0);
    let theirs = load("a: {b: [x, y], c: 1}\nd: 2");
    let ours = load("a: {b: [y, z], c: 3}\ne: 4");
    let mut found = Vec::new();
    compare(&theirs, &ours, "", &mut found);
    assert_eq!(found, ["/a/b/0", "/a/c", "/d"]);
}

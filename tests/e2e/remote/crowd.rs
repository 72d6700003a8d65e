//! 10,000 functions behind one gateway.

use std::time::Duration;

use ringway_tests::provider::{Kind, Provider};
use ringway_tests::{Gateway, eventually};
use serde_json::Value;

#[test]
fn ten_thousand_functions_fit_in_64_mib() {
    for kind in [Kind::Netes, Kind::Faasd] {
        let provider = Provider::start(kind);
        provider.add_many(10_000);
        let gateway = Gateway::behind(&provider, &[]);
        let series = r#"gateway_service_count{function_name="fn-9999.openfaas-fn"}"#;
        eventually("the last function", Duration::from_secs(30), || {
            gateway.metric(series)
        });
        for name in ["fn-0", "fn-5000.openfaas-fn", "fn-9999"] {
            let reply = gateway.call("GET", &format!("/function/{name}/x"), b"");
            assert_eq!(reply.status, 200, "{name}: {}", reply.text());
        }
        let list = gateway.admin("GET", "/system/functions", b"");
        let rows: Value = serde_json::from_slice(&list.body).unwrap();
        assert_eq!(rows.as_array().map(Vec::len), Some(10_000));
        let polls = provider.count("GET /system/functions");
        eventually("two more polls", Duration::from_secs(30), || {
            (provider.count("GET /system/functions") >= polls + 2).then_some(())
        });
        let kib = gateway.resident_kib();
        assert!(kib > 0);
        // A debug build is larger and its allocations are not what ships.
        if !cfg!(debug_assertions) {
            assert!(kib <= 64 * 1024, "{kind:?}: {kib} KiB resident");
        }
    }
}

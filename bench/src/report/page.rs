//! The page of a run: one file, no script, no fonts from elsewhere.

use std::fmt::Write as _;

use super::chart::{Chart, escaped};
use super::conditions::Conditions;
use super::table::{Table, figure, tables};
use crate::run::Results;
use crate::target::verdicts;

pub(super) fn page(conditions: &Conditions, results: &Results, charts: &[Chart]) -> String {
    let title = format!("Ringway and its peers, {}", conditions.date);
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main>\n\
         <h1>{title}</h1>\n<p class=\"lead\">Every proxy under the same load on the same \
         machine, in short slices, all others stopped. Processor time is the scheduler's own \
         accounting; ratios are those of slices of the same round, medians over rounds.</p>\n"
    );
    conditions_list(conditions, results, &mut out);
    aims(results, &mut out);
    out.push_str("<h2>Charts</h2>\n<div class=\"charts\">\n");
    for chart in charts {
        let _ = writeln!(out, "<figure>{}</figure>", chart.svg());
    }
    out.push_str("</div>\n<h2>Figures</h2>\n");
    let tables = tables(results);
    for shown in tables.iter().rev().skip(1).rev() {
        table(shown, &mut out);
    }
    out.push_str("</main></body></html>\n");
    out
}

fn conditions_list(conditions: &Conditions, results: &Results, out: &mut String) {
    out.push_str("<dl>\n");
    let absent = results.absent.iter();
    let absent = absent.map(|(name, why)| (name.clone(), format!("did not take part: {why}")));
    let versions = results.versions.iter().map(|(n, v)| (n.clone(), v.clone()));
    for (name, value) in conditions
        .rows
        .iter()
        .cloned()
        .chain(versions)
        .chain(absent)
    {
        let _ = writeln!(
            out,
            "<dt>{}</dt><dd>{}</dd>",
            escaped(&name),
            escaped(&value)
        );
    }
    out.push_str("</dl>\n");
}

fn aims(results: &Results, out: &mut String) {
    let all = verdicts(results);
    let met = all.iter().filter(|v| v.is_met() == Some(true)).count();
    let measured = all.iter().filter(|v| v.is_met().is_some()).count();
    let _ = write!(
        out,
        "<h2>Aims</h2>\n<p>{met} of {measured} measured are met.</p>\n<div class=\"wide\">\
         <table><thead><tr><th>workload</th><th></th><th>at most</th><th>is</th>\
         <th>p10 to p90</th><th></th></tr></thead><tbody>\n"
    );
    for v in all.iter().filter(|v| v.is_met().is_some()) {
        let spread = v
            .spread
            .map(|(low, high)| format!("{}–{}", figure(low), figure(high)));
        let class = if v.is_met() == Some(true) {
            "met"
        } else {
            "missed"
        };
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td class=\"{class}\">{}</td></tr>",
            v.workload,
            escaped(&v.what),
            figure(v.limit),
            v.value.map_or_else(String::new, figure),
            spread.unwrap_or_default(),
            v.mark(),
        );
    }
    out.push_str("</tbody></table></div>\n");
}

fn table(table: &Table, out: &mut String) {
    let _ = write!(
        out,
        "<h3>{}</h3>\n<div class=\"wide\"><table><thead><tr>",
        escaped(&table.title)
    );
    for cell in &table.head {
        let _ = write!(out, "<th>{}</th>", escaped(cell));
    }
    out.push_str("</tr></thead><tbody>\n");
    for row in &table.rows {
        let ours = row.first().is_some_and(|name| name.starts_with("ringway"));
        let _ = write!(out, "<tr{}>", if ours { " class=\"ours\"" } else { "" });
        for cell in row {
            let _ = write!(out, "<td>{}</td>", escaped(cell));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody></table></div>\n");
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#6b7480;--line:#e3e6ea;--paper:#f7f8fa;\
--ours:#c2411a}\
@media(prefers-color-scheme:dark){:root{--ink:#eef1f4;--soft:#98a2ad;--line:#2a3038;\
--paper:#0d1014;--ours:#ff8a65}}\
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}\
main{max-width:1240px;margin:0 auto;padding:32px 20px 80px}h1{font-size:28px;margin:0 0 8px}\
h2{margin:40px 0 12px}h3{margin:28px 0 8px;font-size:15px}\
.lead{color:var(--soft);max-width:70ch;margin:0 0 20px}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;font-size:13px}\
dt{color:var(--soft)}dd{margin:0}\
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(560px,100%),1fr));gap:16px}\
figure{margin:0}figure svg{width:100%;height:auto;display:block}\
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;\
font-variant-numeric:tabular-nums}\
th,td{padding:4px 12px 4px 0;border-bottom:1px solid var(--line);text-align:right;\
white-space:nowrap}th{color:var(--soft);font-weight:500}\
th:first-child,td:first-child,th:nth-child(2):empty,.wide td:first-child{text-align:left}\
tr.ours td{color:var(--ours);font-weight:600}\
.met{color:#2e9e5b}.missed{color:#d64545;font-weight:600}";

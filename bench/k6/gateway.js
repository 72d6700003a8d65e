// A function of any OpenFaaS gateway under four kinds of load, with thresholds. Run by
// scripts/k6.sh; the environment says which gateway, which function and how much.

import http from "k6/http";
import encoding from "k6/encoding";
import { check, sleep } from "k6";
import { Counter, Trend } from "k6/metrics";

const gateway = __ENV.GATEWAY;
const name = __ENV.FUNCTION;
const rate = Number(__ENV.RATE || 200);
const seconds = Number(__ENV.SECONDS || 10);
const wanted = (__ENV.SCENARIOS || "constant,ramp,cold,async").split(",");
const url = `${gateway}/function/${name}`;
const auth = __ENV.USER_PASSWORD
  ? { Authorization: `Basic ${encoding.b64encode(__ENV.USER_PASSWORD)}` }
  : {};

const coldStart = new Trend("cold_start", true);
const accepted = new Counter("async_accepted");

// One after the other: each scenario begins when those before it have ended.
const all = {
  // The same number of requests per second, however long they take.
  constant: (start) => ({
    executor: "constant-arrival-rate",
    exec: "call",
    rate: rate,
    timeUnit: "1s",
    duration: `${seconds}s`,
    preAllocatedVUs: 50,
    maxVUs: 500,
    startTime: `${start}s`,
  }),
  // From nothing to twice the rate and back.
  ramp: (start) => ({
    executor: "ramping-arrival-rate",
    exec: "call",
    startRate: 1,
    timeUnit: "1s",
    stages: [
      { target: rate * 2, duration: `${Math.round(seconds * 500)}ms` },
      { target: 1, duration: `${Math.round(seconds * 500)}ms` },
    ],
    preAllocatedVUs: 50,
    maxVUs: 500,
    startTime: `${start}s`,
  }),
  // To zero replicas, then a call: how long the first answer takes.
  cold: (start) => ({
    executor: "per-vu-iterations",
    exec: "cold",
    vus: 1,
    iterations: 3,
    maxDuration: `${seconds * 3}s`,
    startTime: `${start}s`,
  }),
  async: (start) => ({
    executor: "constant-arrival-rate",
    exec: "later",
    rate: Math.max(1, Math.round(rate / 4)),
    timeUnit: "1s",
    duration: `${seconds}s`,
    preAllocatedVUs: 20,
    maxVUs: 200,
    startTime: `${start}s`,
  }),
};

const scenarios = {};
let start = 0;
for (const each of ["constant", "ramp", "async", "cold"]) {
  if (wanted.includes(each)) {
    scenarios[each] = all[each](start);
    start += seconds + 2;
  }
}

const thresholds = {
  checks: ["rate>0.999"],
};
if (wanted.includes("constant")) {
  thresholds["http_req_duration{scenario:constant}"] = ["p(99)<250"];
  thresholds["http_req_failed{scenario:constant}"] = ["rate<0.001"];
}
if (wanted.includes("ramp")) {
  thresholds["http_req_duration{scenario:ramp}"] = ["p(99)<500"];
  thresholds["http_req_failed{scenario:ramp}"] = ["rate<0.001"];
}
if (wanted.includes("async")) {
  thresholds["http_req_duration{scenario:async}"] = ["p(99)<500"];
}
if (wanted.includes("cold")) {
  thresholds["cold_start"] = ["max<10000"];
}

export const options = {
  scenarios: scenarios,
  thresholds: thresholds,
  summaryTrendStats: ["avg", "med", "p(90)", "p(99)", "p(99.9)", "max"],
  discardResponseBodies: true,
};

export function call() {
  const reply = http.post(url, "k6");
  check(reply, { "the call is answered with 200": (r) => r.status === 200 });
}

export function later() {
  const reply = http.post(`${gateway}/async-function/${name}`, "k6");
  const ok = check(reply, { "the asynchronous call is accepted with 202": (r) => r.status === 202 });
  if (ok) {
    accepted.add(1);
  }
}

export function cold() {
  const body = JSON.stringify({ serviceName: name, replicas: 0 });
  const headers = Object.assign({ "Content-Type": "application/json" }, auth);
  const scaled = http.post(`${gateway}/system/scale-function/${name}`, body, { headers: headers });
  check(scaled, { "the function is scaled to zero": (r) => r.status >= 200 && r.status < 300 });
  sleep(1);
  const reply = http.post(url, "k6", { timeout: "30s", tags: { cold: "yes" } });
  check(reply, { "the first call after that is answered with 200": (r) => r.status === 200 });
  coldStart.add(reply.timings.duration);
}

// The summary as a table, and whole as JSON.
export function handleSummary(data) {
  const rows = [];
  const ms = (value) => (value === undefined ? "" : value.toFixed(2));
  rows.push(["", "median ms", "p90", "p99", "p99.9", "max"]);
  for (const metric of Object.keys(data.metrics).sort()) {
    const values = data.metrics[metric].values;
    const shown = metric.startsWith("http_req_duration") || metric === "cold_start";
    if (shown && values.med !== undefined) {
      const label = metric.replace("http_req_duration", "request").replace("scenario:", "");
      rows.push([label, values.med, values["p(90)"], values["p(99)"], values["p(99.9)"],
        values.max].map((v) => (typeof v === "string" ? v : ms(v))));
    }
  }
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => String(row[at]).length)));
  let text = "\n";
  for (const row of rows) {
    const cells = row.map((cell, at) =>
      at === 0 ? String(cell).padEnd(widths[at]) : String(cell).padStart(widths[at]));
    text += `${cells.join("  ")}\n`;
  }
  const requests = data.metrics.http_reqs.values;
  text += `\n${requests.count} requests, ${requests.rate.toFixed(1)} per second\n`;
  for (const metric of Object.keys(data.metrics).sort()) {
    for (const [rule, result] of Object.entries(data.metrics[metric].thresholds || {})) {
      text += `${result.ok ? "met   " : "MISSED"} ${metric}: ${rule}\n`;
    }
  }
  const out = { stdout: text };
  out[__ENV.SUMMARY] = JSON.stringify(data, null, 2);
  return out;
}

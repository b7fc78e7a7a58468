// The page: what comes over the stream, drawn.

import { chart } from "./charts.js";
import { compact, count, duration, percent } from "./format.js";
import * as partitions from "./partitions.js";
import * as sensors from "./sensors.js";
import { follow, reason } from "./stream.js";

const $ = (id) => document.getElementById(id);
const set = (id, text) => {
  if ($(id).textContent !== text) $(id).textContent = text;
};

let points = [];
let keep = 300;
let about = null;
let stats = null;
let live = false;
let paused = false;

const charts = [
  [chart($("chart-flow"), [
    { label: "accepted", colour: "accepted", fill: true },
    { label: "stored", colour: "stored" },
  ], { live: true, format: compact }), ["accepted", "stored"]],
  [chart($("chart-batches"), [{ label: "batches/s", colour: "accepted", fill: true }], { live: true, format: compact }), ["batches"]],
  [chart($("chart-size"), [{ label: "readings", colour: "accepted", fill: true }], { live: true, format: compact }), ["batch_size"]],
  [chart($("chart-age"), [
    { label: "median", colour: "accepted", fill: true },
    { label: "p99", colour: "held", thin: true },
  ], { live: true, format: duration }), ["batch_age", "batch_age_p99"]],
  [chart($("chart-flush"), [
    { label: "median", colour: "accepted", fill: true },
    { label: "p99", colour: "held", thin: true },
  ], { live: true, format: duration }), ["flush_time", "flush_time_p99"]],
  [chart($("chart-trouble"), [
    { label: "refused/s", colour: "rejected" },
    { label: "retried/s", colour: "retried" },
    { label: "dropped/s", colour: "dropped" },
    { label: "dead-lettered/s", colour: "dead", thin: true },
  ], { live: true, format: compact }), ["rejected", "retried", "dropped", "dead_lettered"]],
];

function draw() {
  if (paused || document.hidden || !stats) return;
  const last = points.at(-1);
  const newest = (name) => points.findLast((p) => p[name] != null)?.[name];
  const total = stats.total;
  const held = stats.partitions.reduce((sum, p) => sum + p.buffered + p.in_flight, 0);
  const room = stats.partitions.reduce((sum, p) => sum + p.capacity, 0);

  set("accepted", count(last?.accepted));
  set("accepted-total", count(total.accepted));
  set("held", count(held));
  set("held-share", percent(room ? Math.min(held / room, 1) : 0));
  set("held-room", count(room));
  set("stored", count(last?.stored));
  set("stored-total", count(total.delivered));
  set("batches", count(last?.batches));
  set("batches-total", count(stats.batches));
  set("size", count(newest("batch_size")));
  set("size-last", count(stats.last_batch));
  set("age", duration(newest("batch_age")));
  set("age-99", duration(newest("batch_age_p99")));
  set("flush", duration(newest("flush_time")));
  set("flush-99", duration(newest("flush_time_p99")));
  set("rejected", count(total.rejected));
  set("retried", count(total.retried));
  set("dropped", count(total.dropped));
  set("dead", count(total.dead_lettered));
  partitions.draw($("partitions"), stats.partitions);
  notices();

  const times = points.map((p) => p.time);
  for (const [c, names] of charts) c.draw([times, ...names.map((name) => points.map((p) => p[name]))]);
}

let said = "";

// notices says what someone who looks ought to know, and touches the page only
// when that changes, as a screen reader reads each change aloud.
function notices() {
  const all = [];
  // Under full load a buffer is full now and then, which is as it should be.
  const full = points.length >= 10 && points.slice(-10).every((p) => p.fill >= 0.9);
  if (stats.write_error) all.push(["bad", `Writes to the store fail, and are repeated. The newest one said: ${stats.write_error}`]);
  if (full) all.push(["warn", "The buffer has been nearly full for ten seconds: the store takes less than what comes in."]);
  if (about.kafka_embedded) all.push(["warn", "Kafka is embedded: this broker is a stand-in for tests. For readings that matter, name real brokers."]);
  if (about.demo) all.push(["info", "Demo: this process sends itself readings."]);
  if (JSON.stringify(all) === said) return;
  said = JSON.stringify(all);
  $("notices").replaceChildren(...all.map(([kind, text]) => {
    const notice = document.createElement("p");
    notice.className = `notice ${kind}`;
    notice.setAttribute("role", kind === "bad" ? "alert" : "status");
    notice.textContent = text;
    return notice;
  }));
}

function introduce() {
  const way = ["HTTP", about.kafka && (about.kafka_embedded ? "Kafka, embedded" : "Kafka"), "buffer", about.store].filter(Boolean);
  $("route").replaceChildren(...way.map((name) => {
    const stop = document.createElement("li");
    stop.textContent = name;
    return stop;
  }));
  $("route").hidden = false;
  $("pause").hidden = false;
  set("version", `funnel ${about.version}`.trim());
}

function received(name, data) {
  if (name === "history") {
    ({ about, keep, points } = data);
    introduce();
  } else if (name === "snapshot") {
    points.push(data.point);
    points = points.slice(-keep);
  } else {
    return;
  }
  stats = data.stats;
  draw();
}

function state(name, seconds, why) {
  live = name === "live";
  const shown = live && paused ? "paused" : name;
  $("status").dataset.state = shown;
  set("status-text", {
    connecting: "Connecting",
    live: "Live",
    paused: "Paused",
    token: "Needs a token",
    lost: `Disconnected, next try in ${seconds} s`,
  }[shown]);
  set("why", name === "lost" ? `Not connected: ${why}.` : "");
  $("why").hidden = name !== "lost" || seconds === undefined;
  $("board").classList.toggle("stale", !live && stats !== null);
}

// The token is kept for this tab only.
const stored = "funnel-token";
const headers = () => {
  const token = sessionStorage.getItem(stored);
  return token ? { Authorization: `Bearer ${token}` } : {};
};

// refused shows the prompt, and returns when a token was entered.
function refused() {
  state("token");
  set("gate-error", sessionStorage.getItem(stored) ? "The server did not take this token." : "");
  $("gate").hidden = false;
  $("board").hidden = true;
  $("notices").hidden = true;
  $("token").focus();
  return new Promise((resolve) => {
    $("gate-form").onsubmit = (event) => {
      event.preventDefault();
      sessionStorage.setItem(stored, $("token").value);
      $("token").value = "";
      resolve();
    };
  });
}

function admitted() {
  $("gate").hidden = true;
  $("board").hidden = false;
  $("notices").hidden = false;
}

async function ask(path) {
  const response = await fetch(path, { headers: headers(), signal: AbortSignal.timeout(20_000), cache: "no-store" });
  if (!response.ok) throw new Error(await reason(response));
  return response.json();
}

$("pause").addEventListener("click", () => {
  paused = !paused;
  $("pause").setAttribute("aria-pressed", String(paused));
  set("pause", paused ? "Go on" : "Pause");
  if (live) state("live");
  draw();
});
document.addEventListener("visibilitychange", draw);

sensors.start(ask, () => live && !paused && !document.hidden);
follow("v1/live", headers, {
  state,
  refused,
  event(name, data) {
    if (!$("gate").hidden) admitted();
    received(name, data);
  },
});

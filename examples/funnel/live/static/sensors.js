// One sensor over time: what /v1/sensors lists and /v1/aggregates sums up.

import { chart } from "./charts.js";
import { count, utc, value } from "./format.js";

const ranges = [
  { name: "1 h", seconds: 3600, granularity: "minute" },
  { name: "6 h", seconds: 6 * 3600, granularity: "minute" },
  { name: "24 h", seconds: 86400, granularity: "hour" },
  { name: "7 d", seconds: 7 * 86400, granularity: "hour" },
  { name: "30 d", seconds: 30 * 86400, granularity: "day" },
];

const $ = (id) => document.getElementById(id);
const select = $("sensor");
let range = ranges[0];
let known = ""; // what select was made of
let asked = 0; // number of the newest request, so that an older answer does not overwrite a newer one
let plot;

// start sets the pickers up. ask(path) fetches JSON from the server; ready() says
// whether it is worth asking now.
export function start(ask, ready) {
  plot = chart($("chart-sensor"), [
    { label: "min", colour: "accepted", faint: true },
    { label: "max", colour: "accepted", faint: true },
    { label: "mean", colour: "accepted" },
  ], { format: value, band: true });

  for (const r of ranges) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    const text = document.createElement("span");
    input.type = "radio";
    input.name = "range";
    input.checked = r === range;
    text.textContent = r.name;
    input.addEventListener("change", () => {
      range = r;
      show(ask);
    });
    label.append(input, text);
    $("ranges").append(label);
  }
  select.addEventListener("change", () => show(ask));
  turn(ask, ready, 0);
}

// turn asks anew every five seconds, and for the list of sensors every fifth time
// or until there is one.
async function turn(ask, ready, n) {
  if (ready()) {
    if (n % 5 === 0 || select.disabled) await list(ask);
    if (!select.disabled) await show(ask);
  }
  setTimeout(() => turn(ask, ready, ready() ? n + 1 : 0), select.disabled ? 1500 : 5000);
}

async function list(ask) {
  let sensors;
  try {
    sensors = (await ask("v1/sensors")).sensors;
  } catch (error) {
    if (select.disabled) $("sensor-sum").textContent = `The list of sensors is not to be had: ${error.message}.`;
    return;
  }
  const options = sensors.map((s) => JSON.stringify([s.sensor, s.metric]));
  if (options.join() === known || options.length === 0) return;
  known = options.join();
  const chosen = select.disabled ? options[0] : select.value;
  select.replaceChildren(...sensors.map((s, i) => new Option(`${s.sensor} · ${s.metric}`, options[i])));
  select.value = options.includes(chosen) ? chosen : options[0];
  select.disabled = false;
  $("sensor-card").classList.remove("empty");
}

async function show(ask) {
  const request = ++asked;
  const [sensor, metric] = JSON.parse(select.value);
  const now = Math.floor(Date.now() / 1000);
  const query = new URLSearchParams({
    sensor,
    metric,
    from: iso(now - range.seconds),
    to: iso(now + 1),
    granularity: range.granularity,
  });
  let buckets;
  try {
    buckets = (await ask(`v1/aggregates?${query}`)).buckets;
  } catch (error) {
    if (request === asked) $("sensor-sum").textContent = `${sensor} is not to be had: ${error.message}.`;
    return;
  }
  if (request === asked) draw(sensor, buckets);
}

const iso = (seconds) => new Date(seconds * 1000).toISOString();

function draw(sensor, buckets) {
  const column = (name) => buckets.map((b) => b[name]);
  const starts = buckets.map((b) => Date.parse(b.start) / 1000);
  plot.draw([starts, column("min"), column("max"), column("mean")]);
  $("sensor-rows").replaceChildren(...buckets.map((b, i) => row(b, starts[i])));

  // A sum beyond what a number can hold comes as null, which arithmetic would
  // take for 0.
  const numbers = (name) => column(name).filter((x) => x != null);
  const readings = column("count").reduce((a, b) => a + b, 0);
  if (readings === 0) {
    $("sensor-sum").textContent = `No readings of ${sensor} in this time.`;
    return;
  }
  const sums = numbers("sum");
  const mean = sums.length === buckets.length ? sums.reduce((a, b) => a + b, 0) / readings : null;
  $("sensor-sum").textContent = `${count(readings)} readings by ${range.granularity} (UTC) · mean ${value(mean)}` +
    ` · from ${value(Math.min(...numbers("min")))} to ${value(Math.max(...numbers("max")))}`;
}

function row(bucket, start) {
  const tr = document.createElement("tr");
  for (const text of [utc(start), count(bucket.count), value(bucket.min), value(bucket.mean), value(bucket.max)]) {
    const td = document.createElement("td");
    td.textContent = text;
    tr.append(td);
  }
  return tr;
}

// Charts over uPlot: colours from the style sheet, the size of their element,
// and what is under the pointer in words.

import { clock, day } from "./format.js";

const charts = new Set();

// chart makes one in element. Its series have a label, a colour (a variable of
// the style sheet), and may be filled, thin or faint. options.format writes a value;
// options.live is a window that ends now, otherwise the data's own span is shown;
// options.band shades what lies between the first two series.
export function chart(element, series, options) {
  const readout = document.createElement("div");
  readout.className = "readout";
  readout.hidden = true;
  element.append(readout);
  const c = { element, readout, series, options, plot: null, data: null };
  charts.add(c);
  new ResizeObserver(() => {
    if (c.plot) c.plot.setSize(size(element));
  }).observe(element);
  return {
    draw(data) {
      c.data = data;
      if (c.plot) c.plot.setData(data);
      else build(c);
    },
  };
}

// The colours are drawn, not styled: a change of theme draws all anew.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const c of charts) {
    if (!c.plot) continue;
    c.plot.destroy();
    build(c);
  }
});

const size = (element) => ({ width: Math.max(element.clientWidth, 80), height: element.clientHeight });

function build(c) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const font = `12px ${getComputedStyle(document.body).fontFamily}`;
  const axis = { stroke: colour("muted"), font, ticks: { show: false }, grid: { stroke: colour("grid"), width: 1 } };
  const { format, live, band } = c.options;

  c.plot = new uPlot({
    ...size(c.element),
    padding: [10, live ? 18 : 8, 0, 0],
    legend: { show: false },
    cursor: {
      drag: { x: false, y: false },
      points: { size: 7 },
      y: false,
      sync: live ? { key: "live" } : undefined,
    },
    scales: {
      x: { range: live ? sliding : margin },
      y: { range: live ? fromZero : around },
    },
    axes: [
      { ...axis, grid: { show: false }, space: 70, size: 30, gap: 8, ...(live ? { splits: ago, values: agoLabels } : { values: times }) },
      { ...axis, size: c.element.clientWidth < 240 ? 48 : 58, gap: 6, space: 32, values: (_, splits) => splits.map(format) },
    ],
    series: [
      {},
      ...c.series.map((s) => ({
        label: s.label,
        stroke: s.faint ? `${colour(s.colour)}66` : colour(s.colour),
        width: s.faint ? 1 : s.thin ? 1.5 : 2,
        fill: s.fill ? `${colour(s.colour)}24` : undefined,
        spanGaps: true,
        points: live || s.faint ? { show: false } : { size: 6, fill: colour("card") },
      })),
    ],
    bands: band ? [{ series: [2, 1], fill: `${colour(c.series[0].colour)}24` }] : undefined,
    hooks: { setCursor: [(plot) => point(c, plot)] },
  }, c.data, c.element);
}

// sliding ends at the newest point, and grows from one minute to all that is kept,
// so that the first minute is not a line at the edge of an empty chart.
function sliding(plot, min, max) {
  if (min == null) return [0, 60];
  return [max - Math.max(60, max - min), max];
}

// ago counts the time axis back from now, so that its labels stand still while
// the chart slides.
function ago(plot, axis, min, max) {
  const room = plot.bbox.width / devicePixelRatio / 52; // labels
  const steps = max - min > 90 ? [60, 120, 240] : [15, 30, 60, 120];
  const step = steps.find((s) => (max - min) / s <= room) ?? steps.at(-1);
  const splits = [];
  for (let s = max; s >= min; s -= step) splits.unshift(s);
  return splits;
}

function agoLabels(plot, splits) {
  const now = plot.scales.x.max;
  return splits.map((s) => {
    const back = Math.round(now - s);
    if (back === 0) return "now";
    return back % 60 === 0 ? `−${back / 60} min` : `−${back} s`;
  });
}

const fromZero = (plot, min, max) => [0, max > 0 ? max * 1.12 : 1];

// margin keeps a few buckets from filling the whole width.
function margin(plot, min, max) {
  if (min == null) return [0, 60];
  const pad = Math.max((600 - (max - min)) / 2, (max - min) * 0.01);
  return [min - pad, max + pad];
}

function around(plot, min, max) {
  if (min == null) return [0, 1];
  const pad = (max - min) * 0.08 || Math.abs(max) * 0.05 || 1;
  return [min - pad, max + pad];
}

// times labels the time axis: days where it has more than two.
function times(plot, splits) {
  const span = plot.scales.x.max - plot.scales.x.min;
  const step = splits.length > 1 ? splits[1] - splits[0] : span;
  return splits.map((s) => (step >= 86400 ? day(s) : span > 2 * 86400 ? `${day(s)} ${clock(s)}` : clock(s)));
}

// point says what is under the pointer.
function point(c, plot) {
  const i = plot.cursor.idx;
  c.readout.hidden = i == null || plot.cursor.left < 0 || c.data[0][i] == null;
  if (c.readout.hidden) return;
  const values = c.series.map((s, n) => `${s.label} ${c.options.format(c.data[n + 1][i])}`);
  const at = c.data[0][i];
  const time = c.options.live ? clock(at, true) : `${day(at)} ${clock(at)}`;
  c.readout.textContent = `${time}  ·  ${values.join("  ·  ")}`;
}

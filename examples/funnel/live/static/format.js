// How numbers and times are written.

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

// count writes a number of readings or batches in full: "152,304", and small ones
// with what is behind the point: "0.4".
export function count(n) {
  if (n == null) return "–";
  if (n > 0 && n < 10 && n % 1 !== 0) return n.toFixed(1);
  return whole.format(n);
}

// compact writes it for an axis: "150K".
export function compact(n) {
  if (n == null) return "–";
  if (Math.abs(n) < 1000) return String(Number(n.toPrecision(3)));
  return short.format(n);
}

// duration writes seconds: "340 µs", "12.5 ms", "1.2 s", "3.5 min".
export function duration(s) {
  if (s == null) return "–";
  const digits = (x) => (x >= 100 ? x.toFixed(0) : Number(x.toPrecision(3)).toString());
  if (s === 0) return "0 ms";
  if (s < 0.001) return `${digits(s * 1e6)} µs`;
  if (s < 1) return `${digits(s * 1e3)} ms`;
  if (s < 120) return `${digits(s)} s`;
  return `${digits(s / 60)} min`;
}

// value writes what a sensor measured, to at most six digits.
export function value(x) {
  if (x == null) return "–";
  const size = Math.abs(x);
  if (size !== 0 && (size >= 1e9 || size < 1e-4)) return x.toExponential(3);
  return new Intl.NumberFormat("en", { maximumSignificantDigits: 6 }).format(x);
}

export function percent(share) {
  if (share > 0 && share < 0.01) return "below 1 %";
  return `${Math.round(share * 100)} %`;
}

const two = (n) => String(n).padStart(2, "0");

// clock writes the time of day, in the viewer's zone.
export function clock(seconds, withSeconds) {
  const d = new Date(seconds * 1000);
  const hm = `${two(d.getHours())}:${two(d.getMinutes())}`;
  return withSeconds ? `${hm}:${two(d.getSeconds())}` : hm;
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

// day writes a day, in the viewer's zone: "3 Feb".
export function day(seconds) {
  const d = new Date(seconds * 1000);
  return `${d.getDate()} ${months[d.getMonth()]}`;
}

// utc writes a moment in UTC, as buckets are in UTC: "2026-02-03 14:05".
export function utc(seconds) {
  return new Date(seconds * 1000).toISOString().slice(0, 16).replace("T", " ");
}

// Reading /v1/live. EventSource cannot send a token, so this reads the stream of
// a fetch, and tries again by itself when it ends.

const silence = 6000; // ms without an event, of which there is one a second, after which the connection counts as lost
const delays = [1, 2, 4, 8, 15]; // s until the next attempt; the last one over and over

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Refused is a server that wants a token, or another one.
class Refused extends Error {}

// follow reads the stream for ever. on.event(name, data) gets each event,
// on.state(state, seconds, why) what is going on: "connecting", "live", and
// "lost" with the seconds until the next attempt. headers() is asked before each
// attempt; where the server refuses them, on.refused() is awaited first.
export async function follow(url, headers, on) {
  for (let failed = 0; ; ) {
    if (failed === 0) on.state("connecting"); // later, "lost" and why is what to show
    let why = "the connection ended";
    try {
      await attempt(url, headers(), (name, data) => {
        failed = 0;
        on.state("live");
        on.event(name, data);
      });
    } catch (error) {
      if (error instanceof Refused) {
        await on.refused();
        continue;
      }
      why = error.message;
    }
    const delay = delays[Math.min(failed++, delays.length - 1)];
    for (let left = delay; left > 0; left--) {
      on.state("lost", left, why);
      await sleep(1000);
    }
  }
}

async function attempt(url, headers, event) {
  const abort = new AbortController();
  let watch;
  const alive = () => {
    clearTimeout(watch);
    watch = setTimeout(() => abort.abort(new Error("nothing came for six seconds")), silence);
  };
  try {
    alive();
    const response = await fetch(url, { headers, signal: abort.signal, cache: "no-store" });
    if (response.status === 401) throw new Refused();
    if (!response.ok) throw new Error(await reason(response));
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      alive();
      const events = (text + value).split("\n\n");
      text = events.pop(); // not ended yet
      for (const one of events) parse(one, event);
    }
  } finally {
    clearTimeout(watch);
    abort.abort();
  }
}

// reason is what an answer that is an error says.
export async function reason(response) {
  const text = await response.text();
  try {
    return JSON.parse(text).error ?? `the server answered ${response.status}`;
  } catch {
    return `the server answered ${response.status}`;
  }
}

function parse(text, event) {
  let name = "message";
  let data = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("event: ")) name = line.slice(7);
    if (line.startsWith("data: ")) data += line.slice(6);
  }
  if (data) event(name, JSON.parse(data));
}

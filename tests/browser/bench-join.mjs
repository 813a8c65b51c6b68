// Measures the time from the click on "Join" to the first decoded picture of another participant, in Chromium, with the
// Worker as deployed and everything on one machine: with a token from the application, and as a guest, who gets one from the
// edge first. `node bench-join.mjs [--json] [--smoke]` prints a table, or a line of JSON for each case.
import { parseArgs } from "node:util";
import { Browser } from "./browsers.mjs";
import { Stack } from "./stack.mjs";
import { until } from "./until.mjs";

const JOINS = 20;
const JOINS_SMOKE = 2;
/** For the p50 of the whole join. */
const TOTAL_MS_MAX = 250;

/** The SDK phases at the beginning and end of each part; `click` is the user's. */
const PARTS = {
  total: ["click", "first_frame"],
  "join sent": ["click", "join_sent"],
  "edge's answer": ["join_sent", "joined"],
  "answer applied": ["joined", "answer_applied"],
  ice: ["answer_applied", "ice_connected"],
  dtls: ["ice_connected", "dtls_connected"],
  "first frame": ["dtls_connected", "first_frame"],
};

const { json, smoke } = parseArgs({ options: { json: { type: "boolean" }, smoke: { type: "boolean" } } }).values;

const stack = await Stack.start({ build: "release" });
const browser = await Browser.start("chromium");
try {
  const publisher = await browser.page();
  await publisher.open(`${stack.url}/r/bench?auto=1&name=Publisher`);
  await until("the publisher is in the call", () => publisher.evaluate(() => window.rotunda?.timings.dtls_connected));
  const joins = { "with a token": [], "as a guest": [] };
  for (let number = 0; number < (smoke ? JOINS_SMOKE : JOINS); number += 1) {
    joins["with a token"].push(await join(`#token=${stack.token("bench", `joiner-${number}`)}`));
    joins["as a guest"].push(await join(""));
  }
  report(joins);
} finally {
  await Promise.all([browser.stop(), stack.stop()]);
}

/** One join from the lobby, with the browser's fake camera and microphone. */
async function join(fragment) {
  const page = await browser.page([rememberClick]);
  await page.open(`${stack.url}/r/bench?name=Joiner${fragment}`);
  await until("the lobby shows the camera", () => page.evaluate(() => document.querySelector("video")?.readyState === 4));
  await page.click("button[type=submit]");
  const timings = await until("the first picture is decoded", () => page.evaluate(() => window.rotunda?.timings.first_frame && window.rotunda.timings.dtls_connected && phases()));
  await page.click("#leave");
  await until("the joiner has left", () => page.evaluate(() => /You left/.test(document.body.innerText)));
  await page.close();
  return timings;
}

/** Runs in the page. */
function rememberClick() {
  let clickedAtMs = 0;
  window.addEventListener("click", () => (clickedAtMs ||= performance.now()), { capture: true });
  window.phases = () => {
    const marks = performance.getEntriesByType("mark").map(({ name, startTime }) => [name.replace("rotunda:", ""), startTime - clickedAtMs]);
    return { click: 0, ...Object.fromEntries(marks) };
  };
}

function report(joins) {
  const parts = Object.keys(joins).flatMap((way) => Object.entries(PARTS).map(([name, between]) => ({ way, name, between })));
  const lines = parts.flatMap(({ way, name, between: [from, to] }) => {
    const sorted = joins[way].map((phases) => phases[to] - phases[from]).sort((a, b) => a - b);
    const at = (share) => Number(sorted[Math.ceil(sorted.length * share) - 1].toFixed(1));
    return [0.5, 0.95].map((share) => {
      const goal = name === "total" && share === 0.5 ? TOTAL_MS_MAX : null;
      return { case: `chromium loopback, ${way}, ${name}, p${share * 100}`, ours: at(share), goal, met: goal && at(share) <= goal };
    });
  });
  if (!json) console.table(Object.fromEntries(lines.map((line) => [line.case, `${line.ours} ms`])));
  else for (const line of lines) console.log(JSON.stringify({ bench: "join", unit: "ms", floor: null, peers: {}, ...line }));
}

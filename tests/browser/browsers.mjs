// Chromium and Firefox behind one interface: open a page, run a function in it, take a screenshot, close it.
import { execFileSync } from "node:child_process";
import { accessSync, constants, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import puppeteer from "puppeteer-core";
import { Program } from "./processes.mjs";
import { temporaryFolder } from "./temporary.mjs";

const WINDOW = { width: 800, height: 600 };
const START_MS = 30_000;

/** Permission prompts are answered, and candidates show addresses instead of mDNS names. */
const CHROMIUM_FLAGS = [
  ...["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--no-default-browser-check"],
  ...["--use-fake-ui-for-media-stream", "--autoplay-policy=no-user-gesture-required"],
  ...["--disable-features=WebRtcHideLocalIpsWithMdns,Translate", "--disable-background-networking", "--disable-component-update"],
  ...["--disable-background-timer-throttling", "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding"],
  ...["--disable-sync", "--metrics-recording-only", "--password-store=basic", `--window-size=${WINDOW.width},${WINDOW.height}`],
];

const FIREFOX_PREFERENCES = {
  // Firefox shows a page all its addresses only if the page may use a microphone.
  "permissions.default.camera": 1,
  "permissions.default.microphone": 1,
  // Otherwise Firefox checks no 127.0.0.1 candidate.
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  // Windows that cover each other all count as visible.
  "widget.windows.window_occlusion_tracking.enabled": false,
  "dom.min_background_timeout_value": 4,
  "dom.timeout.enable_budget_timer_throttling": false,
  "remote.prefs.recommended": true,
  "app.update.enabled": false,
  "app.normandy.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.page": 0,
  "browser.aboutwelcome.enabled": false,
  "datareporting.policy.dataSubmissionEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,",
  "toolkit.telemetry.reportingpolicy.firstRun": false,
};

/** Used without a sound server: the browser's fake camera and microphone, and an audio clock, without which no AudioContext runs. */
const CHROMIUM_WITHOUT_SOUND = ["--use-fake-device-for-media-stream"];
const FIREFOX_WITHOUT_SOUND = { "media.navigator.streams.fake": true, "media.cubeb.force_mock_context": true };

const KINDS = {
  chromium: {
    programs: ["chromium", "chromium-browser", "google-chrome"],
    command: (program, profile, { secure, trusts, sound }) => [
      ...[program, ...CHROMIUM_FLAGS, ...(sound ? [] : CHROMIUM_WITHOUT_SOUND), `--user-data-dir=${profile}`, "--remote-debugging-port=0"],
      ...(trusts ? [`--ignore-certificate-errors-spki-list=${trusts.keyDigest}`, `--host-resolver-rules=MAP ${trusts.name} ${trusts.address}`] : []),
      ...(secure ? [`--unsafely-treat-insecure-origin-as-secure=${secure}`] : []),
      "about:blank",
    ],
    endpoint: (line) => line.match(/DevTools listening on (ws:\S+)/)?.[1],
    connection: {},
  },
  firefox: {
    programs: ["firefox-esr", "firefox"],
    command: (program, profile) => [program, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port=0"],
    endpoint: (line) => line.match(/WebDriver BiDi listening on (ws:\S+)/)?.[1]?.concat("/session"),
    connection: { protocol: "webDriverBiDi" },
  },
};

/** One running browser; its pages are isolated from each other. */
export class Browser {
  #program;
  #puppeteer;

  /**
   * @param {"chromium" | "firefox"} kind
   * @param {{
   *   network?: import("./networks.mjs").Network, secure?: string,
   *   trusts?: import("./certificate.mjs").Certificate, sound?: import("./sound-server.mjs").SoundServer
   * }} [options]
   *   `secure`: an origin that may use devices without TLS; `trusts`: a certificate that no authority has signed; `sound`: where its
   *   microphone is
   */
  static async start(kind, options = {}) {
    const { network, sound } = options;
    const browser = new Browser();
    browser.kind = kind;
    const { programs, command, endpoint, connection } = KINDS[kind];
    const words = command(findProgram(programs), makeProfile(kind, options), options);
    browser.#program = new Program(kind, network?.inside(words) ?? words, {
      env: { MOZ_HEADLESS_WIDTH: String(WINDOW.width), MOZ_HEADLESS_HEIGHT: String(WINDOW.height), ...sound?.environment },
    });
    const browserWSEndpoint = await browser.#program.line(endpoint, START_MS);
    await network?.expose(new URL(browserWSEndpoint).port);
    browser.#puppeteer = await puppeteer.connect({ browserWSEndpoint, defaultViewport: null, ...connection });
    browser.version = await browser.#puppeteer.version();
    return browser;
  }

  /**
   * A page in a separate window with separate storage. Every document in it runs `scripts` first, each `[function,
   * ...arguments]`.
   */
  async page(...scripts) {
    const context = await this.#puppeteer.createBrowserContext();
    const page = new Page(this.kind, context, await context.newPage({ type: "window" }));
    for (const [script, ...args] of scripts) await page.runFirst(script, ...args);
    return page;
  }

  /** Stops every process of the browser until `wakeUp`, like closing a laptop. */
  sleep() {
    this.#program.pause();
  }

  wakeUp() {
    this.#program.resume();
  }

  async stop() {
    this.#puppeteer?.disconnect();
    await this.#program.kill();
  }
}

export class Page {
  #context;
  #page;
  /** Uncaught errors of the page's scripts and console errors. */
  complaints = [];

  constructor(browser, context, page) {
    this.browser = browser;
    this.#context = context;
    this.#page = page;
    page.on("pageerror", (error) => this.complaints.push(String(error)));
    page.on("console", (message) => message.type() === "error" && this.complaints.push(message.text()));
  }

  /** Runs `script` before anything else in every later document. */
  runFirst(script, ...args) {
    return this.#page.evaluateOnNewDocument(script, ...args);
  }

  open(url) {
    return this.#page.goto(url, { waitUntil: "domcontentloaded" });
  }

  reload() {
    return this.#page.reload({ waitUntil: "domcontentloaded" });
  }

  /** Kills the page's process, in Chromium. */
  async crash() {
    // The navigation never ends.
    this.#page.goto("chrome://crash").catch(() => {});
    await new Promise((resolve) => this.#page.once("error", resolve));
  }

  /** Returns the result of `script` in the page; awaits a promise there. */
  evaluate(script, ...args) {
    return this.#page.evaluate(script, ...args);
  }

  /** Clicks the element that a selector names (CSS, or puppeteer's `::-p-aria(…)`), once it exists. */
  async click(selector, timeoutMs = 10_000) {
    await this.#page.locator(selector).setTimeout(timeoutMs).click();
  }

  /** Types into a field once it exists. */
  async fill(selector, text) {
    await this.#page.locator(selector).fill(text);
  }

  resize(width, height) {
    return this.#page.setViewport({ width, height });
  }

  /** Simulates the user's preference for dark or light pages. */
  prefer(scheme) {
    return this.#page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  }

  /** Presses keys one after the other. */
  async keys(...names) {
    for (const name of names) await this.#page.keyboard.press(name);
  }

  /** Answers every question of the page with yes. */
  agree() {
    this.#page.on("dialog", (dialog) => dialog.accept());
  }

  /** Runs a script file in the page. */
  addScript(path) {
    return this.#page.addScriptTag({ path });
  }

  screenshot(path) {
    return this.#page.screenshot({ path });
  }

  close() {
    return this.#context.close();
  }
}

function makeProfile(kind, { secure, trusts, sound }) {
  const folder = temporaryFolder(kind);
  if (kind === "firefox") {
    const preferences = {
      ...FIREFOX_PREFERENCES,
      ...(!sound && FIREFOX_WITHOUT_SOUND),
      ...(secure && { "dom.securecontext.allowlist": new URL(secure).hostname }),
      // Every name resolves to this address.
      ...(trusts && { "network.dns.forceResolve": trusts.address }),
    };
    const lines = Object.entries(preferences).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`);
    writeFileSync(join(folder, "user.js"), lines.join("\n"));
    if (trusts) {
      const database = ["-d", `sql:${folder}`];
      execFileSync("certutil", ["-N", ...database, "--empty-password"]);
      execFileSync("certutil", ["-A", ...database, "-n", "test", "-t", "C,,", "-i", trusts.authority]);
    }
  }
  return folder;
}

function findProgram(names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? "").split(delimiter)) {
      const path = join(folder, name);
      try {
        accessSync(path, constants.X_OK);
        return path;
      } catch {
        // Not found here.
      }
    }
  }
  throw new Error(`none of ${names.join(", ")} is on the PATH`);
}

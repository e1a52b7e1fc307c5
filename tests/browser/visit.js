// A person with a browser: Chromium, driven over the DevTools protocol, through login, call, what another site
// may not do, and logout. Says as JSON what the pages showed.
//
// node visit.js FOLDER ORIGIN GATEWAY_ADDRESS PROVIDER

import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";

const [folder, origin, address, provider] = process.argv.slice(2);
const PATIENCE_MS = 15_000;

const browser = spawn(
  "chromium",
  [
    "--headless=new",
    // The test is root, in a network of its own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--ignore-certificate-errors",
    `--host-resolver-rules=MAP ${new URL(origin).hostname} ${address}`,
    `--user-data-dir=${folder}/chromium`,
    "--window-size=640,520",
    "--remote-debugging-pipe",
    "about:blank",
  ],
  { stdio: ["ignore", "ignore", "inherit", "pipe", "pipe"] },
);

// One JSON a message, a zero byte behind each.
const waiting = new Map();
let received = "";
let number = 0;
browser.stdio[4].on("data", (data) => {
  received += data;
  const messages = received.split("\0");
  received = messages.pop();
  for (const text of messages) {
    const message = JSON.parse(text);
    waiting.get(message.id)?.(message);
    waiting.delete(message.id);
  }
});

function ask(method, params = {}, sessionId = undefined) {
  const id = ++number;
  browser.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
  return new Promise((resolve, reject) => {
    waiting.set(id, (message) =>
      message.error ? reject(new Error(`${method}: ${message.error.message}`)) : resolve(message.result),
    );
  });
}

async function tab() {
  const { targetId } = await ask("Target.createTarget", { url: "about:blank" });
  const { sessionId } = await ask("Target.attachToTarget", { targetId, flatten: true });
  const tell = (method, params) => ask(method, params, sessionId);
  await tell("Page.enable");
  return {
    go: (url) => tell("Page.navigate", { url }),
    // What a script of the page comes to.
    async run(expression) {
      const told = await tell("Runtime.evaluate", {
        expression,
        awaitPromise: true,
        returnByValue: true,
        userGesture: true,
      });
      if (told.exceptionDetails) {
        throw new Error(`${expression}: ${told.exceptionDetails.exception?.description}`);
      }
      return told.result.value;
    },
    async until(expression) {
      const end = Date.now() + PATIENCE_MS;
      for (;;) {
        // A page that is being left has no answer.
        const answer = await this.run(expression).catch(() => undefined);
        if (answer) return answer;
        if (Date.now() > end) throw new Error(`it never came to ${expression}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async shot(name) {
      const { data } = await tell("Page.captureScreenshot", { format: "png" });
      writeFileSync(`${folder}/${name}.png`, Buffer.from(data, "base64"));
    },
    cookies: async (url) => (await tell("Network.getCookies", { urls: [url] })).cookies,
  };
}

const click = (id) => `document.querySelector("${id}").click() ?? true`;
const answer = 'document.querySelector("#answer").value';
const seen = {};

async function visit() {
  const page = await tab();
  await page.go(`${origin}/app/?from=start`);
  await page.until(`document.title === "Log in"`);
  seen.login_url = await page.run("location.origin");
  await page.shot("login-provider");
  await page.run(`document.querySelector("input").value = "ada"; ${click("button")}`);
  await page.until(`document.title === "Shop"`);
  seen.app_url = await page.run("location.href");
  seen.who = await page.run(`document.querySelector("#who").textContent`);
  const cookies = await page.cookies(`${origin}/`);
  const session = cookies.find((cookie) => cookie.name === "__Host-session-main");
  const { httpOnly, secure, sameSite, path } = session;
  seen.cookie = { httpOnly, secure, sameSite, path };
  seen.in_progress = cookies.filter((cookie) => cookie.name.startsWith("__Host-login-")).length;
  seen.readable = await page.run("document.cookie.includes('__Host-session')");

  await page.run(click("#save"));
  seen.saved = await page.until(`${answer} !== "none yet" && ${answer}`);
  await page.shot("session-call");
  await page.run(`document.querySelector("#answer").value = "none yet"; ${click("#forget")}`);
  seen.refused = await page.until(`${answer} !== "none yet" && ${answer}`);
  await page.shot("session-csrf-refused");

  // A page of another site, in the same browser.
  const other = await tab();
  await other.go(`${provider}/.well-known/openid-configuration`);
  await other.until(`location.origin === ${JSON.stringify(provider)} && document.readyState === "complete"`);
  const asks = (path, init) =>
    other.run(`fetch(${JSON.stringify(origin + path)}, ${JSON.stringify(init)})
      .then(async (answer) => answer.type + " " + answer.status + " " + (await answer.text()))
      .catch((error) => error.name)`);
  seen.cross_site = await asks("/app/save", { method: "POST", mode: "no-cors", credentials: "include" });
  const put = { method: "PUT", headers: { "X-Note": "1" } };
  seen.shared = await asks("/shared/prices", put);
  seen.not_shared = await asks("/app/save", put);

  await page.run(click("#leave"));
  await page.until(`document.title === "Log out of the provider?"`);
  seen.logout_url = await page.run("location.origin + location.pathname");
  await page.shot("logout-provider");
  await page.run(click("button"));
  await page.until(`document.title === "Bye"`);
  seen.bye_url = await page.run("location.href");
  await page.go(`${origin}/app/`);
  await page.until(`document.title === "Log in"`);
  seen.again_url = await page.run("location.origin");
}

let code = 0;
try {
  await visit();
} catch (error) {
  seen.error = error.message;
  code = 1;
}
console.log(JSON.stringify(seen));
browser.kill("SIGKILL");
process.exit(code);

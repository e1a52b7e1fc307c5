// Chromium, driven over the DevTools protocol.

import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";

const PATIENCE_MS = 15_000;

export function start(folder, origin, address) {
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
      tell,
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

  // Says what was seen as JSON, and how it ended.
  async function told(visit, seen) {
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
  }

  return { tab, told };
}

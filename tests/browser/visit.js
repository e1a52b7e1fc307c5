// A person with a browser: Chromium, driven over the DevTools protocol, through login, call, what another site
// may not do, and logout. Says as JSON what the pages showed.
//
// node visit.js FOLDER ORIGIN GATEWAY_ADDRESS PROVIDER

import { start } from "./driver.js";

const [folder, origin, address, provider] = process.argv.slice(2);
const { tab, told } = start(folder, origin, address);

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
  seen.live = await page.run(`new Promise((said) => {
    const socket = new WebSocket("wss://" + location.host + "/app/live");
    socket.onmessage = (message) => { socket.close(); said(message.data); };
    socket.onclose = (end) => said("closed: " + end.code);
  })`);
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

await told(visit, seen);

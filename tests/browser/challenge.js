// A browser at an address that has a score: it is shown the page of the challenge, and gets past it. Says as JSON what
// the pages showed.
//
// node challenge.js FOLDER ORIGIN GATEWAY_ADDRESS

import { start } from "./driver.js";

const [folder, origin, address] = process.argv.slice(2);
const { tab, told } = start(folder, origin, address);
const seen = {};

async function visit() {
  const page = await tab();
  await page.tell("Emulation.setScriptExecutionDisabled", { value: true });
  await page.go(`${origin}/app/?from=start`);
  await page.until(`document.title === "One moment"`);
  seen.without = await page.run(`document.querySelector("noscript").innerText`);
  await page.shot("challenge-page");

  await page.tell("Emulation.setScriptExecutionDisabled", { value: false });
  await page.go(`${origin}/app/?from=start`);
  await page.until(`document.title === "Shop"`);
  seen.app_url = await page.run("location.href");
  const cookies = await page.cookies(`${origin}/`);
  const { name, httpOnly, secure, sameSite, path } = cookies.find((one) => one.name.includes("seawall"));
  seen.cookie = { name, httpOnly, secure, sameSite, path };
  seen.readable = await page.run("document.cookie.includes('seawall')");
  seen.call = await page.run(`fetch("/app/save", { method: "POST" }).then((answer) => answer.text())`);
}

await told(visit, seen);

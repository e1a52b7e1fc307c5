// The API behind the gateway, with a page that uses it: it knows nobody but by what the gateway says.
//
// node shop.js HOST PORT

import { createHash } from "node:crypto";
import http from "node:http";

const [host, port] = process.argv.slice(2);

const page = (who) => `<!doctype html><meta charset="utf-8"><title>Shop</title>
<style>
  body { font: 16px/1.5 sans-serif; margin: 3rem auto; max-width: 26rem }
  button { font: inherit; margin-right: 1rem } form { display: inline }
  output { font: 14px/1.4 monospace; overflow-wrap: anywhere }
</style>
<h1>Shop</h1>
<p>Logged in as <b id="who">${who}</b>.</p>
<p><button id="save">Save with a token</button><button id="forget">Save without</button></p>
<p>Answer: <output id="answer">none yet</output></p>
<form method="post" action="/.seawall/logout/main"><button id="leave">Log out</button></form>
<script src="/app/page.js"></script>`;

// A file of its own: the policy of the page lets nothing else run.
const script = `
const token = () => document.cookie.split("; ")
  .find((pair) => pair.startsWith("__Host-csrf-token="))?.split("=")[1];
async function save(headers) {
  const answer = await fetch("/app/save", { method: "POST", headers });
  document.querySelector("#answer").value = answer.status + " " + (await answer.text());
}
document.querySelector("#save").onclick = () => save({ "X-CSRF-Token": token() });
document.querySelector("#forget").onclick = () => save({});
`;

const POLICY = "default-src 'self'; style-src 'unsafe-inline'";

http
  .createServer((request, answer) => {
    const who = request.headers["x-consumer"] ?? "nobody";
    const asked = `${request.method} ${request.url.split("?")[0]}`;
    const say = (type, text) => {
      answer.setHeader("Content-Type", type);
      answer.setHeader("Content-Security-Policy", POLICY);
      answer.end(text);
    };
    if (asked === "GET /app/") say("text/html", page(who));
    else if (asked === "GET /app/page.js") say("text/javascript", script);
    else if (asked === "POST /app/save") say("text/plain", `saved for ${who}`);
    else if (asked.endsWith(" /shared/prices")) say("text/plain", `prices for ${who}`);
    else say("text/html", "<!doctype html><title>Bye</title><h1>See you soon</h1>");
  })
  // A WebSocket that says one word (RFC 6455).
  .on("upgrade", (request, socket) => {
    const key = `${request.headers["sec-websocket-key"]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`;
    const accept = createHash("sha1").update(key).digest("base64");
    const lines = ["Connection: Upgrade", "Upgrade: websocket", `Sec-WebSocket-Accept: ${accept}`];
    socket.write(["HTTP/1.1 101 Switching Protocols", ...lines, "", ""].join("\r\n"));
    const word = Buffer.from(`live for ${request.headers["x-consumer"]}`);
    socket.write(Buffer.concat([Buffer.from([0x81, word.length]), word]));
    socket.on("data", () => socket.end()).on("error", () => {});
  })
  .listen(Number(port), host, () => console.log("listening"));

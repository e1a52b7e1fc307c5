// A provider with one client and a page that takes anybody's word for who they are.
//
// node provider.js HOST PORT CERTIFICATE KEY AUTHORITY GATEWAY_ORIGIN GATEWAY_ADDRESS

import { readFileSync } from "node:fs";
import https from "node:https";

import Provider from "oidc-provider";

const [host, port, certificate, key, authority, origin, gateway] = process.argv.slice(2);
const ca = readFileSync(authority);
const issuer = `https://${host}:${port}`;

// The gateway's name is known to no resolver of the test's network.
function lookup(name, options, answer) {
  if (options.all) answer(null, [{ address: gateway, family: 4 }]);
  else answer(null, gateway, 4);
}

function post(url, { method, headers, body }) {
  return new Promise((resolve, reject) => {
    const sent = https.request(
      url,
      { method, headers: Object.fromEntries(new Headers(headers)), ca, lookup },
      (answer) => {
        answer.resume();
        answer.on("end", () => resolve(new Response(null, { status: answer.statusCode })));
      },
    );
    sent.on("error", reject);
    sent.end(body === undefined ? undefined : body.toString());
  });
}

const page = (title, body) =>
  `<!doctype html><meta charset="utf-8"><title>${title}</title>
<style>body { font: 16px/1.5 sans-serif; margin: 4rem auto; max-width: 22rem }</style>
<h1>${title}</h1>${body}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "shop-web",
      client_secret: "a secret: 100%",
      grant_types: ["authorization_code"],
      response_types: ["code"],
      redirect_uris: [`${origin}/.seawall/callback/main`],
      post_logout_redirect_uris: [`${origin}/`],
      backchannel_logout_uri: `${origin}/.seawall/backchannel/main`,
      backchannel_logout_session_required: true,
    },
  ],
  claims: {
    openid: ["sub", "preferred_username", "realm_access"],
    email: ["email"],
  },
  conformIdTokenClaims: false,
  cookies: { keys: ["of no use elsewhere"] },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource(context, form) {
        const button = '<button form="op.logoutForm" name="logout" value="yes">Log out</button>';
        context.body = page("Log out of the provider?", form + button);
      },
    },
  },
  fetch: post,
  findAccount: (context, id) => ({
    accountId: id,
    claims: () => ({
      sub: `account-${id}`,
      preferred_username: id,
      email: `${id}@example.com`,
      realm_access: { roles: id === "ada" ? ["editor", "staff"] : ["staff"] },
    }),
  }),
  interactions: { url: (context, interaction) => `/interaction/${interaction.uid}` },
  // Nobody is asked for what they agree to.
  async loadExistingGrant(context) {
    const { session, client, provider: op } = context.oidc;
    const grant = new op.Grant({ accountId: session.accountId, clientId: client.clientId });
    grant.addOIDCScope("openid email");
    await grant.save();
    return grant;
  },
  pkce: { required: () => true },
  ttl: { Session: 3_600, Interaction: 600, Grant: 3_600, IdToken: 3_600 },
});

provider.use(async (context, next) => {
  if (!context.path.startsWith("/interaction/")) return next();
  if (context.method === "GET") {
    await provider.interactionDetails(context.req, context.res);
    context.type = "html";
    context.body = page(
      "Log in",
      `<form method="post"><label>Name <input name="name" autofocus></label> <button>Log in</button></form>`,
    );
    return;
  }
  const chunks = [];
  for await (const chunk of context.req) chunks.push(chunk);
  const name = new URLSearchParams(Buffer.concat(chunks).toString()).get("name");
  const result = name ? { login: { accountId: name } } : { error: "access_denied" };
  await provider.interactionFinished(context.req, context.res, result);
  context.respond = false;
});

for (const event of ["server_error", "backchannel.error", "grant.error", "authorization.error", "end_session.error"]) {
  provider.on(event, (...told) => console.log(event, told.map((one) => one?.message ?? "").join(" ")));
}
provider.on("backchannel.success", () => console.log("backchannel.success"));

https
  .createServer({ cert: readFileSync(certificate), key: readFileSync(key) }, provider.callback())
  .listen(Number(port), host, () => console.log(`listening at ${issuer}`));

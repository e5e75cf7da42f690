// An identity provider on loopback: `node server.mjs PORT KEYS CALLBACK`. Everything is in memory; any
// password will do. KEYS is a file with the private keys that it signs with.
import { readFileSync } from "node:fs";
import { Provider } from "oidc-provider";

const [port, keys, callback] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;

const people = {
  alice: { email: "alice@example.com", email_verified: true, name: "Alice" },
  again: { email: "alice@example.com", email_verified: true, name: "Somebody else" },
  shout: { email: "ERIN@EXAMPLE.COM", email_verified: true, name: "Erin", amr: ["pwd", "mfa"] },
  stranger: { email: "stranger@example.com", email_verified: true, name: "Stranger" },
  unsure: { email: "zoe@example.com", email_verified: false, name: "Zoe" },
  nameless: { name: "No address" },
  closed: { email: "closed@example.com", email_verified: true, name: "Closed" },
  twins: { email: "twins@example.com", email_verified: true, name: "Twins" },
};

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "dougong",
      client_secret: "a secret of the tests",
      redirect_uris: [callback],
      grant_types: ["authorization_code"],
      response_types: ["code"],
    },
  ],
  jwks: JSON.parse(readFileSync(keys, "utf8")),
  cookies: { keys: ["only for tests"] },
  claims: { openid: ["sub", "amr"], email: ["email", "email_verified"], profile: ["name"] },
  pkce: { required: () => true },
  findAccount: (_, id) => (people[id] ? { accountId: id, claims: () => ({ sub: id, ...people[id] }) } : undefined),
  async loadExistingGrant(ctx) {
    // nobody is asked for consent
    const grant = new provider.Grant({
      clientId: ctx.oidc.client.clientId,
      accountId: ctx.oidc.session.accountId,
    });
    grant.addOIDCScope("openid email profile");
    await grant.save();
    return grant;
  },
});

provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));

// A real OpenID provider for the tests: npm's oidc-provider with the device flow.
//
//   node server.mjs PORT [post]
//
// "post": takes client secrets in the form only, and EC P-256 keys sign. Prints "ready". Clients: "public" (no secret) and "secret" (client_secret with characters that must be
// encoded). Accounts are whatever is typed in at the login page. One line of JSON on stdin is a command:
//   {"rotate": true}             new signing keys at once, the old ones are gone
//   {"spoil": "aud" | "exp" | "iss" | "kid" | null}   what is wrong with the ID tokens from now on
//                                (kid: nothing, they do not name their key)
//   {"slow": n}                  the next n token requests are answered with slow_down
//   {"down": text or null}       requests whose path has this text in it are answered with 503
// Every command is answered by "done" on stdout.
import { createServer } from 'node:http';
import { generateKeyPairSync, createSign, randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';
import Provider from 'oidc-provider';

const port = Number(process.argv[2]);
const issuer = `http://127.0.0.1:${port}`;
const post = process.argv[3] === 'post';
const state = { spoil: null, slow: 0, down: null };

function newKey() {
  if (post) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return { ...privateKey.export({ format: 'jwk' }), alg: 'ES256', use: 'sig' };
  }
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), alg: 'RS256', use: 'sig' };
}

function make(key) {
  const signing = post
    ? { token_endpoint_auth_method: 'client_secret_post', id_token_signed_response_alg: 'ES256' } : {};
  const provider = new Provider(issuer, {
    clients: [
      { client_id: 'public', token_endpoint_auth_method: 'none', ...(post && { id_token_signed_response_alg: 'ES256' }),
        redirect_uris: [], response_types: [],
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'] },
      { client_id: 'secret', client_secret: 'a+b/c% d', ...signing, redirect_uris: [], response_types: [],
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'] },
    ],
    jwks: { keys: [key] },
    ...(post && { clientAuthMethods: ['client_secret_post', 'none'] }),
    cookies: { keys: ['test'] },
    features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true } },
    claims: { openid: ['sub'], profile: ['preferred_username', 'name'], email: ['email'] },
    findAccount: async (ctx, id) => ({
      accountId: id,
      claims: async () => ({ sub: id, preferred_username: id, name: `Name of ${id}`, email: `${id}@example.org` }),
    }),
  });
  provider.proxy = false;
  return provider;
}

let key = newKey();
let provider = make(key);
let handler = provider.callback();

// The same token with other claims, signed by the same key: a provider that is wrong, not a forger.
function spoiled(token) {
  const [given, payload] = token.split('.');
  const { kid, ...unnamed } = JSON.parse(Buffer.from(given, 'base64url'));
  const header = state.spoil === 'kid' ? Buffer.from(JSON.stringify(unnamed)).toString('base64url') : given;
  const claims = JSON.parse(Buffer.from(payload, 'base64url'));
  if (state.spoil === 'aud') claims.aud = 'somebody-else';
  if (state.spoil === 'exp') claims.exp = Math.floor(Date.now() / 1000) - 3600;
  if (state.spoil === 'iss') claims.iss = 'https://evil.example';
  const signed = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  const signature = createSign('RSA-SHA256').update(signed).sign({ key, format: 'jwk' }).toString('base64url');
  return `${signed}.${signature}`;
}

function answerJson(res, status, object) {
  res.writeHead(status, { 'Content-Type': 'application/json' });
  res.end(JSON.stringify(object));
}

const server = createServer((req, res) => {
  const isToken = req.method === 'POST' && req.url === '/token';
  if (state.down && req.url.includes(state.down)) {
    req.resume();
    answerJson(res, 503, { error: 'temporarily_unavailable' });
    return;
  }
  if (isToken && state.slow > 0) {
    state.slow -= 1;
    req.resume();
    answerJson(res, 400, { error: 'slow_down' });
    return;
  }
  if (isToken && state.spoil) {
    const end = res.end.bind(res);
    res.end = (body, ...rest) => {
      try {
        const answer = JSON.parse(body);
        if (answer.id_token) {
          answer.id_token = spoiled(answer.id_token);
          body = JSON.stringify(answer);
          res.setHeader('Content-Length', Buffer.byteLength(body));
        }
      } catch { /* not the answer that is looked for */ }
      return end(body, ...rest);
    };
  }
  handler(req, res);
});

createInterface({ input: process.stdin }).on('line', (line) => {
  const command = JSON.parse(line);
  if (command.rotate) {
    key = newKey();
    provider = make(key);
    handler = provider.callback();
  }
  if ('spoil' in command) state.spoil = command.spoil;
  if ('slow' in command) state.slow = command.slow;
  if ('down' in command) state.down = command.down;
  console.log('done');
}).on('close', () => process.exit(0));

server.listen(port, '127.0.0.1', () => console.log('ready'));

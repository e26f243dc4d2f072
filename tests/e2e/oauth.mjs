// A site of somebody's signs a person in with the hub: registered on the hub's page, approved on the hub's page, finished by @huggingface/hub
// and by the site's own page, which then asks the hub from its own origin.
import { createServer } from 'node:http';
import { oauthHandleRedirect, oauthLoginUrl, whoAmI } from '@huggingface/hub';
import { launch, watch } from './browser.mjs';

const [hubUrl, token, pictures] = process.argv.slice(2);
const result = { errors: [], foreign: [] };
const site = (title) =>
  new Promise((ready) => {
    const server = createServer((request, response) => response.setHeader('Content-Type', 'text/html').end(`<!doctype html><link rel="icon" href="data:,"><title>${title}</title>`));
    server.listen(0, '127.0.0.1', () => ready({ origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() }));
  });
const [known, stranger] = [await site('Notebook'), await site('Stranger')];
const redirectUrl = `${known.origin}/back`;
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
watch(page, hubUrl, result);

// The developer, who is also the person here.
await page.goto(`${hubUrl}/sign-in?next=/settings/applications`);
await page.getByLabel('Access token').fill(token);
await page.getByRole('button', { name: 'Sign in', exact: true }).click();
await page.getByLabel('Name that people see').fill('Notebook <b>x</b>');
await page.getByLabel('Redirect addresses').fill(redirectUrl);
await page.getByRole('button', { name: 'Register application' }).click();
const clientId = (await page.locator('section', { hasText: 'Client id' }).locator('pre').textContent()).trim();
await page.screenshot({ path: `${pictures}/applications.png` });

const ask = async (scopes, action) => {
  const kept = {};
  const url = await oauthLoginUrl({ hubUrl, clientId, redirectUrl, scopes, state: 'where I was', localStorage: kept });
  await page.goto(url);
  await page.getByRole('button', { name: action }).waitFor();
  if (action === 'Allow') await page.screenshot({ path: `${pictures}/authorize.png` });
  await page.getByRole('button', { name: action }).click();
  await page.waitForURL(`${known.origin}/**`);
  return { redirectedUrl: page.url(), nonce: kept.nonce, codeVerifier: kept.codeVerifier, hubUrl };
};

result.refused = await oauthHandleRedirect(await ask('openid', 'Refuse')).catch((error) => String(error));
const back = await ask('openid profile read-repos jobs', 'Allow');
const login = await oauthHandleRedirect(back);
result.login = { name: login.userInfo.preferred_username, email: login.userInfo.email ?? null, scope: login.scope, state: login.state };
result.hours = Math.round((login.accessTokenExpiresAt - Date.now()) / 3.6e6);
result.who = (await whoAmI({ hubUrl, accessToken: login.accessToken })).name;
const fromPage = () =>
  page.evaluate(([url, bearer]) => fetch(url, { headers: { Authorization: 'Bearer ' + bearer } }).then((r) => r.json(), (e) => String(e)), [`${hubUrl}/oauth/userinfo`, login.accessToken]);
result.fromItsPage = (await fromPage()).preferred_username;
await page.goto(stranger.origin);
result.fromAnotherPage = await fromPage();
result.twice = await oauthHandleRedirect(back).catch((error) => error.statusCode);
result.afterTwice = await whoAmI({ hubUrl, accessToken: login.accessToken }).catch((error) => error.statusCode);

// An address that was not registered gets nothing, not even an error.
await page.goto(await oauthLoginUrl({ hubUrl, clientId, redirectUrl: `${stranger.origin}/elsewhere`, localStorage: {} }));
result.wrongAddress = await page.getByRole('alert').textContent();
await page.goto(`${hubUrl}/settings/applications`);
await page.getByRole('button', { name: 'Remove Notebook' }).click();
await page.getByRole('button', { name: 'Remove Notebook' }).waitFor({ state: 'detached' });
await browser.close();
known.close();
stranger.close();
result.foreign = result.foreign.filter((url) => !url.startsWith(known.origin) && !url.startsWith(stranger.origin));
console.log(JSON.stringify(result));

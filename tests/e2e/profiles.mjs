// Looks at a profile, an organisation and a collection in Chromium, and follows somebody.
// usage: node profiles.mjs URL TOKEN PERSON ORGANISATION COLLECTION_SLUG SCREENSHOT_FOLDER
import { launch, watch } from './browser.mjs';

const [url, token, person, organisation, slug, shots] = process.argv.slice(2);
const browser = await launch();
const result = { foreign: [], errors: [] };
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 860 } });
  page.setDefaultTimeout(20000);
  watch(page, url, result);

  await page.goto(`${url}/${person}`);
  await page.getByRole('link', { name: 'Sign in to follow' }).click();
  await page.getByRole('textbox', { name: 'Access token' }).fill(token);
  await page.getByRole('textbox', { name: 'Access token' }).press('Enter');
  await page.getByRole('button', { name: 'Follow', exact: true }).click();
  await page.getByRole('button', { name: 'Following', exact: true }).waitFor();
  result.followers = await page.getByText(/1 follower\b/).count();

  await page.goto(`${url}/${organisation}`);
  await page.getByRole('heading', { name: /^Models/ }).waitFor();
  result.members = await page.locator('section[aria-labelledby=members] li').count();
  result.first = await page.locator('section[aria-labelledby=owned-models] a').count();
  await page.getByRole('button', { name: 'Show more models' }).click();
  await page.getByRole('button', { name: 'Show more models' }).waitFor({ state: 'detached' });
  result.all = await page.locator('section[aria-labelledby=owned-models] a').count();
  await page.screenshot({ path: `${shots}/organisation.png` });

  await page.goto(`${url}/collections/${slug}`);
  result.items = await page.locator('a.item').count();
  await page.screenshot({ path: `${shots}/collection.png` });
  await page.locator('a.item').first().click();
  await page.getByRole('navigation', { name: 'Repository' }).waitFor();
  result.opened = new URL(page.url()).pathname;
  await page.locator('h1 a').click();
  await page.getByRole('heading', { level: 1, name: organisation }).waitFor();

  await page.goto(`${url}/nobody-of-this-name`);
  await page.getByRole('heading', { name: 'Nothing at this address' }).waitFor();
  result.errors = result.errors.filter((text) => !/404/.test(text)); // the browser reports the two lookups that found nobody
} finally {
  await browser.close();
}
console.log(JSON.stringify(result));

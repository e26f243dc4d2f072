// Tunes a model in Chromium: from its page to a plan, a training and its result; with the keyboard where a form is sent.
// usage: node jobs.mjs URL ADMIN_TOKEN BASE DATASET SCREENSHOT_FOLDER
import { launch, watch } from './browser.mjs';

const [url, token, base, data, shots] = process.argv.slice(2);
const browser = await launch();
const result = { foreign: [], errors: [], overflow: [] };
const noteOverflow = async (page, where) => {
  if (await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth)) result.overflow.push(where);
};
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  page.setDefaultTimeout(30000);
  watch(page, url, result);

  await page.goto(`${url}/jobs`);
  await page.getByRole('link', { name: 'Sign in', exact: true }).last().click();
  await page.getByRole('textbox', { name: 'Access token' }).fill(token);
  await page.getByRole('textbox', { name: 'Access token' }).press('Enter');
  await page.getByRole('heading', { name: 'Jobs' }).waitFor();
  await page.screenshot({ path: `${shots}/jobs-list.png`, fullPage: true });

  await page.goto(`${url}/${base}`);
  await page.getByRole('link', { name: 'Tune this model' }).click();
  await page.getByRole('textbox', { name: 'Repository' }).fill(data);
  await page.getByLabel('Name', { exact: true }).fill('from-the-page');
  await page.getByLabel('How').selectOption('trial');
  const recipe = page.getByLabel(/^Recipe/);
  await recipe.fill('{"learningrate": 1}');
  await page.screenshot({ path: `${shots}/jobs-form.png`, fullPage: true });
  await page.getByRole('button', { name: 'Show the plan' }).click();
  // The browser logs the refusal as an error, which it is meant to be.
  result.refusal = await page.getByRole('alert').textContent();
  result.errors = result.errors.filter((one) => !one.includes('400'));
  await recipe.fill('max_steps: 6\nseq_len: 128\nnear_duplicate_threshold: 0\n');
  await page.getByRole('button', { name: 'Show the plan' }).focus();
  await page.keyboard.press('Enter');

  await page.getByRole('button', { name: 'Start training' }).waitFor();
  await page.getByText('What will be learned').waitFor();
  result.learned = (await page.locator('pre mark').allTextContents()).join('');
  await page.screenshot({ path: `${shots}/jobs-plan.png`, fullPage: true });
  await page.getByRole('button', { name: 'Start training' }).click();
  await page.getByRole('heading', { name: 'Result' }).waitFor({ timeout: 90000 });
  result.chart = await page.getByRole('img', { name: /^Loss/ }).getAttribute('aria-label');
  await page.getByText('As a table').click();
  result.rows = await page.locator('figure tbody tr').count();
  result.result = await page.getByRole('link', { name: 'Open and try it' }).getAttribute('href');
  await noteOverflow(page, 'wide');
  await page.screenshot({ path: `${shots}/jobs-done.png`, fullPage: true });
  await page.setViewportSize({ width: 390, height: 800 });
  await page.getByRole('button', { name: 'Use the dark theme' }).click();
  await noteOverflow(page, 'narrow');
  await page.screenshot({ path: `${shots}/jobs-narrow-dark.png`, fullPage: true });
  await page.goto(`${url}/jobs/new?base=${base}`);
  await page.getByLabel('files from this computer', { exact: false }).check();
  await noteOverflow(page, 'narrow form');
  await page.screenshot({ path: `${shots}/jobs-form-narrow.png`, fullPage: true });
} finally {
  await browser.close();
}
console.log(JSON.stringify(result));

// Walks through a repository's pages in Chromium: signs in, talks, merges, likes, changes settings.
// usage: node community.mjs URL ADMIN_TOKEN REPO PULL_REQUEST SCREENSHOT_FOLDER
import { launch, watch } from './browser.mjs';

const [url, token, repo, pullRequest, shots] = process.argv.slice(2);
const browser = await launch();
const result = { foreign: [], errors: [] };
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 860 } });
  page.setDefaultTimeout(20000);
  watch(page, url, result);

  // Asked to sign in on the way to a new discussion, and back there afterwards.
  await page.goto(`${url}/${repo}/discussions`);
  await page.getByRole('link', { name: 'New discussion', exact: true }).click();
  await page.getByRole('textbox', { name: 'Access token' }).fill(token);
  await page.getByRole('textbox', { name: 'Access token' }).press('Enter');
  await page.getByLabel('Title').fill('A question <b>in bold</b>');
  await page.getByLabel('What is it about?').fill('**Why?** <script>alert(1)</script> <b onclick="alert(1)">x</b>');
  await page.getByRole('button', { name: 'Open discussion' }).click();
  await page.getByRole('heading', { name: 'A question <b>in bold</b>' }).waitFor();
  result.bold = await page.locator('article strong').textContent();
  result.scripts = await page.locator('article script, article [onclick]').count();
  result.discussion = new URL(page.url()).pathname;

  await page.getByLabel('Comment').fill('Because.');
  await page.getByRole('button', { name: 'Comment', exact: true }).click();
  await page.getByText('Because.').waitFor();
  await page.getByRole('button', { name: 'Close', exact: true }).click();
  await page.getByText('Discussion, closed').waitFor();

  await page.getByRole('link', { name: 'Community' }).click();
  await page.getByRole('link', { name: 'Propose b.txt' }).click();
  await page.getByRole('link', { name: /Files changed/ }).click();
  await page.locator('tr.added').first().waitFor();
  result.added = await page.locator('tr.added .text').allTextContents();
  await page.getByRole('link', { name: 'Conversation' }).click();
  await page.getByRole('button', { name: 'Merge into main' }).click();
  await page.getByText('Pull request, merged').waitFor();
  result.pullRequest = new URL(page.url()).pathname === `/${repo}/discussions/${pullRequest}`;
  await page.screenshot({ path: `${shots}/merged.png` });

  await page.getByRole('link', { name: 'Commits' }).click();
  await page.getByRole('link', { name: 'Propose b.txt (#1)' }).waitFor();
  result.commits = await page.locator('ol[aria-label^=Commits] .title').allTextContents();
  await page.getByRole('link', { name: 'Files', exact: true }).click();
  await page.getByRole('link', { name: 'b.txt' }).waitFor();
  await page.getByLabel('Revision').selectOption('v1');
  await page.waitForURL(`${url}/${repo}/tree/v1`);
  await page.getByRole('link', { name: 'b.txt' }).waitFor({ state: 'detached' });
  result.filesOfTag = await page.locator('tbody tr').count();

  await page.getByRole('button', { name: /^Like/ }).click();
  await page.getByRole('button', { name: /^Like/, pressed: true }).waitFor();

  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByLabel('Private').check();
  await page.getByLabel('By hand').check();
  await page.getByRole('button', { name: 'Save visibility' }).click();
  await page.getByText('Saved.').waitFor();
  await page.screenshot({ path: `${shots}/settings.png`, fullPage: true });
} finally {
  await browser.close();
}
console.log(JSON.stringify(result));

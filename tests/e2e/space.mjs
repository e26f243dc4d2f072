// Types into the starter Space in Chromium and reads the streamed text. usage: node space.mjs URL SCREENSHOT_FOLDER
import { launch, watch } from './browser.mjs';

const [url, shots] = process.argv.slice(2);
const browser = await launch();
const result = { foreign: [], errors: [] };
try {
  const page = await browser.newPage({ viewport: { width: 1200, height: 860 } });
  watch(page, url, result);

  await page.goto(url + '/');
  await page.getByText('lyceum/stdlib-coder-3m').first().waitFor();
  await page.screenshot({ path: `${shots}/home.png` });

  await page.getByRole('link', { name: 'Spaces' }).click();
  await page.getByText('lyceum/complete-my-python').first().click();
  const box = page.getByLabel('Text to continue');
  await box.waitFor();
  await box.fill('def read_lines(path):\n    with open(');
  // Every growth of the answer, as the page drew it.
  await page.evaluate(() => {
    window.lengths = [];
    new MutationObserver(() => {
      const length = document.querySelector('[data-testid=answer] mark')?.textContent.length ?? 0;
      if (length !== window.lengths.at(-1)) window.lengths.push(length);
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  await page.getByRole('button', { name: 'Complete' }).click();
  await page.waitForFunction(() => (window.lengths.at(-1) ?? 0) > 0, null, { timeout: 60000 });
  await page.getByRole('button', { name: 'Complete' }).waitFor({ timeout: 60000 });
  const answer = page.locator('[data-testid=answer] mark');
  result.lengths = await page.evaluate(() => window.lengths);
  result.answer = await answer.textContent();
  await page.screenshot({ path: `${shots}/space.png` });

  await page.goto(url + '/lyceum/stdlib-coder-3m');
  await page.getByText('parameters', { exact: false }).first().waitFor();
  await page.waitForTimeout(400);
  await page.screenshot({ path: `${shots}/model.png`, fullPage: true });
  await page.getByRole('button', { name: 'Use the dark theme' }).click();
  await page.screenshot({ path: `${shots}/model-dark.png` });
} finally {
  await browser.close();
}
console.log(JSON.stringify(result));

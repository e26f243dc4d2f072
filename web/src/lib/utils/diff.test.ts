import { describe, expect, it } from 'vitest';
import { parseDiff } from './diff';

describe('parseDiff', () => {
  it('numbers the lines of both sides', () => {
    const [file] = parseDiff('diff --git a/a.txt b/a.txt\nindex 1..2 100644\n--- a/a.txt\n+++ b/a.txt\n@@ -3,2 +3,3 @@\n x\n-y\n+Y\n+z\n');
    expect(file).toMatchObject({ path: 'a.txt', change: 'changed', added: 2, removed: 1 });
    expect(file.lines.slice(1).map((line) => [line.kind, line.before, line.after, line.text])).toEqual([
      ['context', 3, 3, 'x'],
      ['removed', 4, undefined, 'y'],
      ['added', undefined, 4, 'Y'],
      ['added', undefined, 5, 'z'],
    ]);
  });
  it('takes removed lines that look like headers as content', () => {
    const [file, ...others] = parseDiff('diff --git a/q b/q\n--- a/q\n+++ b/q\n@@ -1 +1 @@\n--- a/other\n+++ b/other\n\\ No newline at end of file\n');
    expect(others).toEqual([]);
    expect(file.path).toBe('q');
    expect(file.lines.map((line) => line.text)).toEqual(['@@ -1 +1 @@', '-- a/other', '++ b/other', 'No newline at end of file']);
  });
  it('tells new, removed, renamed and binary files', () => {
    const files = parseDiff(
      'diff --git a/n b/n\nnew file mode 100644\nindex 0..1\ndiff --git a/r b/r\ndeleted file mode 100644\n--- a/r\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n' +
        'diff --git a/o b/p\nsimilarity index 100%\nrename from o\nrename to p\ndiff --git a/b.bin b/b.bin\nBinary files a/b.bin and b/b.bin differ\n',
    );
    expect(files.map((file) => [file.path, file.change, file.from])).toEqual([
      ['n', 'added', undefined],
      ['r', 'removed', undefined],
      ['p', 'renamed', 'o'],
      ['b.bin', 'changed', undefined],
    ]);
    expect(files[3].lines[0].kind).toBe('note');
  });
  it('reads quoted names', () => {
    expect(parseDiff('diff --git "a/caf\\303\\251.txt" "b/caf\\303\\251.txt"\nnew file mode 100644\n')[0].path).toBe('café.txt');
  });
  it('is empty for an empty diff and survives one that was cut', () => {
    expect(parseDiff('')).toEqual([]);
    expect(parseDiff('diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,9 +1,9 @@\n x\n-')[0].lines).toHaveLength(3);
  });
});

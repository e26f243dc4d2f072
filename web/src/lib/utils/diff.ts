// Takes git's unified diff apart: one entry for each file, its lines with their numbers on both sides.
export interface DiffLine {
  kind: 'context' | 'added' | 'removed' | 'hunk' | 'note';
  before?: number;
  after?: number;
  text: string;
}

export interface FileDiff {
  path: string;
  change: 'added' | 'removed' | 'renamed' | 'changed';
  from?: string; // the old name of a renamed file
  added: number;
  removed: number;
  lines: DiffLine[];
}

// git quotes names with special characters: "b/caf\303\251.txt".
function unquoted(name: string): string {
  if (!name.startsWith('"')) return name;
  const bytes: number[] = [];
  for (const [, octal, letter, plain] of name.slice(1, -1).matchAll(/\\([0-7]{3})|\\(.)|([^\\]+)/g)) {
    if (octal) bytes.push(parseInt(octal, 8));
    else bytes.push(...new TextEncoder().encode(letter ? ({ n: '\n', t: '\t' }[letter] ?? letter) : plain));
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

const withoutSide = (name: string) => unquoted(name.replace(/\t$/, '')).replace(/^[ab]\//, '');

// The name when no other line says it: both sides of "diff --git a/x b/x" are the same then.
function nameOfHeader(rest: string): string {
  if (rest.startsWith('"')) return withoutSide(rest.slice(0, rest.indexOf('"', 1) + 1));
  return rest.slice(2, (rest.length - 1) / 2);
}

function readHeader(file: FileDiff, line: string) {
  if (line.startsWith('new file')) file.change = 'added';
  else if (line.startsWith('deleted file')) file.change = 'removed';
  else if (line.startsWith('rename from ')) {
    file.change = 'renamed';
    file.from = unquoted(line.slice(12));
  } else if (line.startsWith('rename to ')) file.path = unquoted(line.slice(10));
  else if (line.startsWith('--- ') && line !== '--- /dev/null') file.path = withoutSide(line.slice(4));
  else if (line.startsWith('+++ ') && line !== '+++ /dev/null') file.path = withoutSide(line.slice(4));
  else if (line.startsWith('Binary files')) file.lines.push({ kind: 'note', text: 'A binary file: its content is not shown.' });
}

export function parseDiff(text: string): FileDiff[] {
  const files: FileDiff[] = [];
  let before = 0;
  let after = 0;
  let beforeLeft = 0;
  let afterLeft = 0;
  for (const line of text.split('\n')) {
    const file = files.at(-1);
    const hunk = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(line);
    const inside = beforeLeft > 0 || afterLeft > 0;
    if (!inside && line.startsWith('diff --git ')) {
      files.push({ path: nameOfHeader(line.slice(11)), change: 'changed', added: 0, removed: 0, lines: [] });
    } else if (!file) continue;
    else if (!inside && hunk) {
      [before, after] = [Number(hunk[1]), Number(hunk[3])];
      [beforeLeft, afterLeft] = [Number(hunk[2] ?? 1), Number(hunk[4] ?? 1)];
      file.lines.push({ kind: 'hunk', text: line });
    } else if (line.startsWith('\\')) {
      file.lines.push({ kind: 'note', text: line.slice(2) });
    } else if (!inside) {
      readHeader(file, line);
    } else if (line.startsWith('+')) {
      file.lines.push({ kind: 'added', after: after++, text: line.slice(1) });
      file.added++;
      afterLeft--;
    } else if (line.startsWith('-')) {
      file.lines.push({ kind: 'removed', before: before++, text: line.slice(1) });
      file.removed++;
      beforeLeft--;
    } else if (line.startsWith(' ')) {
      file.lines.push({ kind: 'context', before: before++, after: after++, text: line.slice(1) });
      beforeLeft--;
      afterLeft--;
    } else {
      beforeLeft = afterLeft = 0;
      if (line) file.lines.push({ kind: 'note', text: line }); // the server says so where it cut a long diff
    }
  }
  return files;
}

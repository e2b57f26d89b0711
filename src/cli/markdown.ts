/** Markdown as a terminal shows it. Knows what our own pages use: headings, paragraphs, bullets, fenced code, emphasis. */
import { wrapped } from './wrap.ts';

export interface MarkdownPaint {
  readonly heading: (text: string) => string;
  readonly command: (text: string) => string;
}

/** Lines of at most `width` columns; code keeps its lines. Ends with a line break. */
export function markdownText(
  markdown: string,
  width: number,
  { heading, command }: MarkdownPaint = { heading: String, command: String },
): string {
  const shown = markdown
    .trim()
    .split(/\n\n+(?=[^\n])/)
    .map((block) => {
      if (block.startsWith('# ')) return `${heading(plain(block.slice(2)))}\n`;
      if (block.startsWith('## ')) return `${heading(plain(block.slice(3)).toUpperCase())}\n`;
      if (block.startsWith('```'))
        return block
          .split('\n')
          .slice(1, -1)
          .map((line) => `${command(`    ${line}`)}\n`)
          .join('');
      if (block.startsWith('- '))
        return block
          .split(/\n(?=- )/)
          .map((item) => `  - ${wrapped(joined(item.slice(2)), width, 4).slice(4)}`)
          .join('');
      return wrapped(joined(block), width, 2);
    });
  return shown.map((block, index) => (index === 0 ? block : `\n${block}`)).join('');
}

const plain = (text: string): string => text.replaceAll('**', '');
const joined = (text: string): string => plain(text).replaceAll(/\s*\n\s*/g, ' ');

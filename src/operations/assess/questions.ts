/** What `pipectl assess` asks, and how an answer is read. */
import { parseDuration } from '../../declaration/units.ts';

export interface Answers {
  /** What results that are 60 s old cost, compared with results that are 1 s old. */
  readonly cost: Cost;
  /** Events a second at the busiest time. */
  readonly rate: number;
  readonly actor: Actor;
  /** How long after it happened an event may still come and change a result, in milliseconds. */
  readonly lateMs: number;
  readonly needs: Needs;
  readonly team: Team;
}

export type Cost = 'none' | 'little' | 'much' | 'critical';
export type Actor = 'nobody' | 'reader' | 'watcher' | 'machine';
export type Needs = 'none' | 'order' | 'once' | 'both';
export type Team = 'none' | 'office' | 'oncall';

interface Choice {
  readonly answer: string;
  readonly meaning: string;
}

export interface Question {
  readonly name: 'cost' | 'rate' | 'actor' | 'late' | 'needs' | 'team';
  readonly text: string;
  /** Null where it is answered by a number or a duration. */
  readonly choices: readonly Choice[] | null;
  /** An answer as an example, where there are no choices. */
  readonly example: string;
}

export const questions: readonly Question[] = [
  {
    name: 'cost',
    text: 'What does it cost if a result is 60 seconds old instead of one second?',
    choices: [
      { answer: 'none', meaning: 'nobody would notice' },
      { answer: 'little', meaning: 'it annoys, or costs a little' },
      { answer: 'much', meaning: 'every such minute costs real money or customers' },
      { answer: 'critical', meaning: 'a loss that nothing makes good: fraud passes, a machine breaks' },
    ],
    example: 'little',
  },
  { name: 'rate', text: 'How many events a second come at the busiest time?', choices: null, example: '500' },
  {
    name: 'actor',
    text: 'Who acts on a result?',
    choices: [
      { answer: 'nobody', meaning: 'it is kept, for later questions' },
      { answer: 'reader', meaning: 'people who read a report or a dashboard now and then' },
      { answer: 'watcher', meaning: 'people who watch a screen and act within minutes' },
      { answer: 'machine', meaning: 'a program that acts by itself' },
    ],
    example: 'reader',
  },
  {
    name: 'late',
    text: 'How long after it happened may an event still come and change a result?',
    choices: null,
    example: '5m',
  },
  {
    name: 'needs',
    text: 'What must hold for the results?',
    choices: [
      { answer: 'none', meaning: 'a repeated or swapped event does no harm' },
      { answer: 'order', meaning: 'events of one key in their order' },
      { answer: 'once', meaning: 'every event counts exactly once' },
      { answer: 'both', meaning: 'order and once' },
    ],
    example: 'once',
  },
  {
    name: 'team',
    text: 'Who looks after it when it stops at three at night?',
    choices: [
      { answer: 'none', meaning: 'nobody; it is seen when somebody misses the result' },
      { answer: 'office', meaning: 'somebody, in office hours' },
      { answer: 'oncall', meaning: 'somebody is on call' },
    ],
    example: 'office',
  },
];

/** What keeps an answer from being one, as a sentence with the way out. */
export class WrongAnswer extends Error {
  override name = 'WrongAnswer';
}

const rateMax = 1e9;

/** Reads all six. Throws `WrongAnswer` naming the first that is missing, misread or not a question. */
export function readAnswers(given: Readonly<Record<string, string>>): Answers {
  for (const name of Object.keys(given)) {
    if (!questions.some((question) => question.name === name))
      throw new WrongAnswer(`"${name}" is no question; they are ${questions.map((each) => each.name).join(', ')}`);
  }
  const read: Record<string, string | number> = {};
  const missing: Question[] = [];
  for (const question of questions) {
    const answer = given[question.name];
    if (answer === undefined) missing.push(question);
    else read[question.name] = readAnswer(question, answer);
  }
  if (missing.length > 0) {
    const samples = missing.map(({ name, choices, example }) =>
      choices === null ? `${name}=${example}` : `${name}=${choices.map(({ answer }) => answer).join('|')}`,
    );
    throw new WrongAnswer(
      `the answer to ${missing.map(({ name }) => name).join(', ')} is missing: ${samples.join(' ')}`,
    );
  }
  const { late, ...others } = read;
  return { ...others, lateMs: late } as unknown as Answers;
}

/** The answer to one question: its word, its number a second, or its milliseconds. Throws `WrongAnswer`. */
export function readAnswer({ name, choices }: Question, given: string): string | number {
  const text = given.trim().toLowerCase();
  if (choices !== null) {
    const meant = choices.find(({ answer }, index) => answer === text || String(index + 1) === text);
    if (meant !== undefined) return meant.answer;
    throw new WrongAnswer(`${name}: "${given}" is none of ${choices.map(({ answer }) => answer).join(', ')}`);
  }
  if (name === 'rate') {
    const rate = /^\d+(\.\d+)?(\/s)?$/.test(text) ? Number.parseFloat(text) : Number.NaN;
    if (rate <= rateMax) return rate;
    throw new WrongAnswer(`rate: "${given}" is no number of events a second up to ${rateMax}, such as 500 or 0.2`);
  }
  const lateMs = text === '0' ? 0 : parseDuration(text);
  if (lateMs !== undefined) return lateMs;
  throw new WrongAnswer(`late: "${given}" is no duration such as 0, 30s, 5m, 4h or 7d`);
}

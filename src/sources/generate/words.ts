/** What a template can name without options. Each is drawn anew for every event, but people and places hang together. */
import type { Type } from '../../expressions/index.ts';
import { hashText, type Random } from './random.ts';

/** Where a word is asked for. */
export interface WordPlace {
  readonly random: Random;
  /** Number of the event, from 0. */
  readonly n: number;
  readonly timeMs: number;
  /** Salt of the field. */
  readonly salt: number;
  /** Salt of the object the field belongs to: its name, email, city are those of one person. */
  readonly objectSalt: number;
  /** Number of the element among those of all lists around it. */
  readonly element: number;
  /** Number of the element in its list; 0 outside of lists. */
  readonly index: number;
}

interface Word {
  readonly type: Type;
  readonly draw: (place: WordPlace) => unknown;
}

const firstNames = 'Ana Bruno Chiara Daniel Elena Farid Grace Hiro Ines Jonas Kira Liam Maya Nils Olga Pablo'.split(
  ' ',
);
const lastNames =
  'Alvarez Berg Costa Dubois Eriksen Fischer Garcia Haddad Ito Jensen Kowalski Lopez Moreau Novak'.split(' ');
const places = [
  ['Amsterdam', 'NL'],
  ['Berlin', 'DE'],
  ['Chicago', 'US'],
  ['Dublin', 'IE'],
  ['Lisbon', 'PT'],
  ['Lyon', 'FR'],
  ['Madrid', 'ES'],
  ['Milan', 'IT'],
  ['Osaka', 'JP'],
  ['Porto', 'PT'],
  ['Seville', 'ES'],
  ['Toronto', 'CA'],
  ['Vienna', 'AT'],
  ['Warsaw', 'PL'],
] as const;
const products = 'backpack bottle camera desk headphones jacket keyboard lamp mug notebook speaker tent'.split(' ');

const personSalt = hashText('person');
const citySalt = hashText('place');

function person({ random, n, objectSalt, element }: WordPlace): { first: string; last: string; number: number } {
  random.moveTo(n, objectSalt ^ personSalt, element);
  return { first: random.pick(firstNames), last: random.pick(lastNames), number: random.int(1, 99) };
}

function city({ random, n, objectSalt, element }: WordPlace): (typeof places)[number] {
  random.moveTo(n, objectSalt ^ citySalt, element);
  return random.pick(places);
}

function own({ random, n, salt, element }: WordPlace): Random {
  random.moveTo(n, salt, element);
  return random;
}

/** Version 4 by form (RFC 9562). */
function uuid(place: WordPlace): string {
  const random = own(place);
  const hex = Array.from({ length: 4 }, () => random.uint32().toString(16).padStart(8, '0')).join('');
  const variant = '89ab'[Number.parseInt(hex[16]!, 16) & 3]!;
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20)}`;
}

export const words = {
  sequence: { type: 'int', draw: ({ n }) => n + 1 },
  index: { type: 'int', draw: ({ index }) => index },
  uuid: { type: 'string', draw: uuid },
  bool: { type: 'bool', draw: (place) => own(place).uint32() % 2 === 0 },
  first_name: { type: 'string', draw: (place) => person(place).first },
  last_name: { type: 'string', draw: (place) => person(place).last },
  name: {
    type: 'string',
    draw: (place) => {
      const { first, last } = person(place);
      return `${first} ${last}`;
    },
  },
  email: {
    type: 'string',
    draw: (place) => {
      const { first, last, number } = person(place);
      return `${first}.${last}${number}@example.com`.toLowerCase();
    },
  },
  city: { type: 'string', draw: (place) => city(place)[0] },
  country: { type: 'string', draw: (place) => city(place)[1] },
  product: { type: 'string', draw: (place) => own(place).pick(products) },
  ip: {
    type: 'string',
    // A block reserved for documentation (RFC 5737).
    draw: (place) => `203.0.113.${own(place).int(1, 254)}`,
  },
  time: { type: 'string', draw: ({ timeMs }) => new Date(timeMs).toISOString() },
} as const satisfies Record<string, Word>;

export const wordNames = Object.keys(words) as (keyof typeof words)[];

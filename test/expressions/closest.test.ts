import { expect, test } from 'vitest';
import { closest } from '../../src/expressions/closest.ts';

test('a misspelt name finds the one that was meant, and an unrelated one finds none', () => {
  expect(closest('total_cent', ['id', 'total_cents', 'total'])).toBe('total_cents');
  expect(closest('customer', ['id', 'qty'])).toBeUndefined();
});

test('two letters that changed places are one mistake, whatever their case', () => {
  expect(closest('Oredr', ['entry', 'order'])).toBe('order');
});

import { parse } from 'csv-parse/sync';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csvCodec, csvColumns, csvRecordEnd, splitCsvRecord } from '../../src/codecs/csv.ts';

const comma = ','.charCodeAt(0);
const quoted = (field: string): string => `"${field.replaceAll('"', '""')}"`;
const anyField = fc.string({ unit: fc.constantFrom('a', 'ñ', ',', '"', '\n', '\r', ' ', ';'), maxLength: 6 });

describe('splitCsvRecord', () => {
  it('reads what an independent parser reads, for any quoted fields', () => {
    fc.assert(
      fc.property(fc.array(anyField, { minLength: 1, maxLength: 5 }), (fields) => {
        const text = fields.map(quoted).join(',');
        expect(splitCsvRecord(text, ',')).toEqual(fields);
        expect(splitCsvRecord(text, ',')).toEqual(parse(text, { skip_empty_lines: false })[0] ?? ['']);
      }),
    );
  });

  it('keeps empty fields, the last one too', () => {
    expect(splitCsvRecord('a,,"",', ',')).toEqual(['a', '', '', '']);
  });

  it.each(['a"b,c', '"a"b,c', '"a,b', 'a,"b'])('refuses %s', (text) => {
    expect(() => splitCsvRecord(text, ',')).toThrow(expect.objectContaining({ code: 'csv_malformed' }));
  });
});

describe('csvRecordEnd', () => {
  it('finds the end of every record where quoted fields hold delimiters, quotes and line breaks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(anyField, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
        (rows) => {
          const lines = rows.map((fields) => fields.map(quoted).join(',') + '\n');
          const bytes = Buffer.from(lines.join(''));
          let from = 0;
          for (const line of lines) {
            const end = csvRecordEnd(bytes, from, comma);
            expect(end).toBe(from + Buffer.byteLength(line) - 1);
            from = Number(end) + 1;
          }
        },
      ),
    );
  });

  it('does not take a quote in the middle of a field for an opening one', () => {
    expect(csvRecordEnd(Buffer.from('5" pipe,1\nb\n'), 0, comma)).toBe(9);
  });

  it('tells an open quote from one that closes in the wrong place', () => {
    expect(csvRecordEnd(Buffer.from('a,"b\nc'), 0, comma)).toBe('incomplete');
    expect(csvRecordEnd(Buffer.from('a,"b\n"c,d\n'), 0, comma)).toBe('malformed');
  });
});

describe('csvCodec', () => {
  it('reads a row under the header that comes with it, and follows a new header', () => {
    const codec = csvCodec({ delimiter: ',' });
    expect(codec.decode(Buffer.from('id,name\n7,"Ann ""A"""'))).toEqual({ id: '7', name: 'Ann "A"' });
    expect(codec.decode(Buffer.from('id,name\n8,'))).toEqual({ id: '8', name: '' });
    expect(codec.decode(Buffer.from('"a\nb",c\r\n1,2'))).toEqual({ 'a\nb': '1', c: '2' });
  });

  it('reads rows under given columns, from any kind of byte view', () => {
    const bytes = new Uint8Array([0x78, ...new TextEncoder().encode('1;2')]).subarray(1);
    expect(csvCodec({ delimiter: ';', columns: ['a', 'b'] }).decode(bytes)).toEqual({ a: '1', b: '2' });
  });

  it.each([
    ['another number of fields', Buffer.from('1,2,3'), 'csv_columns'],
    ['bytes that are no UTF-8', Buffer.from([0x31, 0x2c, 0xff]), 'invalid_utf8'],
  ])('refuses a row with %s', (_, bytes, code) => {
    expect(() => csvCodec({ delimiter: ',', columns: ['a', 'b'] }).decode(bytes)).toThrow(
      expect.objectContaining({ code }),
    );
  });
});

it.each(['a,a', 'a,', '__proto__,b'])(
  'a header %s is refused: its columns could not name the fields of an event',
  (header) => {
    expect(() => csvColumns(header, ',')).toThrow(expect.objectContaining({ code: 'csv_header' }));
  },
);

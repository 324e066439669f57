/** A table for people who open it in a spreadsheet. */
export interface CsvTable {
  readonly columns: readonly CsvColumn[];
  readonly rows: readonly (readonly (string | number | boolean | null)[])[];
}

export interface CsvColumn {
  readonly name: string;
  /** `text` may hold anything that a caller chose; `number` is a number or a decimal string of ours. */
  readonly type: 'text' | 'number';
}

export const CSV_TYPE = 'text/csv; charset=utf-8; header=present';

/**
 * RFC 4180 text. A cell of text that a spreadsheet would run as a formula gets an apostrophe in front (OWASP, "CSV
 * Injection"); numbers stay numbers, also negative ones.
 */
export function csvText({ columns, rows }: CsvTable): string {
  const lines = [columns.map((column) => quote(column.name)).join(',')];
  for (const row of rows)
    lines.push(row.map((cell, i) => cellText(cell, columns[i]?.type ?? 'text')).join(','));
  return `${lines.join('\r\n')}\r\n`;
}

const NUMBER = /^-?\d+(\.\d+)?$/;

function cellText(cell: string | number | boolean | null, type: CsvColumn['type']): string {
  if (cell === null) return '';
  const text = String(cell);
  if (type === 'number' && NUMBER.test(text)) return text;
  return quote(/^[\s]*[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/.test(text) ? `'${text}` : text);
}

function quote(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

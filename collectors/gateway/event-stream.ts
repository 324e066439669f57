import { StringDecoder } from 'node:string_decoder';
import { type Envelope, EnvelopeScanner } from '../stdio/envelope.ts';

export interface EventSink {
  /** One event's data. */
  data(text: string, event: string): void;
  /** Data over the limit: what could be told of each message in it. */
  tooLarge(messages: readonly Envelope[]): void;
}

/**
 * Reads server-sent events (WHATWG HTML §9.2.6) as they pass. Linear in the bytes whatever the chunks; holds at most
 * `maxUnits` UTF-16 units, and of a longer event only what its envelope tells.
 */
export class EventStreamReader {
  readonly #maxUnits: number;
  readonly #sink: EventSink;
  readonly #decoder = new StringDecoder('utf8');
  /** Pieces of the line that has begun. */
  #line: string[] = [];
  #lineUnits = 0;
  #afterCr = false;
  #data: string[] = [];
  #dataUnits = 0;
  #event = '';
  #scanner: EnvelopeScanner | null = null;
  /** Of a line over the limit, whether it is data: its beginning went to the scanner, and so does the rest. */
  #scanning = false;
  #begun = false;

  /** Whether an event had an id: the stream can be resumed after it. */
  hasIds = false;

  constructor(maxUnits: number, sink: EventSink) {
    this.#maxUnits = maxUnits;
    this.#sink = sink;
  }

  /** Whether what has come so far ends between two events. */
  get isBetweenEvents(): boolean {
    return !this.#begun && this.#lineUnits === 0 && !this.#scanning;
  }

  push(chunk: Uint8Array): void {
    const text = this.#decoder.write(chunk as Buffer);
    let from = 0;
    if (this.#afterCr && text !== '') {
      this.#afterCr = false;
      if (text.charCodeAt(0) === 0x0a) from = 1;
    }
    let cr = text.indexOf('\r', from);
    let lf = text.indexOf('\n', from);
    while (cr !== -1 || lf !== -1) {
      const isCr = cr !== -1 && (lf === -1 || cr < lf);
      const end = isCr ? cr : lf;
      this.#piece(text.slice(from, end));
      this.#endLine();
      from = end + 1;
      if (isCr) {
        if (from === text.length) this.#afterCr = true;
        else if (text.charCodeAt(from) === 0x0a) from++;
      }
      if (cr !== -1 && cr < from) cr = text.indexOf('\r', from);
      if (lf !== -1 && lf < from) lf = text.indexOf('\n', from);
    }
    if (from < text.length) this.#piece(text.slice(from));
  }

  #piece(text: string): void {
    if (text === '') return;
    this.#begun = true;
    if (this.#scanning) {
      this.#scan(text);
      return;
    }
    this.#line.push(text);
    this.#lineUnits += text.length;
    if (this.#lineUnits + this.#dataUnits <= this.#maxUnits) return;
    const line = this.#takeLine();
    this.#scanning = true;
    // A field of that length that is no data is let go.
    if (!line.startsWith('data:')) return;
    this.#scanner ??= new EnvelopeScanner();
    for (const data of this.#data) this.#scan(data);
    this.#data = [];
    this.#dataUnits = 0;
    this.#scan(fieldValue(line, 5));
  }

  #scan(text: string): void {
    this.#scanner?.push(Buffer.from(text));
  }

  #takeLine(): string {
    const line = this.#line.length === 1 ? (this.#line[0] as string) : this.#line.join('');
    this.#line = [];
    this.#lineUnits = 0;
    return line;
  }

  #endLine(): void {
    if (this.#scanning) {
      this.#scanning = false;
      return;
    }
    const line = this.#takeLine();
    if (line === '') this.#dispatch();
    else if (line.startsWith('data:')) {
      const data = fieldValue(line, 5);
      if (this.#scanner !== null) this.#scan(data);
      else {
        this.#data.push(data);
        this.#dataUnits += data.length;
      }
    } else if (line.startsWith('event:')) this.#event = fieldValue(line, 6);
    else if (line.startsWith('id:')) this.hasIds ||= fieldValue(line, 3) !== '';
  }

  #dispatch(): void {
    if (this.#scanner !== null) this.#sink.tooLarge(this.#scanner.messages);
    else if (this.#data.length > 0) this.#sink.data(this.#data.join('\n'), this.#event);
    this.#scanner = null;
    this.#data = [];
    this.#dataUnits = 0;
    this.#event = '';
    this.#begun = false;
  }
}

const fieldValue = (line: string, at: number): string =>
  line.slice(line.charCodeAt(at) === 0x20 ? at + 1 : at);

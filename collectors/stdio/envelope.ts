/**
 * What can be told of a JSON-RPC message from its bytes alone, without building its values: for messages that are
 * too large to parse.
 */
export interface Envelope {
  /** The raw JSON text of each scalar that was asked for and found, by path (`id`, `params.name`). */
  readonly scalars: ReadonlyMap<string, string>;
  /** Size in bytes of each member's value, as it stands in the text, by path (`result`, `params.arguments`). */
  readonly sizes: ReadonlyMap<string, number>;
  /** Size of the whole message in bytes. */
  readonly bytes: number;
}

/** Paths whose scalar values are kept. */
const WANTED = new Set([
  'jsonrpc',
  'id',
  'method',
  'params.name',
  'params.uri',
  'params.requestId',
  'result.isError',
  'result.resultType',
  'error.code',
  'error.message',
]);

/** The one member's member whose size is told. */
const WANTED_SIZE = 'params.arguments';

/** Longest scalar or key text that is kept, bytes; a longer one counts as not found. */
const MAX_TEXT_BYTES = 4096;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

const isSpace = (byte: number): boolean => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;

const endOf = (index: number, chunk: Uint8Array): number => (index === -1 ? chunk.length : index);

/**
 * A scanner over the bytes of one text that may be JSON, fed in any chunks; constant memory, linear time. It follows
 * nesting and strings, and does not check grammar: of text that isn't JSON it tells something harmless. An object is
 * a message; the objects in a top-level array are messages each (a JSON-RPC batch).
 */
export class EnvelopeScanner {
  /** `other`: the first character that isn't white space opens neither an object nor an array. */
  state: 'before' | 'inside' | 'complete' | 'other' = 'before';
  /** Messages whose end has been seen. */
  readonly messages: Envelope[] = [];

  #depth = 0;
  #inString = false;
  #escaped = false;
  /** Depth of a message's members: 1, or 2 in a batch. */
  #level = 1;
  #scalars = new Map<string, string>();
  #sizes = new Map<string, number>();
  #messageBytes = 0;
  #valueBytes = 0;
  #memberBytes = 0;
  #topKey = '';
  #key = '';
  /** What stands at a member's place: its key, its value, or nothing that is kept. */
  #expects: 'key' | 'value' | 'nothing' = 'nothing';
  #text: number[] | null = null;

  push(chunk: Uint8Array): void {
    let at = 0;
    /** The next backslash, looked for once and not once a string. */
    let backslash = -1;
    while (at < chunk.length) {
      if (this.state === 'complete' || this.state === 'other') return;
      if (this.#inString && !this.#escaped && this.#text === null) {
        const quote = endOf(chunk.indexOf(QUOTE, at), chunk);
        if (backslash < at) backslash = endOf(chunk.indexOf(BACKSLASH, at), chunk);
        const next = Math.min(quote, backslash);
        this.#count(next - at);
        at = next;
        if (at === chunk.length) return;
      }
      this.#byte(chunk[at++] as number);
    }
  }

  #count(bytes: number): void {
    if (this.#depth < this.#level) return;
    this.#messageBytes += bytes;
    this.#valueBytes += bytes;
    this.#memberBytes += bytes;
  }

  #byte(byte: number): void {
    if (this.state === 'before') {
      if (isSpace(byte)) return;
      if (byte !== OPEN_BRACE && byte !== OPEN_BRACKET) {
        this.state = 'other';
        return;
      }
      this.state = 'inside';
      this.#level = byte === OPEN_BRACE ? 1 : 2;
    }

    this.#count(1);
    if (this.#inString) {
      this.#keep(byte);
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inString = false;
      return;
    }
    switch (byte) {
      case QUOTE:
        this.#inString = true;
        this.#keep(byte);
        return;
      case OPEN_BRACE:
      case OPEN_BRACKET:
        this.#open(byte);
        return;
      case CLOSE_BRACE:
      case CLOSE_BRACKET:
        this.#close();
        return;
      case COLON:
        this.#colon();
        return;
      case COMMA:
        this.#endMember();
        if (this.#holdsMembers()) this.#expect('key');
        return;
      default:
        if (!isSpace(byte)) this.#keep(byte);
    }
  }

  /** Members are looked at in a message and in the objects right under it. */
  #holdsMembers(): boolean {
    return this.#depth === this.#level || (this.#depth === this.#level + 1 && this.#topKey !== '');
  }

  #open(byte: number): void {
    this.#depth++;
    if (this.#depth === this.#level) {
      this.#scalars = new Map();
      this.#sizes = new Map();
      this.#messageBytes = 1;
      this.#topKey = '';
    }
    this.#expect(this.#holdsMembers() && byte === OPEN_BRACE ? 'key' : 'nothing');
  }

  #close(): void {
    this.#endMember();
    this.#depth--;
    this.#expect('nothing');
    if (this.#depth === this.#level - 1) {
      this.messages.push({ scalars: this.#scalars, sizes: this.#sizes, bytes: this.#messageBytes });
    }
    if (this.#depth === 0) this.state = 'complete';
  }

  #colon(): void {
    if (this.#expects !== 'key') return;
    const key = this.#readText();
    let name = '';
    try {
      name = String(JSON.parse(key));
    } catch {
      // Not a JSON string, so not a key that was asked for.
    }
    if (this.#depth === this.#level) {
      this.#topKey = name;
      this.#key = name;
      this.#valueBytes = 0;
      for (const path of this.#scalars.keys()) if (path.startsWith(`${name}.`)) this.#scalars.delete(path);
    } else {
      this.#key = `${this.#topKey}.${name}`;
      this.#memberBytes = 0;
    }
    this.#expect(WANTED.has(this.#key) ? 'value' : 'nothing');
  }

  #endMember(): void {
    if (this.#expects === 'value') {
      const text = this.#readText();
      if (text !== '') this.#scalars.set(this.#key, text);
    }
    if (this.#depth === this.#level && this.#topKey !== '') {
      // The comma or brace that ended the value was counted with it.
      this.#sizes.set(this.#topKey, this.#valueBytes - 1);
      this.#topKey = '';
    } else if (this.#depth === this.#level + 1 && this.#key === WANTED_SIZE) {
      this.#sizes.set(WANTED_SIZE, this.#memberBytes - 1);
      this.#key = '';
    }
    this.#expect('nothing');
  }

  #expect(what: 'key' | 'value' | 'nothing'): void {
    this.#expects = what;
    this.#text = what === 'nothing' ? null : [];
  }

  #keep(byte: number): void {
    if (this.#text === null) return;
    if (this.#text.length < MAX_TEXT_BYTES) this.#text.push(byte);
    else this.#expect('nothing');
  }

  #readText(): string {
    const text = this.#text === null ? '' : Buffer.from(this.#text).toString('utf8');
    this.#text = null;
    return text;
  }
}

/**
 * Reads a stream of server-sent events (WHATWG HTML §9.2.6) as it passes: the data of each event, whatever the
 * chunks and line endings. An event longer than `maxUnits` UTF-16 units is skipped.
 */
export class SseReader {
  readonly #maxUnits: number;
  readonly #onData: (data: string) => void;
  readonly #decoder = new TextDecoder();
  #rest = '';
  #data: string[] = [];
  #units = 0;
  #skipping = false;

  constructor(maxUnits: number, onData: (data: string) => void) {
    this.#maxUnits = maxUnits;
    this.#onData = onData;
  }

  push(chunk: Uint8Array): void {
    let text = this.#rest + this.#decoder.decode(chunk, { stream: true });
    // A carriage return at the end may be half of a line ending.
    const held = text.endsWith('\r') ? '\r' : '';
    if (held !== '') text = text.slice(0, -1);
    const lines = text.split(/\r\n|\n|\r/);
    this.#rest = (lines.pop() as string) + held;
    for (const line of lines) this.#line(line);
    if (this.#rest.length > this.#maxUnits) {
      this.#rest = '';
      this.#skipping = true;
    }
  }

  #line(line: string): void {
    if (line === '') {
      if (this.#data.length > 0 && !this.#skipping) this.#onData(this.#data.join('\n'));
      this.#data = [];
      this.#units = 0;
      this.#skipping = false;
      return;
    }
    if (!line.startsWith('data:') || this.#skipping) return;
    const data = line.startsWith('data: ') ? line.slice(6) : line.slice(5);
    this.#units += data.length;
    if (this.#units > this.#maxUnits) this.#skipping = true;
    else this.#data.push(data);
  }
}

import { messageOf } from '../core/errors.ts';
import { registry } from './metrics.ts';

/** How one part is doing. `detail` says what is wrong, or what it is doing; no payload, no secret. */
export interface PartStatus {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** Answers how a part, or several, are doing. May reject or hang: that is an answer too. */
export type HealthCheck = () =>
  | PartStatus
  | readonly PartStatus[]
  | Promise<PartStatus | readonly PartStatus[]>;

export interface Readiness {
  readonly ok: boolean;
  readonly parts: readonly PartStatus[];
}

/** Longest wait for one check, milliseconds: kubelet's default probe timeout is 1 s. */
const CHECK_TIMEOUT_MS = 900;

/**
 * Named checks. Ready: all parts are. Alive: nothing has reported that only a restart will help. A part that is not
 * ready keeps a process alive: it may be waiting for a broker.
 */
export class Health {
  readonly #checks = new Map<string, HealthCheck>();
  #fatal: PartStatus | null = null;

  /**
   * Registers a check under a name of its own; a check that hangs or rejects is reported under it.
   * @throws TypeError where the name is taken: one check would hide the other
   */
  add(name: string, check: HealthCheck): void {
    if (this.#checks.has(name)) throw new TypeError(`There is a health check "${name}" already.`);
    this.#checks.set(name, check);
  }

  /** Reports what only a restart will mend; liveness then fails. */
  fail(name: string, detail: string): void {
    this.#fatal ??= { name, ok: false, detail };
  }

  liveness(): Readiness {
    return this.#fatal === null ? { ok: true, parts: [] } : { ok: false, parts: [this.#fatal] };
  }

  async readiness(): Promise<Readiness> {
    const checked = await Promise.all([...this.#checks].map(([name, check]) => run(name, check)));
    const parts = [...this.liveness().parts, ...checked.flat()];
    for (const part of parts) registry.set('toolmeter.ready', { part: part.name }, part.ok ? 1 : 0);
    return { ok: parts.every((part) => part.ok), parts };
  }
}

async function run(name: string, check: HealthCheck): Promise<readonly PartStatus[]> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<PartStatus>((resolve) => {
    timer = setTimeout(
      () => resolve({ name, ok: false, detail: `no answer within ${CHECK_TIMEOUT_MS} ms` }),
      CHECK_TIMEOUT_MS,
    );
  });
  try {
    return [await Promise.race([(async () => check())(), late])].flat();
  } catch (error) {
    return [{ name, ok: false, detail: messageOf(error) }];
  } finally {
    clearTimeout(timer);
  }
}

import type { DetectRule } from '../../schemas/detect.ts';
import type { Episodes } from './episodes.ts';
import type { Observation } from './observation.ts';

/** What a rule holds and refuses, for metrics. */
export interface DetectorCounts {
  readonly keys: number;
  /** Keys forgotten for want of room. */
  readonly evicted: number;
  /** Calls that came too late to be looked at. */
  readonly late: number;
}

/** A rule at work. It tells `Episodes` what it finds; time is what comes with calls and `sweep`, never a clock's. */
export interface Detector {
  readonly rule: DetectRule;
  /** How far back a replay must begin for the same state, milliseconds. */
  readonly horizonMs: number;
  observe(observation: Observation, watermarkMs: number): void;
  /** Closes what is due; `watermarkMs` is how far the log's time has come in every partition. */
  sweep(watermarkMs: number): void;
  counts(): DetectorCounts;
}

export interface DetectorDeps {
  readonly episodes: Episodes;
  readonly latenessMs: number;
}

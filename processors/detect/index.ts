export { DriftDetector } from './drift/detector.ts';
export { DetectEngine, type EngineCounts } from './engine.ts';
export type { DetectedCall } from './observation.ts';
export {
  DEFAULT_RULES,
  type DetectRulesResult,
  loadDetectRules,
  openDetectRules,
  readDetectRules,
} from './rules-file.ts';

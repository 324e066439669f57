export { call } from './call.ts';
export { calls } from './calls.ts';
export { completeness } from './completeness.ts';
export { deadLetters } from './dead-letters.ts';
export { inventory } from './inventory.ts';
export { latency } from './latency.ts';
export { spend } from './spend.ts';

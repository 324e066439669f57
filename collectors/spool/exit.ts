/** What is to be done, synchronously, when the process comes to its end by itself. */
const hooks = new Set<() => void>();
let listening = false;

function run(): void {
  for (const hook of hooks) hook();
}

/** Calls `hook` when the process ends (not when it is killed). Never keeps it alive. Returns how to take it back. */
export function onExit(hook: () => void): () => void {
  if (!listening) {
    listening = true;
    process.on('beforeExit', run);
    process.on('exit', run);
  }
  hooks.add(hook);
  return () => hooks.delete(hook);
}

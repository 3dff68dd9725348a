/** What the bench starts it also stops: at the end, after an error, and on Ctrl-C. */

type Stop = () => Promise<void>;

const stops: { what: string; stop: Stop }[] = [];
const interruption = new AbortController();

/** Aborted once the bench is to end early; everything that takes long is run with it. */
export const interrupted = interruption.signal;

/** Remembers how to take something back; the last one comes first. */
export function whenDone(what: string, stop: Stop): void {
  stops.push({ what, stop });
}

/** Takes everything back. What fails is told, and hinders nothing. */
export async function stopAll(): Promise<void> {
  for (let last = stops.pop(); last; last = stops.pop()) {
    const { what, stop } = last;
    await stop().catch((error: unknown) => process.stderr.write(`not undone: ${what}: ${String(error)}\n`));
  }
}

/** A first signal ends the bench in good order; another one later, at once. */
export function stopOnSignals(): void {
  let first: number | undefined;
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => {
      // The terminal and tsx both pass a Ctrl-C on, so two that come together are one.
      if (first !== undefined && Date.now() - first > 1000) {
        process.exit(130);
      }
      if (first !== undefined) {
        return;
      }
      first = Date.now();
      process.stderr.write(`\n${signal}: cleaning up\n`);
      interruption.abort(new Error(`Stopped by ${signal}.`));
    });
  }
}

// What takes longer than `npm test` has time for is left to `npm run test:full`, and says so where it is skipped.

/** Whether what takes long is made too. */
export const FULL = process.env.DUAL_TUNNEL_VPN_TEST === "full";

/** A test that is made by `npm run test:full` only. @param takes how long, in words */
export function itInFull(name: string, takes: string, test: () => Promise<void>): void {
  if (FULL) it(name, test);
  else it.skip(`${name} (takes ${takes}: npm run test:full)`, () => undefined);
}

/** Groups of tests, one for each case, made by `npm run test:full` only. @param takes how long each takes, in words */
export function describeInFull<T extends string>(
  name: string,
  takes: string,
  cases: readonly T[],
  tests: (each: T) => void,
): void {
  // Jest refuses a table without rows, and one that is skipped by `describe.skip` would make its labs all the same.
  if (FULL) describe.each(cases)(name, tests);
  else it.skip.each(cases)(`${name} (takes ${takes}: npm run test:full)`, () => undefined);
}

// Starts the files that take longest first: where Jest never ran it knows sizes only, and the demo's test is a small file.
const Sequencer = require("@jest/test-sequencer").default;

const LONGEST = [
  "lockout",
  "box",
  "among-others",
  "verdicts",
  "demo",
  "shapes",
  "planned",
  "drift",
  "two-boxes",
  "bgp",
  "adversity",
  "refusals",
  "box-debian-13",
  "box-el9-like",
].map((name) => `${name}.test.ts`);

const place = ({ path }) => {
  const at = LONGEST.findIndex((name) => path.endsWith(`/lab/${name}`));
  return at < 0 ? LONGEST.length : at;
};

module.exports = class LongestFirst extends Sequencer {
  async sort(tests) {
    const sorted = await super.sort(tests);
    return [...sorted].sort((a, b) => place(a) - place(b));
  }
};

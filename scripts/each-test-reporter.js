// A line for each test as it ends, and why it failed: Jest's own reporters print a file's tests when the whole file has
// ended, and the lab's files take minutes. What became of each is kept for `npm run guests`.
const MARKS = { passed: "ok", failed: "FAILED" };

module.exports = class EachTestReporter {
  faults = [];

  onTestCaseResult(_test, { fullName, status, duration, failureMessages }) {
    if (!(status in MARKS)) return;
    const seconds = ((duration ?? 0) / 1000).toFixed(0);
    if (/ withstands /.test(fullName)) this.faults.push((duration ?? 0) / 1000);
    process.stderr.write(`${MARKS[status].padEnd(6)} ${seconds.padStart(4)} s  ${fullName}\n`);
    for (const message of failureMessages) process.stderr.write(`${message}\n`);
  }

  onTestResult({ path }, { testResults }) {
    require("ts-node/register/transpile-only");
    require("./lab-outcomes").keepOutcomes(path, testResults);
  }

  onRunComplete() {
    if (this.faults.length === 0) return;
    const mean = this.faults.reduce((sum, seconds) => sum + seconds, 0) / this.faults.length;
    process.stderr.write(`${this.faults.length} faults, ${mean.toFixed(1)} s each on average\n`);
  }
};

// A line for each test as it ends: Jest's own reporters print a file's tests when the whole file has ended, and the
// lab's files take minutes.
const MARKS = { passed: "ok", failed: "FAILED" };

module.exports = class EachTestReporter {
  onTestCaseResult(_test, { fullName, status, duration }) {
    if (!(status in MARKS)) return;
    process.stderr.write(
      `${MARKS[status].padEnd(6)} ${((duration ?? 0) / 1000).toFixed(0).padStart(4)} s  ${fullName}\n`,
    );
  }
};

// The arithmetic of `npm run bench -- agent`; what it measures needs the lab.
import { kbits, parseMemory, parseMoment, parseProbes, PROBES, rules, share, since } from "../../bench/agent/cost";

const stat = (utime: number, stime: number) =>
  `771 (a (strange) name) S 1 771 771 0 -1 4194560 2650 0 3 0 ${utime} ${stime} 0 0 20 0 1 0 500 30000000 5000`;

it("reads the share of a core from a process's ticks and the machine's clock", () => {
  const before = parseMoment(`100.00 150.00\n${stat(100, 50)}\n`);
  const after = parseMoment(`160.00 250.00\n${stat(280, 110)}\n`);
  expect(before).toEqual({ ticks: 150, uptimeS: 100 });
  expect(share(before, after)).toBeCloseTo(0.04);
});

it("reads memory in MiB", () => {
  expect(parseMemory("Name:\tpython3\nVmHWM:\t   20480 kB\nVmRSS:\t   19456 kB\n")).toEqual({ now: 19, most: 20 });
});

it("has six counters for each uplink, each with the addresses turned for what comes in", () => {
  expect(rules().match(/ counter/g)).toHaveLength(12);
  expect(rules()).toContain("ip saddr 172.16.1.93 ip daddr 192.0.2.152 icmp type echo-request counter");
  expect(rules()).toContain("ip daddr 172.16.1.93 ip saddr 192.0.2.152 icmp type echo-reply counter");
});

it("reads the counters in the order of their rules, and adds them up", () => {
  const listed = (scale: number) =>
    Array.from({ length: 12 }, (_, n) => `counter packets ${scale * n} bytes ${scale * n * 10}`).join("\n");
  const [first, second] = parseProbes(listed(1));
  expect(PROBES.map((what) => first[what].packets)).toEqual([0, 3, 1, 4, 2, 5]);
  expect(PROBES.map((what) => second[what].packets)).toEqual([6, 9, 7, 10, 8, 11]);
  const counted = since(first, parseProbes(listed(3))[0]);
  expect(counted["own in"]).toEqual({ packets: 6, bytes: 60 });
  expect(kbits(counted, 2)).toBeCloseTo((2 * 150 * 8) / 1000 / 2);
  expect(() => parseProbes("")).toThrow("Not the counters");
});

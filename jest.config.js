// `unit` needs Node, Python, Terraform and, for test/strongswan and test/bgp, Debian's packages from apt; `terraform` has
// the real Terraform speak to the stand-in providers and apply what the library synthesizes; `docs` compiles and runs
// what the documentation shows, `packaging` installs the tarball from the registry, `lab` boots machines, `timed` measures
// how soon packets flow again on them.
const common = {
  preset: "ts-jest",
  testEnvironment: "node",
  transform: { "^.+\\.ts$": ["ts-jest", { diagnostics: false }] },
  modulePathIgnorePatterns: ["<rootDir>/dist", "<rootDir>/cdktf.out"],
};
module.exports = {
  // What takes longer says so; five seconds, which is Jest's own, are too few on a machine that is busy.
  testTimeout: 30_000,
  projects: [
    {
      ...common,
      displayName: "unit",
      testMatch: ["<rootDir>/test/**/*.test.ts"],
      testPathIgnorePatterns: ["<rootDir>/test/(docs|graph|lab|packaging|provider)/"],
    },
    { ...common, displayName: "terraform", testMatch: ["<rootDir>/test/(graph|provider)/**/*.test.ts"] },
    { ...common, displayName: "docs", testMatch: ["<rootDir>/test/docs/**/*.test.ts"] },
    { ...common, displayName: "packaging", testMatch: ["<rootDir>/test/packaging/**/*.test.ts"] },
    {
      ...common,
      displayName: "lab",
      testMatch: ["<rootDir>/test/lab/**/*.test.ts"],
      testPathIgnorePatterns: ["<rootDir>/test/lab/timed/"],
    },
    {
      ...common,
      displayName: "timed",
      testMatch: ["<rootDir>/test/lab/timed/*.test.ts"],
      globalSetup: "<rootDir>/test/lab/timed/prepare.ts",
    },
  ],
};

// Two projects: `unit` needs only Node and Terraform, `lab` boots machines.
const common = {
  preset: "ts-jest",
  testEnvironment: "node",
  transform: { "^.+\\.ts$": ["ts-jest", { isolatedModules: true, diagnostics: false }] },
  modulePathIgnorePatterns: ["<rootDir>/dist", "<rootDir>/cdktf.out"],
};
module.exports = {
  projects: [
    {
      ...common,
      displayName: "unit",
      testMatch: ["<rootDir>/test/**/*.test.ts"],
      testPathIgnorePatterns: ["<rootDir>/test/lab/"],
    },
    { ...common, displayName: "lab", testMatch: ["<rootDir>/test/lab/**/*.test.ts"] },
  ],
};

// docs/options.md is made from the docstrings; `npm run options` makes it anew.
import * as fs from "node:fs";
import { optionsPage, PAGE } from "../../scripts/options";

jest.setTimeout(60_000);
const page = optionsPage();

it("lists every option as the docstrings have it: npm run options writes the page", () => {
  expect(fs.readFileSync(PAGE, "utf8")).toBe(page);
});

it("tells defaults, choices and what an option is made of", () => {
  expect(page).toContain("| `holdSeconds` | `5` | Seconds for which the active tunnel must be well");
  expect(page).toContain("[NewGatewayOptions](#newgatewayoptions)");
  expect(page).toContain("\n## NewGatewayOptions\n");
  expect(page).toContain("- `Encryption.AES_256`");
  expect(page).toContain("- `Charge.subscription(months, autoPay)` By subscription.");
  expect(page).toContain("- `HostKey.ecdsa(publicKey)`");
  expect(page).not.toMatch(/HostKey\.read|PreSharedKey\.ofNoText/);
});

it("has no text that Markdown would take for a tag", () => {
  const outside = page.replace(/\\`/g, "").replace(/`[^`]*`/g, "");
  expect(outside).not.toContain("<");
});

import * as fc from "fast-check";
import { NAME_FORM, nameProblem, terraformNames, tunnelName } from "../../lib/names";

const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,10}$/);

describe("a connection's NAME", () => {
  it.each(["", "1a", "-a", "Singapore", "a_b", "abcdefghijkl", "a b", "a/b", "ä"])("refuses %j", (text) =>
    expect(nameProblem(text)).toBeDefined(),
  );

  it("accepts exactly its pattern", () => {
    fc.assert(
      fc.property(fc.string(), (text) =>
        expect(nameProblem(text) === undefined).toBe(new RegExp(`^${NAME_FORM}$`).test(text)),
      ),
    );
    fc.assert(fc.property(name, (text) => expect(nameProblem(text)).toBeUndefined()));
  });

  it("makes interface names that Linux takes", () => {
    fc.assert(
      fc.property(name, (text) => {
        for (const tunnel of [1, 2] as const) {
          expect(tunnelName(text, tunnel).length).toBeLessThanOrEqual(15);
          expect(tunnelName(text, tunnel)).toMatch(/^[a-z][a-z0-9-]*$/);
        }
      }),
    );
  });

  it("gives two names no tunnel name and no variable in common", () => {
    fc.assert(
      fc.property(name, name, (a, b) => {
        fc.pre(a !== b);
        const all = [a, b].flatMap((text) => [
          tunnelName(text, 1),
          tunnelName(text, 2),
          terraformNames(text).pskVariable("active"),
          terraformNames(text).pskVariable("standby"),
        ]);
        expect(new Set(all).size).toBe(8);
      }),
    );
  });

  it("gives two names no Terraform name of a box in common, with one box or two", () => {
    const files = ["site.json", "owner.json", "tunnel-1.conf", "secrets-2.conf", "packages"];
    const ofBox = (text: string, number?: 1 | 2) => {
      const names = terraformNames(text, number);
      const { box, presence, preparation, configuration } = names;
      return [box, presence, preparation, configuration, ...files.map((file) => names.file(file))];
    };
    const all = (text: string) => [...ofBox(text), ...ofBox(text, 1), ...ofBox(text, 2)];
    fc.assert(
      fc.property(name, name, (a, b) => {
        fc.pre(a !== b);
        // The name of another connection as one that begins like it, which is where they could meet.
        for (const other of [b, `${a.slice(0, 5)}-box-1`, `${a.slice(0, 4)}-of-box-1`.slice(0, 11)]) {
          if (other === a) continue;
          const both = [...all(a), ...all(other)];
          expect(new Set(both).size).toBe(both.length);
        }
      }),
    );
  });

  it("makes variables that a shell can export", () => {
    fc.assert(
      fc.property(name, fc.constantFrom("active", "standby"), (text, role) =>
        expect(`TF_VAR_${terraformNames(text).pskVariable(role)}`).toMatch(/^[A-Za-z_][A-Za-z0-9_]*$/),
      ),
    );
  });
});

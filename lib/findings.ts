// Checks as construct validations: errors are returned together, warnings become annotations, once.
import { Annotations } from "cdktf";
import { Construct } from "constructs";
import { expressionOf } from "./expressions";
import { parseAddress } from "./ip";
import { isLiteral } from "./structural";

/** Collects what a construct's checks find. */
export class Findings {
  private readonly warned = new Set<string>();
  private problems: string[] = [];

  /**
   * Adds a validation to a construct.
   *
   * @param scope the construct
   * @param check reports to the findings it is given; it runs at synth, perhaps more than once
   */
  static validate(scope: Construct, check: (findings: Findings) => void): void {
    const findings = new Findings(scope);
    scope.node.addValidation({
      validate: () => {
        findings.problems = [];
        check(findings);
        return findings.problems;
      },
    });
  }

  private constructor(private readonly scope: Construct) {}

  /** Reports sentences that stop the synthesis. */
  error(...sentences: readonly string[]): void {
    this.problems.push(...sentences.map((sentence) => this.readable(sentence)));
  }

  /** Reports a number that is not whole, not in its range, or not known at synth; undefined is fine. */
  wholeNumber(what: string, value: number | undefined, least: number, most: number): void {
    if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
    const given = isLiteral(value) ? `is ${value}` : "is known only to Terraform";
    this.error(`${what} ${given}; give a whole number from ${least} to ${most}.`);
  }

  /** Reports a literal that is not an IPv4 address. */
  address(what: string, value: string, example: string): void {
    if (!isLiteral(value) || parseAddress(value) !== undefined) return;
    this.error(`${what} "${value}" is not an IPv4 address; write it as ${example}.`);
  }

  /** Reports sentences that are shown, each once, while the synthesis goes on. */
  warning(...sentences: readonly string[]): void {
    for (const sentence of sentences.map((each) => this.readable(each))) {
      if (this.warned.has(sentence)) continue;
      this.warned.add(sentence);
      Annotations.of(this.scope).addWarning(sentence);
    }
  }

  /** A sentence in which a token is the expression that it stands for. */
  private readable(sentence: string): string {
    return expressionOf(this.scope, sentence);
  }
}

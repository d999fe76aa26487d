// Terraform functions around a value that may be a token or an expression written as text: cdktf's `Fn` refuses text with
// quotes in it, which an expression may well have.
import { Fn, Token } from "cdktf";

/** What stands in the braces of text that is one whole expression; undefined for tokens and other text. */
export function innerExpression(value: string): string | undefined {
  const inner = Token.isUnresolved(value) ? undefined : /^\$\{([^]*)\}$/.exec(value)?.[1];
  return inner?.includes("${") ? undefined : inner;
}

/** Applies a function of one argument to a value. */
export function applied(name: "sensitive" | "base64encode", value: string): string {
  const inner = innerExpression(value);
  return inner === undefined ? Token.asString(Fn[name](value)) : `\${${name}(${inner})}`;
}

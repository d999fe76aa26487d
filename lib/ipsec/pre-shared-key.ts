// A tunnel's pre-shared key: where it comes from, and the characters that both ends accept.
// No function here returns or prints the key as text in an error.
import type { Password } from "@cdktf/provider-random/lib/password";
import { Fn, Precondition, TerraformElement, TerraformVariable, Token } from "cdktf";
import { Construct } from "constructs";
import { applied, innerExpression, tokenized } from "../expressions";
import { described } from "../guard";
import { isLiteral } from "../structural";

/** The punctuation that a key may hold beside letters and digits (CreateVpnConnection, `Psk`; no space, double quote or backslash). */
export const PSK_PUNCTUATION = "~!`@#$%^&*()_-+={}[]|;:',.<>/?";

// `]` comes first and `-` last so that the class needs no backslash: Terraform reads the same text inside a quoted string.
const PSK_PATTERN = "^[]A-Za-z0-9~!`@#$%^&*()_+={}[|;:',.<>/?-]{1,100}$";

const ALLOWED = new Set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + PSK_PUNCTUATION);

/** What is wrong with a key, as the end of a sentence that never holds the key; undefined when nothing is. */
export function pskProblem(key: string): string | undefined {
  if (key.length < 1 || key.length > 100) return `has ${key.length} characters; give 1 to 100`;
  const position = [...key].findIndex((character) => !ALLOWED.has(character));
  if (position < 0) return undefined;
  return `has a character that Alibaba Cloud refuses (the ${ordinal(position + 1)}); use letters, digits and ${PSK_PUNCTUATION}`;
}

function ordinal(n: number): string {
  const ending = n % 100 >= 11 && n % 100 <= 13 ? "th" : (["th", "st", "nd", "rd"][n % 10] ?? "th");
  return `${n}${ending}`;
}

/**
 * A pre-shared key, always as a Terraform expression that Terraform treats as sensitive.
 *
 * Without one, a connection declares a sensitive variable for each tunnel: `<name>_psk_active`, `<name>_psk_standby`.
 */
export class PreSharedKey {
  /**
   * A Terraform variable of yours. Terraform treats the key as sensitive whether or not the variable says so.
   *
   * @param variable a variable of type string
   */
  static fromVariable(variable: TerraformVariable): PreSharedKey {
    if (!TerraformElement.isTerraformElement(variable) || !("stringValue" in variable)) {
      return new PreSharedKey("", "is made from something that is no TerraformVariable; give one of type string", true);
    }
    return new PreSharedKey(hidden(variable.stringValue), undefined, false, variable);
  }

  /**
   * Any Terraform expression: a data source of a secret store, another resource's attribute.
   *
   * @param expression a token, for example `secret.secretData`; literal text is refused at synth
   */
  static fromToken(expression: string): PreSharedKey {
    if (typeof expression !== "string") return PreSharedKey.ofNoText(expression);
    if (isLiteral(expression)) {
      return new PreSharedKey(
        "",
        "is literal text; give a Terraform variable, or unwrap it by PreSharedKey.unsafeLiteral",
        true,
      );
    }
    return new PreSharedKey(hidden(tokenized(expression)), undefined, false, expression);
  }

  /**
   * Literal text. It ends up readable in your code, in cdktf.out and in every copy of both: for tests and labs.
   *
   * @param key 1 to 100 letters, digits and ~!`@#$%^&*()_-+={}[]|;:',.<>/?
   */
  static unsafeLiteral(key: string): PreSharedKey {
    if (typeof key !== "string") return PreSharedKey.ofNoText(key);
    if (Token.isUnresolved(key)) return PreSharedKey.fromToken(key);
    // In base64, because a quoted string would have to escape Terraform's template marks.
    const encoded = Fn.base64decode(Buffer.from(key).toString("base64"));
    return new PreSharedKey(hidden(encoded), pskProblem(key), true, key);
  }

  /**
   * A random key that Terraform makes once and keeps in its state. Needs the package `@cdktf/provider-random` beside this
   * one and its `RandomProvider` in the stack.
   *
   * @param scope the construct that owns the `random_password`
   * @param id the construct's id; another id, or another length, makes another key
   * @param length 20 to 100 characters
   */
  static generated(scope: Construct, id: string, length = 32): PreSharedKey {
    if (!(Number.isInteger(length) && length >= 20 && length <= 100)) {
      return new PreSharedKey("", `is to be generated with ${length} characters; give 20 to 100`, true);
    }
    const RandomPassword = passwordClass();
    if (!RandomPassword) {
      return new PreSharedKey("", "cannot be generated without the package @cdktf/provider-random; install it", true);
    }
    const password = new RandomPassword(scope, id, { length, special: true, overrideSpecial: "-_.:+=@!" });
    return new PreSharedKey(hidden(password.result), undefined, false, password);
  }

  /**
   * Declares a sensitive Terraform variable.
   *
   * @param scope the construct that owns the variable
   * @param id the construct's id
   * @param variableName the variable's name; letters, digits and underscores, so that a shell can export TF_VAR_<name>
   * @param description what the key is for
   */
  static declareVariable(scope: Construct, id: string, variableName: string, description: string): PreSharedKey {
    const variable = new TerraformVariable(scope, id, {
      type: "string",
      sensitive: true,
      nullable: false,
      description,
    });
    variable.overrideLogicalId(variableName);
    const value = variable.stringValue;
    return new PreSharedKey(hidden(value), undefined, false, variable, value);
  }

  /**
   * The check of length and characters at plan, as a condition of a resource: a variable's own validation would print
   * the key, sensitive or not. Literal text is checked at synth and has none: Terraform quotes a failing condition.
   *
   * @internal
   * @param what names the key in the message
   */
  preconditions(what: string): Precondition[] {
    if (this.isLiteral) return [];
    const inner = this.variable === undefined ? innerExpression(this.expression) : undefined;
    return [
      {
        condition:
          inner === undefined
            ? Fn.can(Fn.regex(PSK_PATTERN, this.variable ?? this.expression))
            : `\${can(regex("${PSK_PATTERN}", ${inner}))}`,
        errorMessage: `${what} must have 1 to 100 letters, digits and ${PSK_PUNCTUATION} (no space, double quote or backslash).`,
      },
    ];
  }

  /**
   * Whether another key is certainly the same one.
   *
   * @internal
   */
  isSameAs(other: PreSharedKey): boolean {
    return this === other || (this.origin !== undefined && this.origin === other.origin);
  }

  private static ofNoText(value: unknown): PreSharedKey {
    return new PreSharedKey("", `is made from what is ${described(value)}; give text, or a token for it`, true);
  }

  private constructor(
    /** The key as a Terraform expression. */
    readonly expression: string,
    /** What is wrong with the key, as the end of a sentence without the key. */
    readonly problem: string | undefined,
    private readonly isLiteral: boolean,
    private readonly origin: unknown = undefined,
    /** The variable that `declareVariable` made, as a token: its name is another one in other stacks. */
    private readonly variable: string | undefined = undefined,
  ) {}
}

/** Marked always: what reaches another stack by the state of its own has lost the mark of a sensitive variable. */
function hidden(expression: string): string {
  return applied("sensitive", expression);
}

/** `random_password` of @cdktf/provider-random, where that optional package is installed. */
function passwordClass(): typeof Password | undefined {
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- an import would make the package obligatory
    return (require("@cdktf/provider-random/lib/password") as { Password: typeof Password }).Password;
  } catch {
    return undefined;
  }
}

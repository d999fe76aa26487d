// Terraform functions around a value that may be a token or an expression written as text: cdktf's `Fn` refuses text with
// quotes in it, which an expression may well have.
import {
  DefaultTokenResolver,
  Fn,
  IPostProcessor,
  IResolvable,
  IResolveContext,
  Lazy,
  LazyBase,
  ref,
  StringConcat,
  TerraformStack,
  Token,
  Tokenization,
} from "cdktf";
import { IConstruct } from "constructs";

/** An expression within text, where no other braces are in it. */
const EXPRESSION = /\$\{[^{}]*\}/g;

/** What stands in the braces of text that is one whole expression; undefined for tokens and other text. */
export function innerExpression(value: string): string | undefined {
  const inner = Token.isUnresolved(value) ? undefined : /^\$\{([^]*)\}$/.exec(value)?.[1];
  return inner?.includes("${") ? undefined : inner;
}

/**
 * Text with expressions in it as a token. What is written as text cdktf's functions take for letters, unless it is one whole
 * expression and is looked into here.
 */
export function tokenized(text: string): string {
  const parts: Part[] = [];
  let at = 0;
  for (let start = text.indexOf("${"); start >= 0; start = text.indexOf("${", Math.max(at, start + 2))) {
    const end = endOf(text, start + 2);
    if (end === undefined) break;
    const inner = text.slice(start + 2, end - 1);
    // `$${` is Terraform's own way to write `${`; a token is one already.
    if (text[start - 1] === "$" || inner.includes("TfToken[")) continue;
    parts.push({ literal: text.slice(at, start) }, { inner });
    at = end;
  }
  if (parts.length === 0) return text;
  parts.push({ literal: text.slice(at) });
  const expressions = parts.flatMap(({ inner }) => (inner === undefined ? [] : [inner]));
  if (expressions.length === 1 && parts.every(({ literal = "" }) => literal === "")) {
    return Token.asString(ref(expressions[0]));
  }
  if (!Token.isUnresolved(text)) return Token.asString(new Template(parts));
  return parts.map(({ literal, inner }) => (inner === undefined ? literal : Token.asString(ref(inner)))).join("");
}

interface Part {
  readonly literal?: string;
  readonly inner?: string;
}

/** Text and expressions: a template to Terraform, and within an expression one in quotes. */
class Template implements IResolvable {
  readonly creationStack: string[] = [];

  constructor(private readonly parts: readonly Part[]) {}

  /** The template that text is a token of; undefined where it is none. */
  static of(text: string): Template | undefined {
    const [token, ...others] = Token.isUnresolved(text) ? Tokenization.reverse(text) : [];
    return token instanceof Template && others.length === 0 ? token : undefined;
  }

  /** Its literals as they are, and what is made of each expression. */
  join(expression: (text: string) => string): string {
    return this.parts
      .map(({ literal = "", inner }) => (inner === undefined ? literal : expression(`\${${inner}}`)))
      .join("");
  }

  resolve(context: IResolveContext): string {
    const inQuotes = context.suppressBraces === true;
    // They are Terraform's to read.
    [context.ignoreEscapes, context.warnEscapes] = [true, false];
    const text = this.parts.map(({ literal = "", inner }) => {
      if (inner !== undefined) return `\${${inner}}`;
      return inQuotes ? JSON.stringify(literal).slice(1, -1) : literal;
    });
    return inQuotes ? `"${text.join("")}"` : text.join("");
  }

  toString(): string {
    return Token.asString(this);
  }

  toJSON(): string {
    return "<unresolved-token>";
  }
}

/** Where an expression ends that begins at a place of a text, with its brace; undefined where it does not. */
function endOf(text: string, from: number): number | undefined {
  const open = ["}"];
  for (let at = from; at < text.length; at++) {
    const inQuotes = open[open.length - 1] === '"';
    if (text[at] === open[open.length - 1]) {
      open.pop();
      if (open.length === 0) return at + 1;
    } else if (inQuotes && text[at] === "\\") at += 1;
    else if (inQuotes && text.startsWith("${", at)) {
      open.push("}");
      at += 1;
    } else if (!inQuotes && text[at] === "{") open.push("}");
    else if (!inQuotes && text[at] === '"') open.push('"');
  }
  return undefined;
}

/** Applies a function of one argument to a value. */
export function applied(name: "sensitive" | "base64encode", value: string): string {
  const inner = innerExpression(value);
  return inner === undefined ? Token.asString(Fn[name](value)) : `\${${name}(${inner})}`;
}

/** The condition that a value matches a regular expression, which holds no double quote and no backslash. */
export function matches(pattern: string, value: string): string | IResolvable {
  const inner = innerExpression(value);
  if (inner !== undefined) return `\${can(regex("${pattern}", ${inner}))}`;
  if (Token.isUnresolved(value) || !value.includes('"')) return Fn.can(Fn.regex(pattern, value));
  // Quotes belong to expressions within the text; others no pattern has, and they would end the text.
  const outside = value.replace(EXPRESSION, "");
  return outside.includes('"') ? "${false}" : `\${can(regex("${pattern}", "${value}"))}`;
}

const BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";

/** A pattern of an IPv4 address. */
export const ADDRESS_PATTERN = `^(${BYTE}[.]){3}${BYTE}$`;

/** Text with its tokens written out, so that two tokens for one expression can be seen to be that. */
export function expressionOf(scope: IConstruct, text: string): string {
  if (!Token.isUnresolved(text)) return text;
  const resolver = new DefaultTokenResolver(new StringConcat());
  return String(Tokenization.resolve(text, { scope, resolver, preparing: false }));
}

/** A value as JSON, in which expressions written as text stay as they are: Terraform reads them before it is JSON. */
export function jsonAround(value: unknown): string {
  const asIs = (text: string) => Lazy.stringValue({ produce: () => text });
  const written = (_: string, inner: unknown) => {
    if (typeof inner !== "string") return inner;
    if (Token.isUnresolved(inner)) return Template.of(inner)?.join(asIs) ?? inner;
    return innerExpression(inner) === undefined ? inner.replace(EXPRESSION, asIs) : asIs(inner);
  };
  return JSON.stringify(value, written, 2);
}

/**
 * What tokens for one expression have in common, also before the synthesis: a variable answers with another token each
 * time. It tells expressions of one stack apart, not those of two. What is produced later stays the token that it is.
 */
export function identityOf(scope: IConstruct, text: string): string {
  if (!Token.isUnresolved(text)) return text;
  try {
    return String(Tokenization.resolve(text, { scope, resolver: new Identities(scope), preparing: false }));
  } catch {
    return text;
  }
}

/** Writes tokens out as they are now, with the stack that they come from where it is another one. */
class Identities extends DefaultTokenResolver {
  private readonly stack: TerraformStack;

  constructor(scope: IConstruct) {
    super(new StringConcat());
    this.stack = TerraformStack.of(scope);
  }

  override resolveToken(token: IResolvable, context: IResolveContext, postProcessor: IPostProcessor): unknown {
    if (token instanceof LazyBase) throw new Error("It is produced at synth.");
    const { originStack, identifier } = token as { originStack?: TerraformStack; identifier?: unknown };
    // The name of such a reference is another one once the stacks are prepared.
    if (originStack !== undefined && originStack !== this.stack)
      return `${originStack.node.path} ${String(identifier)}`;
    return super.resolveToken(token, context, postProcessor);
  }
}

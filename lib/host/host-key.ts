// The key by which a box proves that it is the box: how it is written, and what is wrong with one.
// Terraform's SSH client (golang.org/x/crypto/ssh, with no list of algorithms of its own) asks for kinds in the order
// ECDSA, RSA, Ed25519 and compares the first that the box has; test/lib/host-key.test.ts measures it.
import { tokenized } from "../expressions";
import { isLiteral } from "../structural";

type Family = "ECDSA" | "Ed25519" | "RSA";

const FAMILIES: Readonly<Record<Family, { readonly scan: string; readonly types: readonly string[] }>> = {
  ECDSA: { scan: "ecdsa", types: ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"] },
  RSA: { scan: "rsa", types: ["ssh-rsa"] },
  Ed25519: { scan: "ed25519", types: ["ssh-ed25519"] },
};

/** Length of an elliptic curve's point in a key, uncompressed, in bytes. */
const POINT_LENGTHS: Readonly<Record<string, number>> = { nistp256: 65, nistp384: 97, nistp521: 133 };

/** The shortest modulus that Terraform's SSH client and OpenSSH take, in bits. */
const SHORTEST_RSA = 1024;

/**
 * The host key that the box must show. Terraform compares one key only: the ECDSA one where the box has it, else the RSA
 * one, else the Ed25519 one. `ssh-keyscan BOX` prints what the box has.
 */
export class HostKey {
  /**
   * The box's host key of whichever kind: its ECDSA key where it has one, else its RSA key, else its Ed25519 key.
   *
   * @param publicKey `ecdsa-sha2-nistp256 AAAA…`, as `ssh-keyscan BOX` prints it after the name, or a token
   */
  static of(publicKey: string): HostKey {
    return HostKey.read(publicKey, ["ECDSA", "RSA", "Ed25519"]);
  }

  /**
   * The box's ECDSA host key; where a box has one, Terraform's SSH client compares no other kind.
   *
   * @param publicKey `ecdsa-sha2-nistp256 AAAA…`, as `ssh-keyscan -t ecdsa BOX` prints it after the name, or a token
   */
  static ecdsa(publicKey: string): HostKey {
    return HostKey.read(publicKey, ["ECDSA"]);
  }

  /**
   * The RSA host key of a box that has no ECDSA one.
   *
   * @param publicKey `ssh-rsa AAAA…`, as `ssh-keyscan -t rsa BOX` prints it after the name, or a token
   */
  static rsa(publicKey: string): HostKey {
    return HostKey.read(publicKey, ["RSA"]);
  }

  /**
   * The Ed25519 host key of a box that has neither an ECDSA nor an RSA one.
   *
   * @param publicKey `ssh-ed25519 AAAA…`, as `ssh-keyscan -t ed25519 BOX` prints it after the name, or a token
   */
  static ed25519(publicKey: string): HostKey {
    return HostKey.read(publicKey, ["Ed25519"]);
  }

  /** Take any key: whoever answers at the box's address receives the pre-shared keys. For labs; synth warns. */
  static unchecked(): HostKey {
    return new HostKey("", []);
  }

  private static read(publicKey: unknown, families: readonly Family[]): HostKey {
    if (typeof publicKey !== "string") return new HostKey("", families);
    // A comment may follow the key in a file; Terraform wants type and key.
    return new HostKey(
      isLiteral(publicKey) ? publicKey.trim().split(/\s+/).slice(0, 2).join(" ") : tokenized(publicKey),
      families,
    );
  }

  private constructor(
    /** The key, or nothing when it is not checked. */
    readonly publicKey: string,
    private readonly families: readonly Family[],
  ) {}

  /**
   * Whether any key is taken.
   *
   * @internal
   */
  get isUnchecked(): boolean {
    return this.families.length === 0;
  }

  /**
   * What is wrong with a key that is text, as the end of a sentence; undefined when nothing is.
   *
   * @internal
   */
  problem(host: string): string | undefined {
    if (this.isUnchecked || !isLiteral(this.publicKey)) return undefined;
    const scan = this.families.length === 1 ? ` -t ${FAMILIES[this.families[0]].scan}` : "";
    const where = isLiteral(host) ? host : "BOX";
    const remedy = `give the ${this.named} one, as "ssh-keyscan${scan} ${where}" prints it after the name`;
    if (this.publicKey === "") return `is empty, and no key would be checked; ${remedy}`;
    const [type, blob = ""] = this.publicKey.split(" ");
    if (!this.families.some((family) => FAMILIES[family].types.includes(type))) {
      const other = Object.values(FAMILIES).some(({ types }) => types.includes(type)) || type === "ssh-dss";
      return `is ${other ? `an ${type} key` : `not an ${this.named} public key`}; ${remedy}`;
    }
    const wrong = blobProblem(type, blob);
    return wrong && `says ${type} and ${wrong}; ${remedy}`;
  }

  /**
   * The form of a key that Terraform alone knows, for its `regex`, and what it is in words.
   *
   * @internal
   */
  get pattern(): { readonly regex: string; readonly words: string } | undefined {
    if (this.isUnchecked || isLiteral(this.publicKey)) return undefined;
    const types = this.families.flatMap((family) => FAMILIES[family].types);
    // A comment may follow, and the end of the line where the key comes from a file; a second line may not.
    return { regex: `^(${types.map(typePattern).join("|")})( [^[:cntrl:]]*)?[[:cntrl:]]{0,2}$`, words: this.named };
  }

  /** The kinds in words. */
  private get named(): string {
    return this.families.length === 1 ? this.families[0] : "ECDSA, RSA or Ed25519";
  }
}

/** What is wrong with the inside of a key that names a type (RFC 4253, RFC 5656, RFC 8709); undefined when nothing is. */
function blobProblem(type: string, base64: string): string | undefined {
  const blob = Buffer.from(base64, "base64");
  if (base64 === "" || blob.toString("base64") !== base64) return "its key is not base64, or only a part of one";
  const parts = fields(blob);
  if (parts === undefined || parts.length === 0) return "its key is only a part of one";
  const inside = parts[0].toString("latin1");
  if (inside !== type)
    return /^[\w@.-]{1,40}$/.test(inside) ? `its key is of type ${inside}` : "its key is of another type";
  const rest = parts.slice(1);
  const right =
    type === "ssh-ed25519"
      ? rest.length === 1 && rest[0].length === 32
      : type === "ssh-rsa"
        ? rest.length === 2 && rest.every(isPositive) && bits(rest[1]) >= SHORTEST_RSA
        : isPoint(type.slice("ecdsa-sha2-".length), rest);
  return right ? undefined : "its key is only a part of one, or too short";
}

function isPoint(curve: string, rest: readonly Buffer[]): boolean {
  return (
    rest.length === 2 &&
    rest[0].toString("latin1") === curve &&
    rest[1].length === POINT_LENGTHS[curve] &&
    rest[1][0] === 4
  );
}

/** The length-prefixed fields of a key; undefined when they do not end where it ends. */
function fields(blob: Buffer): Buffer[] | undefined {
  const found: Buffer[] = [];
  let at = 0;
  while (at < blob.length) {
    if (at + 4 > blob.length) return undefined;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return undefined;
    found.push(blob.subarray(at + 4, end));
    at = end;
  }
  return found;
}

function isPositive(integer: Buffer): boolean {
  return integer.length > 0 && integer[0] < 128 && integer.some((byte) => byte !== 0);
}

function bits(integer: Buffer): number {
  const first = integer.findIndex((byte) => byte !== 0);
  return (integer.length - first - 1) * 8 + (32 - Math.clz32(integer[first]));
}

const LETTER = "[A-Za-z0-9+/]";

/** A key of a type as a regular expression: all of the base64 that the type decides, and the length of the rest. */
function typePattern(type: string): string {
  const field = (content: Buffer) => Buffer.concat([lengthOf(content.length), content]);
  const name = field(Buffer.from(type));
  if (type === "ssh-rsa") {
    // Of any length that is whole base64.
    const start = wholeBase64(name);
    const rest = 4 - (start.length % 4);
    return `${type} ${start}${LETTER}{${rest}}(${LETTER}{4}){45,}(${LETTER}{2}==|${LETTER}{3}=)?`;
  }
  const curve = type.slice("ecdsa-sha2-".length);
  const [start, rest] =
    type === "ssh-ed25519"
      ? [Buffer.concat([name, lengthOf(32)]), 32]
      : [
          Buffer.concat([name, field(Buffer.from(curve)), lengthOf(POINT_LENGTHS[curve]), Buffer.from([4])]),
          POINT_LENGTHS[curve] - 1,
        ];
  const known = wholeBase64(start);
  const total = Math.ceil((start.length + rest) / 3) * 4;
  const padding = (3 - ((start.length + rest) % 3)) % 3;
  return `${type} ${known}${LETTER}{${total - padding - known.length}}${"=".repeat(padding)}`;
}

function lengthOf(count: number): Buffer {
  const four = Buffer.alloc(4);
  four.writeUInt32BE(count);
  return four;
}

/** The base64 letters that bytes decide whatever follows them, as a regular expression's text. */
function wholeBase64(bytes: Buffer): string {
  return bytes
    .toString("base64")
    .slice(0, Math.floor((bytes.length * 8) / 6))
    .replace(/\+/g, "[+]");
}

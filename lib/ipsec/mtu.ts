// The MTU of a tunnel's interface on the box: what ESP adds to a packet has to fit into the uplink's.
import { Encryption, Integrity } from "./algorithms";

/** The smallest MTU of a tunnel, in bytes: what every IPv4 host takes (RFC 791). */
export const SMALLEST_MTU = 576;

/** The largest packet of an uplink, in bytes (Ethernet). */
export const OUTER_MTU = 1500;

/** Bytes of an ESP packet's cipher: its block, which is also the length of its initialization vector in CBC mode. */
const CIPHER_BLOCKS: Readonly<Record<Encryption, number>> = {
  [Encryption.AES_128]: 16,
  [Encryption.AES_192]: 16,
  [Encryption.AES_256]: 16,
  [Encryption.DES]: 8,
  [Encryption.TRIPLE_DES]: 8,
};

/** Bytes of an ESP packet's integrity check value (RFC 2403, RFC 2404, RFC 4868). */
const CHECK_VALUES: Readonly<Record<Integrity, number>> = {
  [Integrity.MD5]: 12,
  [Integrity.SHA1]: 12,
  [Integrity.SHA_256]: 16,
  [Integrity.SHA_384]: 24,
  [Integrity.SHA_512]: 32,
};

/** What of a tunnel decides how much it adds to a packet. */
interface Adding {
  readonly esp: { readonly encryption: Encryption; readonly integrity: Integrity };
  readonly natTraversal: boolean;
}

/** The largest MTU of a tunnel, in bytes: the largest packet that is still one of 1500 with all that the tunnel adds. */
export function largestMtu({ esp, natTraversal }: Adding): number {
  // Algorithms that are not offered are complained about; the usual ones stand in for them.
  const block = CIPHER_BLOCKS[esp.encryption] ?? 16;
  const headers = 20 + (natTraversal ? 8 : 0) + 8 + block + (CHECK_VALUES[esp.integrity] ?? 16);
  // Two bytes (pad length, next header) are encrypted with the packet, and the whole fills blocks.
  return Math.floor((OUTER_MTU - headers) / block) * block - 2;
}

/** The largest MTU that any of the algorithms leaves, in bytes. */
export const LARGEST_MTU = Math.max(
  ...Object.values(Encryption).flatMap((encryption) =>
    Object.values(Integrity).map((integrity) => largestMtu({ esp: { encryption, integrity }, natTraversal: false })),
  ),
);

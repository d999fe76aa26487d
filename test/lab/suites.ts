// Which algorithms a box negotiated, read from `swanctl --list-sas` and compared with what Alibaba's words stand for.
// charon's words for them are typed here on their own, not taken from the library.
import { DhGroup, Encryption, IkeVersion, Integrity, Pfs, type EspOptions, type IkeOptions } from "../../lib";

/** What one tunnel has agreed on, in charon's words. */
export interface Suite {
  /** 1 or 2. */
  readonly ikeVersion: number;
  readonly ike: string;
  readonly esp: string;
  /** charon's unique id of the CHILD_SA. */
  readonly child: number;
}

/** The suite of each tunnel with an established IKE_SA and an installed CHILD_SA: the newest of each. */
export function negotiatedSuites(listSas: string): Map<string, Suite> {
  const suites = new Map<string, Suite>();
  let ikeVersion = 0;
  let ike = "";
  for (const line of listSas.split("\n")) {
    const version = /^[\w-]+: #\d+, ESTABLISHED, IKEv(\d)/.exec(line)?.[1];
    if (/^\S/.test(line)) [ikeVersion, ike] = [Number(version ?? 0), ""];
    else if (/^ {2}\S+\/PRF_/.test(line)) ike = line.trim();
    const [, name, child, esp] = /^ {2}([\w-]+): #(\d+),.* INSTALLED,.* ESP:(\S+)/.exec(line) ?? [];
    if (name !== undefined && ikeVersion > 0) suites.set(name, { ikeVersion, ike, esp, child: Number(child) });
  }
  return suites;
}

const ENCRYPTION: Readonly<Record<Encryption, string>> = {
  aes: "AES_CBC-128",
  aes192: "AES_CBC-192",
  aes256: "AES_CBC-256",
  des: "DES_CBC",
  "3des": "3DES_CBC",
};
const INTEGRITY: Readonly<Record<Integrity, string>> = {
  md5: "HMAC_MD5_96",
  sha1: "HMAC_SHA1_96",
  sha256: "HMAC_SHA2_256_128",
  sha384: "HMAC_SHA2_384_192",
  sha512: "HMAC_SHA2_512_256",
};
const PRF: Readonly<Record<Integrity, string>> = {
  md5: "PRF_HMAC_MD5",
  sha1: "PRF_HMAC_SHA1",
  sha256: "PRF_HMAC_SHA2_256",
  sha384: "PRF_HMAC_SHA2_384",
  sha512: "PRF_HMAC_SHA2_512",
};
const GROUP: Readonly<Record<DhGroup, string>> = {
  group1: "MODP_768",
  group2: "MODP_1024",
  group5: "MODP_1536",
  group14: "MODP_2048",
};

/** The algorithms of both phases, all chosen. */
export interface Algorithms {
  readonly ike: Required<Pick<IkeOptions, "encryption" | "integrity" | "dhGroup">> &
    Pick<IkeOptions, "version" | "mode">;
  readonly esp: Required<Pick<EspOptions, "encryption" | "integrity" | "pfs">>;
}

/** What charon says of these algorithms after the first rekey, which shows the group of PFS. */
export function expectedSuite({ ike, esp }: Algorithms): Omit<Suite, "child"> {
  const pfs = esp.pfs === Pfs.DISABLED ? [] : [GROUP[esp.pfs as string as DhGroup]];
  return {
    ikeVersion: ike.version === IkeVersion.V1 ? 1 : 2,
    ike: [ENCRYPTION[ike.encryption], INTEGRITY[ike.integrity], PRF[ike.integrity], GROUP[ike.dhGroup]].join("/"),
    esp: [ENCRYPTION[esp.encryption], INTEGRITY[esp.integrity], ...pfs].join("/"),
  };
}

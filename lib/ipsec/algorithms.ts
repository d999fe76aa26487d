// The algorithms that Alibaba's dual-tunnel IPsec-VPN offers, each with its name in both dialects:
// the enum's value is what the VPC API takes, the tables below give strongSwan's keyword.

/** Version of the IKE protocol (`IkeVersion` of the API). */
export enum IkeVersion {
  /** Weak: kept for devices without IKEv2. */
  V1 = "ikev1",
  V2 = "ikev2",
}

/** Negotiation mode of IKEv1 (`IkeMode` of the API); IKEv2 has one mode and the API wants `main` there. */
export enum IkeMode {
  MAIN = "main",
  /** Weak: sends a hash of the pre-shared key before the channel is encrypted. */
  AGGRESSIVE = "aggressive",
}

/** Encryption of IKE (`IkeEncAlg`) and of ESP (`IpsecEncAlg`). */
export enum Encryption {
  AES_128 = "aes",
  AES_192 = "aes192",
  AES_256 = "aes256",
  /** Weak: 56-bit key. */
  DES = "des",
  /** Weak: 64-bit block. */
  TRIPLE_DES = "3des",
}

/** Integrity ("authentication algorithm" of the console) of IKE (`IkeAuthAlg`) and of ESP (`IpsecAuthAlg`). */
export enum Integrity {
  /** Weak: collisions are found in seconds. */
  MD5 = "md5",
  /** Weak: collisions are practical. */
  SHA1 = "sha1",
  SHA_256 = "sha256",
  SHA_384 = "sha384",
  SHA_512 = "sha512",
}

/** Diffie-Hellman group of the IKE phase (`IkePfs` of the API). */
export enum DhGroup {
  /** Weak: 768-bit MODP. */
  GROUP_1 = "group1",
  /** Weak: 1024-bit MODP. */
  GROUP_2 = "group2",
  /** 1536-bit MODP. */
  GROUP_5 = "group5",
  /** 2048-bit MODP. */
  GROUP_14 = "group14",
}

/** Perfect forward secrecy of the ESP phase (`IpsecPfs` of the API): a group, or none. */
export enum Pfs {
  /** Weak: whoever learns the IKE keys reads all later traffic. */
  DISABLED = "disabled",
  /** Weak: 768-bit MODP. */
  GROUP_1 = "group1",
  /** Weak: 1024-bit MODP. */
  GROUP_2 = "group2",
  /** 1536-bit MODP. */
  GROUP_5 = "group5",
  /** 2048-bit MODP. */
  GROUP_14 = "group14",
}

/** strongSwan's keywords of ciphers. */
export const STRONGSWAN_ENCRYPTION: Readonly<Record<Encryption, string>> = {
  [Encryption.AES_128]: "aes128",
  [Encryption.AES_192]: "aes192",
  [Encryption.AES_256]: "aes256",
  [Encryption.DES]: "des",
  [Encryption.TRIPLE_DES]: "3des",
};

/** strongSwan's keywords of hashes. */
export const STRONGSWAN_INTEGRITY: Readonly<Record<Integrity, string>> = {
  [Integrity.MD5]: "md5",
  [Integrity.SHA1]: "sha1",
  [Integrity.SHA_256]: "sha256",
  [Integrity.SHA_384]: "sha384",
  [Integrity.SHA_512]: "sha512",
};

/** strongSwan's keywords of Diffie-Hellman groups. */
export const STRONGSWAN_GROUP: Readonly<Record<DhGroup, string>> = {
  [DhGroup.GROUP_1]: "modp768",
  [DhGroup.GROUP_2]: "modp1024",
  [DhGroup.GROUP_5]: "modp1536",
  [DhGroup.GROUP_14]: "modp2048",
};

/** A choice by its option, with what is offered. */
export type Choice = readonly [what: string, given: string, offered: object];

/** What is wrong with choices, each a sentence without its tunnel: a caller without a type checker may give anything. */
export function choiceProblems(choices: readonly Choice[]): string[] {
  return choices
    .map(([what, given, offered]) => ({ what, given, words: Object.values(offered) as string[] }))
    .filter(({ given, words }) => !words.includes(given))
    .map(({ what, given, words }) => `${what} ${given} is not offered; choose one of ${words.join(", ")}.`);
}

/** The weak ones among choices, each a sentence without its tunnel that names the risk. */
export function choiceWarnings(choices: readonly Choice[]): string[] {
  return choices
    .filter(([, given]) => given in WEAKNESSES)
    .map(([what, given]) => `${what} ${given} is weak: ${WEAKNESSES[given]}.`);
}

/** Why a choice is weak, by the API's word for it; what is not listed is not weak. */
const WEAKNESSES: Readonly<Record<string, string>> = {
  [IkeVersion.V1]: "IKEv1 leaves identities and denial of service to chance where IKEv2 does not",
  [IkeMode.AGGRESSIVE]: "aggressive mode shows a hash of the pre-shared key to anyone who asks, to be guessed offline",
  [Encryption.DES]: "DES has a 56-bit key that can be searched in a day",
  [Encryption.TRIPLE_DES]: "3DES has a 64-bit block that leaks plaintext on long-lived connections (Sweet32)",
  [Integrity.MD5]: "MD5 is broken and refused by current policies",
  [Integrity.SHA1]: "SHA-1 collisions are practical and current policies refuse it",
  [DhGroup.GROUP_1]: "group1 is 768-bit MODP, which has been broken in public",
  [DhGroup.GROUP_2]: "group2 is 1024-bit MODP, which a state can break for everyone at once (Logjam)",
  [Pfs.DISABLED]: "without PFS whoever learns the IKE keys reads all traffic that they protected",
};

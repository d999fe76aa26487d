// The expected values are the IKEv2 transform numbers of IANA, typed here by hand: lib/ holds none of them.
import {
  DhGroup,
  Encryption,
  espProposal,
  IkeVersion,
  ikeProposal,
  Integrity,
  Pfs,
  strongswanVersion,
} from "../../lib/ipsec/algorithms";

/** Transform number and key bits of the API's words. */
const CLOUD = {
  encryption: { aes: [12, 128], aes192: [12, 192], aes256: [12, 256], des: [2, 0], "3des": [3, 0] },
  integrity: { md5: 1, sha1: 2, sha256: 12, sha384: 13, sha512: 14 },
  group: { group1: 1, group2: 2, group5: 5, group14: 14, disabled: 0 },
} as Record<"encryption" | "integrity" | "group", Record<string, unknown>>;

/** Transform number and key bits of strongSwan's keywords. */
const STRONGSWAN = {
  encryption: { aes128: [12, 128], aes192: [12, 192], aes256: [12, 256], des: [2, 0], "3des": [3, 0] },
  integrity: { md5: 1, sha1: 2, sha256: 12, sha384: 13, sha512: 14 },
  group: { modp768: 1, modp1024: 2, modp1536: 5, modp2048: 14, none: 0 },
} as Record<"encryption" | "integrity" | "group", Record<string, unknown>>;

function meaning(proposal: string): unknown[] {
  const [encryption, integrity, group = "none"] = proposal.split("-");
  return [STRONGSWAN.encryption[encryption], STRONGSWAN.integrity[integrity], STRONGSWAN.group[group]];
}

describe("both ends' words for an algorithm", () => {
  const encryptions = Object.values(Encryption);
  const integrities = Object.values(Integrity);

  it("mean the same for every IKE proposal", () => {
    for (const encryption of encryptions) {
      for (const integrity of integrities) {
        for (const group of Object.values(DhGroup)) {
          const expected = [CLOUD.encryption[encryption], CLOUD.integrity[integrity], CLOUD.group[group]];
          expect(expected).not.toContain(undefined);
          expect(meaning(ikeProposal(encryption, integrity, group))).toEqual(expected);
        }
      }
    }
  });

  it("mean the same for every ESP proposal, without a group when PFS is off", () => {
    for (const encryption of encryptions) {
      for (const integrity of integrities) {
        for (const pfs of Object.values(Pfs)) {
          const expected = [CLOUD.encryption[encryption], CLOUD.integrity[integrity], CLOUD.group[pfs]];
          expect(expected).not.toContain(undefined);
          expect(meaning(espProposal(encryption, integrity, pfs))).toEqual(expected);
        }
      }
    }
  });

  it("offer what the API offers, no more and no less", () => {
    expect([...encryptions].sort()).toEqual(Object.keys(CLOUD.encryption).sort());
    expect([...integrities].sort()).toEqual(Object.keys(CLOUD.integrity).sort());
    expect(Object.values(Pfs).sort()).toEqual(Object.keys(CLOUD.group).sort());
    expect(Object.values(DhGroup).sort()).toEqual(
      Object.keys(CLOUD.group)
        .filter((group) => group !== "disabled")
        .sort(),
    );
  });

  it("mean the same IKE version", () => {
    expect(strongswanVersion(IkeVersion.V1)).toBe(1);
    expect(strongswanVersion(IkeVersion.V2)).toBe(2);
  });
});

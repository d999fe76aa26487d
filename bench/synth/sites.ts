// The sites that both programs make: each with a VPN gateway of its own in one VPC, two uplinks and a box.

/** A site's parameters. */
export interface BenchSite {
  readonly name: string;
  readonly dataCenterCidr: string;
  readonly egressIps: readonly [string, string];
  readonly box: string;
}

export const VPC_CIDR = "192.168.0.0/16";
export const HOST_KEY =
  "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEmKSENjQEezOmxkZMy7opKgwFB9nkt5YRrYMjNuG5N87uRgg6CLrbo5wAdT/y6v0mKV0U2w0WZ2YB/++Tpockg=";

export function benchSites(count: number): BenchSite[] {
  return Array.from({ length: count }, (_, index) => {
    const tail = `${index >> 8}.${index & 255}`;
    return {
      name: `site-${index}`,
      dataCenterCidr: `10.${tail}.0/24`,
      // RFC 2544's benchmarking network.
      egressIps: [`198.18.${tail}`, `198.19.${tail}`],
      box: `box-${index}.example.com`,
    };
  });
}

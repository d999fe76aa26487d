import { TerraformStack, TerraformVariable, Token } from "cdktf";
import {
  BoxPackages,
  CustomerGatewayPair,
  DualTunnelVpn,
  DualTunnelVpnGateway,
  DualTunnelVpnGatewayAttributes,
  DualTunnelVpnProps,
  HostKey,
  IpsecDualConnection,
  SshOptions,
  StrongswanHost,
  UplinkOptions,
} from "../../lib";
import {
  EXISTING_CUSTOMER_GATEWAYS,
  EXISTING_GATEWAY,
  HOST_KEY,
  NEW_GATEWAY,
  newStack,
  problems,
  Resource,
  SITE,
  siteStack,
  synthesized,
  synthesizedSite,
  UPLINK_1,
  UPLINK_2,
  warnings,
} from "./site";

type Changes = Partial<DualTunnelVpnProps>;

const configuration = (changes: Changes = {}) =>
  synthesizedSite(changes).resource.null_resource.singapore_configure_box_over_ssh;
const preparation = (changes: Changes = {}) =>
  synthesizedSite(changes).resource.null_resource.singapore_prepare_box_over_ssh;
const presence = (changes: Changes = {}) => synthesizedSite(changes).resource.terraform_data.singapore_box_presence;
const provisioners = (of: Resource) => of.provisioner as { "remote-exec"?: Resource; file?: Resource }[];
const ssh = (changes: Partial<SshOptions> = {}): SshOptions => ({ ...SITE.ssh, ...changes });

describe("the configuration of a box", () => {
  it("arrives in the order that docs/architecture.md promises", () => {
    const steps = provisioners(configuration()).map((step) => String(step.file?.destination ?? "command"));
    expect(steps).toEqual([
      "command",
      "/run/dual-tunnel-vpn-staging/singapore.${self.id}/assets",
      "/run/dual-tunnel-vpn-staging/singapore.${self.id}/bundle",
      "command",
      "command",
    ]);
  });

  it("waits for the box's presence, the connection and its routes", () => {
    expect(configuration().depends_on).toEqual([
      "terraform_data.singapore_box_presence",
      "alicloud_vpn_connection.singapore_connection",
      "alicloud_vpn_route_entry.singapore_route_172_16_0_0_16",
    ]);
  });

  it("has triggers over which box it is and everything delivered, and those only", () => {
    const { triggers } = configuration() as { triggers: Record<string, string> };
    expect(triggers).toEqual({
      host: "box.example.com",
      host_key: HOST_KEY,
      programs: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
      site: "${sha256(jsonencode([local.singapore_site_json]))}",
      owner: "${sha256(jsonencode([local.singapore_owner_json]))}",
      tunnel_1: "${sha256(jsonencode([local.singapore_tunnel_1_conf]))}",
      tunnel_2: "${sha256(jsonencode([local.singapore_tunnel_2_conf]))}",
      keys: "${sha256(jsonencode([local.singapore_secrets_1_conf, local.singapore_secrets_2_conf]))}",
    });
  });

  it("puts no secret and nothing sensitive into a command, so that its log stays readable", () => {
    for (const step of provisioners(configuration())) {
      expect(JSON.stringify(step["remote-exec"] ?? {})).not.toMatch(/psk|secrets_/);
    }
  });

  it("arrives by five connections, which a limit of six in 30 seconds lets pass", () => {
    expect(provisioners(configuration())).toHaveLength(5);
  });

  it("brings every rendered file in one, whole when its last line is there", () => {
    const { content } = provisioners(configuration())[2].file!;
    expect(content).toBe(
      ["site.json", "owner.json", "tunnel-1.conf", "tunnel-2.conf", "secrets-1.conf", "secrets-2.conf"]
        .map((name) => `${name} \${base64encode(local.singapore_${name.replace(/\W/g, "_")})}\n`)
        .join("") + "time ${base64encode(timestamp())}\nend\n",
    );
  });

  it("is told where packages come from, where that is not the box's own sources, and is not configured anew for it", () => {
    const told = (packages: BoxPackages) => {
      const { resource, locals } = synthesizedSite({ packages });
      const { provisioner, triggers } = resource.null_resource.singapore_configure_box_over_ssh;
      const { content } = (provisioner as { file: Resource }[])[2].file;
      expect(triggers).toEqual(configuration().triggers);
      return [
        locals!.singapore_packages,
        String(content).includes("packages ${base64encode(local.singapore_packages)}\n"),
      ];
    };
    expect(told(BoxPackages.fromRepositories())).toEqual([undefined, false]);
    expect(told(BoxPackages.fromDirectory("/root/packages"))).toEqual(["/root/packages", true]);
    expect(told(BoxPackages.provided())).toEqual(["none", true]);
    expect(synthesizedSite({ packages: BoxPackages.fromRepositories() })).toEqual(synthesizedSite());
  });

  it("begins with a directory that no other apply has, installs, and ends with a new connection that confirms", () => {
    const steps = provisioners(configuration());
    const inline = (step: (typeof steps)[number]) => (step["remote-exec"] as { inline: string[] }).inline;
    for (const [step, script] of [
      [steps[0], "begin"],
      [steps[4], "confirm"],
    ] as const) {
      expect(inline(step).slice(3, 6)).toEqual([
        "name=singapore",
        "upload=${self.id}",
        expect.stringMatching(
          new RegExp(
            `^\\$\\{file\\("\\$\\{path\\.module\\}/assets/dual-tunnel-vpn/[0-9a-f]{32}/${script}\\.sh"\\)\\}$`,
          ),
        ),
      ]);
    }
    expect(inline(steps[3]).slice(3, 4)).toEqual([
      "exec sh /run/dual-tunnel-vpn-staging/singapore.${self.id}/assets/install.sh apply --confirmed /run/dual-tunnel-vpn-staging/singapore.${self.id}",
    ]);
  });

  it("hears of a failed installer from the last script, which runs whatever became of the installer's session", () => {
    const failures = provisioners(configuration()).map((step) => step["remote-exec"]?.on_failure as unknown);
    expect(failures).toEqual([undefined, undefined, undefined, "continue", undefined]);
  });

  it("says whose it is: where in which stack, and an id that its first apply makes", () => {
    expect(JSON.parse(synthesizedSite().locals!.singapore_owner_json)).toEqual({
      stack: "test/vpn/box",
      id: "${terraform_data.singapore_box_presence.id}",
    });
  });

  it("is reached with the host key checked, and given up after 50 seconds, or when it has surely taken a change back", () => {
    for (const [index, step] of provisioners(configuration()).entries()) {
      const { connection } = (step.file ?? step["remote-exec"])!;
      expect(connection).toEqual({
        type: "ssh",
        host: "box.example.com",
        port: 22,
        user: "root",
        timeout: index < 4 ? "50s" : "4m",
        agent: "true",
        host_key: HOST_KEY,
        script_path: ".ssh/dual-tunnel-vpn-%RAND%.sh",
      });
    }
  });

  it("is reached by a key file and over another machine when that is given", () => {
    const given = ssh({
      user: "admin",
      port: 2222,
      privateKeyPath: "~/.ssh/id_ecdsa",
      timeout: "2m",
      bastion: { host: "jump.example.com", user: "hop", hostKey: HostKey.ecdsa(HOST_KEY) },
    });
    expect(provisioners(configuration({ ssh: given }))[0]["remote-exec"]!.connection).toEqual({
      type: "ssh",
      host: "box.example.com",
      port: 2222,
      user: "admin",
      timeout: "2m",
      agent: "false",
      private_key: '${file(pathexpand("~/.ssh/id_ecdsa"))}',
      host_key: HOST_KEY,
      script_path: ".ssh/dual-tunnel-vpn-%RAND%.sh",
      bastion_host: "jump.example.com",
      bastion_port: 22,
      bastion_user: "hop",
      bastion_private_key: '${file(pathexpand("~/.ssh/id_ecdsa"))}',
      bastion_host_key: HOST_KEY,
    });
  });
});

describe("the preparation of a box", () => {
  it("comes before the connection, and so before everything that the cloud makes of it", () => {
    const { resource } = synthesizedSite();
    const waited = resource.alicloud_vpn_connection.singapore_connection.depends_on as string[];
    expect(waited.at(-1)).toBe("null_resource.singapore_prepare_box_over_ssh");
    // It waits for what the connection waits for, so that nothing is held while other sites have their turn.
    expect(preparation().depends_on).toEqual(waited.slice(0, -1));
    // Nothing of the connection's, or of what comes after it, is in it: there would be no order.
    expect(JSON.stringify(preparation())).not.toMatch(/alicloud_vpn_connection|route_entry|configure_box/);
  });

  it("is made anew for another tunnel, key or box, and for nothing else", () => {
    expect(preparation().triggers).toEqual({
      host: "box.example.com",
      tunnel_1: "${sha256(jsonencode([local.singapore_tunnel_1_conf]))}",
      tunnel_2: "${sha256(jsonencode([local.singapore_tunnel_2_conf]))}",
      keys: "${sha256(jsonencode([local.singapore_secrets_1_conf, local.singapore_secrets_2_conf]))}",
    });
  });

  it("arrives by three connections, brings what tells a change and no secret in a command", () => {
    const steps = provisioners(preparation());
    expect(steps.map((step) => String(step.file?.destination ?? "command"))).toEqual([
      "command",
      "/run/dual-tunnel-vpn-staging/singapore.${self.id}/bundle",
      "command",
    ]);
    expect(steps[1].file!.content).toBe(
      ["owner.json", "tunnel-1.conf", "tunnel-2.conf", "secrets-1.conf", "secrets-2.conf"]
        .map((name) => `${name} \${base64encode(local.singapore_${name.replace(/\W/g, "_")})}\n`)
        .join("") + "end\n",
    );
    for (const step of steps) expect(JSON.stringify(step["remote-exec"] ?? {})).not.toMatch(/psk|secrets_/);
    expect(JSON.stringify(steps)).not.toMatch(/"when"|on_failure/);
  });

  it("is told whether the connection may be down, which makes nothing anew", () => {
    const option = (changes: Changes) =>
      (provisioners(preparation(changes))[2]["remote-exec"] as { inline: string[] }).inline.slice(3, 6);
    expect(option({})).toEqual(["name=singapore", "upload=${self.id}", "option="]);
    expect(option({ allowOutage: true })[2]).toBe("option=--allow-outage");
    expect(preparation({ allowOutage: true }).triggers).toEqual(preparation().triggers);
    expect(configuration({ allowOutage: true })).toEqual(configuration());
  });

  it("is not there where the connection is not made in its stack", () => {
    const stack = newStack();
    const other = new TerraformStack(stack.node.root, "other");
    const existing = IpsecDualConnection.fromIpsecDualConnectionAttributes(stack, "existing", {
      name: "office",
      vpnConnectionId: "vco-1",
      vpcCidrs: ["192.168.0.0/16"],
      dataCenterCidrs: ["172.16.0.0/16"],
      activeTunnel: { ipsecAddress: "192.0.2.152", egressIp: "198.51.100.198" },
      standbyTunnel: { ipsecAddress: "192.0.2.10", egressIp: "203.0.113.181" },
    });
    const made = new IpsecDualConnection(stack, "made", {
      name: "made",
      gateway: DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, "gateway", EXISTING_GATEWAY),
      customerGateways: CustomerGatewayPair.fromCustomerGatewayPairAttributes(
        stack,
        "customer-gateways",
        EXISTING_CUSTOMER_GATEWAYS,
      ),
      dataCenterCidrs: ["172.16.0.0/16"],
    });
    const box = { uplinks: [UPLINK_1, UPLINK_2], ssh: ssh() };
    expect(new StrongswanHost(stack, "office", { ...box, connection: existing }).preparation).toBeUndefined();
    expect(new StrongswanHost(other, "elsewhere", { ...box, connection: made }).preparation).toBeUndefined();
    expect(made.resource.dependsOn?.join() ?? "").not.toContain("prepare_box");
  });
});

describe("the presence of a box", () => {
  it("is replaced by nothing but the name", () => {
    expect(presence().triggers_replace).toEqual(["singapore"]);
    expect(presence({ ssh: ssh({ host: "other.example.com", port: 2222 }) }).triggers_replace).toEqual(["singapore"]);
  });

  it("has one provisioner, which runs at destroy and refers to nothing but itself", () => {
    const [step, ...others] = provisioners(presence());
    expect(others).toEqual([]);
    expect(step["remote-exec"]).toMatchObject({ when: "destroy" });
    const references = JSON.stringify(step).match(/(?:var|local|alicloud_\w+|null_resource|path)\./g);
    expect(references).toBeNull();
  });

  it("uninstalls by name, and removes notes and copies where the command never came", () => {
    const { inline } = provisioners(presence())[0]["remote-exec"] as { inline: string[] };
    const [begin, end] = ["if ! test -e /usr/local/sbin/dual-tunnel-vpn; then", "fi"].map((line) =>
      inline.indexOf(line),
    );
    expect(inline.slice(begin + 1, end)).toEqual([
      "  test -e /etc/dual-tunnel-vpn || test -e /usr/local/lib/dual-tunnel-vpn || exit 0",
      '  test "$(id -u)" -eq 0 && exec rm -rf /etc/dual-tunnel-vpn /usr/local/lib/dual-tunnel-vpn',
      "  exec sudo -n rm -rf /etc/dual-tunnel-vpn /usr/local/lib/dual-tunnel-vpn",
    ]);
    expect(inline).toContain(
      "exec env DUAL_TUNNEL_VPN_OWNER=${self.id} /usr/local/sbin/dual-tunnel-vpn uninstall ${self.input.name}",
    );
  });

  it("is forgotten where it may be gone, with the command for its owner, and else has the same provisioner", () => {
    const [plain] = provisioners(presence());
    const steps = provisioners(presence({ ssh: ssh({ boxMayBeGone: true }) })) as Record<string, Resource>[];
    expect(steps).toEqual([
      { "remote-exec": { ...plain["remote-exec"], on_failure: "continue" } },
      {
        "local-exec": {
          when: "destroy",
          on_failure: "continue",
          command:
            'echo "dual-tunnel-vpn: if ${self.input.host} was not reached and is not gone, run this there: ' +
            'sudo /usr/local/sbin/dual-tunnel-vpn uninstall ${self.input.name}"',
        },
      },
    ]);
    expect(presence({ ssh: ssh({ boxMayBeGone: false }) })).toEqual(presence());
  });

  it("is reached by what it remembers, and by the state of an older version, which has no directory for scripts", () => {
    expect(provisioners(presence())[0]["remote-exec"]!.connection).toMatchObject({
      script_path: '${try(self.input.script_directory, ".ssh")}/dual-tunnel-vpn-%RAND%.sh',
    });
  });

  it("remembers how to reach the box in the same fields always, with no secret", () => {
    const plain = presence().input as object;
    const full = presence({
      ssh: ssh({ privateKeyPath: "/k", bastion: { host: "j", hostKey: HostKey.ecdsa(HOST_KEY) } }),
    }).input as object;
    expect(Object.keys(full)).toEqual(Object.keys(plain));
    expect(plain).toEqual({
      name: "singapore",
      host: "box.example.com",
      port: 22,
      user: "root",
      private_key_path: "",
      host_key: HOST_KEY,
      timeout: "50s",
      script_directory: ".ssh",
      bastion_host: "",
      bastion_port: 22,
      bastion_user: "root",
      bastion_private_key_path: "",
      bastion_host_key: "",
    });
  });
});

describe("site.json", () => {
  const site = (changes: Changes = {}) =>
    JSON.parse(synthesizedSite(changes).locals!.singapore_site_json) as Record<string, unknown>;

  it("is this, for the page's site", () => expect(site()).toMatchSnapshot());

  it("has the gateway's bandwidth where it is known, and nothing of it elsewhere", () => {
    const bandwidth = (gateway: Changes["gateway"]) => site({ gateway }).bandwidthMbps;
    expect(bandwidth(NEW_GATEWAY)).toBe(10);
    expect(bandwidth({ ...NEW_GATEWAY, bandwidth: 500 })).toBe(500);
    // Changed by somebody else, or known only to Terraform.
    expect(bandwidth({ ...NEW_GATEWAY, bandwidth: 500, ignoreChanges: ["bandwidth"] })).toBeUndefined();
    expect(bandwidth({ ...NEW_GATEWAY, bandwidth: 500, ignoreChanges: "all" })).toBeUndefined();
    expect(bandwidth({ ...NEW_GATEWAY, bandwidth: Token.asNumber("${var.bandwidth}") })).toBeUndefined();

    const existing = (attributes: Partial<DualTunnelVpnGatewayAttributes>) => {
      const stack = newStack();
      const gateway = DualTunnelVpnGateway.fromDualTunnelVpnGatewayAttributes(stack, "gateway", {
        ...EXISTING_GATEWAY,
        ...attributes,
      });
      new DualTunnelVpn(stack, "vpn", { ...SITE, gateway });
      return stack;
    };
    const text = (stack: TerraformStack) => synthesized(stack).locals!.singapore_site_json;
    expect(text(existing({}))).not.toMatch(/bandwidth/);
    expect(text(existing({ bandwidth: 1000 }))).toMatch(/^  "bandwidthMbps": 1000,$/m);
    expect(problems(existing({ bandwidth: 0 }))).toEqual(["bandwidth is 0; give a whole number from 1 to 1000000."]);
  });

  it("has one uplink for both tunnels when one is given", () => {
    expect(site({ uplinks: [UPLINK_1] })).toMatchObject({
      uplinks: [{ number: 1, address: "172.16.1.93" }],
      tunnels: [
        { number: 1, uplink: 1 },
        { number: 2, uplink: 1 },
      ],
    });
  });

  it("carries every option", () => {
    const agent = {
      probeIntervalMs: 150,
      probeMisses: 8,
      holdSeconds: 10,
      vpcProbeAddresses: ["192.168.10.10"],
      outerMove: false,
      deleteByOtherUplink: false,
    };
    const { outerMove, deleteByOtherUplink, ...rest } = agent;
    expect(site({ routeMetric: 50, agent, uplinks: [{ ...UPLINK_1, device: "eth0" }, UPLINK_2] })).toMatchObject({
      routeMetric: 50,
      uplinks: [{ device: "eth0" }, { device: null }],
      agent: { ...rest, mechanisms: { outerMove, deleteByOtherUplink } },
    });
  });

  it("carries each tunnel's MTU, and an MSS that fits into it", () => {
    expect(site({ tunnels: { mtu: 1380 }, standbyTunnel: { mtu: 1300 } })).toMatchObject({
      tunnels: [
        { mtu: 1380, mss: 1340 },
        { mtu: 1300, mss: 1260 },
      ],
    });
  });
});

describe("checks of a box", () => {
  const complaints = (changes: Changes) => problems(siteStack(changes));
  const uplink = (changes: Partial<UplinkOptions>) => complaints({ uplinks: [{ ...UPLINK_1, ...changes }, UPLINK_2] });

  it("refuse a directory of packages that is no plain absolute path, and what is no BoxPackages", () => {
    for (const directory of ["", "/", "none", "packages", "~/packages", "/a b", "/a;b", '/"']) {
      expect(complaints({ packages: BoxPackages.fromDirectory(directory) })).toEqual([
        `packages: "${directory}" is not an absolute path of letters, digits and . _ - /; write it as /root/packages.`,
      ]);
    }
    expect(complaints({ packages: BoxPackages.fromDirectory("/opt/packages-1.0") })).toEqual([]);
    expect(complaints({ packages: "none" as never })).toHaveLength(1);
  });

  it("leave a directory of packages that only Terraform knows to the plan", () => {
    const packages = BoxPackages.fromDirectory(Token.asString("${var.packages}"));
    expect(presence({ packages }).lifecycle).toMatchObject({
      precondition: [{ condition: '${can(regex("^/[A-Za-z0-9._/-]+$", var.packages))}' }],
    });
  });

  it("refuse an uplink's gateway outside its subnet", () => {
    expect(uplink({ gateway: "172.16.2.253" })).toEqual([
      "uplinks[0].gateway 172.16.2.253 is outside the uplink's network 172.16.1.0/24; give the next router in that network.",
    ]);
  });

  it.each(["172.16.1.93", "172.16.1.0", "172.16.1.255"])("refuse %s as an uplink's gateway", (gateway) =>
    expect(uplink({ gateway })).toEqual([
      `uplinks[0].gateway ${gateway} cannot be a router in 172.16.1.0/24; give the next router's address.`,
    ]),
  );

  it("refuse an uplink's gateway that is no address", () => {
    expect(uplink({ gateway: "router" })).toEqual([
      'uplinks[0].gateway "router" is not an IPv4 address; write it as 172.16.1.253.',
    ]);
  });

  it("refuse no uplink, three of them, and another number than there are egress IPs", () => {
    const { connection } = new DualTunnelVpn(newStack(), "vpn", SITE);
    const box = (uplinks: readonly UplinkOptions[]) => {
      const stack = newStack();
      new StrongswanHost(stack, "box", { connection, uplinks: uplinks, ssh: SITE.ssh });
      return problems(stack);
    };
    expect(box([])).toEqual(["uplinks has 0 entries; give one for both tunnels, or one for each."]);
    expect(box([UPLINK_1, UPLINK_2, UPLINK_1])).toEqual([
      "uplinks has 3 entries; give one for both tunnels, or one for each.",
    ]);
    expect(box([UPLINK_1])).toEqual([
      "uplinks has 1 entry and the connection 2 egress IPs; give one egress IP for each uplink.",
    ]);
  });

  it("take one uplink for an egress IP that one variable tells of both tunnels", () => {
    const stack = newStack();
    const egress = new TerraformVariable(stack, "egress", { type: "string" });
    const customerGateways = CustomerGatewayPair.fromCustomerGatewayPairAttributes(stack, "pair", {
      activeCustomerGatewayId: "cgw-1",
      activeEgressIp: egress.stringValue,
      standbyEgressIp: egress.stringValue,
    });
    const uplinks = [{ ...UPLINK_1, egressIp: egress.stringValue }];
    new DualTunnelVpn(stack, "vpn", { ...SITE, customerGateways, uplinks });
    expect(problems(stack)).toEqual([]);
  });

  it.each(["172.16.1.93", "172.16.1.93/33", "eth0", "172.16.1/24"])("refuse %j as an uplink's address", (address) =>
    expect(uplink({ address })).toEqual([
      `uplinks[0].address "${address}" is not an IPv4 address with a prefix length; write it as 172.16.1.93/24.`,
    ]),
  );

  it.each(["172.16.1.0/24", "172.16.1.255/24"])("refuse %s, which no interface has", (address) =>
    expect(uplink({ address })).toEqual([
      `uplinks[0].address ${address} is the network's own or its broadcast address; give the interface's.`,
    ]),
  );

  it("accept both ends of a network of two addresses", () => {
    expect(uplink({ address: "172.16.9.0/31", gateway: "172.16.9.1" })).toEqual([]);
  });

  it("refuse an uplink's address that only Terraform knows", () => {
    expect(uplink({ address: Token.asString("${var.address}") })).toEqual([
      "uplinks[0].address is known only to Terraform; give it as text, because the box is configured by it.",
    ]);
  });

  it("refuse two uplinks in one network, or on one device", () => {
    expect(
      complaints({ uplinks: [UPLINK_1, { ...UPLINK_2, address: "172.16.1.57/24", gateway: "172.16.1.253" }] }),
    ).toEqual([
      "uplinks: the networks 172.16.1.0/24 and 172.16.1.0/24 overlap; two uplinks need networks of their own.",
    ]);
    expect(
      complaints({
        uplinks: [
          { ...UPLINK_1, device: "eth0" },
          { ...UPLINK_2, device: "eth0" },
        ],
      }),
    ).toEqual(["uplinks are both on device eth0; give each its own, or give one uplink for both tunnels."]);
  });

  it("refuse a VPC block that holds an uplink's network, and accept a data-center block that does", () => {
    expect(uplink({ address: "192.168.7.2/24", gateway: "192.168.7.1" })).toEqual([
      "vpcCidrs 192.168.0.0/16 and the network 192.168.7.0/24 of uplinks[0] overlap; give blocks that share no address.",
    ]);
    expect(uplink({ address: "100.64.7.2/24", gateway: "100.64.7.1" })).toEqual([]);
    expect(complaints({})).toEqual([]);
  });

  it("refuse an interface name that Linux refuses", () => {
    expect(uplink({ device: "a-name-with-more-than-fifteen" })).toHaveLength(1);
    expect(uplink({ device: "eth 0" })).toHaveLength(1);
    expect(uplink({ device: "enp3s0.100" })).toEqual([]);
  });

  it("refuse a metric and agent options outside their range", () => {
    const agent = { probeIntervalMs: 1, probeMisses: 0, holdSeconds: -1, vpcProbeAddresses: ["10.0.0.1", "x"] };
    expect(complaints({ routeMetric: 0, agent })).toEqual([
      "agent.probeIntervalMs is 1; give a whole number from 20 to 60000.",
      "agent.probeMisses is 0; give a whole number from 1 to 100.",
      "agent.holdSeconds is -1; give a whole number from 0 to 3600.",
      "agent.vpcProbeAddresses 10.0.0.1 is outside vpcCidrs; give a host in the VPC that answers ping.",
      'agent.vpcProbeAddresses "x" is not an IPv4 address; write it as 192.168.10.10.',
      "routeMetric is 0; give a whole number from 1 to 4294967294.",
    ]);
  });

  it("refuse a tunnel without NAT traversal behind NAT, and accept one that is not", () => {
    const activeTunnel = { natTraversal: false };
    expect(complaints({ activeTunnel })).toEqual([
      "active tunnel: natTraversal is off and its uplink 172.16.1.93 is behind NAT (the cloud sees 198.51.100.198); leave it on.",
    ]);
    const direct = { address: "198.51.100.198/24", gateway: "198.51.100.1", egressIp: "198.51.100.198" };
    expect(complaints({ activeTunnel, uplinks: [direct, UPLINK_2] })).toEqual([]);
  });

  it("refuse what SSH cannot use", () => {
    const given = ssh({ host: "root@box", port: 0, user: "a b", timeout: "50", privateKeyPath: "id_ecdsa" });
    expect(complaints({ ssh: given })).toEqual([
      'ssh.host "root@box" is neither a name nor an address; write it as box.example.com or 192.0.2.1.',
      "ssh.port 0 is not a port; give 1 to 65535.",
      'ssh.user "a b" is not a user name; write it as root or admin.',
      'ssh.privateKeyPath "id_ecdsa" is relative, and Terraform runs elsewhere; start it with / or ~/.',
      'ssh.timeout "50" is not a duration; write it as 50s or 2m.',
    ]);
    for (const scriptDirectory of ["", "a b", "~/x", "/a;b", "/a%b"]) {
      expect(complaints({ ssh: ssh({ scriptDirectory }) })).toEqual([
        `ssh.scriptDirectory "${scriptDirectory}" is not a path of letters, digits and . _ - /; write it as .ssh or /opt/deploy.`,
      ]);
    }
    expect(complaints({ ssh: ssh({ scriptDirectory: "/opt/deploy_1" }) })).toEqual([]);
  });

  it("refuse a path of a private key that would break Terraform's text", () => {
    for (const privateKeyPath of ['/a"b', "/a\nb", "/a%{b}"]) {
      expect(complaints({ ssh: ssh({ privateKeyPath }) })).toEqual([
        "ssh.privateKeyPath has a character that Terraform cannot be given there; use a path without quotes and control characters.",
      ]);
    }
  });

  it("refuse a private key in place of its path, and do not repeat it", () => {
    const privateKeyPath = ["-----BEGIN", "OPENSSH", "PRIVATE", "KEY-----\nb3BlbnNzaC1rZXk=\n"].join(" ");
    expect(complaints({ ssh: ssh({ privateKeyPath }) })).toEqual([
      "ssh.privateKeyPath is a key; give the path of its file, or leave it out and use the SSH agent.",
    ]);
  });

  it("refuse a host key of another kind, which Terraform would take for a wrong one", () => {
    expect(complaints({ ssh: ssh({ hostKey: HostKey.ecdsa("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI") }) })).toEqual([
      'ssh.hostKey is an ssh-ed25519 key; give the ECDSA one, as "ssh-keyscan -t ecdsa box.example.com" prints it after the name.',
    ]);
  });

  it("take a host key with its comment, and one that only Terraform knows", () => {
    const first = (hostKey: HostKey) =>
      provisioners(configuration({ ssh: ssh({ hostKey }) }))[0]["remote-exec"]!.connection as { host_key: string };
    expect(first(HostKey.ecdsa(`${HOST_KEY} root@box`)).host_key).toBe(HOST_KEY);
    const expression = '${var.known ? var.key : ""}';
    expect(first(HostKey.ecdsa(expression)).host_key).toBe(expression);
  });

  it("warn about a host key that is not checked", () => {
    const stack = siteStack({ ssh: ssh({ hostKey: HostKey.unchecked() }) });
    expect(problems(stack)).toEqual([]);
    expect(warnings(stack)).toEqual([
      "ssh.hostKey is not checked: whoever answers at that address receives the pre-shared keys; give HostKey.of.",
    ]);
  });
});

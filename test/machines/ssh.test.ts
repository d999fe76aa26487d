// The connection that commands on the lab's machines go by, to an SSH server of this process.
import { once } from "node:events";
import * as net from "node:net";
import { Server, utils } from "ssh2";
import { SshConnection } from "../../lab/machines/ssh";

const portOf = (server: { address(): unknown }) => (server.address() as net.AddressInfo).port;

describe("a command on a machine", () => {
  const hostKey = utils.generateKeyPairSync("ecdsa", { bits: 256 });
  const userKey = utils.generateKeyPairSync("ecdsa", { bits: 256 });
  const server = new Server({ hostKeys: [hostKey.private] }, (client) => {
    client.on("error", () => undefined);
    client.on("authentication", (context) => context.accept());
    client.on("session", (acceptSession) => {
      acceptSession().on("exec", (acceptCommand) => {
        const channel = acceptCommand();
        channel.exit(7);
        channel.end();
      });
    });
  });
  /** Holds back what the server says until it has paused, as a busy host does. */
  const slow = net.createServer((near) => {
    const far = net.connect(portOf(server), "127.0.0.1");
    near.pipe(far);
    let [held, flush] = [Buffer.alloc(0), setTimeout(() => undefined, 0)];
    far.on("data", (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      clearTimeout(flush);
      flush = setTimeout(() => {
        near.write(held);
        held = Buffer.alloc(0);
      }, 200);
    });
    far.on("close", () => near.destroy());
    near.on("error", () => far.destroy());
  });
  let connection: SshConnection;

  beforeAll(async () => {
    for (const each of [server, slow]) {
      each.listen(0, "127.0.0.1");
      await once(each, "listening");
    }
    const user = { user: "root", privateKey: userKey.private };
    connection = new SshConnection({ ...user, port: portOf(slow), hostKey: hostKey.public.split(" ")[1] });
  });

  afterAll(() => {
    connection.close();
    slow.close();
    server.close();
  });

  it("has its status also when that comes together with the news that it began", async () => {
    expect(await connection.execute("true")).toMatchObject({ status: 7 });
  });
});

// A box or a bastion as SSH shows it, in a process of its own because synth waits for the answer: run with one argument,
// a `SshBox` as JSON. It prints its port.
import * as net from "node:net";
import { Server, utils } from "ssh2";

export interface SshBox {
  /** Private. */
  readonly hostKey: string;
  /** The public key that may log in, of this user. */
  readonly key: string;
  readonly user: string;
  /** The one command that is there, and what it prints. */
  readonly command?: string;
  readonly answer?: string;
}

const { hostKey, key, user, command, answer } = JSON.parse(process.argv[2]) as SshBox;
const allowed = utils.parseKey(key);
if (allowed instanceof Error) throw allowed;
const wanted = allowed.getPublicSSH();

const server = new Server({ hostKeys: [hostKey] }, (client) => {
  client.on("error", () => undefined);
  client.on("authentication", (context) => {
    const right = context.method === "publickey" && context.username === user && wanted.equals(context.key.data);
    if (right) context.accept();
    else context.reject(["publickey"]);
  });
  client.on("session", (accept) =>
    accept().on("exec", (open, _reject, asked) => {
      const stream = open();
      const known = asked.command === command;
      if (known) stream.write(answer);
      stream.exit(known ? 0 : 127);
      stream.end();
    }),
  );
  client.on("tcpip", (accept, _reject, { destIP, destPort }) => {
    const channel = accept();
    const onward = net.connect(destPort, destIP);
    onward.on("error", () => channel.end());
    channel.pipe(onward).pipe(channel);
  });
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${(server.address() as net.AddressInfo).port}\n`));

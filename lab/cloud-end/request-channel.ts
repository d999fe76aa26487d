// A lasting conversation with a program on a machine: one line of JSON asked, one line answered, in order.
import type { ClientChannel } from "ssh2";
import type { Machine } from "../machines/machine";

/** What the program answers to a line: a result, or the sentence that says why there is none. */
export interface Reply {
  readonly result?: unknown;
  readonly error?: string;
}

interface Waiting {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

export class RequestChannel {
  private opening?: Promise<ClientChannel>;
  private readonly waiting: Waiting[] = [];
  private received = "";
  private complaint = "";

  /** @param command reads requests from its standard input until that ends */
  constructor(
    private readonly machine: Pick<Machine, "channel">,
    private readonly command: string,
  ) {}

  /**
   * Asks and waits for the answer. Starts the program when it does not run (yet, or any more).
   * @throws Error when the program ends without an answer, or after `timeoutS` seconds
   */
  async ask(request: object, timeoutS: number): Promise<Reply> {
    const channel = await this.open();
    return new Promise<Reply>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.end(channel, new Error(`no answer within ${timeoutS} s`));
      }, timeoutS * 1000);
      const settled =
        <T>(then: (value: T) => void) =>
        (value: T) => {
          clearTimeout(timer);
          then(value);
        };
      this.waiting.push({ resolve: settled(resolve), reject: settled(reject) });
      channel.write(`${JSON.stringify(request)}\n`);
    });
  }

  /** Ends the program. */
  async close(): Promise<void> {
    const channel = await this.opening?.catch(() => undefined);
    if (channel) this.end(channel, new Error("the conversation was ended"));
  }

  private open(): Promise<ClientChannel> {
    this.opening ??= this.machine.channel(this.command).then(
      (channel) => {
        this.received = this.complaint = "";
        channel.on("data", (data: Buffer) => this.take(data.toString("utf8")));
        channel.stderr.on("data", (data: Buffer) => (this.complaint += data.toString("utf8")));
        channel.on("close", () => this.end(channel, new Error(this.complaint.trim() || "the connection was closed")));
        return channel;
      },
      (error: Error) => {
        this.opening = undefined;
        throw error;
      },
    );
    return this.opening;
  }

  private take(text: string): void {
    // Answers are ASCII (Python's json escapes the rest): a character is never cut in two.
    const lines = (this.received + text).split("\n");
    this.received = lines.pop() as string;
    for (const line of lines) this.waiting.shift()?.resolve(JSON.parse(line) as Reply);
  }

  private end(channel: ClientChannel, error: Error): void {
    this.opening = undefined;
    channel.removeAllListeners("close");
    channel.close();
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }
}

// A lasting conversation with a program on a machine: one line of JSON asked, one line answered, in order.
import type { Channel } from "ssh2";

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
  private opening?: Promise<Channel>;
  private readonly waiting: Waiting[] = [];
  private received = "";
  private complaint = "";

  /** @param reach opens the way to a program: its socket, or its standard input and output */
  constructor(private readonly reach: () => Promise<Channel>) {}

  /**
   * Asks and waits for the answer. Opens the way to the program when it is not open (yet, or any more).
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

  /** Ends the conversation, and with it a program that lives by its standard input. */
  async close(): Promise<void> {
    const channel = await this.opening?.catch(() => undefined);
    if (channel) this.end(channel, new Error("the conversation was ended"));
  }

  private open(): Promise<Channel> {
    this.opening ??= this.reach().then(
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

  private end(channel: Channel, error: Error): void {
    this.opening = undefined;
    channel.removeAllListeners("close");
    channel.close();
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }
}

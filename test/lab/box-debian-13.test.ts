// The box's life on Debian 13, in short; `npm run test:full` runs all of it there, and the lab's other files too.
import { theBox } from "./box-suite";

describe("the box on Debian 13", () => theBox({ system: "debian-13", brief: true }));

// The box's whole life, on the system that labs have.
import { theBox } from "./box-suite";

describe("the box", () => theBox({}));

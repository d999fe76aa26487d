// Installing, changing and removing, cut off at places that a seed chooses; `npm run bench -- kill-walk` makes others.
import { systemOfEnvironment, USUAL_SYSTEM } from "../../lab/image/systems";
import { inWords, type Place } from "../../lab/kill-walk/places";
import { KillWalk } from "../../lab/kill-walk/walk";
import { FULL } from "./full";

/** The whole walk takes two hours, and is made on one system. */
const PLACES = FULL ? (systemOfEnvironment() === USUAL_SYSTEM ? 200 : 20) : 2;
const SEED = 1;
/** What needs the fewest labs beforehand. */
const ONLY = FULL ? undefined : ["install", "give-up"];

jest.setTimeout(300_000);

describe("a box on which something is cut off", () => {
  const walk = new KillWalk();
  let places: Place[];

  beforeAll(async () => {
    places = await walk.places(PLACES, SEED, ONLY);
    expect(places).toHaveLength(PLACES);
  }, 900_000);

  afterAll(() => walk.stop());

  it.each([...Array(PLACES).keys()])("is whole, works and is brought to its end after place %i", async (index) => {
    const { at, steps, broken, journal } = await walk.cut(places[index]);
    const where = at ? inWords(places[index], at, steps) : "it had ended before";
    if (broken.length > 0) throw new Error([where, ...broken, journal].join("\n"));
  });
});

// The CDKTF app of the worked example; cdktf.json points here.
import { App } from "cdktf";
import { synth } from "../lib";
import { loadConfig } from "./config";
import { ExampleStack } from "./example-stack";

const app = new App();
const { config, problems } = loadConfig();
app.node.addValidation({ validate: () => [...problems] });
if (problems.length === 0) new ExampleStack(app, config);
synth(app);

// The strip over the pictures that a run brings: how far it is, pause, go on, stop; and the way out of the demo.

import { whenBack } from "./again.js";
import { ask, change, inSentences } from "./client.js";
import { el, ROOT } from "./dom.js";
import { going, RunPanel } from "./runs.js";

const find = (id) => document.getElementById(id);
const strip = find("running");

if (strip) {
  const parts = { says: find("run-says"), bar: find("run-bar"), pace: find("run-pace"), pause: find("pause"), resume: find("resume"), stop: find("stop") };
  const panel = new RunPanel(parts, look);
  let timer = 0;
  panel.show(JSON.parse(strip.dataset.job));
  look();

  async function look() {
    clearTimeout(timer);
    try {
      const job = await ask(`/jobs/${panel.job.id}`);
      panel.show(job);
      if (!going(job)) document.dispatchEvent(new Event("run-over"));
      if (job.state === "finished" && job.summary?.failed) parts.says.append(" ", el("a", { href: `${ROOT}/library` }, "See which"));
      if (going(job)) timer = setTimeout(look, 1000);
    } catch (problem) {
      if (problem.status === 404) strip.remove(); // the server was started again
      else parts.says.textContent = "The server does not answer. This page goes on when it does.";
      whenBack(problem, look);
    }
  }
}

find("leave-demo")?.addEventListener("click", async (event) => {
  try {
    await change("/setup/leave-demo", "POST");
    location.assign(`${ROOT}/`);
  } catch (problem) {
    event.target.closest("section").querySelector("p").textContent = inSentences(problem);
  }
});

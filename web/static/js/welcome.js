// The first run: a model, folders, an estimate, then reading. The server says how its runs are (GET /setup).

import { whenBack } from "./again.js";
import { ask, change } from "./client.js";
import { count, duration, el, icon, ROOT, several, size } from "./dom.js";
import { chooseFolder } from "./picker.js";
import { failure, going, RunPanel } from "./runs.js";

const find = (id) => document.getElementById(id);
const PAUSE = 700; // ms between two looks at a run
const SETTLE = 350; // ms after the last change of what is chosen

let setup = JSON.parse(find("welcome").dataset.setup);
const folders = new Map(); // path -> as it is shown
let estimate = null; // { key, summary }
let estimating = 0; // the id of the run that estimates
let settling = 0;
let asking = Promise.resolve(); // the estimate that is being asked for
let looking = 0;
let starting = false;
let begun = 0; // the id of the run that reads
let fetched = 0; // of the run that fetches a model
let pulled = null; // the newest run that fetches; an estimate may have come after it

const part = (prefix, name) => find(`${prefix}-${name}`);
const reading = new RunPanel({ says: find("run-says"), bar: find("run-bar"), pace: find("run-pace"), pause: find("pause"), resume: find("resume"), stop: find("stop") }, look);
const fetching = new RunPanel({
  says: part("fetch", "says"), bar: part("fetch", "bar"), pace: part("fetch", "pace"), pause: part("fetch", "pause"), resume: part("fetch", "resume"), stop: part("fetch", "stop"),
}, look);

const chosenModel = () => document.querySelector("[name=model]:checked")?.value ?? "";
const modelOf = (name) => setup.models.find((model) => model.name === name);
const keyNow = () => JSON.stringify([chosenModel(), modelOf(chosenModel())?.here, ...folders.keys()]);

/** Ask how things are, again and again while something runs. */
async function look() {
  clearTimeout(looking);
  try {
    const before = setup;
    setup = await ask("/setup");
    if (setup.ready) return location.assign(`${ROOT}/`);
    show(before);
  } catch (problem) {
    find("why-not").textContent = problem.message;
    whenBack(problem, look);
    return undefined;
  }
  if (going(setup.job)) looking = setTimeout(look, PAUSE);
  return undefined;
}

function show(before) {
  const { job, problem } = setup;
  const [busy, kind] = [going(job) || job?.state === "paused", job?.kind];
  const reads = ["index", "demo"].includes(kind) && (busy || Boolean(problem) || job.id === begun);
  find("reading").hidden = !reads;
  find("steps").hidden = find("demo-card").hidden = reads && busy;
  find("reading-title").textContent = kind === "demo" ? "Making the demo" : "Reading your pictures";
  if (reads) {
    reading.show(job);
    if (!busy && problem) find("run-says").textContent = `The pictures were read, but they cannot be shown: ${problem.detail}. ${problem.hint}`;
    else if (job.state === "finished") find("run-says").textContent = "No picture was found there. Choose another folder.";
  }
  if (kind === "pull") pulled = job;
  find("fetching").hidden = !pulled || !(going(pulled) || pulled.state === "paused" || pulled.id === fetched);
  if (pulled) fetching.show(pulled);
  if (kind === "pull" && !busy && before?.job?.id === job.id && going(before.job)) relist();
  if (kind === "estimate" && job.id === estimating && !busy) took(job);
  for (const button of document.querySelectorAll("[data-fetch]")) button.disabled = busy && kind !== "estimate";
  find("demo").disabled = busy && kind !== "estimate";
  tell();
}

/** The models as they are now: one was fetched. */
function relist() {
  for (const model of setup.models) {
    const row = document.querySelector(`[data-model="${model.name}"]`);
    if (!model.here || !row?.querySelector("[data-fetch]")) continue;
    row.querySelector("[data-fetch]").remove();
    row.querySelector(".name").append(" ", el("span", { class: "badge there" }, "On this computer"));
  }
  weigh();
}

// Folders

function add(path, shown) {
  const within = [...folders.keys()].find((known) => path === known || path.startsWith(`${known}/`));
  if (within) return complain(path === within ? "This folder is chosen already." : `It lies in ${folders.get(within)}, which is chosen already.`);
  for (const known of [...folders.keys()]) if (known.startsWith(`${path}/`)) folders.delete(known);
  folders.set(path, shown);
  complain("");
  return list();
}

function list() {
  find("chosen").replaceChildren(...[...folders].map(([path, shown]) => el("li", {}, icon("folder"), el("bdi", {}, shown),
    el("button", { class: "round", type: "button", "aria-label": `Leave ${shown} out`, click: () => remove(path) }, icon("close")))));
  weigh();
}

function remove(path) {
  folders.delete(path);
  list();
  (find("chosen").querySelector("button") ?? find("pick")).focus();
}

function complain(text) {
  find("folder-says").hidden = !text;
  find("folder-says").textContent = text;
}

async function typed() {
  const path = find("typed").value.trim();
  if (!path) return find("typed").focus();
  try {
    const found = await change("/setup/folders", "POST", { path });
    find("typed").value = "";
    return add(found.path, found.shown);
  } catch (problem) {
    return complain(sentences(problem));
  }
}

const sentences = ({ message, hint }) => [message, hint].filter(Boolean).map((text) => `${text[0].toUpperCase()}${text.slice(1)}`.replace(/\.?$/, ".")).join(" ");

// What it takes

/** Something else is chosen: have it estimated, once it is settled. */
function weigh() {
  clearTimeout(settling);
  tell();
  if (!starting && folders.size && chosenModel() && estimate?.key !== keyNow()) settling = setTimeout(() => (asking = askEstimate()), SETTLE);
}

async function askEstimate() {
  if (going(setup.job)) {
    if (setup.job.kind !== "estimate") return; // told to begin anew when that has ended
    await halt();
  }
  const key = keyNow();
  try {
    const job = await change("/jobs", "POST", { kind: "estimate", model: chosenModel(), folders: [...folders.keys()] });
    estimating = job.id;
    estimate = { key, summary: null, text: "" };
    setup.job = job;
  } catch (problem) {
    estimate = { key, summary: null, text: sentences(problem) };
  }
  tell();
  look();
}

/** Stop the run under way, and wait for its end. */
async function halt() {
  await change(`/jobs/${setup.job.id}`, "DELETE").catch(() => {});
  while (going(setup.job)) {
    await new Promise((done) => setTimeout(done, 150));
    setup = await ask("/setup");
  }
}

function took(job) {
  estimating = 0;
  if (!estimate) return;
  estimate.summary = job.state === "finished" ? job.summary : null;
  estimate.text = job.state === "failed" ? failure(job) : "";
  if (estimate.key !== keyNow()) weigh();
}

function tell() {
  const known = estimate?.key === keyNow() ? estimate : null;
  const [summary, model] = [known?.summary, modelOf(chosenModel())];
  const busy = going(setup.job) && setup.job.kind === "estimate";
  const says = !folders.size ? "Choose a folder, and you see here how many pictures it has and how long reading them takes."
    : summary ? taking(summary) : known?.text || (busy ? looked(setup.job) : going(setup.job) ? "How much there is to read is told when the model is here." : "Looking through the folders …");
  if (find("takes").textContent !== says) find("takes").textContent = says;
  find("takes-bar").hidden = !busy || Boolean(summary);
  find("takes-notes").hidden = !summary?.notes.length;
  find("takes-notes").replaceChildren(...(summary?.notes ?? []).map((note) => el("li", {}, note)));
  const why = !folders.size ? "" : !model ? "Choose a model first." : !model.here ? "Fetch the model first." : summary && !summary.seen ? "There is no picture in these folders." : "";
  find("begin").disabled = Boolean(why) || !folders.size || (going(setup.job) && setup.job.kind !== "estimate");
  find("why-not").textContent = why;
}

const looked = ({ progress }) => progress.walked ? `Looking through the folders: ${several(progress.walked, "picture")} so far …` : "Looking through the folders …";

function taking({ seen, read_bytes: bytes, seconds, measured, disk_bytes: disk, disk_free_bytes: free }) {
  if (!seen) return "No pictures are in there.";
  const time = seconds === null ? "How long reading takes is not known" : `Reading takes about ${duration(seconds)} on this computer${measured ? "" : ", by its processor's speed"}`;
  return `${several(seen, "picture")}, ${size(bytes)}. ${time}. The library takes ${size(disk)} of disk at most; ${size(free)} are free.`;
}

// Beginning


async function start(body) {
  clearTimeout(settling);
  await asking;
  if (going(setup.job) && setup.job.kind === "estimate") await halt();
  setup.job = await change("/jobs", "POST", body);
  return setup.job.id;
}

async function begin(body) {
  find("begin").disabled = find("demo").disabled = true;
  try {
    starting = true; // no estimate from here on
    begun = await start(body);
  } catch (problem) {
    starting = false;
    tell();
    find("demo").disabled = false;
    find("why-not").textContent = sentences(problem);
    return;
  }
  starting = false;
  show(null);
  scrollTo(0, 0);
  find("pause").hidden ? find("stop").focus() : find("pause").focus();
  look();
}

find("steps").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!find("begin").disabled) begin({ kind: "index", model: chosenModel(), folders: [...folders.keys()] });
});
find("demo").addEventListener("click", () => begin({ kind: "demo" }));
find("pick")?.addEventListener("click", () => chooseFolder(add));
find("add")?.addEventListener("click", typed);
find("typed")?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  typed();
});
for (const input of document.querySelectorAll("[name=model]")) input.addEventListener("change", weigh);
for (const button of document.querySelectorAll("[data-fetch]")) {
  button.addEventListener("click", async () => {
    try {
      fetched = await start({ kind: "pull", model: button.dataset.fetch });
      document.querySelector(`[name=model][value="${button.dataset.fetch}"]`).checked = true;
      show(null);
      find("fetch-pause").focus();
      look();
    } catch (problem) {
      find("why-not").textContent = sentences(problem);
    }
  });
}
show(null);
if (going(setup.job)) look();

// The library's page: start an index run, watch it, pause it, stop it; add a folder.

import { follow } from "./again.js";
import { API, ask, change, inSentences } from "./client.js";
import { count, el, size } from "./dom.js";
import { going, RunPanel } from "./runs.js";

const find = (id) => document.getElementById(id);
const [start, pause, resume, stop, says, bar, pace] = ["start", "pause", "resume", "stop", "run-says", "run-bar", "run-pace"].map(find);
const panel = new RunPanel({ says, bar, pace, pause, resume, stop }, watch);
const reads = (job) => !job?.kind || job.kind === "index" || job.kind === "demo";
let unwatch = () => {};

/** Show the newest run. */
function show(now) {
  if (!now || !reads(now)) return;
  const before = panel.job;
  panel.show(now);
  start.hidden = going(now) || now.state === "paused";
  if (before && before.state !== now.state && !going(now)) refresh();
}

/** The counts and failures as they are now. */
async function refresh() {
  const status = await ask("/status");
  const told = { images: count(status.images), files: count(status.files), failures: count(status.failures), disk: size(status.disk_bytes.total) };
  for (const place of document.querySelectorAll("[data-count]")) place.textContent = told[place.dataset.count];
  if (status.roots.length && !find("roots")) return location.reload();
  find("roots")?.replaceChildren(...status.roots.map((root) => el("tr", {},
    el("td", {}, el("code", {}, root.path)), el("td", { class: "number" }, count(root.files)), el("td", { class: "number" }, count(root.failures)), el("td", {}, root.offline ? "offline" : "there"))));
  find("failures").replaceChildren();
  return moreFailures("");
}

async function moreFailures(cursor) {
  const page = await ask("/failures", { query: { limit: 20, cursor } });
  find("failures").append(...page.failures.map((failure) => el("tr", {},
    el("td", {}, el("code", {}, failure.path)), el("td", {}, failure.reason), el("td", {}, failure.transient ? "at every run" : "when it changes"))));
  find("failures").dataset.next = page.next_cursor ?? "";
  find("more-failures").hidden = !page.next_cursor;
  find("failed").hidden = !find("failures").childElementCount;
  find("no-failures").hidden = !find("failed").hidden;
}

/** Follow the runs by their events until none goes on, also over a server that is started again. */
function watch() {
  unwatch();
  unwatch = follow(`${API}/jobs/stream`, {
    jobs: ({ jobs }) => (jobs.length || !panel.job ? show(jobs.find(reads)) : forgotten()),
    job: (now) => (!panel.job || now.id >= panel.job.id) && show(now),
    end: () => unwatch(),
  }, (lost) => {
    if (lost && panel.job && !stop.hidden) says.textContent = "The server does not answer. This page goes on when it does.";
  });
}

/** The server was started again, and knows nothing of the run that was shown. */
function forgotten() {
  panel.job = null;
  start.hidden = false;
  stop.hidden = pause.hidden = resume.hidden = bar.hidden = pace.hidden = true;
  says.textContent = "The server was started again while the run was under way. What had been read is kept; look for new pictures to go on.";
  refresh();
}

const told = (act) => async () => {
  try {
    await act();
  } catch (problem) {
    says.textContent = inSentences(problem);
  }
};

async function begin(body) {
  show(await change("/jobs", "POST", body));
  watch();
  stop.focus();
}

start.addEventListener("click", told(() => begin({ kind: "index" })));
find("add-folder")?.addEventListener("click", told(async () => {
  const { chooseFolder } = await import("./picker.js");
  chooseFolder((path) => told(() => begin({ kind: "index", folders: [path] }))());
}));
find("more-failures").addEventListener("click", told(() => moreFailures(find("failures").dataset.next)));
watch();

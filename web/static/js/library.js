// The library's page: start an index run, watch it, stop it.

import { follow } from "./again.js";
import { API, ask, change } from "./client.js";
import { count, duration, el, several, size } from "./dom.js";

const find = (id) => document.getElementById(id);
const [start, stop, says, bar, pace] = ["start", "stop", "run-says", "run-bar", "run-pace"].map(find);
let unwatch = () => {};
let job = null;

/** Show the newest run. */
function show(now) {
  const before = job;
  job = now;
  if (!job) return;
  const going = job.state === "running" || job.state === "stopping";
  start.hidden = going;
  stop.hidden = !going;
  stop.disabled = job.state === "stopping";
  bar.hidden = pace.hidden = !going;
  if (going) advance(job.progress);
  const text = sentence(job);
  if (says.textContent !== text) says.textContent = text;
  if (before && before.state !== job.state && !going) refresh();
}

function advance({ total, done, failed, images_per_s: rate, seconds_left: left }) {
  if (total === null) bar.removeAttribute("value");
  else Object.assign(bar, { max: Math.max(1, total), value: done });
  pace.textContent = [
    total === null ? "" : `${count(done)} of ${several(total, "file")}`,
    rate ? `${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))} pictures/s` : "",
    left === null ? "" : `${duration(left)} left`,
    failed ? several(failed, "failure") : "",
  ].filter(Boolean).join(" · ");
}

function sentence({ state, progress, summary, message }) {
  if (state === "stopping") return "Stopping: what is under way is finished first.";
  if (state === "running") {
    if (progress.total === null) return "Looking through the folders …";
    return progress.total ? "Reading new pictures …" : "Nothing new; tidying up …";
  }
  const did = summary ? [
    `${several(summary.new + summary.changed, "picture")} added`, summary.moved ? `${count(summary.moved)} moved` : "",
    summary.removed ? `${count(summary.removed)} removed` : "", summary.failed ? `${count(summary.failed)} could not be read` : "",
  ].filter(Boolean).join(", ") : "";
  if (state === "finished") return `Done: ${did || "the library is up to date"}.`;
  if (state === "stopped") return `Stopped${did ? `: ${did}` : ""}. The next run goes on from here.`;
  return `The run failed. ${message}`;
}

/** The counts and failures as they are now. */
async function refresh() {
  const status = await ask("/status");
  const told = { images: count(status.images), files: count(status.files), failures: count(status.failures), disk: size(status.disk_bytes.total) };
  for (const place of document.querySelectorAll("[data-count]")) place.textContent = told[place.dataset.count];
  find("failures").replaceChildren();
  await moreFailures("");
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
    jobs: ({ jobs }) => (jobs.length || !job ? show(jobs[0]) : forgotten()),
    job: (now) => (!job || now.id >= job.id) && show(now),
    end: () => unwatch(),
  }, (lost) => {
    if (lost && job && !stop.hidden) says.textContent = "The server does not answer. This page goes on when it does.";
  });
}

/** The server was started again, and knows nothing of the run that was shown. */
function forgotten() {
  job = null;
  start.hidden = false;
  stop.hidden = bar.hidden = pace.hidden = true;
  says.textContent = "The server was started again while the run was under way. What had been read is kept; look for new pictures to go on.";
  refresh();
}

const told = (act) => async () => {
  try {
    await act();
  } catch (problem) {
    says.textContent = [problem.message, problem.hint].filter(Boolean).join(". ");
  }
};

start.addEventListener("click", told(async () => {
  show(await change("/jobs", "POST", { kind: "index" }));
  watch();
  stop.focus();
}));
stop.addEventListener("click", told(async () => show(await change(`/jobs/${job.id}`, "DELETE"))));
find("more-failures").addEventListener("click", told(() => moreFailures(find("failures").dataset.next)));
watch();

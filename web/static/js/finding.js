// Looks for duplicates from their page: how far it is, stop, and the groups that were found.

import { follow } from "./again.js";
import { API, ask, change, inSentences } from "./client.js";
import { el } from "./dom.js";
import { going, RunPanel, sentence } from "./runs.js";

const find = (id) => document.getElementById(id);
const [start, stop, says] = ["start-find", "stop-find", "find-says"].map(find);
const panel = new RunPanel({ says, bar: find("find-bar"), pace: find("find-pace"), stop });
const reviews = find("find").dataset.reviewed === "1"; // groups are on the page, and perhaps being decided
let unfollow = () => {};

function show(job) {
  const was = going(panel.job);
  panel.show(job);
  start.hidden = going(job);
  if (going(job)) return;
  unfollow();
  if (was && document.activeElement === document.body) start.focus();
  if (!was || job.state !== "finished") return;
  if (reviews) says.append(" ", el("a", { href: location.pathname }, "Show what was found"));
  else location.reload();
}

function watch(id) {
  const mine = ({ jobs }) => jobs.find((job) => job.id === id);
  unfollow = follow(`${API}/jobs/stream`, {
    jobs: (told) => (mine(told) ? show(mine(told)) : gone()),
    job: (job) => job.id === id && show(job),
    end: () => ask(`/jobs/${id}`).then(show, gone),
  }, (lost) => (says.textContent = lost ? "The server does not answer. This page goes on when it does." : sentence(panel.job)));
}

/** The server was started again, and knows nothing of the run. */
function gone() {
  unfollow();
  for (const each of [stop, find("find-bar"), find("find-pace")]) each.hidden = true;
  start.hidden = false;
  says.textContent = "The server was started again meanwhile. What was compared is kept: look again to go on.";
}

start.addEventListener("click", async () => {
  try {
    const job = await change("/jobs", "POST", { kind: "dedup-find" });
    show(job);
    stop.focus();
    watch(job.id);
  } catch (problem) {
    says.textContent = problem.status === 409 ? "Something else is under way: pictures are being read, or files moved. Look for duplicates when that is done." : inSentences(problem);
  }
});

ask("/jobs").then(({ jobs }) => {
  const last = jobs.find((job) => job.kind === "dedup-find");
  if (!last) return;
  show(last);
  if (going(last)) watch(last.id);
}, () => {});

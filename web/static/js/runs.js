// Runs of the server in words, and the buttons that pause, go on and stop.

import { change, inSentences } from "./client.js";
import { count, duration, several } from "./dom.js";

export const going = (job) => ["running", "stopping", "pausing"].includes(job?.state);

const STAGES = {
  pixels: "Comparing pixel by pixel",
  hashes: "Comparing how they look",
  embeddings: "Comparing what they show",
  examining: "Looking closer at those that are alike",
  confirming: "Making sure in full size",
};

/** How a run is, or what it did. */
export function sentence(job) {
  if (job.state === "stopping") return "Stopping: what is under way is finished first.";
  if (job.state === "pausing") return "Pausing: what is under way is finished first.";
  if (job.state === "failed") return failure(job);
  return ({ "dedup-find": finding, pull: fetching, estimate: () => "Looking through the folders …" }[job.kind] ?? indexing)(job);
}

/** Why a run failed: in its own words, without what is of use at a terminal alone. */
export function failure({ problem, message }) {
  if (problem) return ["It did not work:", `${problem.detail}.`, problem.hint && `${problem.hint[0].toUpperCase()}${problem.hint.slice(1)}`].filter(Boolean).join(" ").replace(/([.?!])\.$/, "$1");
  return `The run failed. ${message}`.trim();
}

function indexing({ kind, state, progress, summary }) {
  const { total, stage, walked } = progress;
  if (state === "running") {
    if (stage === "drawing" || (kind === "demo" && !stage)) return walked ? `Drawing scenes: ${count(walked)} so far …` : "Drawing scenes …";
    if (total === null) return walked ? `Looking through the folders: ${several(walked, "picture")} so far …` : "Looking through the folders …";
    if (total && !progress.done) return "Getting ready to read …";
    return total ? "Reading new pictures …" : "Nothing new; tidying up …";
  }
  if (state === "paused") return `Paused${total === null ? "" : ` after ${count(progress.done)} of ${several(total, "file")}`}. What was read can be searched.`;
  const did = summary ? [
    `${several(summary.new + summary.changed, "picture")} added`, summary.moved ? `${count(summary.moved)} moved` : "",
    summary.removed ? `${count(summary.removed)} removed` : "", summary.failed ? `${count(summary.failed)} could not be read` : "",
  ].filter(Boolean).join(", ") : "";
  if (state === "finished") return `Done: ${did || "the library is up to date"}.`;
  return `Stopped${did ? `: ${did}` : ""}. The next run goes on from here.`;
}

function fetching({ state, progress }) {
  if (state === "paused") return "Paused. What was fetched is kept.";
  if (state === "stopped") return "Stopped. What was fetched is kept, and fetching goes on from there.";
  if (state === "finished") return "The model is on this computer now.";
  const { done, total } = progress;
  return total ? `Fetching the model: ${count(done)} of ${count(total)} MB` : "Asking for the model …";
}

function finding({ state, progress, summary }) {
  if (state === "running") return `${STAGES[progress.stage] ?? (progress.stage === "reading" ? "Reading pictures" : "Looking for duplicates")} …`;
  if (state !== "finished" || !summary) return "Stopped. What was compared is kept: the next search goes on from there.";
  const found = summary.groups ? `${several(summary.groups, "group")} found, ${several(summary.copies, "file")} that could go` : "no duplicates found";
  return `${several(summary.images, "picture")} compared: ${found}.${summary.failed ? ` ${several(summary.failed, "file")} could not be read.` : ""}`;
}

/** "50 of 200 files · 13 pictures/s · 12 s left · 2 failures". */
export function pace({ kind, progress }) {
  const { total, done, failed, images_per_s: rate, seconds_left: left } = progress;
  if (kind === "pull") return "";
  if (kind === "dedup-find") return total ? `${count(done)} of ${count(total)}` : "";
  return [
    total === null ? "" : `${count(done)} of ${several(total, "file")}`,
    rate ? `${rate < 10 ? rate.toFixed(1) : count(Math.round(rate))} pictures/s` : "",
    left === null ? "" : `${duration(left)} left`,
    failed ? several(failed, "failure") : "",
  ].filter(Boolean).join(" · ");
}

/** Shows a run in given elements: { says, bar, pace, pause, resume, stop }, of which the buttons may be missing. */
export class RunPanel {
  constructor(parts, changed = () => {}) {
    this.parts = parts;
    this.changed = changed;
    this.job = null;
    const acts = { stop: ["DELETE", ""], pause: ["POST", "/pause"], resume: ["POST", "/resume"] };
    for (const [name, [method, path]] of Object.entries(acts)) {
      parts[name]?.addEventListener("click", () => this.#act(method, path));
    }
  }

  show(job) {
    const { says, bar, pace: at, pause, resume, stop } = this.parts;
    this.job = job;
    const focused = [pause, resume, stop].includes(document.activeElement);
    const pausable = !job.kind || ["index", "pull"].includes(job.kind);
    bar.hidden = !going(job);
    at.hidden = !going(job) || !pace(job);
    if (pause) Object.assign(pause, { hidden: !pausable || !["running", "pausing"].includes(job.state), disabled: job.state !== "running" });
    if (resume) resume.hidden = job.state !== "paused";
    Object.assign(stop, { hidden: !going(job) && job.state !== "paused", disabled: job.state === "stopping" });
    const { total, done } = job.progress;
    if (!total && total !== 0) bar.removeAttribute("value");
    else Object.assign(bar, { max: Math.max(1, total), value: done });
    at.textContent = pace(job);
    const text = sentence(job);
    if (says.textContent !== text) says.textContent = text;
    if (focused && (document.activeElement === document.body || document.activeElement.hidden)) [resume, pause, stop].find((one) => one && !one.hidden)?.focus();
  }

  async #act(method, path) {
    try {
      this.show(await change(`/jobs/${this.job.id}${path}`, method));
      this.changed();
    } catch (problem) {
      this.parts.says.textContent = inSentences(problem);
    }
  }
}

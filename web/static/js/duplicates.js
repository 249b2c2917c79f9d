// The review of duplicates: decisions by click and by key, and the runs that move files and bring them back.

import { follow } from "./again.js";
import { API, ask, change, inSentences, Problem } from "./client.js";
import { differenceOf } from "./difference.js";
import { calm, count, day, el, ROOT, several, size } from "./dom.js";

const find = (id) => document.getElementById(id);
const list = find("groups");
const [tray, says, bar, apply] = ["tray", "tray-says", "bar", "apply"].map(find);
const decided = []; // ids, the last at the end
let at = null; // the group that keys act on
let loading = null;

const groups = () => [...(list?.querySelectorAll(".twins") ?? [])];
const buttonOf = (group, act) => group?.querySelector(`:scope > .acts [data-do="${act}"]`);

// Where the keys act

function stand(group, { focus = true } = {}) {
  if (!group || group === at) return;
  at?.classList.remove("at");
  at = group;
  group.classList.add("at");
  if (!focus) return;
  group.focus({ preventScroll: true });
  group.scrollIntoView({ block: "start", behavior: calm.matches ? "auto" : "smooth" });
}

/** The group `step` places on; more are asked for before the last is reached. */
async function go(step, openOnly = false) {
  for (;;) {
    const all = groups();
    let place = at && at.isConnected ? all.indexOf(at) + step : step > 0 ? 0 : -1;
    while (openOnly && all[place] && all[place].dataset.state !== "open") place += step;
    if (step > 0 && place + 3 > all.length && find("more")) {
      const wanted = more();
      if (!all[place]) {
        await wanted;
        if (groups().length === all.length) return;
        continue;
      }
    }
    stand(all[place]);
    return;
  }
}

// Pieces of the page

const piece = (html) => [...new DOMParser().parseFromString(`<ol>${html}</ol>`, "text/html").querySelector("ol").children];

async function fetched(path) {
  const response = await fetch(path, { headers: { Accept: "text/html" } });
  if (!response.ok) throw new Problem({ detail: "The groups cannot be loaded.", hint: "Load the page again.", status: response.status });
  return piece(await response.text());
}

function more() {
  loading ??= (async () => {
    const link = find("more");
    const added = await fetched(link.href.replace("/duplicates?", "/duplicates/groups?"));
    const next = added.find((each) => each.matches(".following"));
    list.append(...added.filter((each) => each.matches(".twins")));
    if (next) link.href = link.href.replace(/cursor=[^&]*/, `cursor=${next.dataset.next}`);
    else link.parentElement.remove();
  })().catch(report).finally(() => (loading = null));
  return loading;
}

async function renew(group) {
  const [fresh] = await fetched(`${ROOT}/duplicates/groups/${group.dataset.id}`);
  const [had, focused] = [group === at, group.contains(document.activeElement)];
  group.replaceWith(fresh);
  if (had) {
    at = null;
    stand(fresh, { focus: false });
    if (focused) fresh.focus({ preventScroll: true });
  }
  return fresh;
}

// Decisions

async function decide(group, what, file = "") {
  const { review } = await change("/duplicates/decisions", "POST", { decide: what, groups: [group.dataset.id], ...(file ? { file } : {}) });
  if (what !== "reopen") decided.push(group.dataset.id);
  const fresh = await renew(group);
  show(review);
  return fresh;
}

async function settle(group, what) {
  const fresh = await decide(group, what);
  if (fresh === at) await go(1, true);
}

async function undo() {
  const id = decided.pop();
  if (!id) return tell("There is no decision of this visit to undo.");
  const group = find(`group-${id}`);
  if (!group) return tell("The group is not on this page any more.");
  stand(await decide(group, "reopen"));
  return undefined;
}

const acts = {
  accept: (group) => settle(group, "accept"),
  distinct: (group) => settle(group, "distinct"),
  reopen: (group) => decide(group, "reopen"),
  skip: async (group) => {
    stand(group, { focus: false });
    await go(1, true);
  },
  keeper: (group, file) => decide(group, "keeper", file),
  stay: (group, file) => decide(group, "stay", file),
  move: (group, file) => decide(group, "move", file),
  differ: (group, file, button) => differ(group, file, button),
};

async function differ(group, file, button) {
  const tile = group.querySelector(`[data-file="${file}"]`);
  const drawn = tile.querySelector("canvas");
  button.setAttribute("aria-pressed", String(!drawn));
  if (drawn) return drawn.remove();
  const [first, second] = [group.querySelector(".keep img"), tile.querySelector("img")];
  await Promise.all([first.decode(), second.decode()]).catch(() => {
    button.setAttribute("aria-pressed", "false");
    throw new Problem({ detail: "One of the two pictures cannot be shown." });
  });
  return second.after(differenceOf(first, second, Number(tile.dataset.turn)));
}

// The tally

function show({ tiers, accepted, runs }) {
  for (const row of document.querySelectorAll("tr[data-tier]")) {
    const told = tiers.find(({ tier }) => tier === row.dataset.tier) ?? { open: 0, files: 0, freed_bytes: 0, accepted: 0, distinct: 0, applied: 0 };
    const texts = { open: count(told.open), files: count(told.files), freed: told.freed_bytes ? size(told.freed_bytes) : "–", decided: count(told.accepted + told.distinct + told.applied) };
    for (const [name, text] of Object.entries(texts)) row.querySelector(`[data-count=${name}]`).textContent = text;
    row.querySelector("button").hidden = !told.files;
  }
  tray.hidden = !accepted.files;
  if (accepted.files) tell(`${several(accepted.files, "file")} of ${several(accepted.groups, "group")} accepted, ${size(accepted.freed_bytes)} to free`);
  apply.hidden = !accepted.files;
  find("moved").hidden = !runs.length;
  find("runs").replaceChildren(...runs.map((run) => el("li", { "data-run": run.id },
    el("span", {}, `${several(run.files, "file")}, ${size(run.bytes)}, moved on ${day(run.started_at)}`),
    el("button", { class: "small", type: "button", "data-do": "bring-back" }, "Bring back"))));
}

function tell(text) {
  tray.hidden = false;
  if (says.textContent !== text) says.textContent = text;
}

function report(problem) {
  tell(inSentences(problem));
}

// Runs

async function run(body, going) {
  const job = await change("/jobs", "POST", body);
  for (const button of document.querySelectorAll("[data-do=apply], [data-do=bring-back]")) button.disabled = true;
  bar.hidden = false;
  tell(going);
  const over = await new Promise((done) => {
    const end = (now) => {
      unfollow();
      done(now);
    };
    const take = (now) => {
      if (now?.id !== job.id) return;
      const { total, done: so } = now.progress;
      if (total) Object.assign(bar, { max: total, value: so });
      if (now.finished_at) end(now);
    };
    const gone = { kind: job.kind, state: "failed", summary: null, message: "The server was started again meanwhile. What was moved can be brought back." };
    const unfollow = follow(`${API}/jobs/stream`, {
      jobs: ({ jobs }) => (jobs.some(({ id }) => id === job.id) ? jobs.forEach(take) : end(gone)),
      job: take,
      end: () => ask(`/jobs/${job.id}`).then(end, () => end(gone)),
    }, (lost) => tell(lost ? "The server does not answer. This page goes on when it does." : going));
  });
  bar.hidden = true;
  bar.removeAttribute("value");
  apply.disabled = false;
  show((await ask("/duplicates", { query: { limit: 1 } })).review);
  await Promise.all(groups().filter(({ dataset }) => dataset.state !== "open").map(renew));
  tell(ended(over));
}

function ended({ kind, state, summary, message }) {
  if (!summary) return `${state === "stopped" ? "Stopped" : "The run failed"}. ${message}`;
  const did = kind === "dedup-apply" ? `${several(summary.moved, "file")} moved, ${size(summary.moved_bytes)}` : `${several(summary.returned, "file")} brought back`;
  const left = summary.left ? ` ${several(summary.left, "file")} left alone: ${summary.left_files[0].path}: ${summary.left_files[0].reason}` : "";
  return [`Done: ${did}.${left}`, summary.note].filter(Boolean).join(" ");
}

const wholes = {
  apply: () => run({ kind: "dedup-apply" }, "Moving …"),
  "bring-back": (button) => run({ kind: "dedup-undo", run_id: button.closest("li").dataset.run }, "Bringing back …"),
  "accept-tier": async (button) => {
    const { tier } = button.closest("tr").dataset;
    const { review } = await change("/duplicates/decisions", "POST", { decide: "accept", tier });
    show(review);
    await Promise.all(groups().filter(({ dataset }) => dataset.state === "open").map(renew));
  },
};

// Clicks and keys

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (!button) return;
  const group = button.closest(".twins");
  const file = button.closest("[data-file]")?.dataset.file;
  if (group) stand(group, { focus: false });
  (group ? acts[button.dataset.do](group, file, button) : wholes[button.dataset.do](button)).catch(report);
});

list?.addEventListener("focusin", (event) => stand(event.target.closest(".twins"), { focus: false }));

const keys = {
  j: () => go(1),
  k: () => go(-1),
  u: undo,
  a: () => buttonOf(at, "accept")?.click(),
  n: () => buttonOf(at, "distinct")?.click(),
  s: () => buttonOf(at, "skip")?.click(),
  m: async () => {
    for (const file of [...(at?.querySelectorAll("[data-do=move]") ?? [])].map((each) => each.closest("[data-file]").dataset.file)) await decide(at, "move", file);
  },
  d: () => at?.querySelectorAll("[data-do=differ]").forEach((button) => button.click()),
};

document.addEventListener("keydown", (event) => {
  if (!list || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
  const act = /^[1-9]$/.test(event.key) ? () => at?.querySelectorAll(".file")[event.key - 1]?.querySelector("[data-do=keeper]")?.click() : keys[event.key];
  if (!act) return;
  event.preventDefault();
  if (!at && event.key !== "u") return void go(1); // nothing is decided before one stands somewhere
  Promise.resolve(act()).catch(report);
});

find("more")?.addEventListener("click", (event) => {
  event.preventDefault();
  more();
});

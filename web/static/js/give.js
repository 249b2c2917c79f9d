// A picture for other programs: on the clipboard, and by the share sheet of the browser where it has one.

import { API, full } from "./client.js";
import { several } from "./dom.js";
import { toast } from "./toast.js";

const MOST_PIXELS = 16_000_000; // of a PNG on the clipboard
const MOST_SHARED = 10; // pictures; browsers take no more, or no more megabytes

/** Put the picture itself on the clipboard: as PNG, which is all that clipboards take. */
export async function copyPicture(hit) {
  if (!navigator.clipboard?.write || typeof ClipboardItem === "undefined") {
    return toast("This browser copies pictures only from https or from this machine; Download saves the file");
  }
  const png = pngOf(hit);
  let lost = false;
  png.catch(() => (lost = true));
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]); // a promise: Safari waits for it
    return toast("The picture is on the clipboard");
  } catch (error) {
    if (lost) return toast("The picture cannot be read: its file may have been moved or deleted");
    return toast(error.name === "NotAllowedError" ? "The browser did not allow it; Download saves the file" : "The picture could not be copied; Download saves the file");
  }
}

async function pngOf(hit) {
  const image = new Image();
  image.src = hit.full ?? full(hit.image_id);
  await image.decode();
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (width * height)));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((done, failed) => canvas.toBlob((blob) => (blob ? done(blob) : failed(new Error("too large"))), "image/png"));
}

let ready = null; // files that were fetched after the browser had forgotten that somebody asked

/** Hand the originals to the share sheet. */
export async function share(hits) {
  if (hits.length > MOST_SHARED) return toast(`At most ${MOST_SHARED} pictures are shared at a time; Download makes a zip of more`);
  const key = hits.map((hit) => hit.image_id).join();
  try {
    const files = ready?.key === key ? ready.files : await Promise.all(hits.map(fileOf));
    ready = { key, files };
    if (!navigator.canShare({ files })) return toast("The browser does not share files of this type; Download saves them");
    await navigator.share({ files });
    ready = null;
  } catch (error) {
    if (error.name === "AbortError") return undefined; // the person thought better of it
    return toast(error.name === "NotAllowedError" ? `${several(hits.length, "picture")} ready: share once more` : error.message);
  }
  return undefined;
}

async function fileOf(hit) {
  const answer = await fetch(`${API}/pictures/${hit.image_id}/original`);
  if (!answer.ok) throw new Error(`${hit.name} cannot be read`);
  const content = await answer.blob();
  return new File([content], hit.name, { type: content.type });
}

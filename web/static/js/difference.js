// Where two pictures differ, drawn over one of them: it in dark grey, the difference in red, four times as strong.

const GAIN = 4;
const DIM = 0.35;

/** What an EXIF orientation asks of a viewer, as the canvas's matrix over a unit square. */
const TURNS = {
  1: [1, 0, 0, 1, 0, 0], 2: [-1, 0, 0, 1, 1, 0], 3: [-1, 0, 0, -1, 1, 1], 4: [1, 0, 0, -1, 0, 1],
  5: [0, 1, 1, 0, 0, 0], 6: [0, 1, -1, 0, 1, 0], 7: [0, -1, -1, 0, 1, 1], 8: [0, -1, 1, 0, 0, 1],
};

function grey(image, width, height, turn) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const [a, b, c, d, e, f] = TURNS[turn] ?? TURNS[1];
  context.setTransform(a * width, b * height, c * width, d * height, e * width, f * height);
  context.drawImage(image, 0, 0, 1, 1);
  const { data } = context.getImageData(0, 0, width, height);
  const found = new Float32Array(width * height);
  for (let at = 0; at < found.length; at += 1) found[at] = 0.299 * data[4 * at] + 0.587 * data[4 * at + 1] + 0.114 * data[4 * at + 2];
  return found;
}

/** A canvas in the shape of `first`: how far `second`, turned by an EXIF orientation, is from it. Both are loaded images. */
export function differenceOf(first, second, turn) {
  const [width, height] = [first.naturalWidth, first.naturalHeight];
  const one = grey(first, width, height, 1);
  const other = grey(second, width, height, turn);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const pixels = new ImageData(width, height);
  for (let at = 0; at < one.length; at += 1) {
    const away = GAIN * Math.abs(one[at] - other[at]);
    pixels.data.set([DIM * one[at] + away, DIM * one[at] - away / 2, DIM * one[at] - away / 2, 255], 4 * at);
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return canvas;
}

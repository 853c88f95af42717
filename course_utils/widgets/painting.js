// What the page paints: images, and the map of a plane with the codes of images on it.
"use strict";

// Ink on paper, which dark themes turn round.
function makePainter(model, decode) {
  const { side: SIDE, limit: LIMIT, tiles: TILES, centre: CENTRE, scale: SCALE } = model;
  const D = SIDE * SIDE;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const RAMP = new Uint32Array(256); // ink 0 to 255 as one little-endian RGBA number
  const THEMES = { light: [[255, 255, 255], [16, 18, 22]], dark: [[25, 30, 35], [250, 250, 250]] };
  const theme = () => (dark.matches ? "dark" : "light");
  const colour = (k) => model.classes[k][theme()];

  function setTheme() {
    const [paper, ink] = THEMES[theme()];
    for (let i = 0; i < 256; i++) {
      const [r, g, b] = paper.map((p, c) => Math.round(p + ((ink[c] - p) * i) / 255));
      RAMP[i] = (255 << 24) | (b << 16) | (g << 8) | r;
    }
  }

  // A function that puts the ink of one image, times a factor up to 255, on a context.
  function stamp(context) {
    const image = context.createImageData(SIDE, SIDE);
    const words = new Uint32Array(image.data.buffer);
    return (ink, scale, x = 0, y = 0) => {
      for (let i = 0; i < D; i++) words[i] = RAMP[Math.round(ink[i] * scale)];
      context.putImageData(image, x, y);
    };
  }

  function screen(canvas) {
    canvas.width = canvas.height = SIDE;
    return stamp(canvas.getContext("2d"));
  }

  // What lies under the marker. `shows` tells whether the images and the codes are to be seen.
  function makeMap(canvas, shows) {
    const codes =
      model.codes && { at: computed.halves(model.codes.at), label: computed.bytes(model.codes.label) };
    const tiles = document.createElement("canvas");
    tiles.width = tiles.height = TILES * SIDE;
    let size = 0; // of the map on the page, in its own pixels
    const across = (u) => ((Math.max(-LIMIT, Math.min(LIMIT, u)) + LIMIT) / (2 * LIMIT)) * size;

    // The decoded manifold, a few rows a frame so that the page answers at once.
    let row = TILES;
    function drawTiles() {
      const put = stamp(tiles.getContext("2d"));
      const end = performance.now() + 8;
      const at = (n) => LIMIT * ((2 * n + 1) / TILES - 1);
      while (row < TILES && performance.now() < end) {
        for (let column = 0; column < TILES; column++) {
          const z = [CENTRE[0] + SCALE[0] * at(column), CENTRE[1] - SCALE[1] * at(row)];
          put(decode(z), 255, column * SIDE, row * SIDE);
        }
        row += 1;
      }
      draw();
      if (row < TILES) requestAnimationFrame(drawTiles);
    }

    function drawCodes(context, paper) {
      const font = size / 48;
      context.font = `700 ${font}px system-ui, sans-serif`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.lineJoin = "round";
      context.lineWidth = font / 4;
      context.strokeStyle = `rgb(${paper})`;
      for (let n = 0; n < codes.label.length; n++) {
        const x = codes.at[2 * n], y = codes.at[2 * n + 1];
        if (Math.abs(x) > LIMIT || Math.abs(y) > LIMIT) continue;
        const kind = model.classes[codes.label[n]];
        context.fillStyle = colour(codes.label[n]);
        if (kind.mark) {
          context.strokeText(kind.mark, across(x), size - across(y)); // a rim of paper
          context.fillText(kind.mark, across(x), size - across(y));
        } else {
          context.beginPath();
          context.arc(across(x), size - across(y), font / 4, 0, 7);
          context.fill();
        }
      }
    }

    // One, two, three standard deviations of the prior.
    function drawCircles(context) {
      context.strokeStyle = `rgba(${dark.matches ? "255,255,255" : "0,0,0"},0.55)`;
      context.lineWidth = size / 420;
      context.setLineDash([size / 90, size / 90]);
      for (let radius = 1; radius <= LIMIT; radius++) {
        context.beginPath();
        context.arc(size / 2, size / 2, (radius / (2 * LIMIT)) * size, 0, 7);
        context.stroke();
      }
      context.setLineDash([]);
    }

    function draw() {
      const context = canvas.getContext("2d");
      const [paper] = THEMES[theme()];
      const withCodes = codes && shows.codes();
      const px = canvas.width / size; // of the canvas in one of the page
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.fillStyle = `rgb(${paper})`;
      context.fillRect(0, 0, canvas.width, canvas.height);
      if (shows.images()) {
        context.globalAlpha = withCodes ? 0.38 : 1;
        context.drawImage(tiles, 0, 0, canvas.width, canvas.height);
        context.globalAlpha = 1;
      }
      context.scale(px, px);
      if (withCodes) drawCodes(context, paper);
      if (model.prior) drawCircles(context);
    }

    return {
      hasCodes: Boolean(codes),
      across,
      draw,
      resize(to) {
        size = to;
        const sharp = Math.round(size * Math.min(3, window.devicePixelRatio || 1));
        if (canvas.width !== sharp) canvas.width = canvas.height = sharp;
        draw();
      },
      repaint() {
        const atRest = row >= TILES;
        row = 0; // a drawing that is under way starts over
        if (atRest) requestAnimationFrame(drawTiles);
      },
    };
  }

  return { dark, colour, setTheme, screen, makeMap };
}

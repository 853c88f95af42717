// The latent explorer as one page: what moves the code z, and what is seen of it.
// `export_html` of page.py puts model.js and this script into explorer.html, with the model as JSON;
// what it shares with the explorers in a notebook (`SHARED` of interface.py) comes with the model.
"use strict";

window.explorer = (() => {
  const model = JSON.parse(document.getElementById("model").textContent);
  const { latents: M, side: SIDE, limit: LIMIT, step: STEP } = model;
  const D = SIDE * SIDE;
  const { bytes, halves, length } = computed;
  const decode = computed.makeDecoder(model);
  const prior = computed.makePrior(model);
  const get = (id) => document.getElementById(id);
  const make = (tag, className = "", text = "") => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    element.textContent = text; // never as HTML: titles and labels are what they are
    return element;
  };
  const number = (value, digits = 2) => {
    const text = value.toFixed(digits);
    return /^-0\.?0*$/.test(text) ? text.slice(1) : text.replace("-", "\u2212");
  };
  const name = (m) => "z" + [...String(m + 1)].map((d) => "₀₁₂₃₄₅₆₇₈₉"[d]).join("");

  // --- colours: ink on paper, which dark themes turn round ---------------------------------------

  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const RAMP = new Uint32Array(256); // ink 0 to 255 as one little-endian RGBA number
  const THEMES = { light: [[255, 255, 255], [16, 18, 22]], dark: [[25, 30, 35], [250, 250, 250]] };

  function setTheme() {
    const [paper, ink] = THEMES[dark.matches ? "dark" : "light"];
    for (let i = 0; i < 256; i++) {
      const [r, g, b] = paper.map((p, c) => Math.round(p + ((ink[c] - p) * i) / 255));
      RAMP[i] = (255 << 24) | (b << 16) | (g << 8) | r;
    }
  }

  function screen(canvas) {
    canvas.width = canvas.height = SIDE;
    const context = canvas.getContext("2d");
    const image = context.createImageData(SIDE, SIDE);
    const words = new Uint32Array(image.data.buffer);
    return (ink, scale) => {
      for (let i = 0; i < D; i++) words[i] = RAMP[Math.round(ink[i] * scale)];
      context.putImageData(image, 0, 0);
    };
  }

  const showDecoded = screen(get("decoded"));
  const showOriginal = screen(get("original"));

  // --- the code z, and what changes it -----------------------------------------------------------

  const CENTRE = Float64Array.from(model.centre); // 0 and 1 where there is a prior
  const SCALE = Float64Array.from(model.scale);
  let z = CENTRE.slice();
  let shown = null; // the test image that was encoded last
  const past = []; // what undo goes back to
  let mover = null; // who moved z last: one gesture is one step back
  let movedAt = 0;
  let playing = null; // {m, phase}
  let framed = false;
  let drawn = 0; // frames, for whoever measures

  function remember(who) {
    const now = performance.now();
    if (who === null || who !== mover || now - movedAt > 1000) {
      past.push({ z: z.slice(), shown });
      if (past.length > 500) past.shift();
    }
    mover = who;
    movedAt = now;
  }

  function refresh() {
    if (framed) return;
    framed = true;
    requestAnimationFrame(frame);
  }

  function frame(time) {
    framed = false;
    if (playing) {
      const passed = Math.min(100, time - (playing.time ?? time));
      playing.time = time;
      playing.phase += (passed / 1000) * ((2 * Math.PI) / model.swing_seconds);
      z[playing.m] = CENTRE[playing.m] + SCALE[playing.m] * model.swing * Math.sin(playing.phase);
      refresh();
    }
    showDecoded(decode(z), 255);
    tell();
    drawn += 1;
  }

  function move(values, who = null) {
    remember(who);
    z = Float64Array.from(values);
    refresh();
  }

  function moveOne(m, value, who) {
    if (playing && playing.m === m) stop();
    const values = z.slice();
    values[m] = value;
    move(values, who);
  }

  function normal() {
    return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
  }

  function undo() {
    stop();
    const step = past.pop();
    if (!step) return;
    z = step.z;
    mover = null;
    beside(step.shown);
    refresh();
  }

  function stop() {
    playing = null;
    pressPlay();
  }

  function play(m) {
    if (playing && playing.m === m) {
      stop();
    } else {
      remember(null);
      const start = (z[m] - CENTRE[m]) / SCALE[m] / model.swing;
      playing = { m, phase: Math.asin(Math.min(1, Math.max(-1, start))) };
      pressPlay();
    }
    refresh();
  }

  // --- what is written -----------------------------------------------------------------------------

  const say = (element, text) => {
    if (element.firstChild?.data !== text) element.textContent = text;
  };
  const DENSITY = "log p(z), nats";
  const rows = new Map(); // of the list of figures

  function figure(term) {
    const value = make("dd");
    get("numbers").append(make("dt", "", term), value);
    rows.set(term, value);
  }

  let spoken = 0;
  function speak() {
    const place = pad ? `${name(0)} ${number(z[0])}, ${name(1)} ${number(z[1])}` : "";
    const radius = model.prior ? `, distance from the prior mean ${number(length(z))}` : "";
    say(get("spoken"), (place + radius).replace(/^, /, ""));
  }

  function tell() {
    get("undo").disabled = past.length === 0;
    if (pad) pad.place();
    for (const slider of sliders) slider.place();
    if (pad) {
      say(rows.get(name(0)), number(z[0]));
      say(rows.get(name(1)), number(z[1]));
    }
    const radius = length(z);
    say(rows.get("|z|"), number(radius));
    if (model.prior) {
      const share = prior.shareCloser(radius);
      say(rows.get(DENSITY), number(prior.logDensity(z), 1));
      const at = String((1000 * Math.min(radius, prior.far)) / prior.far);
      get("shell-at").setAttribute("x1", at);
      get("shell-at").setAttribute("x2", at);
      let where = model.where[1];
      if (radius < prior.typical[0]) where = model.where[0];
      if (radius > prior.typical[1]) where = model.where[2];
      const percent = number(Math.min(100, 100 * share), 0);
      say(get("shell-text"), `${where}: ${percent} % of the prior lies closer to 0`);
    }
    clearTimeout(spoken);
    spoken = setTimeout(speak, 600); // once it rests
  }

  // --- the plane ------------------------------------------------------------------------------------

  function makePad() {
    const element = get("pad");
    const marker = get("marker");
    const canvas = get("map");
    const TILES = model.tiles;
    let size = 0; // of the pad on the page, in its own pixels
    const tiles = document.createElement("canvas");
    tiles.width = tiles.height = TILES * SIDE;
    element.hidden = get("under").hidden = false;
    element.setAttribute("aria-label", `Latent plane, ${name(0)} across and ${name(1)} up`);

    const u = (m) => (z[m] - CENTRE[m]) / SCALE[m]; // prior standard deviations
    const inside = (value) => Math.max(-LIMIT, Math.min(LIMIT, value));
    const across = (value) => ((inside(value) + LIMIT) / (2 * LIMIT)) * size;

    function go(u0, u1, who) {
      stop();
      const values = [inside(u0), inside(u1)];
      move(values.map((value, m) => CENTRE[m] + SCALE[m] * value), who);
    }

    // The decoded manifold, a few rows a frame so that the page answers at once.
    let row = TILES;
    function drawTiles() {
      const context = tiles.getContext("2d");
      const image = context.createImageData(SIDE, SIDE);
      const words = new Uint32Array(image.data.buffer);
      const end = performance.now() + 8;
      while (row < TILES && performance.now() < end) {
        for (let column = 0; column < TILES; column++) {
          const at = (n) => LIMIT * ((2 * n + 1) / TILES - 1);
          const ink = decode([CENTRE[0] + SCALE[0] * at(column), CENTRE[1] - SCALE[1] * at(row)]);
          for (let i = 0; i < D; i++) words[i] = RAMP[Math.round(ink[i] * 255)];
          context.putImageData(image, column * SIDE, row * SIDE);
        }
        row += 1;
      }
      drawMap();
      if (row < TILES) requestAnimationFrame(drawTiles);
    }

    const codes = model.codes && { at: halves(model.codes.at), label: bytes(model.codes.label) };
    const colour = (k) => (dark.matches ? model.classes[k].dark : model.classes[k].light);

    function drawMap() {
      const context = canvas.getContext("2d");
      const [paper] = THEMES[dark.matches ? "dark" : "light"];
      const ink = dark.matches ? "255,255,255" : "0,0,0";
      const withImages = get("show-images").checked;
      const withCodes = codes && get("show-codes").checked;
      const px = canvas.width / size; // of the canvas in one of the page
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.fillStyle = `rgb(${paper})`;
      context.fillRect(0, 0, canvas.width, canvas.height);
      if (withImages) {
        context.globalAlpha = withCodes ? 0.38 : 1;
        context.drawImage(tiles, 0, 0, canvas.width, canvas.height);
        context.globalAlpha = 1;
      }
      context.scale(px, px);
      if (withCodes) {
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
      context.strokeStyle = `rgba(${ink},0.55)`;
      context.lineWidth = size / 420;
      if (model.prior) {
        context.setLineDash([size / 90, size / 90]);
        for (let radius = 1; radius <= LIMIT; radius++) { // one, two, three standard deviations
          context.beginPath();
          context.arc(size / 2, size / 2, (radius / (2 * LIMIT)) * size, 0, 7);
          context.stroke();
        }
        context.setLineDash([]);
      }
    }

    function resize() {
      size = element.clientWidth;
      const sharp = Math.round(size * Math.min(3, window.devicePixelRatio || 1));
      if (canvas.width !== sharp) canvas.width = canvas.height = sharp;
      drawMap();
      refresh();
    }

    function pointed(event) {
      const box = element.getBoundingClientRect();
      const x = (event.clientX - box.left - element.clientLeft) / size;
      const y = (event.clientY - box.top - element.clientTop) / size;
      go((2 * x - 1) * LIMIT, (1 - 2 * y) * LIMIT, element);
    }
    element.addEventListener("pointerdown", (event) => {
      if (!event.isPrimary || event.button > 0) return;
      event.preventDefault();
      element.focus({ preventScroll: true, focusVisible: false });
      element.setPointerCapture(event.pointerId);
      mover = null; // every press is a step of its own
      pointed(event);
    });
    element.addEventListener("pointermove", (event) => {
      if (element.hasPointerCapture(event.pointerId)) {
        movedAt = performance.now(); // also after a rest: it is the same press
        pointed(event);
      }
    });
    // Without this a quick flick is a fling to Chromium, which then swallows the next tap.
    element.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
    element.addEventListener("keydown", (event) => {
      const far = event.shiftKey ? 10 * STEP : 2 * STEP;
      const keys = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] };
      if (event.key in keys) go(u(0) + keys[event.key][0], u(1) + keys[event.key][1], "keys");
      else if (event.key === "Home") go(0, 0, null);
      else return;
      event.preventDefault();
    });
    for (const id of ["show-images", "show-codes"]) get(id).addEventListener("change", drawMap);
    new ResizeObserver(resize).observe(element);

    get("codes-label").hidden = !codes;
    return {
      place() {
        marker.style.transform = `translate(${across(u(0))}px, ${size - across(u(1))}px)`;
      },
      repaint() {
        for (const [k, item] of [...get("legend").children].entries()) item.style.color = colour(k);
        if (row >= TILES) {
          row = 0;
          requestAnimationFrame(drawTiles);
        } else {
          row = 0; // the drawing that is under way starts over
        }
      },
      legend() {
        if (!codes) return;
        for (const kind of model.classes) {
          get("legend").append(make("li", "", kind.mark ? kind.name : `● ${kind.name}`));
        }
      },
    };
  }

  // --- the sliders ------------------------------------------------------------------------------------

  const plays = new Map(); // m to its button

  function playButton(m, text = "") {
    const button = make("button", "play", text);
    button.type = "button";
    button.setAttribute("aria-label", `Play ${name(m)} to and fro`);
    button.setAttribute("aria-pressed", "false");
    button.addEventListener("click", () => play(m));
    plays.set(m, button);
    return button;
  }

  function pressPlay() {
    for (const [m, button] of plays) {
      button.setAttribute("aria-pressed", String(playing !== null && playing.m === m));
    }
  }

  function makeSlider(m) {
    const unused = model.kl !== null && model.kl[m] < model.unused;
    const unit = make("div", unused ? "unit unused" : "unit");
    const label = make("label", "name");
    label.append(make("b", "", name(m)));
    if (model.kl) label.append(unused ? "unused" : `KL ${number(model.kl[m])} nats`);
    const range = make("input");
    Object.assign(range, { type: "range", id: `slider-${m}`, min: -LIMIT, max: LIMIT, step: STEP });
    label.htmlFor = range.id;
    range.setAttribute("aria-label", label.textContent.replace(name(m), `${name(m)}, `).replace(/, $/, ""));
    const value = make("output");
    const row = make("div", "row");
    row.append(range, playButton(m));
    unit.append(label, value, row);
    range.addEventListener("pointerdown", () => (mover = null));
    range.addEventListener("input", () => moveOne(m, CENTRE[m] + SCALE[m] * range.valueAsNumber, range));
    let last = NaN;
    const place = () => {
      if (z[m] === last) return;
      last = z[m];
      const at = (last - CENTRE[m]) / SCALE[m];
      const text = number(last);
      // While the reader moves it, it already stands where it should.
      if (Math.abs(range.valueAsNumber - at) > STEP / 2 + 1e-9) range.value = at;
      const share = (Math.max(-LIMIT, Math.min(LIMIT, at)) + LIMIT) / (2 * LIMIT);
      range.style.setProperty("--at", `${(100 * share).toFixed(1)}%`);
      range.setAttribute("aria-valuetext", text);
      say(value, text);
    };
    return { m, unit, place, unused };
  }

  function makeSliders() {
    const all = model.order.map(makeSlider);
    const used = all.filter((slider) => !slider.unused);
    const room = used.length < M || M > model.in_front ? model.in_front - 2 : M; // one row to fold
    const front = used.slice(0, room);
    if (!front.length) front.push(...all.slice(0, 2));
    const folded = all.filter((slider) => !front.includes(slider));
    const grid = (list) => {
      const box = make("div", "grid");
      const tall = list.length > 8 ? Math.ceil(list.length / 2) : list.length;
      if (tall === list.length) box.style.gridTemplateColumns = "1fr";
      box.style.gridTemplateRows = `repeat(${tall}, auto)`; // down the left column first
      box.append(...list.map((slider) => slider.unit));
      return box;
    };
    const box = get("sliders");
    box.hidden = false;
    box.append(grid(front));
    if (folded.length) {
      const unused = folded.filter((slider) => slider.unused).length;
      const fold = make("details");
      const units = folded.length === 1 ? "unit" : "units";
      let text = `${folded.length} more ${units}`;
      if (unused === folded.length) text = `${unused} unused ${units}: the decoder hardly sees them`;
      else if (unused) text += `, ${unused} of them unused`;
      fold.append(make("summary", "", text), grid(folded));
      box.append(fold);
    }
    return all;
  }

  // --- test images ------------------------------------------------------------------------------------

  const blank = new Uint8Array(D);
  const images = model.images.map((image) => ({ ...image, ink: bytes(image.pixels) }));

  function beside(number) {
    shown = number;
    for (const [n, button] of [...get("digits").children].entries()) {
      button.setAttribute("aria-pressed", String(n === number));
    }
    const image = images[number];
    get("beside").hidden = images.length === 0;
    get("beside").className = image ? "" : "empty";
    showOriginal(image ? image.ink : blank, 1);
    let text = "encode one below";
    if (image) text = image.label === null ? "the original" : `the original: ${image.label}`;
    say(get("caption"), text);
    get("original").setAttribute("aria-label", text);
  }

  function encode(number) {
    stop();
    move(images[number].code);
    beside(number);
  }

  const thumbnails = images.map((image, n) => {
    const button = make("button");
    const canvas = make("canvas");
    button.type = "button";
    const label = image.label === null ? String(n + 1) : image.label;
    button.setAttribute("aria-label", `Encode test image ${label}`);
    button.setAttribute("aria-pressed", "false");
    button.append(canvas);
    button.addEventListener("click", () => encode(n));
    get("digits").append(button);
    const show = screen(canvas);
    return () => show(image.ink, 1);
  });

  // --- all together -----------------------------------------------------------------------------------

  const planar = M === 2;
  const pad = planar ? makePad() : null;
  const sliders = planar ? [] : makeSliders();
  get("main").classList.add(planar ? "plane" : "many");
  get("hint").textContent = planar
    ? "drag on the map, or use the arrow keys"
    : model.kl
      ? "units in the order of their average KL"
      : "one slider for each latent unit";
  if (planar) {
    pad.legend();
    figure(name(0));
    figure(name(1));
    get("buttons").append(playButton(0, name(0)), playButton(1, name(1)));
  }
  figure("|z|");
  if (model.prior) {
    figure(DENSITY);
    get("shell").hidden = false;
    get("shell-all").setAttribute("d", prior.area(0, prior.far));
    get("shell-typical").setAttribute("d", prior.area(...prior.typical));
    const share = number(100 * (model.typical[1] - model.typical[0]), 0);
    get("shell-range").textContent =
      `shaded: ${share} % of draws, |z| from ${number(prior.typical[0])} to ${number(prior.typical[1])}`;
  } else {
    get("hint").textContent += "; this model has no prior";
    get("reset").textContent = "mean code";
    get("random").textContent = "random code";
  }
  get("encode").hidden = images.length === 0;
  function leap(code) {
    stop();
    move(code);
    beside(null);
  }
  get("reset").addEventListener("click", () => leap(CENTRE));
  get("random").addEventListener("click", () => leap(CENTRE.map((c, m) => c + SCALE[m] * normal())));
  get("undo").addEventListener("click", undo);
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z") {
      event.preventDefault();
      undo();
    }
  });

  function repaint() {
    setTheme();
    for (const show of thumbnails) show();
    beside(shown);
    if (pad) pad.repaint();
    refresh();
  }
  dark.addEventListener("change", repaint);
  repaint();

  return {
    decode: (code) => Array.from(decode(code)),
    share_closer: prior.shareCloser,
    get z() { return Array.from(z); },
    set z(code) { move(code); },
    get frames() { return drawn; },
  };
})();

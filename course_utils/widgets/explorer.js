// The latent explorer as one page: what moves the code z, and what is seen of it.
// `export_html` of page.py puts model.js, painting.js and this script into explorer.html, with the
// model as JSON; what it shares with the explorers in a notebook (`SHARED` of interface.py) comes
// with the model.
"use strict";

window.explorer = (() => {
  const model = JSON.parse(document.getElementById("model").textContent);
  const { latents: M, side: SIDE, limit: LIMIT, step: STEP } = model;
  const D = SIDE * SIDE;
  const { bytes, length } = computed;
  const decode = computed.makeDecoder(model);
  const prior = computed.makePrior(model);
  const painter = makePainter(model, decode);
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

  const showDecoded = painter.screen(get("decoded"));
  const showOriginal = painter.screen(get("original"));

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
    const shows = { images: () => get("show-images").checked, codes: () => get("show-codes").checked };
    const map = painter.makeMap(get("map"), shows);
    let size = 0; // of the pad on the page, in its own pixels
    element.hidden = get("under").hidden = false;
    element.setAttribute("aria-label", `Latent plane, ${name(0)} across and ${name(1)} up`);

    const u = (m) => (z[m] - CENTRE[m]) / SCALE[m]; // prior standard deviations
    const inside = (value) => Math.max(-LIMIT, Math.min(LIMIT, value));

    function go(u0, u1, who) {
      stop();
      const values = [inside(u0), inside(u1)];
      move(values.map((value, m) => CENTRE[m] + SCALE[m] * value), who);
    }

    function resize() {
      size = element.clientWidth;
      map.resize(size);
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
    for (const id of ["show-images", "show-codes"]) get(id).addEventListener("change", map.draw);
    new ResizeObserver(resize).observe(element);

    get("codes-label").hidden = !map.hasCodes;
    return {
      place() {
        const x = map.across(u(0)), y = size - map.across(u(1));
        marker.style.transform = `translate(${x}px, ${y}px)`;
      },
      repaint() {
        const items = [...get("legend").children];
        for (const [k, item] of items.entries()) item.style.color = painter.colour(k);
        map.repaint();
      },
      legend() {
        if (!map.hasCodes) return;
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
    const show = painter.screen(canvas);
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
    painter.setTheme();
    for (const show of thumbnails) show();
    beside(shown);
    if (pad) pad.repaint();
    refresh();
  }
  // A list of its own: who reads `matches` before Chromium reports the change keeps it from doing so.
  window.matchMedia(painter.dark.media).addEventListener("change", repaint);
  repaint();

  return {
    decode: (code) => Array.from(decode(code)),
    share_closer: prior.shareCloser,
    get z() { return Array.from(z); },
    set z(code) { move(code); },
    get frames() { return drawn; },
  };
})();

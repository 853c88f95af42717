// Draw the formulas, let each slide's type be as large as it may, and begin.

// Type sizes in pixels of a slide of 1280 × 720, from the largest to the smallest.
const STEPS = 12;
const SIZES = { "--text": [36, 22], "--code": [24, 18], "--formula": [36, 24] };
const BESIDE_A_FIGURE = { "--text": [32, 24] };

const larger = (part) =>
  part.scrollHeight > part.clientHeight + 2 || part.scrollWidth > part.clientWidth + 1;

const tooLarge = (slide) => {
  const edge = slide.getBoundingClientRect().right - 50;
  const formulas = [...slide.querySelectorAll("mjx-container > svg, table")];
  const body = slide.querySelector(".body"), inner = body.getBoundingClientRect();
  const beyond = (part) => {  // what is centred and too high stands out above, too
    const at = part.getBoundingClientRect();
    return at.top < inner.top - 2 || at.bottom > inner.bottom + 2;
  };
  return (
    [slide, ...slide.querySelectorAll("pre")].some(larger) ||
    [...body.children].some(beyond) ||
    formulas.some((formula) => formula.getBoundingClientRect().right > edge)
  );
};

const set = (slide, sizes, step) => {
  for (const [name, [most, least]] of Object.entries(sizes))
    slide.style.setProperty(name, `${most + ((least - most) * step) / STEPS}px`);
};

// Lines of code and formulas first, if only they are too long; then everything, until it has room.
const fit = (slide) => {
  const sizes = { ...SIZES, ...(slide.querySelector(".picture") ? BESIDE_A_FIGURE : {}) };
  const edge = slide.getBoundingClientRect().right - 50;
  const long = {
    "--code": () => [...slide.querySelectorAll("pre")].some((pre) => pre.scrollWidth > pre.clientWidth + 1),
    "--formula": () => [...slide.querySelectorAll("mjx-container > svg")].some(
      (svg) => svg.getBoundingClientRect().right > edge
    ),
  };
  const least = {};
  set(slide, sizes, 0);
  for (const [name, isLong] of Object.entries(long)) {
    least[name] = 0;
    while (least[name] < STEPS && isLong()) set(slide, { [name]: sizes[name] }, ++least[name]);
  }
  for (let step = 0; step <= STEPS; step++) {
    for (const name of Object.keys(sizes))
      set(slide, { [name]: sizes[name] }, Math.max(step, least[name] || 0));
    slide.dataset.step = step;
    if (!tooLarge(slide)) return;
  }
  slide.dataset.tooLarge = "yes";
};

const begin = async () => {
  await MathJax.startup.promise;
  await MathJax.typesetPromise([document.querySelector(".slides")]);
  document.querySelectorAll(".notes mjx-assistive-mml").forEach((double) => double.remove());
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
  document.querySelectorAll(".slide").forEach(fit);
  document.body.classList.remove("measuring");
  const deck = new Reveal({
    width: 1280, height: 720, margin: 0, minScale: 0.1, maxScale: 4, center: false,
    hash: true, slideNumber: "c/t", transition: "none", backgroundTransition: "none",
    navigationMode: "default", pdfSeparateFragments: false, plugins: [RevealNotes],
  });
  await deck.initialize();
  window.deck = deck;
  document.body.dataset.ready = "yes";
};

addEventListener("load", begin);

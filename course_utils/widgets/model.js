// What the page computes of the model: its decoder, and the prior of its codes.
"use strict";

const computed = (() => {
  // --- numbers that travel as base64 -----------------------------------------------------------

  function bytes(text) {
    const raw = atob(text);
    const out = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out;
  }

  // Half precision, little-endian: 1 bit sign, 5 bits exponent, 10 bits fraction.
  function halves(text) {
    const raw = bytes(text);
    const out = new Float32Array(raw.length / 2);
    for (let i = 0; i < out.length; i++) {
      const bits = raw[2 * i] | (raw[2 * i + 1] << 8);
      const exponent = (bits >> 10) & 31;
      const fraction = bits & 1023;
      const size = exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24;
      out[i] = bits & 32768 ? -size : size;
    }
    return out;
  }

  // --- the decoder -----------------------------------------------------------------------------

  // Each layer is a function from its input to an array that it owns and overwrites.
  const LAYERS = {
    // y_j = b_j + sum_i x_i W_ij. A unit that ReLU has put to zero costs nothing.
    linear({ inputs, outputs, weight, bias }) {
      const w = halves(weight);
      const b = halves(bias);
      const y = new Float32Array(outputs);
      return (x) => {
        y.set(b);
        for (let i = 0; i < inputs; i++) {
          const a = x[i];
          if (a === 0) continue;
          for (let j = 0, k = i * outputs; j < outputs; j++, k++) y[j] += a * w[k];
        }
        return y;
      };
    },
    relu() {
      return (x) => {
        for (let i = 0; i < x.length; i++) if (!(x[i] > 0)) x[i] = 0;
        return x;
      };
    },
    tanh() {
      return (x) => {
        for (let i = 0; i < x.length; i++) x[i] = Math.tanh(x[i]);
        return x;
      };
    },
    // Each input pixel adds its kernel, times its value, to the output. Sizes are (rows, columns).
    transposed({ channels: [cIn, cOut], from: [h, w], to: [H, W], kernel, stride, padding, weight, bias }) {
      const k = halves(weight); // (cIn, cOut, kernel rows, kernel columns)
      const b = halves(bias);
      const [kh, kw] = kernel;
      const y = new Float32Array(cOut * H * W);
      return (x) => {
        for (let c = 0; c < cOut; c++) y.fill(b[c], c * H * W, (c + 1) * H * W);
        for (let c = 0, i = 0; c < cIn; c++) {
          for (let row = 0; row < h; row++) {
            for (let column = 0; column < w; column++, i++) {
              const a = x[i];
              if (a === 0) continue;
              const top = row * stride[0] - padding[0];
              const left = column * stride[1] - padding[1];
              const r0 = Math.max(0, -top), r1 = Math.min(kh, H - top);
              const s0 = Math.max(0, -left), s1 = Math.min(kw, W - left);
              for (let o = 0; o < cOut; o++) {
                for (let r = r0; r < r1; r++) {
                  const at = (o * H + top + r) * W + left;
                  const from = ((c * cOut + o) * kh + r) * kw;
                  for (let s = s0; s < s1; s++) y[at + s] += a * k[from + s];
                }
              }
            }
          }
        }
        return y;
      };
    },
  };

  // E[x|z] as `decode_mean` of the model, from 0 (paper) to 1 (ink), in an array used again.
  function makeDecoder(model) {
    const layers = model.layers.map((layer) => LAYERS[layer.kind](layer));
    const input = new Float32Array(model.latents);
    const pixels = new Float32Array(model.side * model.side);
    return (z) => {
      input.set(z);
      let x = input;
      for (const layer of layers) x = layer(x);
      if (model.output === "sigmoid") {
        for (let i = 0; i < pixels.length; i++) pixels[i] = 1 / (1 + Math.exp(-x[i]));
      } else {
        for (let i = 0; i < pixels.length; i++) pixels[i] = Math.min(1, Math.max(0, x[i]));
      }
      return pixels;
    };
  }

  // --- the prior: log density, and how far from 0 its draws lie (the chi distribution) -----------

  const length = (v) => Math.sqrt(v.reduce((sum, a) => sum + a * a, 0));

  function makePrior({ latents: M, typical }) {
    const FAR = Math.sqrt(M) + 4;
    const CELLS = 2000;
    const density = new Float64Array(CELLS + 1); // of |z|, greatest value 1
    const closer = new Float64Array(CELLS + 1); // its integral: the share of draws closer to 0
    const atRadius = (i) => (i * FAR) / CELLS;
    const mode = Math.sqrt(M - 1);
    const log = (r) => (M === 1 ? 0 : (M - 1) * Math.log(r)) - (r * r) / 2;
    for (let i = 0; i <= CELLS; i++) density[i] = Math.exp(log(atRadius(i)) - log(mode));
    for (let i = 1; i <= CELLS; i++) closer[i] = closer[i - 1] + density[i] + density[i - 1];
    for (let i = 0; i <= CELLS; i++) closer[i] /= closer[CELLS];

    return {
      far: FAR, // nothing farther out is drawn
      // |z| between which a code is typical
      typical: typical.map((share) => atRadius(closer.findIndex((c) => c >= share))),
      logDensity: (v) => -0.5 * (M * Math.log(2 * Math.PI) + v.reduce((sum, a) => sum + a * a, 0)),
      shareCloser(radius) {
        const place = Math.min(CELLS, (radius / FAR) * CELLS);
        const i = Math.min(CELLS - 1, Math.floor(place));
        return closer[i] + (place - i) * (closer[i + 1] - closer[i]);
      },
      // The area under the density of |z|, as a path in a box of 1000 by 100.
      area(from, to) {
        const x = (r) => ((1000 * r) / FAR).toFixed(1);
        let path = `M${x(from)} 100`;
        for (let n = 0; n <= 120; n++) {
          const r = from + ((to - from) * n) / 120;
          path += `L${x(r)} ${(100 - 94 * density[Math.round((r / FAR) * CELLS)]).toFixed(1)}`;
        }
        return path + `L${x(to)} 100Z`;
      },
    };
  }

  return { bytes, halves, length, makeDecoder, makePrior };
})();
